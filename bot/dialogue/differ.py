"""What tells a few procedures apart, and how to ask about it: what is done, age, level, whose; else their own words.

Pure functions over procedures; the words of each difference are in ``differences.yml``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot import names
from bot.differences import Difference, Way, differences
from bot.reply import LABEL_LIMIT, shorten
from bot.texts import text
from index.text import fold
from knowledge.model import Procedure

ROOM = LABEL_LIMIT - 3
"""Room for a label beside its number on a button."""
ABOUT, TITLE = 90, 120
ALIKE, SAME = 0.6, 0.85
"""Share of common words from which two names are about the same thing, and from which people see no difference."""


@dataclass(frozen=True)
class Choice:
    """One option: ``title`` is what a line may add to ``label``, empty when the label says all."""

    procedure: Procedure
    label: str
    title: str = ""


@dataclass(frozen=True)
class Asking:
    """``question`` is empty where no single difference can be asked about; ``about``: what all have in common."""

    choices: tuple[Choice, ...]
    question: str = ""
    about: str = ""


def ask(procedures: Iterable[Procedure]) -> Asking:
    """How to ask which of ``procedures`` is meant. Labels are distinct; one that comes twice is asked about once.

    The order is kept unless one difference is asked about; then it is that of the difference.
    """
    among = list({p.code: p for p in procedures}.values())
    generic = Asking(_apart([_spoken(p, among) for p in among]))
    cores = [names.core(p) for p in among]
    about = min(cores, key=len, default="")
    shares = [names.share(about, core) for core in cores]
    if len(among) < 2 or min(shares) < ALIKE or not all(names.words_of(about) <= names.words_of(c) for c in cores):
        return generic
    same = min(shares) == 1
    asked = _asked(among, same)
    if not asked:
        return generic
    among.sort(key=lambda p: [d.options.index(_ways(d, p)[0]) for d in asked])
    question = _question(asked[0], among)
    lay = [p.short_name for p in among]
    if all(lay) and _distinct(lay):
        return Asking(tuple(Choice(p, p.short_name) for p in among), question)
    labels = {p.code: _label(asked, p, among) for p in among}
    made = {}
    for p in among:
        mates = [x for x in among if x is not p and labels[x.code] == labels[p.code]]
        made[p.code] = _within(asked, p, mates) if mates else labels[p.code]
    brief = same and len(set(labels.values())) == len(labels)
    choices = tuple(
        Choice(p, made[p.code], "" if brief else _title(p)) if made[p.code] else _spoken(p, among) for p in among
    )
    if list(made.values()).count("") * 2 > len(made) or not _distinct([c.label for c in choices]):
        return generic
    return Asking(choices, question, shorten(names.small(about), ABOUT))


# -- differences -----------------------------------------------------------------------------------------------------


def _ways(d: Difference, p: Procedure) -> tuple[Way, ...]:
    ways = d.ways(p, names.head(p)[0])
    return ways if len(_said(ways)) <= ROOM else ()


def _said(ways: Sequence[Way]) -> str:
    return ", ".join(w.say for w in ways)


def _asked(among: Sequence[Procedure], same: bool) -> list[Difference]:
    """The difference, or the two, that tell most of ``among`` apart; the first of equals, the fewest that do.

    What the names do not say (level, applicants) is asked about only where they are the ``same`` otherwise.
    """
    known = [d for d in differences().differences if same or d.look in ("start", "name")]
    known = [d for d in known if all(_ways(d, p) for p in among)]
    best: list[Difference] = []
    for count in (1, 2):
        for chosen in itertools.combinations(known, count):
            if _told(chosen, among) > max(_told(best, among), 1):
                best = list(chosen)
    return best


def _told(chosen: Sequence[Difference], among: Sequence[Procedure]) -> int:
    return len({tuple(_ways(d, p) for d in chosen) for p in among})


def _label(asked: Sequence[Difference], p: Procedure, among: Sequence[Procedure]) -> str:
    """The way of ``p`` in the first difference, and in the second where the first is not enough."""
    ways = _ways(asked[0], p)
    label = ways[0].button if len(ways) == 1 else names.capital(_said(ways))
    if len(asked) > 1 and [_ways(asked[0], x) for x in among].count(ways) > 1:
        second = _said(_ways(asked[1], p))
        longer = f"{label} – {second}"
        return longer if len(longer) <= ROOM else names.capital(second)
    return label


def _within(asked: Sequence[Difference], p: Procedure, mates: Sequence[Procedure]) -> str:
    """A label for one whom the differences leave together with ``mates``: one more, or more words; else empty."""
    first = _label(asked[:1], p, [p])
    same = all(names.share(names.core(p), names.core(x)) == 1 for x in mates)
    more = [d for d in differences().differences if same or d.look in ("start", "name")]
    ends = [f" – {_said(_ways(d, p))}" for d in more if _tells(d, p, mates)]
    if words := names.unshared(names.core(p), map(names.core, mates)):
        ends.append(f": {words}")
    return next((first + end for end in ends if len(first + end) <= ROOM), "")


def _tells(d: Difference, p: Procedure, mates: Sequence[Procedure]) -> bool:
    """Whether ``d`` tells ``p`` from every one of ``mates``."""
    return bool(own := _ways(d, p)) and all(_ways(d, x) not in ((), own) for x in mates)


def _question(d: Difference, among: Sequence[Procedure]) -> str:
    ways = [_said(way) for way in dict.fromkeys(_ways(d, p) for p in among)]
    hay = text("clarify_or_long") if "," in ways[0] else text("clarify_or")
    return d.ask.format(options=f", {hay} ".join(ways)) if len(ways) == 2 else d.many


# -- words -----------------------------------------------------------------------------------------------------------


def _spoken(p: Procedure, among: Sequence[Procedure]) -> Choice:
    """The label of ``p`` in words that the others lack: lay name, name, its start, a later part; else its code."""
    others = [x for x in among if x.code != p.code]
    known = {fold(t) for x in others for t in (x.name, x.short_name, names.tidy(x)) if t}
    if p.short_name and fold(shorten(p.short_name, ROOM)) not in {fold(shorten(x.short_name, ROOM)) for x in others}:
        return Choice(p, p.short_name)
    for name in (names.name_of(p), names.tidy(p)):
        if len(name) <= ROOM and fold(name) not in known:
            return Choice(p, name)
    makers = (_openings, _later, _differing, _rest, _office)
    for label in itertools.chain.from_iterable(make(p, others) for make in makers):
        return Choice(p, label, _title(p))
    return _coded(p)


def _apart(choices: Sequence[Choice]) -> tuple[Choice, ...]:
    """The same, with codes where labels came out alike after all."""
    shown = [fold(shorten(c.label, ROOM)) for c in choices]
    return tuple(c if shown.count(x) == 1 else _coded(c.procedure) for c, x in zip(choices, shown, strict=True))


def _coded(p: Procedure) -> Choice:
    tail = f" ({p.code})"
    return Choice(p, shorten(names.tidy(p), ROOM - len(tail)) + tail, _title(p))


def _openings(p: Procedure, others: Sequence[Procedure]) -> Iterable[str]:
    """The first words, unless another begins alike without only saying more; before that, without a dull opening."""
    rest = differences().opening.sub("", names.tidy(p), count=1)
    label = shorten(names.capital(rest), ROOM)
    if (
        rest != names.tidy(p)
        and len(rest) >= names.SHORTEST
        and not any(names.seen(label) in fold(names.tidy(x)) for x in others)
    ):
        yield label
    label = shorten(names.tidy(p), ROOM)
    whole = fold(names.tidy(p))
    peers = [fold(names.tidy(x)) for x in others if _begins(x, label)]
    if all(x.startswith(f"{whole} ") for x in peers):
        yield label


def _later(p: Procedure, others: Sequence[Procedure]) -> Iterable[str]:
    """A later part of the name that no other has anything like."""
    theirs = [part for x in others for part in names.parts(x)]
    for part in names.parts(p)[1:]:
        if differences().empty.search(part):
            continue
        label = shorten(names.capital(part), ROOM)
        if not any(names.share(part, t) >= SAME or names.seen(label) in fold(t) for t in theirs):
            yield label


def _differing(p: Procedure, others: Sequence[Procedure]) -> Iterable[str]:
    """The first words and a difference from those that begin alike."""
    start = shorten(names.tidy(p), ROOM)
    peers = [x for x in others if _begins(x, start)]
    for d in differences().differences:
        if d.look != "start" and peers and _tells(d, p, peers):
            tail = f" – {_said(_ways(d, p))}"
            yield shorten(names.tidy(p), ROOM - len(tail)) + tail


def _rest(p: Procedure, others: Sequence[Procedure]) -> Iterable[str]:
    """The words after those with which the name begins like another."""
    label = shorten(names.capital(names.unshared(names.name_of(p), map(names.name_of, others))), ROOM)
    peers = [fold(x.name) for x in others if fold(names.head(x)[0]) == fold(names.head(p)[0])]
    if len(label) >= names.SHORTEST and not any(names.seen(label) in name for name in peers):
        yield label


def _office(p: Procedure, others: Sequence[Procedure]) -> Iterable[str]:
    """The first words and who settles or published it, where that is short and the others' is another."""
    for name in ("agency", "issuer"):
        tail = f" – {getattr(p, name)}"
        if 3 < len(tail) <= ROOM - names.SHORTEST and getattr(p, name) not in [getattr(x, name) for x in others]:
            yield shorten(names.tidy(p), ROOM - len(tail)) + tail


def _begins(other: Procedure, label: str) -> bool:
    """Whether ``label`` could stand for ``other`` as well: its first words are much the same and as much is done."""
    words = names.seen(label).split()
    theirs = fold(names.tidy(other)).split()[: len(words)]
    if words == theirs:
        return True
    found = differences().start.match(label)
    done = fold(found[1]).split() if found else []
    return names.share(" ".join(words), " ".join(theirs)) >= SAME and done == fold(names.head(other)[0]).split()


def _title(p: Procedure) -> str:
    return shorten(p.short_name or names.name_of(p), TITLE)


def _distinct(labels: Sequence[str]) -> bool:
    """Whether labels differ, also where a button has room for less."""
    return len({fold(shorten(x, ROOM)) for x in labels}) == len(labels)
