"""One turn of a conversation: the message as understood, the slots, and what the handlers need around them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from bot import answers
from bot.assistant import Assistant
from bot.dialogue.pick import pick
from bot.reply import Button, Outcome, Reply
from bot.texts import text
from knowledge.model import Procedure

ASKING = "cases"
"""Step id of the questions about the case."""


class Memory(Protocol):
    """What a turn may ask and tell of the person, without knowing who it is."""

    def unanswered(self, question: str) -> None:
        """Count a question that found nothing."""

    def shared(self, short: str) -> dict[str, Any] | None:
        """The guide with this short code."""

    def begun(self, code: str = "") -> dict[str, Any] | None:
        """The guide of this procedure, in hand or put aside; without a code the one moved last."""

    def park(self) -> None:
        """Put all guides aside."""

    def finished(self) -> None:
        """A guide has come to its end."""

    def done(self) -> int:
        """Guides finished so far."""

    def rate(self, code: str, answer: str) -> None:
        """Count how it went with a procedure."""


class Forgetful:
    """A memory that keeps nothing: for single questions, and where nobody is known."""

    def unanswered(self, question: str) -> None:
        """Nothing."""

    def shared(self, short: str) -> dict[str, Any] | None:
        """None."""

    def begun(self, code: str = "") -> dict[str, Any] | None:
        """None."""

    def park(self) -> None:
        """Nothing."""

    def finished(self) -> None:
        """Nothing."""

    def done(self) -> int:
        """None so far."""
        return 0

    def rate(self, code: str, answer: str) -> None:
        """Nothing."""


@dataclass
class Turn:
    """``entities``: name → value, from the message or from a tapped button. ``slots``: as Rasa holds them."""

    intent: str
    text: str
    assistant: Assistant
    entities: dict[str, Any] = field(default_factory=dict)
    slots: dict[str, Any] = field(default_factory=dict)
    guide: dict[str, Any] | None = None
    """The guide in progress, from the store: see :data:`bot.service.Progress`."""
    memory: Memory = field(default_factory=Forgetful)
    now: dt.datetime = field(default_factory=lambda: now())
    keep_days: int = 60
    tapped: bool = False
    missed: bool = False
    exact: bool = False
    """Whether only the very words of a label count as an answer."""
    others: list[str] = field(default_factory=list)
    """More aspects that the message asks for, beside the one of its intent."""

    @property
    def misses(self) -> float:
        """Misunderstandings in a row so far."""
        return float(self.slots.get("misses") or 0)

    @property
    def procedure(self) -> Procedure | None:
        """The procedure in hand: named by the button, else by the slot."""
        code = self.entities.get("code") or self.slots.get("procedure")
        return self.assistant.procedure(str(code)) if code else None

    def picked(self, labels: Sequence[str]) -> int | None:
        """Position of the label that the message means."""
        return pick(self.text, labels, exact=self.exact)

    def portal_name(self, procedure: Procedure) -> str:
        """Where it is filed online, for people."""
        if not procedure.online:
            return ""
        guide = self.assistant.guide(procedure)
        return f"{guide.portal_name} ({guide.url})" if guide.url else guide.portal_name

    def reply(
        self, body: str, *buttons: Button, procedure: Procedure | None = None, drop: bool = False, **slots: Any
    ) -> Outcome:
        """An outcome; ``procedure`` becomes the one in hand and its source is added; ``drop``: none is in hand."""
        if drop:
            slots["procedure"] = None
        if procedure is not None:
            body = f"{body}\n\n{answers.source(procedure)}"
            slots.setdefault("procedure", procedure.code)
        held = slots.get("procedure", self.slots.get("procedure"))
        return Outcome(Reply(body, buttons, held, self.intent), slots)

    def back_to_guide(self) -> tuple[str, tuple[Button, ...]]:
        """A line and a button that offer the guide in hand again; empty when there is none."""
        held = self.guide
        procedure = self.assistant.procedure(held.get("code")) if held else None
        if not held or procedure is None:
            return "", ()
        name, code = answers.title_of(procedure), procedure.code
        if held.get("step") == ASKING:
            return text("guide_back_to_cases", name=name), (
                Button.to(text("button_resume_cases"), "guide_resume", code=code),
            )
        steps = self.assistant.guide(procedure, held.get("portal", ""), held.get("answers")).steps
        at = next((i for i, s in enumerate(steps) if s.id == held.get("step")), 0) + 1
        line = text("guide_back_to", i=at, n=len(steps), name=name)
        return line, (Button.to(text("button_resume", i=at), "guide_resume", code=code),)


def now() -> dt.datetime:
    """This moment in Vietnam, without a zone."""
    return dt.datetime.now(dt.timezone(dt.timedelta(hours=7))).replace(tzinfo=None)


def today() -> dt.date:
    """Today in Vietnam."""
    return now().date()
