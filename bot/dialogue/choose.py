"""Yes, no and the n-th: what they mean depends on what was asked last (slot ``pending``)."""

from __future__ import annotations

import re

from bot.dialogue import find, guide
from bot.dialogue.turn import Turn
from bot.reply import Button, Outcome
from bot.texts import text
from index.text import fold

SHORT = 4
"""Words up to which a number with nothing to choose from is not taken for a question."""
INTENTS = ("choose_nth", "affirm", "deny")
_WORDS = {
    "mot": 1, "nhat": 1, "dau": 1, "dau tien": 1, "hai": 2, "nhi": 2, "ba": 3, "bon": 4, "tu": 4, "nam": 5, "cuoi": -1,
    "cuoi cung": -1, "chot": -1,
}  # fmt: skip
_PATTERN = re.compile(r"\b(\d{1,2}|" + "|".join(sorted(map(re.escape, _WORDS), key=len, reverse=True)) + r")\b")


def ordinal(message: str) -> int | None:
    """The number that a message names: "cái thứ hai" → 2, "cái cuối" → -1, none → None.

    >>> ordinal("cho tôi cái đầu tiên"), ordinal("số 3"), ordinal("ừ")
    (1, 3, None)
    """
    found = _PATTERN.findall(fold(message))
    if not found:
        return None
    word = next((w for w in found if w.isdigit()), found[-1])
    return int(word) if word.isdigit() else _WORDS[word]


def handle(turn: Turn) -> Outcome:
    """Resolve the choice, or carry on with what was offered."""
    pending = (turn.slots.get("pending") or {}).get("ask")
    candidates: list[str] = turn.slots.get("candidates") or []
    if turn.intent == "choose_nth":
        return _nth(turn, candidates)
    if turn.intent == "deny":
        return _no(turn, pending)
    match pending:
        case "choose" if len(candidates) == 1:
            return _open(turn, candidates[0])
        case "choose":
            return find.clarify_codes(turn, candidates)
        case "guide":
            turn.intent = "guide_start"
            return guide.start(turn)
        case "step":
            turn.intent = "guide_next"
            return guide.handle(turn)
        case "resume":
            turn.intent = "guide_resume"
            return guide.handle(turn)
    return turn.reply(text("need_procedure"), Button.to(text("button_help"), "help"))


def _nth(turn: Turn, candidates: list[str]) -> Outcome:
    index = str(turn.entities.get("index") or "")
    number = int(index) if index.isdecimal() else ordinal(turn.text)
    if candidates and number is not None and (number == -1 or 1 <= number <= len(candidates)):
        return _open(turn, candidates[number if number < 0 else number - 1])
    if candidates and number == len(candidates) + 1:
        return find.nothing(turn, None)
    if candidates:
        turn.intent, turn.slots["pending"] = "affirm", {"ask": "choose"}
        return handle(turn)
    if len(turn.text.split()) <= SHORT:
        return turn.reply(text("need_procedure"), Button.to(text("button_help"), "help"))
    return find.search(turn, turn.text)


def _open(turn: Turn, code: str) -> Outcome:
    procedure = turn.assistant.procedure(code)
    return find.show(turn, procedure) if procedure else find.nothing(turn, None)


def _no(turn: Turn, pending: str | None) -> Outcome:
    match pending:
        case "choose":
            return find.nothing(turn, None)
        case "step":
            turn.intent, turn.tapped = "guide_stuck", True
            return guide.stuck(turn)
    line, resume = turn.back_to_guide()
    body = "\n\n".join(x for x in (text("deny"), line) if x)
    return turn.reply(body, *resume, Button.to(text("button_help"), "help"), pending=None)
