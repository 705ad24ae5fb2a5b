"""A reply, before any channel dresses it: text in a small Markdown subset (``**bold**``) and buttons."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import dataclass, field, replace
from typing import Any

LABEL_LIMIT = 40


@dataclass(frozen=True)
class Button:
    """``payload`` is an intent with entities (``/ask_fee{"code": "1.001193"}``); it never leaves the server."""

    label: str
    payload: str

    @classmethod
    def to(cls, label: str, intent: str, **entities: object) -> Button:
        """A button that acts like ``intent`` with ``entities``."""
        return cls(
            shorten(label, LABEL_LIMIT), f"/{intent}" + (json.dumps(entities, ensure_ascii=False) if entities else "")
        )


@dataclass(frozen=True)
class Reply:
    """One answer. ``procedure``: code in hand afterwards; ``edit``: may replace the message whose button was tapped."""

    text: str
    buttons: tuple[Button, ...] = ()
    procedure: str | None = None
    intent: str = ""
    edit: bool = False

    def to_json(self) -> dict[str, Any]:
        """For the way from the action server through Rasa to the gateway."""
        return {
            "text": unicodedata.normalize("NFC", self.text), "buttons": [[b.label, b.payload] for b in self.buttons],
            "procedure": self.procedure, "intent": self.intent, "edit": self.edit,
        }  # fmt: skip

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Reply:
        """What :meth:`to_json` made. Raises KeyError, TypeError or ValueError for anything else."""
        buttons = tuple(Button(str(label), str(payload)) for label, payload in data["buttons"])
        return cls(str(data["text"]), buttons, data["procedure"], str(data["intent"]), bool(data["edit"]))

    def plus(self, *lines: str, first: bool = False) -> Reply:
        """The same with paragraphs added after (or before) its text."""
        extra = [line for line in lines if line]
        return replace(self, text="\n\n".join([*extra, self.text] if first else [self.text, *extra]))


@dataclass(frozen=True)
class Part:
    """One message of a channel, dressed for it. ``edit``: it may take the place of the message that was tapped."""

    text: str
    buttons: tuple[tuple[str, str], ...] = ()
    """(label, key) in order; empty where the channel has none and the text holds a numbered menu."""
    edit: bool = False

    def to_json(self) -> dict[str, Any]:
        """For the outbox."""
        return {"text": self.text, "buttons": [list(b) for b in self.buttons], "edit": self.edit}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Part:
        """What :meth:`to_json` made."""
        return cls(data["text"], tuple((label, key) for label, key in data["buttons"]), data["edit"])


@dataclass
class Outcome:
    """What a turn leads to: a reply and the slots that change."""

    reply: Reply
    slots: dict[str, Any] = field(default_factory=dict)


def shorten(text: str, limit: int) -> str:
    """``text`` in at most ``limit`` characters, cut at a word and marked with an ellipsis where it was cut.

    >>> shorten("Cấp bản sao trích lục hộ tịch", 16)
    'Cấp bản sao…'
    """
    text = " ".join(text.split())
    if len(text) <= limit:
        return text
    cut = text[: limit - 1]
    if " " in cut[limit // 2 :]:
        cut = cut[: cut.rindex(" ")]
    return cut.rstrip(" ,;:.(–-") + "…"
