"""Every sentence the assistant says, from ``texts.yml``."""

from __future__ import annotations

import string
from functools import lru_cache
from pathlib import Path

from knowledge.errors import DataError
from knowledge.yamlfile import load_yaml, locate

FILE = Path(__file__).with_name("texts.yml")


def load_texts(path: Path = FILE) -> dict[str, str]:
    """Texts by key. Raises DataError with file and line for a text that is no text or has a broken placeholder."""
    data = load_yaml(path)
    if not isinstance(data, dict):
        raise DataError("texts are a mapping of keys", path, 1)
    for key, text in data.items():
        if not isinstance(text, str):
            raise DataError(f"{key}: not a text", path, locate(path, (key,)))
        try:
            list(string.Formatter().parse(text))
        except ValueError as error:
            raise DataError(f"{key}: {error}", path, locate(path, (key,))) from error
    return data


@lru_cache(maxsize=1)
def _texts() -> dict[str, str]:
    return load_texts()


def text(key: str, **values: object) -> str:
    """The text ``key`` with its placeholders filled."""
    return _texts()[key].format(**values)
