"""Understanding an answer to a numbered menu."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"(?:số |so |chọn )?(\d{1,2})\.?$", re.I)


def chosen(message: str, count: int) -> int | None:
    """The number (1 to ``count``) that a message picks, None when it picks none."""
    match = _NUMBER.match(message.strip())
    return int(match[1]) if match and 1 <= int(match[1]) <= count else None
