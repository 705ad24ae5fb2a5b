"""What to answer: one turn in, one :class:`~bot.reply.Outcome` out. No network, no Rasa; state comes and goes as slots.

A turn passes through :func:`respond`, which hands it to the module for its intent::

    find    which procedure is meant          facts   one aspect of it
    guide   step by step, stuck, resumed      choose  yes, no, the n-th
    talk    everything around it
"""

from __future__ import annotations

from bot.dialogue import choose, facts, find, guide, talk
from bot.dialogue.turn import Turn
from bot.reply import Outcome

__all__ = ["Turn", "respond"]

_HANDLERS = {
    **dict.fromkeys(find.INTENTS, find.handle),
    **dict.fromkeys(facts.ASPECT_OF, facts.handle),
    **dict.fromkeys(guide.INTENTS, guide.handle),
    **dict.fromkeys(choose.INTENTS, choose.handle),
    **dict.fromkeys(talk.INTENTS, talk.handle),
}


def respond(turn: Turn) -> Outcome:
    """The outcome of a turn. An unknown intent counts as a search."""
    outcome = _HANDLERS.get(turn.intent, find.handle)(turn)
    outcome.slots.setdefault("misses", 0.0 if not turn.missed else turn.misses + 1)
    return outcome
