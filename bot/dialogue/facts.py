"""One aspect of a procedure: of the one in hand, unless the message itself names another."""

from __future__ import annotations

import re

from bot import answers
from bot.dialogue import around, find, stuck
from bot.dialogue.turn import Turn, today
from bot.reply import Button, Outcome
from bot.texts import text
from index.text import fold, lexicon
from knowledge.events import Event
from knowledge.model import Procedure

ASPECT_OF = {
    "ask_documents": "documents", "ask_fee": "fee", "ask_time_limit": "limit", "ask_where": "where", "ask_who": "who",
    "ask_steps": "steps", "ask_online": "online", "ask_forms": "forms", "ask_result": "result",
    "ask_legal_basis": "laws", "ask_processing_status": "status", "show_more": "more", "aspect": "aspect",
}  # fmt: skip
INTENT_OF = {aspect: intent for intent, aspect in ASPECT_OF.items()}
ASPECTS = 3
"""So many aspects are answered at once."""
_ASPECT_WORDS = {
    "documents": re.compile(r"\b(?:giay to|giay gi|ho so gom|can gi|mang (?:theo )?gi|chuan bi gi)\b"),
    "fee": re.compile(r"\b(?:phi|bao nhieu tien|le phi|ton|het nhieu|may tien|nhieu tien)\b"),
    "limit": re.compile(r"\b(?:bao lau|may ngay|bao nhieu ngay|lau khong|bao gio xong)\b"),
    "where": re.compile(r"\b(?:o dau|noi nao|cho nao|den dau|nop dau)\b"),
    "online": re.compile(r"\b(?:online|qua mang|tren mang|truc tuyen)\b"),
}
STRONG = 0.5
"""Probability of being right from which another procedure named in passing takes over from the one in hand."""


def handle(turn: Turn) -> Outcome:
    """Answer the aspect that the intent asks for."""
    aspect = ASPECT_OF[turn.intent]
    if aspect == "limit" and not turn.tapped and around.names_day(turn.text):
        return around.deadline(turn)
    if aspect == "where" and not turn.tapped and around.asks_place(turn):
        return around.place(turn)
    if aspect == "status" and (pinches := stuck.clear(turn, stuck.SURE)):
        return pinches
    if aspect == "status":
        return turn.reply(text("status"), Button.to(text("button_people"), "talk_to_person"))
    if turn.entities.get("code"):
        procedure, pending = turn.procedure, turn.slots.get("pending") or {}
        chosen = pending.get("ask") == "choose" and pending.get("wanted") == turn.intent
        turn.others = list(pending.get("others") or ()) if chosen else []
        return tell(turn, procedure, aspect, new=chosen) if procedure else find.handle(turn)
    current = turn.procedure
    named = lexicon().without_aspects(turn.text)
    turn.others = [a for a in aspects_in(turn.text) if a != aspect]
    if not named or aspect == "more":
        return tell(turn, current, aspect) if current else _which(turn)
    result = turn.assistant.searcher.run(named if current else turn.text)
    if current is None:
        if result.decision != "answer" and (happened := find.event_in(turn, turn.text, find.HAPPENED)):
            return find.event(turn, happened, asked=turn.text)
        if result.decision != "answer":
            asks = result.decision == "clarify"
            return find.clarify(turn, result.hits, wanted=turn.intent) if asks else find.nothing(turn, result)
        found = turn.assistant.procedure(result.hits[0].code)
        assert found is not None
        return tell(turn, found, aspect, new=True, related=find.event_in(turn, turn.text))
    codes = [hit.code for hit in result.hits[:3]]
    if result.decision == "none" or current.code in codes or (result.decision == "clarify" and result.right < STRONG):
        return tell(turn, current, aspect)
    other = turn.assistant.procedure(codes[0])
    if other is None or result.right < STRONG:
        return tell(turn, current, aspect)
    return tell(turn, other, aspect, intro=text("switched", name=answers.title_of(other)), new=True)


def aspects_in(message: str) -> list[str]:
    """Aspects that a message asks for by name, in the order of the answers.

    >>> aspects_in("cần giấy gì, phí bao nhiêu, mấy ngày có")
    ['documents', 'fee', 'limit']
    """
    said = fold(message)
    return [aspect for aspect, words in _ASPECT_WORDS.items() if words.search(said)]


def _which(turn: Turn) -> Outcome:
    """Ask what it is about: among what was offered last, or altogether."""
    if candidates := turn.slots.get("candidates"):
        turn.missed = True
        again = turn.misses < 1
        return find.clarify_codes(turn, candidates, wanted=turn.intent) if again else find.nothing(turn, None)
    return turn.reply(text("need_procedure"), Button.to(text("button_help"), "help"))


def tell(
    turn: Turn, p: Procedure, aspect: str, *, intro: str = "", new: bool = False, related: Event | None = None
) -> Outcome:
    """The aspect's answer with its source; a ``new`` procedure is named; ``related``: what it is part of."""
    whole = aspect == "more" or bool(turn.entities.get("aspect"))
    if aspect in ("more", "aspect"):
        aspect = str(turn.entities.get("aspect") or turn.slots.get("last_aspect") or "")
    body = answer(turn, p, aspect, whole)
    for other in [] if whole or not aspect else turn.others[: ASPECTS - 1]:
        body += "\n\n" + answer(turn, p, other, whole)
    if not whole:
        body = f"{answers.heading(p) if new else text('title', name=answers.title_of(p))}\n\n{body}"
    more = answers.is_cut(body) and not whole
    if intro:
        body = f"{intro}\n\n{body}"
    told = () if whole or not aspect else (aspect, *turn.others[: ASPECTS - 1])
    buttons = find.fact_buttons(p, *(INTENT_OF[x] for x in told if x in INTENT_OF))[:4]
    if more:
        buttons.insert(1, Button.to(text("button_more"), "aspect", code=p.code, aspect=aspect))
    buttons = find.with_event(buttons, p, related)
    return turn.reply(body, *buttons, procedure=p, last_aspect=aspect or None, pending={"ask": "guide"})


def answer(turn: Turn, p: Procedure, aspect: str, whole: bool) -> str:
    """The text of one aspect; an unknown one gives the whole record."""
    if whole:
        return answers.full_text(p, [aspect]).rsplit("\n\n", 1)[0]
    match aspect:
        case "documents":
            return answers.documents(p)
        case "fee":
            return answers.fees(p, today=today())
        case "limit":
            return answers.limits(p)
        case "where":
            return answers.where(p, turn.assistant.contacts, portal=turn.portal_name(p))
        case "who":
            return answers.who(p)
        case "steps":
            return answers.steps(p)
        case "online":
            return answers.online(p, portal=turn.portal_name(p))
        case "forms":
            return answers.forms(p)
        case "result":
            return answers.results(p)
        case "laws":
            return answers.laws(p)
    return answers.overview(p, today=today())
