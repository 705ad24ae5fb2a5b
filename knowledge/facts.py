"""Fees and time limits, read from the portal's fields without saying more than they say.

The portal's fields mislead in known ways: a fee of 0 means "no figure" far more often than "free", amounts outlive
the clause that set them, a limit of 0 or in unit OTHER is no limit, and land records of Gia Lai store the maximum
for mountain communes. Every rule here errs towards *not saying a number*.
"""

from __future__ import annotations

import datetime as dt
import html
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from knowledge.model import Fee, TimeLimit, Unit

_IMAGE = re.compile(r"data:image/[\w.+-]+;base64,[A-Za-z0-9+/=\s]+")
_TAG = re.compile(
    r"</?(?:p|br|div|span|b|i|u|strong|em|li|ul|ol|table|tr|td|th|tbody|thead|a|img|font|h\d)\b[^>]*>", re.I
)
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060\ufeff\u00ad]")


def clean(text: object) -> str:
    """Plain NFC text: no tags, base64 images or invisible marks; lines kept, blanks folded."""
    if not isinstance(text, str):
        return ""
    text = _IMAGE.sub("", text)
    text = re.sub(r"<br\s*/?>|</p>|</div>|</li>|</tr>", "\n", text, flags=re.I)
    text = html.unescape(_TAG.sub(" ", text))
    text = unicodedata.normalize("NFC", _INVISIBLE.sub("", text)).replace("\r", "\n")
    lines = (re.sub(r"[ \t\u00a0\u2000-\u200a\u3000]+", " ", line).strip() for line in text.split("\n"))
    return re.sub(r"\n{2,}", "\n", "\n".join(lines)).strip()


# -- fees ------------------------------------------------------------------------------------------------------------

_KINDS = {"FEE": "fee", "SERVICE_FEE": "charge", "PRICE_LEVEL": "price"}
LEAST = 1000
"""No fee is below this many đồng: smaller figures are thousands typed without their zeros, so they are not told."""
_FREE = re.compile(
    r"^[-+*\s]*(được )?(miễn (phí|lệ phí)|không thu (phí|lệ phí|phí, lệ phí)|không mất phí)[.;\s]*$", re.I
)
_UNTIL = re.compile(
    r"(?:đến hết|đến ngày|đến|tới ngày|trước)\s*(?:hết\s*)?(?:ngày\s*)?(\d{1,2})\s*[/.-]\s*(\d{1,2})\s*[/.-]\s*(\d{4})",
    re.I,
)
_CLAUSE = re.compile(r"(?<=[;\n])|(?<=\.)\s+(?=[-+*A-ZĐÀ-Ỹ])|\s(?=[-+] )")


def end_dates(text: str) -> list[dt.date]:
    """Days on which something in ``text`` ends ("đến hết ngày 31/12/2026")."""
    found = []
    for day, month, year in _UNTIL.findall(text):
        try:
            found.append(dt.date(int(year), int(month), int(day)))
        except ValueError:
            continue
    return found


def _mentions(clause: str, amount: int) -> bool:
    digits = re.sub(r"(?<=\d)[.,\s](?=\d{3}\b)", "", clause)
    return re.search(rf"(?<!\d){amount}(?!\d)", digits) is not None


def read_fee(raw: Mapping[str, Any], today: dt.date) -> Fee:
    """One fee line of the portal. The amount is kept only when it is above 0 and its own clause has not ended."""
    text = clean(raw.get("description"))
    value = raw.get("value")
    amount = None
    if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 and value % 1 == 0:
        amount = int(value)
    clauses = [c.strip() for c in _CLAUSE.split(text) if c and c.strip()]
    live = [c for c in clauses if not (ends := end_dates(c)) or max(ends) >= today]
    currency = "USD" if raw.get("currencyName") == "USD" else "VND"
    if amount is not None and currency == "VND" and amount < LEAST:
        amount = None
    until = None
    if amount is not None:
        holders = [c for c in clauses if _mentions(c, amount)]
        if holders and not any(c in live for c in holders):
            amount = None
        ends = [d for c in holders if c in live for d in end_dates(c)]
        if ends and len(holders) == 1 and not re.search(r"50\s*%|bằng|giảm", holders[0]):
            until = max(ends)
    kind = _KINDS.get(str(raw.get("type")), "fee")
    if kind == "charge" and re.search(r"lệ phí", text, re.I) and not re.search(r"(?<!lệ )\bphí", text, re.I):
        kind = "fee"
    return Fee.model_validate(
        {
            "kind": kind,
            "amount": amount,
            "currency": currency,
            "free": amount is None and bool(_FREE.match(text)),
            "when": "\n".join(live).strip(" ;"),
            "until": until,
        }
    )


def read_fees(raw: Iterable[Mapping[str, Any]], today: dt.date) -> tuple[Fee, ...]:
    """Fee lines without repeats; lines that say nothing at all (0, no text) are dropped."""
    fees = [read_fee(f, today) for f in raw]
    return tuple(dict.fromkeys(f for f in fees if f.amount is not None or f.free or f.when))


# -- time limits -----------------------------------------------------------------------------------------------------

_UNITS = {"WORKING_DAY": Unit.WORKING_DAY, "DAY": Unit.DAY, "HOUR": Unit.HOUR, "MONTH": Unit.MONTH, "YEAR": Unit.YEAR}
_AT_MOST = re.compile(r"(?:không quá|tối đa)\s+(\d+(?:[.,]\d+)?)\s+ngày làm việc\s*([^.;\n]*)", re.I)
_MOUNTAIN_EXTRA = re.compile(r"miền núi[^.;]*tăng thêm\s+(\d+)\s+ngày làm việc", re.I)
_FROM_DOSSIER = re.compile(r"^(tính )?(kể )?từ ngày (cơ quan )?nhận (được|đủ).*$", re.I)


def read_limits(raw: Mapping[str, Any], *, gia_lai_land: bool = False) -> tuple[tuple[TimeLimit, ...], str]:
    """Limits of one method and what it says in words where it gives no figure.

    ``gia_lai_land``: the stored figure is the mountain-commune maximum (base + 10 working days), so the description's
    own figures come first and the stored one is marked as what it is.
    """
    value, unit = raw.get("processingTime"), _UNITS.get(str(raw.get("processingTimeUnit")))
    words = "" if not isinstance(value, str) or len(clean(value)) < 3 else clean(value)
    if unit is None or not isinstance(value, int | float) or isinstance(value, bool) or value <= 0:
        return (), words
    if not gia_lai_land:
        return (TimeLimit(value=float(value), unit=unit),), words
    text = re.sub(r"\([^()]*\)", "", clean(raw.get("description")))
    limits = []
    for figure, rest in _AT_MOST.findall(text):
        when = _FROM_DOSSIER.sub("", rest.strip(" ,:"))
        limits.append(TimeLimit(value=float(figure.replace(",", ".")), unit=Unit.WORKING_DAY, when=when))
    if not any(limit.value == float(value) for limit in limits):
        extra = _MOUNTAIN_EXTRA.search(text)
        proven = extra and any(limit.value + float(extra[1]) == float(value) for limit in limits)
        limits.append(TimeLimit(value=float(value), unit=unit, basis="mountain" if proven else "stored_maximum"))
    return tuple(dict.fromkeys(limits)), words
