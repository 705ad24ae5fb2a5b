"""The names in the table as people spell them, and where a message spells one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from knowledge.places.table import Unit, split_type
from knowledge.places.words import Word, folded, folded_names, syllable

PLACE_WORDS = frozenset(folded("ia chư đak kon kông krông yang lơ pờ sơ tơ chơ bờ đê bok bar al a").split())
"""First syllables of names that are written together or apart."""
KINH = re.compile(
    r"(?:ngh?|nh|[cgkpt]h|gi|qu|tr|[bcdghklmnprstvx])?(?:uye|uya|uou|ieu|yeu|oai|oay|uay|uoi|[aeiouy]{1,2})(?:ng|nh|ch|[cmnpt])?"
)
TELLING = frozenset({"ia", "dak", "kon", "kong", "krong", "yang"})
"""Syllables that no Vietnamese sentence has: a name with one of them is recognised wherever it stands."""

EVERYDAY = folded_names(
    """
    an bình, an hòa, an lương, an phú, an toàn, bình an, bình hòa, bình phú, bình tân, bùi thị xuân, canh hòa,
    canh liên, cát tường, chi lăng, chơ long, chư á, chư mố, chư ngọc, cư an, diên hồng, đất bằng, đoàn kết, đống đa,
    hải cảng, hoa lư, hòa hội, hòa phú, hội phú, hội sơn, hội thương, kim sơn, kim tân, nguyễn văn cừ, phù đổng, phú an,
    phú hòa, quang trung, song an, tân an, tân bình, tây an, tây sơn, thành an, thắng lợi, thống nhất, tơ tung,
    trần phú, trần quang diệu, tú an, vĩnh an, xuân an, yên thế, biển hồ, lê hồng phong, lê lợi, lý thường kiệt,
    trần hưng đạo, tân sơn, phước long
    """
)
"""Words, streets, people and places of other provinces: the bare name alone proves nothing."""
GREATER = folded_names("bình dương, bình định, bình thuận, đăk song, hà đông, hà tây, hòa bình, krông năng")
"""Better known as provinces or towns or districts elsewhere: a commune only by its type or its district."""
VERBS = folded_names("an toàn, thống nhất, đoàn kết, đất bằng, thắng lợi, hòa bình, hòa hội")
"""Everyday words that follow even ``xã`` and ``phường`` in a sentence ("xã thống nhất với dân")."""


ALSO = {
    "Adơk": "A Dơk",
    "A Yun Hạ": "Ayun Hạ",
    "A Yun Pa": "Ayun Pa",
    "Chơ GLong": "Chơ Long",
    "Chư Đăng Ya": "Chư Đang Ya",
    "Gành Ráng": "Ghềnh Ráng",
    "Pleicu": "Pleiku",
}
"""Other spellings that people and papers use, where marks alone do not tell."""


@dataclass(frozen=True)
class Name:
    """One thing that a name stands for: an old commune, a new one, an old district, a former province."""

    role: Literal["old", "new", "district", "province"]
    full: str
    units: tuple[Unit, ...]
    """The old commune itself; or all that belong or belonged to it."""
    spelled: str

    @property
    def type(self) -> str:
        return split_type(self.full)[0]

    @cached_property
    def syllables(self) -> tuple[tuple[str, str], ...]:
        return tuple(syllable(w) for w in self.spelled.split())

    @cached_property
    def telling(self) -> bool:
        """Whether no Vietnamese sentence has such a word."""
        return any(b in TELLING or not KINH.fullmatch(b) for b, _ in self.syllables)

    @property
    def folded(self) -> str:
        return " ".join(b for b, _ in self.syllables)

    @property
    def single(self) -> bool:
        return len(self.syllables) == 1

    @property
    def lone(self) -> bool:
        """Whether it is one ordinary syllable, or one that other names begin with (Krong, Krông Năng)."""
        return self.single and (not self.telling or self.folded in TELLING)

    @property
    def everyday(self) -> bool:
        """Whether the bare name alone proves nothing."""
        return self.lone or self.folded in EVERYDAY or self.folded in GREATER

    @cached_property
    def places(self) -> frozenset[str]:
        """Old districts and former provinces it lies in."""
        return frozenset(p for u in self.units for p in (u.district, u.province))

    @property
    def new(self) -> tuple[str, ...]:
        if self.role == "new":
            return (self.full,)
        return tuple(dict.fromkeys(n for u in self.units for n in u.new))

    def match(self, words: Sequence[Word]) -> int | None:
        """How well ``words`` spell the name: 2 exactly, 1 with marks left out, 0 with other marks; None: not at all."""
        if tuple(w.base for w in words) == tuple(b for b, _ in self.syllables):
            pairs = [(w.marks, marks) for w, (_, marks) in zip(words, self.syllables, strict=True)]
        elif self._joined(words):
            pairs = [("".join(w.marks for w in words), "".join(m for _, m in self.syllables))]
        else:
            return None
        if all(Counter(said) == Counter(marks) for said, marks in pairs):
            return 2
        if all(Counter(said) <= Counter(marks) for said, marks in pairs):
            return 1
        return 0 if self.telling and not self.single and not self._other_first(words[0]) else None

    def _joined(self, words: Sequence[Word]) -> bool:
        """Whether the words may be the name written together or apart ("ChưSê", "A Yun", "quynhon")."""
        if not (self.telling or self.role == "district" or self.syllables[0][0] in PLACE_WORDS):
            return False
        if len(words) == 1:
            return len(words[0].base) > 4
        if not self.single and not words[0].base.startswith(self.syllables[0][0]):
            return False
        return not any(len(w.base) == 1 and w.base not in "aeiou" for w in words)

    def _other_first(self, word: Word) -> bool:
        return word.base in ("ia", "chu") and bool(Counter(word.marks) - Counter(self.syllables[0][1]))


@dataclass(frozen=True)
class Span:
    """Words of a message that spell a name."""

    start: int
    end: int
    names: tuple[tuple[Name, int], ...]
    """Names with how well they are spelled."""
    types: frozenset[str]
    """Type words in front."""
    first: int
    """Where the type words begin."""
    old: bool
    """Whether the message says that it is the old one."""

    @property
    def roles(self) -> set[str]:
        return {n.role for n, _ in self.names}
