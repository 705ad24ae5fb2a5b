"""What to answer: one turn in, one :class:`~bot.reply.Outcome` out. No network, no Rasa; state comes and goes as slots.

A turn passes through :func:`respond`, which hands it to the module for its intent::

    find    which procedure is meant, and life events     facts   one aspect of it, or several
    guide   cases, then step by step, resumed, rated      stuck   rescues, down to a person
    papers  list to tick, check before, why it came back  around  the day it is due, old places, English
    choose  yes, no, the n-th, not known                  talk    everything around it
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bot.dialogue import around, choose, facts, find, guide, papers, stuck, talk
from bot.dialogue.turn import ASKING, Turn
from bot.reply import Outcome
from knowledge.cases import next_question

__all__ = ["Turn", "respond"]

_HANDLERS = {
    **dict.fromkeys(find.INTENTS, find.handle),
    **dict.fromkeys(facts.ASPECT_OF, facts.handle),
    **dict.fromkeys(guide.INTENTS, guide.handle),
    **dict.fromkeys(stuck.INTENTS, stuck.handle),
    **dict.fromkeys(papers.INTENTS, papers.handle),
    **dict.fromkeys(around.INTENTS, around.handle),
    **dict.fromkeys(choose.INTENTS, choose.handle),
    **dict.fromkeys(talk.INTENTS, talk.handle),
}
_TYPED: dict[str, Callable[[Turn], Outcome | None]] = {
    "case": guide.take_typed,
    "rescue": stuck.take_typed,
    "stuck": stuck.take_typed,
    "tick": papers.take_typed,
    "check": papers.take_reason,
    "rate": guide.take_rating,
}
"""What was asked last (slot ``pending``) -> who understands a typed answer to it."""
_ALWAYS = ("guide_stop", "restart", "forget_me", "offer_secret", "file_for_me", "talk_to_person", "rescue", "case")
"""Intents that are no answer to a question, unless the words are exactly one of its answers."""
_CHOICES = (*_TYPED, "choose")
"""What is asked with answers as buttons, to which a way back to the guide comes last."""
_BUTTONS = 6


def respond(turn: Turn) -> Outcome:
    """The outcome of a turn. A typed answer to what was asked last comes first, then a message that only names a place;
    an unknown intent is a search.
    """
    pending = turn.slots.get("pending") or {}
    if not turn.tapped and talk.secret_wanted(turn.text):
        turn.intent = "offer_secret"
    turn.exact = turn.intent in _ALWAYS
    typed = _TYPED.get(pending.get("ask", "")) if not turn.tapped else None
    if pending.get("aside") and turn.intent in ("affirm", "deny"):
        typed = None  # a bare yes or no answers what was said last, never a question before that
    outcome = typed(turn) if typed else None
    if outcome is None and not turn.tapped and not turn.exact:
        outcome = around.take_place(turn)
    if outcome is None:
        outcome = _HANDLERS.get(turn.intent, find.handle)(turn)
    outcome.slots.setdefault("misses", 0.0 if not turn.missed else turn.misses + 1)
    _lead_back(turn, outcome)
    if "pending" not in outcome.slots:  # nothing was asked: what was open stays so, for answers in so many words
        outcome.slots["pending"] = pending | {"aside": True} if pending.get("ask") in _TYPED else None
    return outcome


def _lead_back(turn: Turn, outcome: Outcome) -> None:
    """Offer the guide in hand again after a turn that did not move it; a bare "yes" then goes back to it."""
    if "guide" in outcome.slots or turn.intent in ("restart", "forget_me"):
        return
    line, resume = turn.back_to_guide()
    if not line or not turn.guide or any(b.payload.startswith("/guide_next") for b in outcome.reply.buttons):
        return
    code = turn.guide.get("code")
    asked = (outcome.slots.get("pending") or {}).get("ask")
    begin = f'/guide_start{{"code": "{code}"}}'
    held = any(b.payload == resume[0].payload for b in outcome.reply.buttons)
    others = [b for b in outcome.reply.buttons if b.payload not in (begin, resume[0].payload)][: _BUTTONS - 1]
    buttons = (*others, *resume) if asked in _CHOICES else (*resume, *others)
    said = outcome.reply.text
    body = said if held or asked in _CHOICES or line in said else f"{said}\n\n{line}"
    outcome.reply = replace(outcome.reply, text=body, buttons=buttons)
    was_open = "pending" not in outcome.slots and (turn.slots.get("pending") or {}).get("ask") in _TYPED
    if asked not in _CHOICES and not was_open:
        outcome.slots["pending"] = _left(turn) or {"ask": "resume"}


def _left(turn: Turn) -> dict[str, object] | None:
    """The question about the case that a side question has left open."""
    held = turn.guide or {}
    if held.get("step") != ASKING:
        return None
    question = next_question(turn.assistant.guides.questions_of(str(held["code"])), held.get("answers", {}))
    return {"ask": "case", "id": question.id, "aside": True} if question else None
