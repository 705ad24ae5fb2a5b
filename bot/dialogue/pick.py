"""Which of a few labels a typed answer means: by number, by its words, or as a plain yes or no."""

from __future__ import annotations

import re
from collections.abc import Sequence

from index.text import fold, lexicon

_WORDS = {
    "mot": 1, "nhat": 1, "dau": 1, "dau tien": 1, "hai": 2, "nhi": 2, "ba": 3, "bon": 4, "tu": 4, "nam": 5, "cuoi": -1,
    "cuoi cung": -1, "chot": -1,
}  # fmt: skip
_PATTERN = re.compile(r"\b(\d{1,2}|" + "|".join(sorted(map(re.escape, _WORDS), key=len, reverse=True)) + r")\b")
_NUMBERED = re.compile(
    r"(?:so|cai|chon|thu|muc|y|cau|viec|dong)?\s*(?:thu|so)?\s*(\d{1,2}|" + "|".join(_WORDS) + r")\.?"
    r"(?: (?:a|nha|nhe|do|ban|di|(?:chua|khong|ko) (?:chac|ro)))?"
)
_PARTS = re.compile(r"[,;/]|\bhoặc\b|\bhay\b")
"""What stands between parts of a label, each of which may be said for the whole."""
_UNDER = ("duoi", "chua du", "chua toi", "chua den", "den duoi")
_AGES = re.compile(r"\b(tu|du|tren|den duoi|duoi|chua du) (\d{1,3})\b(?=.*\btuoi\b)")
_SAID_AGE = re.compile(r"\b(?:(tren|hon|qua|du|tu|ngoai|duoi|chua du|chua toi|chua den) )?(\d{1,3}) (?:tuoi|t)\b")
BRIEF = 4
"""Words up to which one word of a label may stand for a part of it."""
_EMPTY = frozenset(
    ("la", "co", "thi", "ma", "o", "cho", "cua", "toi", "tui", "em", "minh", "a", "nha", "nhe", "nghe", "da", "roi")
    + ("bi", "lam", "di", "duoc", "va", "hay", "cai", "con")
)
_POLITE = r"(?: a| nha| nhe| ban)?"
_YES = re.compile(
    r"(?:da )?(?:u|uh|uhm|um|vang|dung|dung roi|dung vay|co|co roi|roi|xong roi|duoc|duoc roi|ok|oke|yes)" + _POLITE
)
_NO = re.compile(r"(?:da )?(?:khong|ko|k|hong|hok|chua|chua co|chua duoc|van chua|khong duoc|khong phai|no)" + _POLITE)
_UNSURE = re.compile(r".*\b(?:(?:khong|chua|chang|hong|ko|k) (?:ro|biet)|chiu)\b.*")
_NO_LABEL = ("khong", "chua", "van", "qua", "hong")


def ordinal(message: str) -> int | None:
    """The number that a message names: "cái thứ hai" → 2, "cái cuối" → -1, none → None.

    >>> ordinal("cho tôi cái đầu tiên"), ordinal("số 3"), ordinal("ừ")
    (1, 3, None)
    """
    found = _PATTERN.findall(fold(message))
    if not found:
        return None
    word = next((w for w in found if w.isdigit()), found[-1])
    return int(word) if word.isdigit() else _WORDS[word]


def unsure(message: str) -> bool:
    """Whether somebody says that they do not know."""
    return bool(_UNSURE.fullmatch(lexicon().normalise(message).folded))


def pick(message: str, labels: Sequence[str], *, exact: bool = False) -> int | None:
    """Position of the label that ``message`` means; None when it means none, or two alike. ``exact``: in its words.

    >>> pick("con em dưới 14 tuổi", ["Người từ 14 tuổi", "Con dưới 14 tuổi"]), pick("cái thứ hai", ["A", "B"])
    (1, 1)
    >>> pick("chưa", ["Được rồi", "Vẫn chưa được"]), pick("hôm nay trời đẹp", ["Được rồi", "Vẫn chưa được"])
    (1, None)
    """
    said = lexicon().normalise(message).folded
    if not said:
        return None
    if not exact and _NUMBERED.fullmatch(said) and (number := ordinal(message)) is not None:
        at = number - 1 if number > 0 else len(labels) - 1
        return at if 0 <= at < len(labels) else None
    folded = [lexicon().normalise(label).folded for label in labels]
    if folded.count(said) == 1:
        return folded.index(said)
    if exact:
        return None
    if (of_age := _by_age(said, folded)) is not None:
        return of_age
    for words, negative in ((_YES, False), (_NO, True)):
        if words.fullmatch(said):
            fitting = [i for i, label in enumerate(folded) if label.startswith(_NO_LABEL) is negative]
            return fitting[0] if len(fitting) == 1 else None
    asked = set(said.split())
    scores = []
    for label, shown in zip(folded, labels, strict=True):
        others = set().union(*(set(o.split()) for o in folded if o != label))
        parts = [lexicon().normalise(part).folded.split() for part in _PARTS.split(shown)]
        parts = [part for part in parts if len(set(part) - _EMPTY) > (len(asked) > BRIEF)]
        scores.append(max(_share(words, asked, others) for words in (label.split(), *parts)))
    order = sorted(range(len(labels)), key=lambda i: -scores[i])
    if not order or scores[order[0]] < 0.9 or (len(order) > 1 and scores[order[0]] - scores[order[1]] < 0.3):
        return None
    return order[0]


def _by_age(said: str, labels: Sequence[str]) -> int | None:
    """The one label whose ages hold the age that was said ("em 25 tuổi", "trên 18"): from, up to, or under."""
    found = _SAID_AGE.search(said)
    if not found:
        return None
    age = int(found[2]) - (1 if found[1] in _UNDER else 0)
    fitting = [
        i
        for i, label in enumerate(labels)
        if (ages := list(_AGES.finditer(label)))
        and all(age < int(m[2]) if m[1] in _UNDER else age >= int(m[2]) for m in ages)
    ]
    return fitting[0] if len(fitting) == 1 else None


def _share(words: list[str], asked: set[str], others: set[str]) -> float:
    """How much of a label (or a part of two words and more) was said, its telling words counted twice: 0 to 2."""
    own = set(words) - _EMPTY or set(words)
    telling = own - others or own
    return len(own & asked) / len(own) + len(telling & asked) / len(telling)
