"""Understanding an answer to a numbered menu; the words for it stand in ``menu.yml``.

A choice is the whole message: "dạ cho em số 2 nha" is one, "2 con" and "ba em mất" are none. Whoever types diacritics
is taken at them: "chọn nam" is no "chọn năm", while "chon nam" may be.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from index.text import fold, has_diacritics
from knowledge.model import Strict
from knowledge.yamlfile import load_yaml, parse

FILE = Path(__file__).with_name("menu.yml")
LONGEST = 80
"""Characters of a message up to which it may be a choice."""
MIDDLE, LAST, BEFORE_LAST = 0, -1, -2
_OWN = re.compile(r"[^\d\n]{0,12}?(\d{1,2})\. ")
_LISTED = re.compile(r"^\W*(\d{1,2})\. ", re.M)
_DIGITS = "0?[1-9][0-9]?"
_MARKS = re.compile(r"[:;=]['-]?[)(dp]+|\^_*\^|[.,:;!?()\[\]{}\"'“”‘’`*#~…–—-]|[\ufe0e\ufe0f]")
"""Emoticons, punctuation and what turns a sign into an emoji. Not "/", "%", "+": what has them is no bare number."""
_PICTURES = ("So", "Sk", "Cf", "Me", "Zs", "Cc")
_REPEATED = re.compile(r"([^\W\d_])\1+")
_GLUED = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_]{2})")


def _as_typed(word: str) -> str:
    if word != unicodedata.normalize("NFC", word.lower()):
        raise ValueError("lower case and NFC, please")
    return word


Word = Annotated[str, StringConstraints(pattern=r"^[^\W\d_]+( [^\W\d_]+)*$", max_length=20), AfterValidator(_as_typed)]
Words = Annotated[tuple[Word, ...], Field(min_length=1)]
Number = Annotated[int, Field(ge=1, le=99)]


class Places(Strict):
    """Words for a place in a menu."""

    first: Words
    middle: Words
    before_last: Words
    last: Words


class Menu(Strict):
    """``menu.yml``."""

    numbers: Annotated[dict[Number, Words], Field(min_length=1)]
    ranks: dict[Number, Words]
    places: Places
    alone: Words
    openers: Words
    subjects: Words
    wishes: Words
    verbs: Words
    weak_verbs: Words
    nouns: Words
    pointers: Words
    closers: Words
    calls: Words

    @model_validator(mode="after")
    def _sound(self) -> Menu:
        met = dict[str, int]()
        for number, words in self._all():
            for word in words:
                if met.setdefault(fold(word), number) != number:
                    raise ValueError(f"{word!r} means two places, with its marks or without")
        known = {form for _, words in self._all() for word in words for form in (word, fold(word))}
        if unknown := [word for word in self.alone if word not in known]:
            raise ValueError(f"alone: {unknown[0]!r} is no number and no place")
        return self

    def _all(self) -> Iterable[tuple[int, Words]]:
        p = self.places
        places = ((1, p.first), (MIDDLE, p.middle), (BEFORE_LAST, p.before_last), (LAST, p.last))
        return (*self.numbers.items(), *self.ranks.items(), *places)

    def values(self) -> dict[str, int]:
        """What each word means, without its marks."""
        return {fold(word): number for number, words in self._all() for word in words}

    def pattern(self, *, marked: bool) -> re.Pattern[str]:
        """What a message that is a choice matches; its one group that is set is the number. ``marked``: the message
        has diacritics, so its numbers have them too."""

        def numbers(*lists: Iterable[str]) -> str:
            words = [word for words in lists for word in words]
            return f"({'|'.join((_DIGITS, _any(words if marked else map(fold, words))))})"

        def one(words: Iterable[str]) -> str:
            return _any({form for word in words for form in (word, fold(word))})

        counted = [word for words in self.numbers.values() for word in words]
        ranked = [word for words in self.ranks.values() for word in words]
        placed = [word for words in self.places.model_dump().values() for word in words]
        call, closer = f"{one(self.calls)} {one(('ơi',))}", one(self.closers)
        noun, verb, wish = one(self.nouns), f"{one(self.verbs)}(?: {closer})?", f"(?:{one(self.wishes)} )"
        pointed = (
            f"(?:(?:{noun} ){{0,3}}{one(('thứ',))} {numbers(counted, ranked)}"
            f"|(?:{noun} ){{1,3}}{numbers(counted, placed)})(?: {one(self.pointers)}(?: {one(self.calls)})?)?"
        )
        who = f"(?:{one(self.subjects)} )?"
        choices = (
            f"({_DIGITS}|{_any(self.alone)})",
            f"{who}{wish}*{verb} {numbers(counted, placed)}",
            f"(?:{who}(?:{wish}+(?:(?:{verb}|{one(self.weak_verbs)}) )?|(?:{verb}|{one(self.weak_verbs)}) ))?{pointed}",
        )
        before = f"(?:(?:{one(self.openers)}|{call}) )*"
        after = f"(?: (?:{closer}(?: {one(self.calls)})?|{call}))*"
        return re.compile(f"{before}(?:{'|'.join(choices)}){after}")


def load_menu(path: Path = FILE) -> Menu:
    """``menu.yml``. Raises DataError with file and line."""
    return parse(path, Menu, load_yaml(path))


def chosen(message: str, count: int) -> int | None:
    """The number (1 to ``count``) that a message picks, None when it picks none.

    >>> chosen("số 2 nha", 3), chosen("cai cuoi", 3), chosen("2 con", 3), chosen("4", 3)
    (2, 3, None, None)
    """
    said = _plain(message)
    if not said:
        return None
    marked, unmarked, values = _reader()
    match = (marked if has_diacritics(said) else unmarked).fullmatch(said)
    if not match:
        return None
    word = next(group for group in match.groups() if group)
    number = int(word) if word.isdecimal() else values[fold(word)]
    if number == MIDDLE:
        number = count // 2 + 1 if count % 2 else MIDDLE
    elif number < 0:
        number += count + 1
    return number if 1 <= number <= count else None


@lru_cache(maxsize=1)
def _reader() -> tuple[re.Pattern[str], re.Pattern[str], dict[str, int]]:
    menu = load_menu()
    return menu.pattern(marked=True), menu.pattern(marked=False), menu.values()


def _plain(message: str) -> str:
    """Small letters and numbers with single spaces between; nothing of a message too long for a choice."""
    if len(message) > LONGEST:
        return ""
    said = _MARKS.sub(" ", unicodedata.normalize("NFKC", message).lower())
    said = "".join(" " if unicodedata.category(sign) in _PICTURES else sign for sign in said)
    return " ".join(_REPEATED.sub(r"\1", _GLUED.sub(" ", said)).split())


def _any(words: Iterable[str]) -> str:
    """A pattern for any of the words, the longest first."""
    kept = {_REPEATED.sub(r"\1", word) for word in words}
    return f"(?:{'|'.join(map(re.escape, sorted(kept, key=lambda word: (-len(word), word))))})"


def numbers(labels: Sequence[str], said: str) -> list[int]:
    """The numbers of choices in a menu under ``said``: the number that a choice names itself ("Có: 3. Giấy chứng sinh",
    the third of a list above), and for the others those after every number that begins a line of ``said``.

    >>> numbers(["Có: 2. Tờ khai", "Xong", "Dừng"], "☑ 1. Đơn\n☐ 2. Tờ khai\n☐ 3. Ảnh")
    [2, 4, 5]
    >>> numbers(["Phí", "Nơi nộp"], "Đăng ký khai sinh")
    [1, 2]
    """
    own = [int(found[1]) if (found := _OWN.match(label)) else 0 for label in labels]
    taken = [number for number in own if number]
    if len(set(taken)) < len(taken):
        return list(range(1, len(labels) + 1))
    listed = [int(number) for number in _LISTED.findall(said)] if taken else []
    free = itertools.count(max([0, *taken, *listed]) + 1)
    return [number or next(free) for number in own]
