"""Errors that people read: each names the thing, and the file and line where it stands."""

from __future__ import annotations

from pathlib import Path


class RefusedError(Exception):
    """A request that cannot be carried out, said in one sentence for the person who made it (exit code 1)."""


class DataError(RefusedError):
    """A data file that cannot be used.

    >>> str(DataError("name is missing", Path("a.yml"), 3))
    'a.yml:3: name is missing'
    """

    def __init__(self, message: str, path: Path | str | None = None, line: int | None = None) -> None:
        self.message, self.path, self.line = message, path, line
        where = "" if path is None else f"{path}:{line}: " if line else f"{path}: "
        super().__init__(where + message)
