"""Yes, no and the n-th: what they mean depends on what was asked last (slot ``pending``)."""

from __future__ import annotations

from bot import answers
from bot.dialogue import facts, find, guide, stuck
from bot.dialogue.pick import ordinal
from bot.dialogue.turn import Turn
from bot.reply import Button, Outcome
from bot.texts import text

SHORT = 4
"""Words up to which a number with nothing to choose from is not taken for a question."""
INTENTS = ("choose_nth", "affirm", "deny", "dont_know")


def handle(turn: Turn) -> Outcome:
    """Resolve the choice, or carry on with what was offered."""
    pending = (turn.slots.get("pending") or {}).get("ask")
    candidates: list[str] = turn.slots.get("candidates") or []
    if turn.intent == "choose_nth":
        return _nth(turn, candidates)
    if turn.intent == "dont_know":
        return _not_known(turn, candidates)
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
        case "resume" | "case":
            turn.intent = "guide_resume"
            return guide.handle(turn)
        case "rescue" | "stuck":
            return stuck.again(turn)
    if procedure := turn.procedure:
        asked = text("what_next", name=answers.title_of(procedure))
        return turn.reply(asked, *find.fact_buttons(procedure), procedure=procedure)
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


def _not_known(turn: Turn, candidates: list[str]) -> Outcome:
    """Whoever does not know is told more: of the candidates, else by a person."""
    turn.missed = True
    if candidates and turn.misses < 1:
        return find.clarify_codes(turn, candidates, intro=text("clarify_unsure"))
    return turn.reply(text("dont_know"), Button.to(text("button_people"), "talk_to_person"))


def _open(turn: Turn, code: str) -> Outcome:
    procedure = turn.assistant.procedure(code)
    if procedure and (wanted := (turn.slots.get("pending") or {}).get("wanted")):
        turn.intent, turn.entities = str(wanted), {"code": code}
        return facts.handle(turn)
    return find.show(turn, procedure) if procedure else find.nothing(turn, None)


def _no(turn: Turn, pending: str | None) -> Outcome:
    match pending:
        case "choose":
            return find.nothing(turn, None)
        case "step":
            turn.intent, turn.tapped = "guide_stuck", True
            return stuck.describe(turn)
    return turn.reply(text("deny"), Button.to(text("button_help"), "help"), pending=None)
