"""What the words around a name say of it: its type, its time, its district, whether it is a place at all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from knowledge.places import vocabulary as say
from knowledge.places.names import Name, Span
from knowledge.places.table import PREFIXES
from knowledge.places.words import BEFORE, WITHIN, Text

TODAY = "Tỉnh Gia Lai"
"""The former province whose name is today's: only "Gia Lai cũ" tells where a place was."""
_NUMBER = re.compile(r"\d\s+$")


def types_before(text: Text, start: int) -> tuple[frozenset[str], int]:
    """Type words before the word at ``start`` and where they begin ("xã", "xã/phường", "xã cũ")."""
    types: set[str] = set()
    at = start
    if at > 1 and text.has(at - 1, say.OLD) and BEFORE.fullmatch(text.words[at].gap) and _type_at(text, at - 2)[0]:
        at -= 1
    while at > 0 and BEFORE.fullmatch(text.words[at].gap):
        found, size = _type_at(text, at - 1)
        if not found:
            break
        types.add(found)
        at -= size
    return frozenset(types), at


def _type_at(text: Text, at: int) -> tuple[str, int]:
    """The type word that ends at ``at`` and its number of words."""
    word = text.words[at]
    paired = at > 0 and word.gap.isspace()
    if text.has(at, say.XA):
        if paired and text.has(at - 1, say.THI):
            return "Thị xã", 2
        return ("", 0) if (paired and text.has(at - 1, say.NOT_XA)) or _is_social(text, at) else ("Xã", 1)
    if text.has(at, say.TRAN) and paired and text.has(at - 1, say.THI):
        return "Thị trấn", 2
    if text.has(at, say.PHO) and paired and text.has(at - 1, say.TOWN):
        return "Thành phố", 2
    if text.has(at, say.PHUONG) and not (paired and text.has(at - 1, say.NOT_PHUONG)):
        return "Phường", 1
    if text.has(at, say.DISTRICT):
        return {"tx": "Thị xã", "tp": "Thành phố"}.get(word.base, "Huyện"), 1
    short = {"p": "Phường", "tt": "Thị trấn"}.get(word.base, "")
    if word.base == "x" and text.words[at + 1].gap.startswith("."):
        short = "Xã"
    return (short, 1) if short and not word.marks else ("", 0)


def _is_social(text: Text, at: int) -> bool:
    """Whether ``xã`` at ``at`` begins ``xã hội``."""
    if text.words[at + 1].base != "hoi" or text.words[at + 1].capital:
        return False
    return text.has(at - 1, say.SOCIAL) or (text.has(at - 1, say.AT) and text.has(at - 2, say.HOUSE))


def of_type_group(names: Iterable[tuple[Name, int]], types: frozenset[str]) -> Iterator[tuple[Name, int]]:
    """Names that type words before them allow: communes, or districts; a province takes none of these."""
    for name, level in names:
        district = name.role == "district"
        group = PREFIXES["district"] if district else PREFIXES["old"]
        if not types or (name.role != "province" and any(t in group for t in types)):
            yield name, level


def is_old(text: Text, at: int) -> bool:
    """Whether ``cũ`` or ``trước đây`` follows at ``at``."""
    return text.near(at) and (text.has(at, say.OLD) or (text.has(at, say.FORMERLY) and text.has(at + 1, say.HERE)))


def is_new(text: Text, at: int) -> bool:
    """Whether ``mới`` follows at ``at`` and says what the place is, not that something was just done there."""
    after = at + 1
    return text.near(at) and text.has(at, say.NEW) and (not text.near(after) or text.has(after, say.AFTER_NEW))


def has_changed(text: Text, at: int, *, strictly: bool) -> bool:
    """Whether words follow that tell or ask what became of the place; ``strictly``: they name xã or phường."""
    end = min(at + 5, len(text.words))
    while at < end and text.near(at) and text.has(at, say.FILLER):
        at += 1
    if not text.near(at):
        return False
    if text.has(at, say.MERGED) or text.has(at, say.OLD) or (text.has(at, say.TURNED) and text.has(at + 1, say.INTO)):
        return True
    return text.has(at, say.BELONGS) and (
        not strictly or any(text.has(n, say.COMMUNE) and not text.has(n - 1, say.THI) for n in range(at + 1, at + 4))
    )


def is_called(text: Text, at: int) -> bool:
    """Whether the name at ``at`` is that of a street, a market, a person ("tên con là Hoài Ân", "khai sinh cho …")."""
    called = any(text.has(at - 1, words) for words in (say.LANDMARK, say.TITLE, say.SURNAME, say.FOR))
    named = text.has(at - 1, say.IS) and any(text.has(n, say.NAMED) for n in range(at - 6, at - 1))
    return (called or named) and WITHIN.fullmatch(text.words[at].gap) is not None


def is_numbered(text: Text, at: int) -> bool:
    """Whether a house number stands before the name at ``at`` ("12 Trần Phú"); that of a hamlet is none ("tổ 5")."""
    return _NUMBER.search(text.words[at].gap) is not None and not text.has(at - 1, say.HAMLET)


def is_elsewhere(text: Text, span: Span, spans: Iterable[Span]) -> bool:
    """Whether the words after the name make it a longer one, or one of another province."""
    at = span.end
    if any(other.start == at and other.end > at + 1 for other in spans):
        return False
    if text.has(at, say.WINDS) and text.words[at].capital and text.words[at].gap == " ":
        return True
    while text.near(at) and text.has(at, say.TYPE_WORDS):
        if text.has(at, say.QUAN):
            return True
        at += 1
    if at > span.end and text.near(at) and text.words[at].capital and all(other.start != at for other in spans):
        return True
    return text.near(at) and any(text.spells(at, name) for name in say.ELSEWHERE)


def parted(text: Text, start: int, end: int) -> bool:
    """Whether nothing but punctuation and type words stands between a name and what begins at ``end``."""
    return text.near(end) and all(text.near(n) and text.has(n, say.TYPE_WORDS) for n in range(start, end))


def followed(text: Text, span: Span, spans: Iterable[Span]) -> set[str]:
    """``district`` or ``province`` when one in which the place lies is named right after it."""
    after = (s for s in spans if s.start >= span.end and parted(text, span.end, s.first) and agree(span, s))
    return {role for s in after for role in s.roles if role in ("district", "province")}


def agree(span: Span, other: Span) -> bool:
    """Whether ``other`` names a district or province in which a name of ``span`` lies."""
    around = {n.full for n, _ in other.names if n.role in ("district", "province")}
    return any(n.places & around for n, _ in span.names if n.role in ("old", "new"))


def alone(text: Text, spans: Sequence[Span]) -> bool:
    """Whether the message is but the name: the answer to a question."""
    inside = {n for s in spans for n in range(s.first, s.end)}
    return all(n in inside or text.has(n, say.CHATTER) for n in range(len(text.words)))


def context(text: Text, span: Span, spans: Sequence[Span]) -> Iterator[set[str]]:
    """Districts, then provinces that the message names beside ``span``."""
    districts: set[str] = set()
    provinces: set[str] = set()
    for other in spans:
        if other is span:
            continue
        districts |= {n.full for n, _ in other.names if n.role == "district"}
        if other.roles == {"new"}:
            districts |= {u.district for n, _ in other.names for u in n.units}
        for name, _ in other.names:
            if name.role == "province" and (name.full != TODAY or other.old):
                provinces.add(name.full)
    yield from (found for found in (districts, provinces) if found)
