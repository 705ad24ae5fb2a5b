"""Every dialogue of ``dialogues/*.yml``, turn by turn, against the real processes.

A file is a list of dialogues: ``name`` and ``turns``; a turn has one of

``say``     a text; ``LẶP5000`` in it stands for five thousand characters of chatter, ``{mã}`` for the short code that
            was shown last in this dialogue
``tap``     a button of the last reply, by a part of its label; with ``until``, the button of that name is tapped again
            and again until the answer holds this text (``{tap: Xong, until: "Bước 5/"}``)
``later``   so many days pass before the next turn
``kill``    ``rasa``, ``actions`` or ``gateway`` dies and comes up again

and what a good answer is: ``procedure`` (a code, or null), ``intent``, ``contains`` / ``lacks`` (texts, any case),
``buttons`` / ``no_buttons`` (parts of labels). ``user``: who says it (default: one for each dialogue). Of every answer
it is checked that it leads on (a button or a question) and that a procedure shown has its source and date.
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
SHORT = re.compile(r"\b[A-Z][A-Z0-9]{2}-[A-Z][A-Z0-9]{2}\b")
"""A short code as it is shown."""
DOES = {"say", "tap", "later", "kill"}
KEYS = DOES | {"until", "user", "procedure", "intent", "contains", "lacks", "buttons", "no_buttons"}
MOST = 20
"""Taps after which ``until`` is given up."""


@pytest.mark.parametrize(("file", "dialogue"), DIALOGUES, ids=[f"{f}: {d['name']}" for f, d in DIALOGUES])
def test_dialogue(bot: Bot, file: str, dialogue: dict[str, Any]) -> None:
    known: dict[str, str] = {}
    for number, turn in enumerate(dialogue["turns"], 1):
        for answer in play(bot, dialogue["name"], turn, known):
            check(turn, answer, f"turn {number}")


def play(bot: Bot, name: str, turn: dict[str, Any], known: dict[str, str]) -> list[dict[str, Any]]:
    """Do a turn; its answer, none for what nobody answers. ``known``: what the dialogue has shown (``mã``)."""
    assert turn.keys() <= KEYS, f"unknown keys {turn.keys() - KEYS}"
    assert len(turn.keys() & DOES) == 1, f"one of {DOES} is wanted: {turn}"
    user = f"{name}/{turn.get('user', 'u')}"
    if "kill" in turn:
        bot.kill(turn["kill"])
        return []
    if "later" in turn:
        bot.later(turn["later"])
        return []
    if "say" in turn:
        answer = bot.say(LONG.sub(long, turn["say"]).replace("{mã}", known.get("mã", "{mã}")), user)
    else:
        answer = bot.tap(turn["tap"], user)
        for _ in range(MOST):
            if "until" not in turn or turn["until"] in text_of(answer):
                break
            answer = bot.tap(turn["tap"], user)
        assert turn.get("until", "") in text_of(answer), f"never came to {turn['until']!r}"
    if found := SHORT.search(text_of(answer)):
        known["mã"] = found[0]
    return [answer]


def text_of(answer: dict[str, Any]) -> str:
    """All that an answer says."""
    return "\n".join(reply["text"] for reply in answer["replies"])


def long(match: re.Match[str]) -> str:
    return ("và nhà tôi ở gần sông " * (int(match[1]) // 20))[: int(match[1])]


def check(turn: dict[str, Any], answer: dict[str, Any], where: str) -> None:
    text = text_of(answer)
    labels = answer["replies"][-1]["buttons"]
    seen = f"{where}: {turn}\n--- {answer['intent']} {answer['procedure']}\n{text}\n{labels}"
    assert text.strip(), seen
    assert labels or "?" in text, f"leads nowhere\n{seen}"
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
    for part in turn.get("no_buttons", ()):
        assert not any(part.lower() in label.lower() for label in labels), f"unwanted button {part!r}\n{seen}"
    if re.search(r"Mã thủ tục: \d\.\d{6}", text):
        assert re.search(r"Nguồn: .*\d\d/\d\d/\d{4}", text), f"no source and date\n{seen}"


def test_there_are_enough_dialogues() -> None:
    assert len(DIALOGUES) >= 120
    assert len({d["name"] for _, d in DIALOGUES}) == len(DIALOGUES)
