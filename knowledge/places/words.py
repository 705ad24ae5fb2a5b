"""The words of a message, with and without diacritics, and small vocabularies to compare them with."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

_LETTERS = re.compile(r"[^\W\d_]+(?:['’ʼ`´][^\W\d_]+)*")
_APOSTROPHE = re.compile("['’ʼ`´]")
_DOTTED = re.compile(r"\b([Tt])\.\s?(?=[PpTtXx]\b)")
"""``T.P``, ``T.T``: one abbreviation."""
WITHIN = re.compile(r"[\s\-_]+")
"""What may stand between two words of a name."""
BEFORE = re.compile(r"[\s\-_.:(\[/\"“”']*")
"""What may stand between a type word and its name."""
NEAR = re.compile(r"[\s\-_,:()\[\]/\"“”']*")
"""What may stand between a name and words that belong to it."""


def syllable(text: str) -> tuple[str, str]:
    """A syllable without marks, and its marks in an order of their own: ``hoà`` is ``hòa``, ``Quy`` is ``Qui``."""
    base, marks = "", []
    for c in unicodedata.normalize("NFD", text.lower()):
        if unicodedata.combining(c):
            marks.append(c)
        elif c == "đ":
            base += "d"
            marks.append(c)
        else:
            base += c
    base = re.sub(r"^(h|k|l|m|s|t|qu)y$", r"\1i", base)
    return "ia" if base == "ya" else base, "".join(sorted(marks))


def folded(text: str) -> str:
    """Words without marks, single blanks between them."""
    return " ".join(syllable(w)[0] for w in text.split())


def as_names(text: str) -> tuple[tuple[tuple[str, str], ...], ...]:
    """Names set apart by commas, as syllables."""
    return tuple(tuple(syllable(w) for w in name.split()) for name in text.split(","))


def folded_names(text: str) -> frozenset[str]:
    return frozenset(folded(name) for name in text.split(","))


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a message: its letters without marks, and the marks."""

    base: str
    marks: str
    gap: str
    """What stands between the word before and this one."""
    capital: bool

    @property
    def key(self) -> tuple[str, str]:
        return self.base, self.marks


class Vocabulary:
    """A small vocabulary; unmarked words count only in a message without marks."""

    def __init__(self, words: str, *, unmarked: str | None = None) -> None:
        self.exact = {syllable(w) for w in words.split()}
        self.folded = {syllable(w)[0] for w in (words if unmarked is None else unmarked).split()}


class Text:
    """The words of a message, with what surrounds them."""

    def __init__(self, message: str) -> None:
        message = _DOTTED.sub(r"\1", unicodedata.normalize("NFC", message))
        mixed = any(c.islower() for c in message)
        self.words: list[Word] = []
        end = 0
        for match in _LETTERS.finditer(message):
            base, marks = syllable(_APOSTROPHE.sub("", match[0]))
            self.words.append(Word(base, marks, message[end : match.start()], mixed and match[0][0].isupper()))
            end = match.end()
        self.marked = any(w.marks for w in self.words)

    def has(self, at: int, words: Vocabulary) -> bool:
        """Whether the word at ``at`` is one of ``words``."""
        if not 0 <= at < len(self.words):
            return False
        word = self.words[at]
        return word.key in words.exact if self.marked else word.base in words.folded

    def near(self, at: int) -> bool:
        """Whether the word at ``at`` exists and no full stop or number parts it from the one before."""
        return 0 < at < len(self.words) and NEAR.fullmatch(self.words[at].gap) is not None

    def spells(self, at: int, name: Sequence[tuple[str, str]]) -> bool:
        """Whether the syllables of ``name`` stand at ``at``; without marks where the message has none."""
        said = self.words[at : at + len(name)]
        return len(said) == len(name) and all(
            w.key == (base, marks) or (not self.marked and w.base == base)
            for w, (base, marks) in zip(said, name, strict=True)
        )
