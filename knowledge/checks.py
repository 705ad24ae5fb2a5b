"""What a person should read again in the catalogue: one :class:`Finding` a doubt, never a change."""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Literal

from knowledge.facts import end_dates
from knowledge.model import Channel, Procedure, Strict

SOON = dt.timedelta(days=60)
_OLD_AGENCY = re.compile(
    r"cấp huyện|(?<!Công )(?:UBND|Ủy ban nhân dân) (?:quận|huyện|thị xã)|Bộ Lao động|Lao động - Thương binh"
    r"|Bộ Thông tin và Truyền thông|Bộ Kế hoạch và Đầu tư|Bộ Giao thông vận tải|Bộ Tài nguyên và Môi trường",
    re.I,
)


class Finding(Strict):
    """One doubt about one field of one procedure."""

    kind: str
    severity: Literal["error", "warning", "info"]
    code: str
    field: str
    reason: str


def check(procedures: Iterable[Procedure], today: dt.date | None = None) -> Iterator[Finding]:
    """Findings procedure by procedure, then twins (same name and level) across the catalogue."""
    today = today or dt.date.today()
    names: dict[tuple[str, tuple[str, ...]], list[str]] = defaultdict(list)
    for procedure in procedures:
        names[procedure.name.lower(), tuple(procedure.levels)].append(procedure.code)
        yield from _one(procedure, today)
    for (name, _), codes in names.items():
        for code in codes if len(codes) > 1 else ():
            others = ", ".join(c for c in codes if c != code)
            yield Finding(
                kind="same-name", severity="info", code=code, field="name", reason=f"“{name}” is also {others}"
            )


def _one(p: Procedure, today: dt.date) -> Iterator[Finding]:
    def found(kind: str, severity: Literal["error", "warning", "info"], field: str, reason: str) -> Finding:
        return Finding(kind=kind, severity=severity, code=p.code, field=field, reason=reason)

    if not p.methods:
        yield found("no-method", "error", "methods", "no way of handing in is given")
    if not p.documents:
        yield found("no-documents", "warning", "documents", "no paper is listed")
    if p.full_online and not p.online:
        yield found("online-flag", "warning", "full_online", "flagged toàn trình, yet no online method")
    for i, method in enumerate(p.methods):
        at = f"methods[{i}]"
        if not method.limits and not method.limit_note:
            yield found("no-limit", "info", f"{at}.limits", f"{method.channel}: no time limit; read the steps")
        if any(limit.basis == "stored_maximum" for limit in method.limits):
            yield found(
                "land-limit", "warning", f"{at}.limits", "the stored limit is a maximum over cases and communes"
            )
        for j, fee in enumerate(method.fees):
            ends = ([fee.until] if fee.until else []) + end_dates(fee.when)
            if any(e < today for e in ends):
                yield found("fee-expired", "error", f"{at}.fees[{j}]", f"a clause ended on {min(ends):%d/%m/%Y}")
            elif any(e <= today + SOON for e in ends):
                yield found("fee-expiring", "warning", f"{at}.fees[{j}]", f"a clause ends on {min(ends):%d/%m/%Y}")
            if fee.amount is None and not fee.free and not fee.when:
                yield found("fee-unknown", "info", f"{at}.fees[{j}]", "no amount and no words")
    amounts = {m.channel: {f.amount for f in m.fees if f.amount} for m in p.methods}
    online, direct = amounts.get(Channel.ONLINE), amounts.get(Channel.DIRECT)
    if online and direct and min(online) > min(direct):
        yield found("fee-online-higher", "warning", "methods", "online costs more than at the counter; likely an error")
    for field in ("agency", "receiver", "requirements"):
        if match := _OLD_AGENCY.search(getattr(p, field)):
            yield found("old-agency", "warning", field, f"names “{match[0]}”, which no longer exists")
    if match := _OLD_AGENCY.search("\n".join(p.steps)):
        yield found("old-agency", "info", "steps", f"names “{match[0]}”, which no longer exists")
