"""Text forms the intent classifier reads: plain (lower case, lexicon applied) and folded (no diacritics)."""

from __future__ import annotations

import functools
import re
import unicodedata
from pathlib import Path
from typing import Dict, List, Mapping, Tuple

import yaml

LEXICON_FILE = Path(__file__).with_name("lexicon.yml")

_TOKEN = re.compile(r"\d+(?:[.,/:-]\d+)*|\w+", re.UNICODE)
_CODE = re.compile(r"^\d\.\d{6}$")
_D = str.maketrans("đĐ", "dD")


def fold(text: str) -> str:
    """Remove Vietnamese diacritics: ``'Đăng ký' -> 'Dang ky'``."""
    parts = unicodedata.normalize("NFD", text.translate(_D))
    return "".join(c for c in parts if unicodedata.category(c) != "Mn")


def tokens(text: str) -> List[str]:
    """Lower-case words and numbers of ``text``; numbers become a mark, so that no value is learned.

    >>> tokens("Mã 1.001193, phí 50.000đ")
    ['mã', '<code>', ',', 'phí', '<num5>', 'đ']
    """
    out: List[str] = []
    text = unicodedata.normalize("NFC", text).lower()
    end = 0
    for match in _TOKEN.finditer(text):
        out.extend(c for c in text[end : match.start()] if c in "?!,")
        end = match.end()
        word = match.group()
        if word[0].isdigit() and not any(c.isalpha() for c in word):
            digits = sum(c.isdigit() for c in word)
            # small numbers choose ("số 2"), long ones are codes, amounts or secrets
            word = "<code>" if _CODE.match(word) else word if digits == 1 else f"<num{min(digits, 12)}>"
        out.append(word)
    out.extend(c for c in text[end:] if c in "?!,")
    return out


@functools.lru_cache(maxsize=None)
def lexicon(path: Path = LEXICON_FILE) -> Mapping[Tuple[str, ...], Tuple[str, ...]]:
    """Read ``lexicon.yml``: spoken or shortened wording -> plain wording, each split into words.

    Entries of several words are known without diacritics too; a single word would be taken for another one.
    """
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    entries: Dict[Tuple[str, ...], Tuple[str, ...]] = {}
    for key, value in data["words"].items():
        entries[tuple(str(key).lower().split())] = tuple(str(value).lower().split())
    for words, plain_words in list(entries.items()):
        if len(words) > 1:
            entries.setdefault(tuple(fold(word) for word in words), plain_words)
    return entries


def plain(text: str) -> List[str]:
    """Words of ``text`` with the lexicon applied, longest entry first.

    >>> plain("tui mần khai sanh")
    ['tôi', 'làm', 'khai', 'sinh']
    """
    words, table, out = tokens(text), lexicon(), []
    i = 0
    while i < len(words):
        for size in (3, 2, 1):
            hit = table.get(tuple(words[i : i + size]))
            if hit and i + size <= len(words):
                out.extend(hit)
                i += size
                break
        else:
            out.append(words[i])
            i += 1
    return out
