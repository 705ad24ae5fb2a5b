"""Official names taken apart: what is done, what about, the parts of a long one, and how much two have in common."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable

from bot.differences import differences
from index.text import fold
from knowledge.model import Procedure

SHORTEST = 10
"""Letters from which a part of a name says something by itself."""


def name_of(p: Procedure) -> str:
    """The name; one in capitals only is calmed down."""
    name = " ".join(p.name.split())
    loud = sum(c.isupper() for c in name) > 2 * sum(c.islower() for c in name)
    return capital(name.lower()) if loud else name


def head(p: Procedure) -> tuple[str, str]:
    """What the name says is done, and the rest."""
    found = differences().start.match(name_of(p))
    return (found[1], name_of(p)[found.end() :]) if found else ("", name_of(p))


def core(p: Procedure) -> str:
    """What ``p`` is about: its name without what the differences already tell."""
    return _bare(differences().told.sub(" ", head(p)[1]))


def tidy(p: Procedure) -> str:
    """The name without its level and what stands in brackets."""
    return _bare(differences().levels.sub(" ", name_of(p))) or name_of(p)


def _bare(words: str) -> str:
    return " ".join(re.sub(r"\([^()]*\)", " ", words).split()).strip(" ,;.–-()")


def parts(p: Procedure) -> list[str]:
    """The parts of a long name that say something by themselves, in order, without its level."""
    found = (x.strip(" ,.;:()–-") for x in differences().bounds.split(differences().levels.sub(" ", name_of(p))))
    return [part for x in found if len(part := differences().joint.sub("", x, count=1)) >= SHORTEST]


def unshared(name: str, others: Iterable[str]) -> str:
    """The words of ``name`` after the longest beginning that it shares with one of ``others``."""
    words = _bracketless(name).split()
    shared = 0
    for other in others:
        pairs = zip(map(fold, words), fold(_bracketless(other)).split(), strict=False)
        shared = max(shared, len(list(itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))))
    return " ".join(words[shared:])


def _bracketless(name: str) -> str:
    return re.sub(r"[()]", " ", name)


def words_of(name: str) -> set[str]:
    """Its words, folded."""
    return set(re.findall(r"\w+", fold(name)))


def share(one: str, other: str) -> float:
    """The share of words that two names have in common."""
    a, b = words_of(one), words_of(other)
    return len(a & b) / len(a | b) if a and b else 0.0


def seen(label: str) -> str:
    """What a label shows, folded, without the mark of a cut."""
    return fold(label.rstrip("…"))


def capital(words: str) -> str:
    """A first letter made big."""
    return words[:1].upper() + words[1:]


def small(words: str) -> str:
    """A first letter that is no abbreviation's made small."""
    return words[:1].lower() + words[1:] if words[1:2].islower() else words
