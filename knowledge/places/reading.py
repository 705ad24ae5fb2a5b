"""Which old or new commune, or old district, a message names, as far as it tells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Literal

from knowledge.places import signs
from knowledge.places import vocabulary as say
from knowledge.places.names import ALSO, GREATER, VERBS, Name, Span
from knowledge.places.table import Found, Unit, split_type
from knowledge.places.words import WITHIN, Text

MOST = 24
"""Names that are looked at in one message: the rest of a longer list says nothing more."""


class Places:
    """The table, and the names in it as people write them."""

    def __init__(self, units: Iterable[Unit]) -> None:
        """``units`` that were gone before July 2025 are found by name, but are no parts of districts and communes."""
        self.units = tuple(units)
        made: dict[str, list[Unit]] = {}
        districts: dict[str, list[Unit]] = {}
        provinces: dict[str, list[Unit]] = {}
        for unit in (u for u in self.units if u.joined is None):
            for new in unit.new:
                made.setdefault(new, []).append(unit)
            districts.setdefault(unit.district, []).append(unit)
            provinces.setdefault(unit.province, []).append(unit)
        self.new_units = tuple(made)
        self._by_spelling: dict[str, list[Name]] = {}
        for unit in self.units:
            self._add("old", unit.old, (unit,))
        for new, parts in made.items():
            self._add("new", new, tuple(parts))
        for district, parts in districts.items():
            self._add("district", district, tuple(parts))
        for province, parts in provinces.items():
            self._add("province", province, tuple(parts))

    def _add(self, role: Literal["old", "new", "district", "province"], full: str, units: tuple[Unit, ...]) -> None:
        bare = split_type(full)[1]
        for spelled in (bare, *(other for other, name in ALSO.items() if name == bare)):
            name = Name(role, full, units, spelled)
            self._by_spelling.setdefault("".join(b for b, _ in name.syllables), []).append(name)

    def district_units(self, district: str) -> tuple[str, ...]:
        """New communes with a part of the old district, named with or without type and marks; none if unknown."""
        words = Text(district).words
        for skip in (0, 1, 2):
            spelled = self._by_spelling.get("".join(w.base for w in words[skip:]), ())
            for name in spelled:
                if name.role == "district" and name.match(words[skip:]) is not None:
                    return name.new
        return ()

    def find(self, message: str) -> Found | None:
        """The place that ``message`` names, as far as it tells; None where it names none for certain."""
        text = Text(message)
        spans = self._spans(text)
        best: tuple[tuple[int, bool, bool, int], Span] | None = None
        for span in spans:
            said = self._said(text, span, spans)
            if strength := self._strength(text, said, spans):
                rank = (strength, span.old, "old" in said.roles, -span.start)
                if best is None or rank > best[0]:
                    best = rank, said
        return decide([n for n, _ in best[1].names], bool(best[1].types)) if best else None

    def is_name(self, message: str) -> bool:
        """Whether the message is a name of the table and nothing else: the answer to a question."""
        text = Text(message)
        spans = self._spans(text)
        return bool(spans) and signs.alone(text, spans)

    # -- spans

    def _spans(self, text: Text) -> list[Span]:
        """Names in the message, the longest first where they overlap."""
        found = [s for s in self._all_spans(text) if s.names]
        found.sort(key=lambda s: (s.start - s.end, not s.types, s.start))
        taken: set[int] = set()
        spans = []
        for span in found:
            if taken.isdisjoint(range(span.start, span.end)):
                taken.update(range(span.start, span.end))
                spans.append(span)
        return sorted(spans, key=lambda s: s.start)[:MOST]

    def _all_spans(self, text: Text) -> Iterator[Span]:
        words = text.words
        for start in range(len(words)):
            spelled = ""
            for end in range(start + 1, min(start + 6, len(words) + 1)):
                if end > start + 1 and not WITHIN.fullmatch(words[end - 1].gap):
                    break
                spelled += words[end - 1].base
                names = [
                    (n, level)
                    for n in self._by_spelling.get(spelled, ())
                    if (level := n.match(words[start:end])) is not None
                ]
                if names:
                    types, first = signs.types_before(text, start)
                    old = signs.is_old(text, end) or (bool(types) and text.has(start - 1, say.OLD))
                    if types or not self._is_district_and_more(text, start, end):
                        yield Span(start, end, tuple(signs.of_type_group(names, types)), types, first, old)

    def _is_district_and_more(self, text: Text, start: int, end: int) -> bool:
        """Whether an unmarked name may as well be a district and another word ("o quy nhon nam 2020")."""
        last = text.words[end - 1]
        if text.marked or last.capital or not text.has(end - 1, say.WINDS):
            return False
        before = "".join(w.base for w in text.words[start : end - 1])
        return self._is_district(self._by_spelling.get(before, ()))

    def _is_district(self, names: Iterable[Name]) -> bool:
        """Whether an old district bears the name, too."""
        spelled = {n.folded.replace(" ", "") for n in names}
        return any(other.role == "district" for s in spelled for other in self._by_spelling.get(s, ()))

    # -- what the message says of a name

    def _said(self, text: Text, span: Span, spans: Sequence[Span]) -> Span:
        """The span with only those names that agree with time, place, type and marks told in the message."""
        names = list(span.names)
        if "district" in signs.followed(text, span, spans):
            names = [(n, v) for n, v in names if n.role != "district"]
        if span.old:
            names = [(n, v) for n, v in names if n.role != "new"] or names
        elif span.types and signs.is_new(text, span.end):
            names = [(n, v) for n, v in names if n.role == "new"] or names
        for places in signs.context(text, span, spans):
            names = [(n, v) for n, v in names if n.places & places] or names
        names = [(n, v) for n, v in names if n.type in span.types] or names
        if any(w.marks for w in text.words[span.start : span.end]):
            best = max(level for _, level in names)
            names = [(n, v) for n, v in names if v == best]
        return replace(span, names=tuple(names))

    def _strength(self, text: Text, span: Span, spans: Sequence[Span]) -> int:
        """How surely the span is meant as a place: 3 by its type, 2 by words or places around it, 1 by itself; 0 no."""
        names = [n for n, _ in span.names if n.role != "province"]
        if not names or signs.is_elsewhere(text, span, spans):
            return 0
        if not span.types:
            return 0 if signs.is_called(text, span.start) else self._bare_strength(text, span, spans)
        if names[0].role == "district":
            return 1
        if not text.marked and "Phường" in span.types and text.words[span.start].base == "an":
            names = [n for n in names if n.type == "Phường"]  # "phuong an" is more often "phương án"
        sure = text.marked or span.old or signs.followed(text, span, spans) or any(n.type in span.types for n in names)
        if not sure and self._is_district(names):
            return 0  # "yeu xa quy nhon"
        loose = any(n.lone or n.folded in VERBS for n in names)
        return 3 if names and (not loose or self._closed(text, span, spans)) else 0

    def _bare_strength(self, text: Text, span: Span, spans: Sequence[Span]) -> int:
        """The same for a name without a type word."""
        names = [n for n, _ in span.names if n.role != "province"]
        communes = [n for n in names if n.role != "district"]
        district = len(communes) < len(names)
        placed = text.has(span.start - 1, say.PLACED)
        rooted = placed or span.start == 0 or all(w.capital for w in text.words[span.start : span.end])
        followed = signs.followed(text, span, spans)
        if any(n.lone or n.folded in GREATER for n in communes):
            sure = text.marked or not any(n.lone for n in communes)
            return 2 if sure and "district" in followed else 0
        changed = signs.has_changed(text, span.end, strictly=False)
        at_home = placed or (district and text.has(span.start - 1, say.PEOPLE_OF))
        if any(n.everyday for n in communes):
            if signs.is_numbered(text, span.start):
                return 0
            told = span.old or signs.has_changed(text, span.end, strictly=True) or "province" in followed
            begins = span.start == 0 and (text.marked or changed or signs.alone(text, spans))
            named = district and (at_home or begins)
            return 2 if "district" in followed or (rooted and told) or named else 0
        if district:
            told = span.old or changed or bool(followed)
            return int(text.marked or at_home or told or names[0].telling or signs.alone(text, spans))
        around = any(signs.agree(span, other) for other in spans if other.start != span.start)
        if around or span.old or changed:
            return 2
        return int(any(n.telling for n in names) or placed or signs.alone(text, spans))

    def _closed(self, text: Text, span: Span, spans: Sequence[Span]) -> bool:
        """Whether the typed name ends where it seems to, and is no beginning of other words ("xã đông dân")."""
        at = span.end
        if any(s.start >= at and signs.parted(text, at, s.first) for s in spans):
            return True
        if not text.marked and any(n.lone for n, _ in span.names):
            return any(signs.agree(span, s) for s in spans)
        if at >= len(text.words) or not text.words[at].gap.isspace() or span.old:
            return True
        if text.words[at].capital:
            return False
        if all(w.capital for w in text.words[span.start : at]) or any(n.telling for n, _ in span.names):
            return True
        return signs.has_changed(text, at, strictly=False) or text.has(span.first - 1, say.PLACED)


def decide(names: Sequence[Name], typed: bool) -> Found:
    """What the names that are left add up to."""
    olds = [n for n in names if n.role == "old"]
    news = [n for n in names if n.role == "new"]
    district = next((n for n in names if n.role == "district"), None)
    if district and not typed and all(district.full in n.places for n in (*olds, *news)):
        olds, news = [], []
    units = tuple(dict.fromkeys(u for n in olds for u in n.units))
    if district and not olds and not news:
        return Found("district", district.full, district.units, district.new)
    targets = tuple(dict.fromkeys(t for n in (*olds, *news, *([district] if district else [])) for t in n.new))
    if len(targets) == 1:
        kept = next((n for n in news), None)
        if kept or any(u.old == targets[0] for u in units):
            return Found("new", targets[0], kept.units if kept else units, targets)
        return Found("old", units[0].old, units, targets)
    if len(units) == 1 and not district and set(targets) == set(units[0].new):
        return Found("divided", units[0].old, units, targets)
    same = len({n.full.casefold() for n in names}) == 1
    name = names[0].full if same else split_type(names[0].full)[1]
    return Found("ambiguous", name, units, targets, district.full if district else "")
