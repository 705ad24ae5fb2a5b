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

A dialogue with ``transcript`` (a file's name), ``title`` and ``about`` is also written to ``docs/vi/ban-ghi`` by
``scripts/transcripts.py``; the test fails when what is written there is no longer what the bot says.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import transcripts
import yaml
from harness import Bot

FILES = sorted((Path(__file__).parent / "dialogues").glob("*.yml"))


def load(file: Path) -> list[dict[str, Any]]:
    """The dialogues of a file."""
    dialogues: list[dict[str, Any]] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return dialogues


DIALOGUES = [(f.stem, d) for f in FILES for d in load(f)]
LONG = re.compile(r"LẶP(\d+)")
DOES = {"say", "tap", "later", "kill"}
KEYS = DOES | {"until", "user", "procedure", "intent", "contains", "lacks", "buttons", "no_buttons"}
MOST = 20
"""Taps after which ``until`` is given up."""


@pytest.mark.parametrize(("file", "dialogue"), DIALOGUES, ids=[f"{f}: {d['name']}" for f, d in DIALOGUES])
def test_dialogue(bot: Bot, file: str, dialogue: dict[str, Any]) -> None:
    talk = play_all(bot, dialogue)
    if "transcript" in dialogue:
        path = transcripts.FOLDER / f"{dialogue['transcript']}.md"
        now = transcripts.render(dialogue, f"{file}.yml", talk)
        assert path.is_file(), "run python scripts/transcripts.py"
        assert transcripts.same(path.read_text(encoding="utf-8"), now), f"run python scripts/transcripts.py for {path}"


def play_all(bot: Bot, dialogue: dict[str, Any]) -> list[transcripts.Said]:
    """Play a dialogue and check every turn; what was said and answered."""
    known: dict[str, str] = {}
    talk = []
    for number, turn in enumerate(dialogue["turns"], 1):
        done = play(bot, dialogue["name"], turn, known)
        for at, (_, answer) in enumerate(done, 1):
            check(turn if at == len(done) else {}, answer, f"turn {number}")
        talk += done
    return talk


def play(bot: Bot, name: str, turn: dict[str, Any], known: dict[str, str]) -> list[transcripts.Said]:
    """Do a turn; what was done and answered. ``known``: what the dialogue has shown (``mã``)."""
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
        said = LONG.sub(long, turn["say"]).replace("{mã}", known.get("mã", "{mã}"))
        done = [(f"**Bạn:** {said}", bot.say(said, user))]
    else:
        done = []
        while not done or ("until" in turn and turn["until"] not in text_of(done[-1][1])):
            assert len(done) < MOST, f"never came to {turn['until']!r}"
            label = bot.label(turn["tap"], user)
            done.append((f"**Bạn bấm:** `{label}`", bot.tap(label, user)))
    for _, answer in done:
        if found := transcripts.SHORT.search(text_of(answer)):
            known["mã"] = found[0]
    return done


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
