"""A procedure's facts, laid out for people: one aspect at a time, short first, whole behind "Xem đầy đủ".

Every function is pure: a :class:`~knowledge.model.Procedure` in, text out. Nothing is said that the record does not
hold, and what is shortened says so.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable

from bot.reply import shorten
from bot.texts import text
from knowledge.model import Channel, Document, Fee, Level, Method, Procedure, Role, TimeLimit, Unit
from knowledge.rescues import Contacts

LINE = 150
LINES = 12
CASES = 4
FULL = 9000


def title_of(p: Procedure) -> str:
    """How a procedure is called in a conversation."""
    return p.short_name or shorten(p.name, 120)


def heading(p: Procedure) -> str:
    """Lay name, official name where it differs, code."""
    lines = [text("title", name=title_of(p))]
    if p.name != title_of(p):
        lines.append(text("official", name=p.name))
    lines.append(text("code", code=p.code))
    return "\n".join(lines)


def source(p: Procedure) -> str:
    """Source, date and address; ends every answer."""
    date = f"{(p.updated_on or p.checked_on):%d/%m/%Y}"
    checked = f"{p.checked_on:%d/%m/%Y}"
    line = text("source", date=date) if date == checked else text("source_checked", date=date, checked=checked)
    return f"{line}\n{p.url}" if p.url else line


# -- documents -------------------------------------------------------------------------------------------------------


def paper(d: Document, whole: bool = True) -> str:
    """One paper: its name, how many originals and copies, its form."""
    parts = []
    if d.originals:
        parts.append(text("copies_original", n=d.originals))
    if d.copies:
        parts.append(text("copies_copy", n=d.copies))
    if d.form and d.form.lower() not in d.name.lower():
        parts.append(text("form_name", form=d.form if whole else shorten(d.form, 60)))
    name = d.name if whole else shorten(d.name, LINE)
    return name + (f" ({'; '.join(parts)})" if parts else "")


def documents_of(p: Procedure, case: str | None = None) -> list[Document]:
    """Papers of one case (those of every case included), or all papers."""
    return [d for d in p.documents if case is None or not d.case or d.case == case]


def documents(p: Procedure, *, case: str | None = None, whole: bool = False) -> str:
    """Papers: by case, handed in apart from shown, what the state already holds apart, remarks last."""
    papers = documents_of(p, case)
    if not papers:
        return text("documents_none")
    blocks: list[tuple[str, list[Document]]] = []
    for name in dict.fromkeys(d.case for d in papers):
        own = [d for d in papers if d.case == name]
        submit = [d for d in own if d.role is Role.SUBMIT and not d.in_database]
        present = [d for d in own if d.role is Role.PRESENT and not d.in_database]
        have = [d for d in own if d.in_database and d.role is not Role.NOTE]
        notes = [d for d in own if d.role is Role.NOTE]
        label = text("documents_case", case=name if whole else shorten(name, LINE)) if name else ""
        for head, group in (
            ("documents_submit", submit), ("documents_present", present), ("documents_have", have),
            ("documents_notes", notes),
        ):  # fmt: skip
            if group:
                blocks.append(((label + "\n" if label else "") + text(head), group))
                label = ""
    lines, shown, total, cut = [text("documents")], 0, sum(len(g) for _, g in blocks), False
    for head, group in blocks:
        if not whole and shown >= LINES:
            break
        lines.append(head)
        for d in group:
            if not whole and shown >= LINES:
                break
            line = f"• {paper(d, whole)}"
            cut = cut or "…" in line
            lines.append(line)
            shown += 1
    if shown < total:
        lines.append(text("documents_more", n=total - shown))
    elif cut:
        lines.append(text("documents_cut"))
    return "\n".join(lines)


def is_cut(answer: str) -> bool:
    """Whether an answer was shortened, so that "Xem đầy đủ" belongs under it."""
    return "…" in answer


# -- fees and limits -------------------------------------------------------------------------------------------------


def _by_channel(p: Procedure) -> list[Method]:
    """One method a channel: records that list a channel several times (a case each) are put together."""
    merged: dict[Channel, Method] = {}
    for method in p.methods:
        before = merged.get(method.channel)
        if before is None:
            merged[method.channel] = method
            continue
        merged[method.channel] = before.model_copy(
            update={
                "limits": tuple(dict.fromkeys(before.limits + method.limits)),
                "fees": tuple(dict.fromkeys(before.fees + method.fees)),
                "limit_note": "\n".join(dict.fromkeys(t for t in (before.limit_note, method.limit_note) if t)),
            }
        )
    return list(merged.values())


def _channel_groups(p: Procedure, key: Callable[[Method], object]) -> list[tuple[str, Method]]:
    groups: dict[object, list[Method]] = {}
    methods = _by_channel(p)
    for method in methods:
        groups.setdefault(key(method), []).append(method)
    named = []
    for alike in groups.values():
        whole = len(alike) == len(methods) > 1
        label = text("channel_all") if whole else ", ".join(text(f"channel_{m.channel}") for m in alike)
        named.append((label, alike[0]))
    return named


def money(fee: Fee) -> str:
    """An amount as people write it: ``8.000 đồng``."""
    if fee.amount is None:
        return text("fee_free") if fee.free else ""
    return f"{fee.amount:,}".replace(",", ".") + (" USD" if fee.currency == "USD" else " đồng")


def fee_line(fee: Fee, whole: bool, today: dt.date) -> str:
    """One fee: amount, kind, condition. A clause that has ended since the import is not shown as a fee."""
    words = fee.when if whole else shorten(fee.when, LINE)
    if fee.until and fee.until < today:
        return ""
    amount = money(fee)
    if not amount:
        return text("fee_words", words=words) if words else ""
    line = amount if fee.free else f"{text(f'fee_kind_{fee.kind}')} {amount}"
    until = f" ({text('fee_until', date=f'{fee.until:%d/%m/%Y}')})" if fee.until else ""
    return line + until + (f": {words}" if words else "")


def fees(p: Procedure, *, whole: bool = False, today: dt.date | None = None) -> str:
    """Fees by way of handing in."""
    today = today or dt.date.today()
    lines = [text("fee")]
    for label, method in _channel_groups(p, lambda m: m.fees):
        own = [line for fee in method.fees if (line := fee_line(fee, whole, today))] or [text("fee_unknown")]
        lines += [f"{label}: {own[0]}"] if len(own) == 1 else [f"{label}:", *(f"• {line}" for line in own)]
    return "\n".join(lines if len(lines) > 1 else [*lines, text("fee_unknown")])


def limit_line(limit: TimeLimit, whole: bool = True) -> str:
    """``tối đa 7 ngày làm việc``, with its condition."""
    value = f"{limit.value:g}".replace(".", ",")
    line = text("limit_at_most", value=value, unit=text(f"unit_{limit.unit}"))
    basis = text("limit_mountain" if limit.basis == "mountain" else "limit_maximum") if limit.basis else ""
    when = limit.when if whole else shorten(limit.when, LINE)
    return ": ".join([line, "; ".join(x for x in (when, basis) if x)]) if when or basis else line


def method_notes(p: Procedure) -> list[str]:
    """What the record says about ways of handing in, each with its channel unless it holds for all."""
    notes = dict.fromkeys((m.note, m.channel) for m in p.methods if m.note)
    if len({note for note, _ in notes}) == 1:
        return [next(iter(notes))[0]]
    return [f"{text(f'channel_{channel}')}: {note}" for note, channel in notes]


def limits(p: Procedure, *, whole: bool = False, notes: bool = True) -> str:
    """Time limits by way of handing in, and how they count; with ``whole`` and ``notes`` also :func:`method_notes`."""
    lines = [text("limit")]
    known = False
    for label, method in _channel_groups(p, lambda m: (m.limits, m.limit_note)):
        own = [limit_line(limit, whole) for limit in method.limits]
        known = known or any(limit.unit is not Unit.HOUR for limit in method.limits)
        if method.limit_note:
            own.append(method.limit_note if whole else shorten(method.limit_note, LINE * 2))
        own = own or [text("limit_unknown")]
        lines += [f"{label}: {own[0]}"] if len(own) == 1 else [f"{label}:", *(f"• {line}" for line in own)]
    if len(lines) == 1:
        lines.append(text("limit_unknown"))
    if known:
        lines.append(text("limit_counting"))
    if whole and notes:
        lines += method_notes(p)
    return "\n".join(lines)


# -- the other aspects -----------------------------------------------------------------------------------------------


def place(p: Procedure) -> str:
    """Where to hand in, as far as the record says."""
    if p.receiver:
        return p.receiver
    if p.agency.lower().startswith("công an"):
        return p.agency
    if Level.COMMUNE in p.levels:
        return text("where_commune")
    return text("where_province") if Level.PROVINCE in p.levels else p.agency


def where(p: Procedure, contacts: Contacts, *, portal: str = "") -> str:
    """Where to hand in, who settles it, and the addresses of the provincial centres."""
    lines = [text("where")]
    if found := place(p):
        lines.append(text("where_receiver", place=found))
        if Level.COMMUNE in p.levels or Level.PROVINCE in p.levels:
            if not p.agency.lower().startswith("công an") and found != text("where_commune"):
                lines.append(contacts.province_wide)
            if Level.PROVINCE in p.levels:
                lines += [text("where_centre", address=c.address) for c in contacts.centres]
    if p.agency and p.agency != found:
        lines.append(text("where_agency", place=p.agency))
    if p.online and portal:
        lines.append(text("where_online", place=portal))
    return "\n".join(lines if len(lines) > 1 else [*lines, text("where_unknown")])


def who(p: Procedure, *, whole: bool = False) -> str:
    """Who may file, and the conditions."""
    lines = [text("who"), *(f"• {a}" for a in p.applicants)]
    if p.requirements:
        lines += [text("who_requirements"), p.requirements if whole else shorten(p.requirements, LINE * 4)]
    return "\n".join(lines if len(lines) > 1 else [*lines, text("who_unknown")])


def steps(p: Procedure, *, whole: bool = False) -> str:
    """What happens in order, as the record tells it."""
    lines = [line for step in p.steps for line in step.split("\n") if line.strip()]
    if not lines:
        return text("steps_unknown")
    shown = lines if whole else [shorten(line, LINE * 2) for line in lines[:7]]
    if len(shown) < len(lines):
        shown.append(text("documents_more", n=len(lines) - len(shown)))
    if p.source == "seed" or (len(p.steps) > 1 and all("\n" not in s for s in p.steps)):
        shown = [line if line.startswith("…") else f"{i}. {line}" for i, line in enumerate(shown, 1)]
    return "\n".join([text("steps"), *shown])


def online(p: Procedure, *, portal: str = "") -> str:
    """Whether it can be filed online."""
    if not p.online:
        return text("online_none")
    answer = text("online_full" if p.full_online else "online_part")
    return f"{answer}\n{text('where_online', place=portal)}" if portal else answer


def forms(p: Procedure) -> str:
    """Official forms."""
    named = [d for d in p.documents if d.form]
    if not named:
        return text("forms_none")
    lines = [f"• {d.form}" + (f" ({d.case})" if d.case else "") for d in named]
    return "\n".join([text("forms"), *dict.fromkeys(lines), *([text("forms_where", url=p.url)] if p.url else [])])


def results(p: Procedure) -> str:
    """What one gets."""
    return "\n".join([text("result"), *(f"• {r}" for r in p.results)] if p.results else [text("result_unknown")])


def laws(p: Procedure) -> str:
    """Legal basis."""
    lines = [
        f"• {law.title} ({law.number})" if law.title and law.number else f"• {law.title or law.number}"
        for law in p.laws
    ]
    return "\n".join([text("laws"), *lines] if lines else [text("laws_unknown")])


# -- overview and whole ----------------------------------------------------------------------------------------------


def _short_fee(p: Procedure, today: dt.date) -> str:
    current = {
        tuple(money(f) for f in m.fees if money(f) and not (f.until and f.until < today)) for m in _by_channel(p)
    }  # fmt: skip
    if len(current) > 1:
        return text("overview_fee_differs")
    if amounts := next(iter(current), ()):
        return " / ".join(dict.fromkeys(amounts)) if len(amounts) < 3 else text("overview_depends_fee")
    words = {f.when for m in p.methods for f in m.fees if f.when}
    return shorten(next(iter(words)), 100) if len(words) == 1 else text("overview_unknown")


def _short_limit(p: Procedure) -> str:
    found = list(dict.fromkeys(limit_line(x, whole=False) for m in _by_channel(p) for x in m.limits))
    if len(found) == 1:
        return found[0]
    if found:
        return text("overview_depends_limit")
    notes = list(dict.fromkeys(m.limit_note for m in p.methods if m.limit_note))
    return shorten(notes[0], LINE) if notes else text("overview_unknown")


def _short_documents(p: Procedure) -> str:
    if len(p.cases) > 1:
        return text("overview_documents_cases", n=len(p.cases))
    papers = [d for d in p.documents if d.role is not Role.NOTE and not d.in_database] or list(p.documents)
    if not papers:
        return text("overview_documents", list=text("overview_unknown"))
    names = [shorten(d.name, 70) for d in papers[:3]]
    rest = f" +{len(papers) - 3}" if len(papers) > 3 else ""
    return text("overview_documents", list="; ".join(names) + rest)


def overview(p: Procedure, *, today: dt.date | None = None) -> str:
    """The card of a procedure: what it is for and its facts, a line each."""
    today = today or dt.date.today()
    lines = [
        _short_documents(p),
        text("overview_fee", fee=_short_fee(p, today)),
        text("overview_limit", limit=_short_limit(p)),
        text("overview_where", where=shorten(place(p), LINE) or text("overview_unknown")),
        text("overview_online", online=text("overview_online_yes" if p.online else "overview_online_no")),
    ]
    return "\n\n".join(part for part in (heading(p), p.summary, "\n".join(lines)) if part)


def _handling(p: Procedure) -> str:
    """Where and how to hand in, and who settles it: what the record itself holds."""
    lines = [text("where")]
    if found := place(p):
        lines.append(text("where_receiver", place=found))
    if p.agency and p.agency != found:
        lines.append(text("where_agency", place=p.agency))
    ways = ", ".join(text(f"channel_{m.channel}") for m in _by_channel(p))
    lines += [text("where_ways", ways=ways)] if ways else []
    return "\n".join(lines if len(lines) > 1 else [*lines, text("where_unknown")]) + f"\n{online(p)}"


def _record(p: Procedure) -> str:
    """Where the record comes from: what staff look at, and few others."""
    named = {
        "field": p.field,
        "level": ", ".join(text(f"level_{level}") for level in p.levels),
        "issuer": p.issuer,
        "province": p.province,
        "decision": p.decision,
    }
    lines = [text(f"record_{key}", value=value) for key, value in named.items() if value]
    return "\n".join([text("record"), *lines]) if lines else ""


def full_text(p: Procedure, parts: Iterable[str] = (), *, limit: int | None = FULL) -> str:
    """The whole record, or the aspects named in ``parts``, unshortened up to ``limit`` characters."""
    makers: dict[str, Callable[[], str]] = {
        "documents": lambda: documents(p, whole=True), "fee": lambda: fees(p, whole=True),
        "limit": lambda: limits(p, whole=True), "where": lambda: _handling(p), "who": lambda: who(p, whole=True),
        "steps": lambda: steps(p, whole=True), "result": lambda: results(p), "laws": lambda: laws(p),
        "record": lambda: _record(p),
    }  # fmt: skip
    wanted = [part for part in parts if part in makers]
    head = [heading(p)] if wanted else [heading(p), p.summary]
    body = "\n\n".join(filter(None, [*head, *(makers[part]() for part in wanted or makers)]))
    if limit and len(body) > limit:
        body = body[: body.rindex("\n", 0, limit)] + "\n" + text("full_rest", url=p.url)
    return body + "\n\n" + source(p)
