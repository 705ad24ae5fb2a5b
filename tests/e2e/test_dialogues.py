"""Every dialogue of ``dialogues/*.yml``, turn by turn, against the real processes.

A file is a list of dialogues: ``name`` and ``turns``; a turn has one of ``say``, ``tap`` (part of a button's label) or
``kill`` (rasa, actions, gateway), and what is expected of the answer: ``procedure`` (a code, or null), ``intent``,
``contains`` / ``lacks`` (texts), ``buttons`` (parts of labels), ``user`` (default: one for each dialogue).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from harness import Bot

FILES = sorted((Path(__file__).parent / "dialogues").glob("*.yml"))
DIALOGUES = [(f.stem, d) for f in FILES for d in yaml.safe_load(f.read_text(encoding="utf-8"))]
LONG = re.compile(r"LẶP(\d+)")
"""``LẶP5000`` in a text stands for five thousand characters of chatter."""
KEYS = {"say", "tap", "kill", "user", "procedure", "intent", "contains", "lacks", "buttons"}


@pytest.mark.parametrize(("file", "dialogue"), DIALOGUES, ids=[f"{f}: {d['name']}" for f, d in DIALOGUES])
def test_dialogue(bot: Bot, file: str, dialogue: dict[str, Any]) -> None:
    for number, turn in enumerate(dialogue["turns"], 1):
        assert turn.keys() <= KEYS, f"turn {number}: unknown keys {turn.keys() - KEYS}"
        if "kill" in turn:
            bot.kill(turn["kill"])
            continue
        user = f"{dialogue['name']}/{turn.get('user', 'u')}"
        answer = bot.tap(turn["tap"], user) if "tap" in turn else bot.say(LONG.sub(long, turn["say"]), user)
        check(turn, answer, f"turn {number}")


def long(match: re.Match[str]) -> str:
    return ("và nhà tôi ở gần sông " * (int(match[1]) // 20))[: int(match[1])]


def check(turn: dict[str, Any], answer: dict[str, Any], where: str) -> None:
    text = "\n".join(reply["text"] for reply in answer["replies"])
    labels = answer["replies"][-1]["buttons"]
    seen = f"{where}: {turn}\n--- {answer['intent']} {answer['procedure']}\n{text}\n{labels}"
    assert text.strip(), seen
    if "procedure" in turn:
        assert answer["procedure"] == turn["procedure"], seen
    if "intent" in turn:
        assert answer["intent"] == turn["intent"], seen
    for part in turn.get("contains", ()):
        assert part.lower() in text.lower(), f"missing {part!r}\n{seen}"
    for part in turn.get("lacks", ()):
        assert part.lower() not in text.lower(), f"unwanted {part!r}\n{seen}"
    for part in turn.get("buttons", ()):
        assert any(part.lower() in label.lower() for label in labels), f"no button {part!r}\n{seen}"
    if re.search(r"Mã thủ tục: \d\.\d{6}", text):
        assert re.search(r"Nguồn: .*\d\d/\d\d/\d{4}", text), f"no source and date\n{seen}"


def test_there_are_enough_dialogues() -> None:
    assert len(DIALOGUES) >= 40
    assert len({d["name"] for _, d in DIALOGUES}) == len(DIALOGUES)
