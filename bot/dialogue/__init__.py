"""What to answer: one turn in, one :class:`~bot.reply.Outcome` out. No network, no Rasa; state comes and goes as slots.

A turn passes through :func:`respond`, which hands it to the module for its intent::

    find    which procedure is meant, and life events     facts   one aspect of it, or several
    guide   cases, then step by step, resumed, rated      stuck   rescues, down to a person
    papers  list to tick, check before, why it came back  around  the day it is due, old places, English
    choose  yes, no, the n-th, not known                  talk    everything around it
"""

from __future__ import annotations

from collections.abc import Callable

from bot.dialogue import around, choose, facts, find, guide, papers, stuck, talk
from bot.dialogue.turn import Turn
from bot.reply import Outcome

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
}
"""What was asked last (slot ``pending``) -> who understands a typed answer to it."""
_ALWAYS = ("guide_stop", "restart", "forget_me", "offer_secret", "file_for_me", "talk_to_person", "rescue", "case")
"""Intents that are no answer to a question, whatever their words."""


def respond(turn: Turn) -> Outcome:
    """The outcome of a turn. A typed answer to what was asked last comes first, then a message that only names a place;
    an unknown intent is a search.
    """
    asked = (turn.slots.get("pending") or {}).get("ask")
    outcome = None
    if not turn.tapped and turn.intent not in _ALWAYS:
        typed = _TYPED.get(asked or "")
        outcome = (typed(turn) if typed else None) or around.take_place(turn)
    if outcome is None:
        outcome = _HANDLERS.get(turn.intent, find.handle)(turn)
    outcome.slots.setdefault("misses", 0.0 if not turn.missed else turn.misses + 1)
    return outcome
