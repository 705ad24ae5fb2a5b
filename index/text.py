"""Text as people type it, made comparable: lexicon, folded form, and the rest once aspect words are set aside.

Nothing here is shown to anyone: the normal form exists only to be compared.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import Field

from knowledge.model import Strict
from knowledge.yamlfile import load_yaml, parse

LEXICON = Path(__file__).with_name("lexicon.yml")

_TOKEN = re.compile(r"\d+(?:[.,/-]\d+)*(?:\.[a-z]\d{2})?|[^\W\d_]+\d*|\d+[^\W\d_]+", re.U)
_MASK = re.compile(r"<[A-Z_]+>")
_DIACRITIC = re.compile("[\u0300-\u036f]")


def fold(text: str) -> str:
    """Lower case without diacritics.

    >>> fold("Đăng ký khai SINH")
    'dang ky khai sinh'
    """
    text = text.lower().replace("đ", "d")
    return unicodedata.normalize("NFC", _DIACRITIC.sub("", unicodedata.normalize("NFD", text)))


def has_diacritics(text: str) -> bool:
    """Whether any letter carries a Vietnamese mark."""
    return fold(text) != text.lower()


class ContextRule(Strict):
    """Replace ``from`` by ``to`` where one neighbouring token matches."""

    source: str = Field(alias="from")
    to: str
    before: str = ""
    after: str = ""


class LexiconFile(Strict):
    """Shape of ``lexicon.yml``."""

    replace: dict[str, list[str]]
    context: list[ContextRule]
    aspects: list[str]
    chatter: str
    guide_words: str
    correction: str


@dataclass(frozen=True)
class Normal:
    """A text in its two comparable forms."""

    plain: str
    folded: str


class Lexicon:
    """The replacements of ``lexicon.yml``, ready to use.

    >>> lexicon().normalise("Mần khai sanh cho con ở mô z").plain
    'làm khai sinh cho con ở đâu vậy'
    """

    def __init__(self, data: LexiconFile) -> None:
        self._entries: dict[tuple[str, ...], str] = {}
        self._folded: dict[tuple[str, ...], str] = {}
        for target, variants in data.replace.items():
            for variant in (target, *variants):
                self._entries[tuple(variant.lower().split())] = target
                if " " in variant:
                    self._folded[tuple(fold(variant).split())] = fold(target)
        self._longest = max(map(len, self._entries))
        self._context: dict[str, list[ContextRule]] = {}
        for rule in data.context:
            self._context.setdefault(rule.source, []).append(rule)
        aspects = "|".join(f"(?:{a})" for a in data.aspects)
        self._aside = [re.compile(rf"(?<!\w)(?:{form(aspects)})(?!\w)") for form in (str, fold)]
        self._guide = [re.compile(rf"(?<!\w)(?:{form(data.guide_words)})(?!\w)") for form in (str, fold)]
        self._correction = re.compile(rf"^(?:(?:{data.correction}|{fold(data.correction)})[\s,.:!]*)+", re.I)
        self._chatter = [re.compile(rf"(?<!\w)(?:{form(data.chatter)})(?!\w)") for form in (str, fold)]

    def normalise(self, text: str) -> Normal:
        """Lower-case NFC tokens joined by blanks, lexicon applied, and the same folded."""
        tokens = _TOKEN.findall(_MASK.sub(" ", unicodedata.normalize("NFC", text)).lower())
        bare = not any(has_diacritics(t) for t in tokens)
        out: list[str] = []
        position = 0
        while position < len(tokens):
            for length in range(min(self._longest, len(tokens) - position), 0, -1):
                key = tuple(tokens[position : position + length])
                target = self._entries.get(key) or (self._folded.get(key) if bare else None)
                if target is not None:
                    out.append(fold(target) if bare else target)
                    position += length
                    break
            else:
                word = self._in_context(tokens, position)
                out.append(fold(word) if bare else word)
                position += 1
        plain = " ".join(out)
        return Normal(plain, fold(plain))

    def _in_context(self, tokens: list[str], at: int) -> str:
        before = tokens[at - 1] if at else ""
        after = tokens[at + 1] if at + 1 < len(tokens) else ""
        for rule in self._context.get(tokens[at], ()):
            if (not rule.before or re.search(rule.before, before)) and (not rule.after or re.search(rule.after, after)):
                return rule.to
        return tokens[at]

    def query(self, text: str) -> Normal:
        """``text`` as it is searched: without aspect words and chatter, where at least two words remain.

        >>> lexicon().query("cho em hỏi đăng ký tạm trú cần giấy tờ gì ạ").plain
        'đăng ký tạm trú'
        """
        rest = self.without_aspects(text)
        return self.normalise(rest if len(rest.split()) >= 2 else text)

    def without_aspects(self, text: str) -> str:
        """What is left of a message once aspect words and chatter are set aside; empty when it names nothing.

        >>> lexicon().without_aspects("phí bao nhiêu vậy ạ")
        ''
        >>> lexicon().without_aspects("đăng ký tạm trú phí bao nhiêu")
        'đăng ký tạm trú'
        """
        normal = self.normalise(text)
        form = 1 if normal.plain == normal.folded else 0
        rest = self._aside[form].sub(" ", normal.folded if form else normal.plain)
        return " ".join(self._chatter[form].sub(" ", rest).split())

    def without_correction(self, text: str) -> str:
        """A message without the words by which somebody corrects what was understood.

        >>> lexicon().without_correction("không, ý tôi là đăng ký tạm trú")
        'đăng ký tạm trú'
        """
        return self._correction.sub("", unicodedata.normalize("NFC", text), count=1).strip(" ,.!:") or text

    def without_guide_words(self, rest: str) -> str:
        """What is left once the words of asking for guidance are set aside too."""
        return " ".join(self._guide[0 if has_diacritics(rest) else 1].sub(" ", rest).split())


def load_lexicon(path: Path = LEXICON) -> Lexicon:
    """A lexicon from a file. Raises DataError with file and line."""
    data: Any = load_yaml(path)
    return Lexicon(parse(path, LexiconFile, data))


@lru_cache(maxsize=1)
def lexicon() -> Lexicon:
    """The project's own lexicon, loaded once."""
    return load_lexicon()
