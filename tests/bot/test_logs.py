"""Log lines that a machine can read."""

from __future__ import annotations

import json
import logging
import sys

from bot.logs import JsonLines


def record(message: str, *args: object, error: bool = False) -> logging.LogRecord:
    try:
        if error:
            raise ValueError("hỏng")
    except ValueError:
        return logging.LogRecord("bot.x", logging.ERROR, "x.py", 1, message, args, sys.exc_info())
    return logging.LogRecord("bot.x", logging.INFO, "x.py", 1, message, args, None)


def test_a_line_is_one_json_object() -> None:
    line = JsonLines().format(record("giữ %d tin,\nhai dòng", 3))
    assert "\n" not in line
    event = json.loads(line)
    assert event.keys() == {"at", "level", "part", "said"}
    assert (event["level"], event["part"], event["said"]) == ("INFO", "bot.x", "giữ 3 tin,\nhai dòng")
    assert event["at"].endswith("+00:00")


def test_an_error_comes_with_where_it_happened() -> None:
    event = json.loads(JsonLines().format(record("không được", error=True)))
    assert "test_logs.py" in event["error"]
    assert "ValueError" in event["error"]
