"""Taking a turn, once: what it leads to is written together with what it changes, under its delivery.

Rasa, the action server or the gateway may be killed at any moment and the delivery come again. Whoever then takes the
turn anew finds what it came to the first time, and nothing happens twice: no guide goes two steps for one tap.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bot.assistant import Assistant
from bot.dialogue import Turn, respond
from bot.reply import Outcome, Reply
from bot.service import Progress, Service

FORGETTING = ("restart", "forget_me")
"""Intents after which a conversation begins anew."""


class Memory:
    """What is kept of one user, for a turn: see :class:`bot.dialogue.turn.Memory`. Notes are written at its end."""

    def __init__(self, service: Service, user: str) -> None:
        self._service, self._user = service, user
        self._notes: list[Callable[[], None]] = []

    def unanswered(self, question: str) -> None:
        """Count a question that found nothing."""
        self._notes.append(lambda: self._service.unanswered(question))

    def shared(self, short: str) -> Progress | None:
        """The guide with this short code."""
        return self._service.shared(short)

    def begun(self, code: str = "") -> Progress | None:
        """The guide of this procedure, in hand or not; without a code the one moved last."""
        return self._service.begun(self._user, code)

    def park(self) -> None:
        """Put all guides aside."""
        self._notes.append(lambda: self._service.park(self._user))

    def finished(self) -> None:
        """A guide has come to its end."""
        self._notes.append(lambda: self._service.finished(self._user))

    def done(self) -> int:
        """Guides finished so far."""
        return self._service.done(self._user)

    def rate(self, code: str, answer: str) -> None:
        """Count how it went."""
        self._notes.append(lambda: self._service.rate(code, answer))

    def write(self) -> None:
        """Write what was noted."""
        for note in self._notes:
            note()


def take_turn(
    service: Service,
    assistant: Assistant,
    user: str,
    intent: str,
    message: str,
    entities: dict[str, Any],
    *,
    delivery: str = "",
    tapped: bool = False,
    slots: dict[str, Any] | None = None,
    keep_days: int = 60,
) -> Outcome:
    """The outcome of a turn with all its effects written; of a turn taken before, what it came to then.

    ``slots``: Rasa's, used only while ``service.db`` has none of this user. Raises sqlite3.Error when it cannot be
    written: nothing has happened then.
    """
    if delivery and (known := service.outcome_of(delivery)) is not None:
        return Outcome(Reply.from_json(known["reply"]), known["slots"])
    held = service.slots(user) or dict(slots or {})
    memory = Memory(service, user)
    turn = Turn(
        intent, message, assistant, entities, held, service.progress(user), memory, keep_days=keep_days, tapped=tapped
    )
    outcome = respond(turn)
    outcome.reply = replace(outcome.reply, intent=intent)
    guide = "guide" in outcome.slots, outcome.slots.pop("guide", None)
    with service.transaction():
        if delivery and (known := service.outcome_of(delivery)) is not None:  # somebody was quicker
            return Outcome(Reply.from_json(known["reply"]), known["slots"])
        memory.write()
        if intent in FORGETTING:
            service.keep_slots(user, None)
        else:
            if guide[0]:
                service.keep_progress(user, guide[1])
            service.keep_slots(user, held | outcome.slots)
        if delivery:
            service.keep_outcome(delivery, {"reply": outcome.reply.to_json(), "slots": outcome.slots})
    return outcome
