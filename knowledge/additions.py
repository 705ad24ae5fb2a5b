"""``TTHC_HOME/phrases.yml``: phrases that staff add between two releases, in the form of ``knowledge/phrases``.

A running bot finds by them within a second or two; the next import takes them into the draft.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path

import yaml

from knowledge.errors import RefusedError
from knowledge.seed import read_phrases

FILE = "phrases.yml"
LONGEST = 200
"""Characters of a phrase; what is longer is a story and finds nothing better."""
_HEAD = "# Câu bà con hay hỏi, cán bộ thêm giữa hai lần công bố: mã thủ tục -> các câu. Sửa tay được.\n"


class Additions:
    """The file of one home."""

    def __init__(self, home: Path) -> None:
        self.path = home / FILE

    def changed(self) -> int:
        """Changes whenever the file does; 0 while there is none."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return 0
        return hash((found.st_mtime_ns, found.st_size, found.st_ino))

    def load(self) -> dict[str, list[str]]:
        """Phrases by code; empty without a file. Raises DataError with file and line."""
        return read_phrases(self.path) if self.path.is_file() else {}

    def add(self, code: str, phrase: str) -> str:
        """Keep a phrase; returns it tidied. Raises RefusedError when it is empty, too long or there already."""
        phrase = " ".join(unicodedata.normalize("NFC", phrase).split())
        if not any(c.isalpha() for c in phrase):
            raise RefusedError("the phrase has no letters")
        if len(phrase) > LONGEST:
            raise RefusedError(f"the phrase has {len(phrase)} characters; at most {LONGEST}")
        held = self.load()
        for other, phrases in held.items():
            if phrase.casefold() in (p.casefold() for p in phrases):
                raise RefusedError(f"{self.path}: {other} has this phrase already")
        held.setdefault(code, []).append(phrase)
        self._write(held)
        return phrase

    def remove(self, code: str, phrase: str) -> None:
        """Take a phrase out. Raises RefusedError when it is not there."""
        held = self.load()
        if phrase not in held.get(code, ()):
            raise RefusedError(f"{self.path}: {code} has no phrase {phrase!r} here")
        held[code].remove(phrase)
        self._write({c: phrases for c, phrases in held.items() if phrases})

    def _write(self, held: dict[str, list[str]]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        scratch = self.path.with_suffix(".part")
        body = yaml.safe_dump(held, allow_unicode=True, width=1000, sort_keys=True) if held else "{}\n"
        scratch.write_text(_HEAD + body, encoding="utf-8")
        scratch.replace(self.path)
