"""Readable transcripts of dialogues that have a ``transcript`` name: ``docs/vi/ban-ghi/<name>.md``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "vi" / "ban-ghi"
Said = tuple[str, dict[str, Any]]
"""What a person did, as the transcript shows it, and the answer."""
_NOTE = (
    "_Chép nguyên lời trợ lý thật bằng `scripts/transcripts.py`; sửa câu hỏi trong `tests/e2e/dialogues/{source}`. "
    "Ngày, phí là của lúc chép; mã làm tiếp là mã ví dụ._"
)
_DATE = re.compile(r"\b\d{1,2}/\d{1,2}(?:/\d{4})?(?=\D|$)")
_WEEKDAY = re.compile(r"thứ (?:hai|ba|tư|năm|sáu|bảy)|chủ nhật")
_SKIPPED = re.compile(r"^> (?:Bỏ ra|Ngày cuối rơi|Có ngày nghỉ chưa).*\n", re.M)
SHORT = re.compile(r"\b[A-Z][A-Z0-9]{2}-[A-Z][A-Z0-9]{2}\b")
"""A short code as it is shown."""


def render(dialogue: dict[str, Any], source: str, talk: list[Said]) -> str:
    """The conversation as Markdown; short codes stand for an example."""
    blocks = [f"# {dialogue['title']}", dialogue["about"].strip(), _NOTE.format(source=source)]
    for said, answer in talk:
        blocks.append(said)
        for reply in answer["replies"]:
            lines = SHORT.sub("K7M-Q4P", reply["text"]).split("\n")
            blocks.append(
                "**Trợ lý:**\n\n" + "\n".join(f"> {line}".rstrip() + ("  " if line else "") for line in lines)
            )
            if reply["buttons"]:
                blocks.append(" ".join(f"`{label}`" for label in reply["buttons"]))
    return "\n\n".join(blocks) + "\n"


def same(written: str, now: str) -> bool:
    """Whether two transcripts say the same, whatever the day they were made on."""
    return _timeless(written) == _timeless(now)


def _timeless(transcript: str) -> str:
    return _WEEKDAY.sub("…", _DATE.sub("…", _SKIPPED.sub("", transcript)))
