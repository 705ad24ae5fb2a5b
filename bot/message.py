"""What travels between a channel and the gateway: deliveries in, dressed parts out, and how sending can fail."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from starlette.routing import BaseRoute

from bot.render import Look
from bot.reply import Part, Reply

Kind = Literal["text", "follow", "unfollow", "photo", "place", "other", "fast"]
"""What somebody sent: words (or a tapped button), came, left, a picture or file, where they are, anything else, or the
first message too many in a minute."""
Place = dict[str, Any]
"""Where a reply goes, in the channel's own terms, as JSON. It holds raw ids: kept sealed, and only while needed."""


@dataclass(frozen=True)
class Incoming:
    """A delivery of a channel.

    ``delivery`` is the channel's own id of it: the same id again is the same delivery. ``chat``: what keeps its order
    (the user's own chat when empty). ``sent``: when or in which order it was sent, as the channel counts; of those
    that wait in a chat the smallest goes first. ``button``: key of a tapped button, or ``#n`` for the n-th of the last
    reply. ``group``: other people read the answer too.
    """

    channel: str
    user: str
    text: str
    delivery: str
    button: str | None = None
    limited: bool = True
    """False for channels where the user is the operator (the console)."""
    kind: Kind = "text"
    place: Place = field(default_factory=dict)
    chat: str = ""
    sent: float = 0.0
    group: bool = False


@dataclass(frozen=True)
class Outgoing:
    """A reply with the short keys of its buttons."""

    reply: Reply
    keys: list[str] = field(default_factory=list)


class SendError(Exception):
    """A part was not (surely) sent. The message says why without ids, tokens or texts."""


class LaterError(SendError):
    """Surely not sent, and worth another try after ``after`` seconds (None: as the sender's own back-off says)."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


class GoneError(SendError):
    """Nobody there any more: blocked, left, no longer to be written to. Trying again is pointless and no fault."""


class WrongError(SendError):
    """Refused for good, by a fault of ours or of the set-up: staff have to look."""


class UnsureError(SendError):
    """It may have arrived: the answer to the call was lost. Sending it again could answer twice."""


Accept = Callable[[Incoming], Awaitable[bool]]
"""Keeps a delivery; True when it is new. Only after it returns may the channel acknowledge. Raises BusyError, or
sqlite3.Error when it cannot be kept: the channel must not acknowledge then."""


class BusyError(Exception):
    """More comes in than can be taken on just now: the channel should deliver again later (HTTP 429)."""


class Channel(Protocol):
    """A way to people. It serves while it is entered; it never waits for an answer, it only accepts and sends."""

    name: str
    title: str
    """Its name for people."""
    look: Look
    routes: list[BaseRoute]
    """What the public web server serves for it, empty when it polls."""

    def open(self, accept: Accept) -> AbstractAsyncContextManager[object]:
        """Begin to take deliveries. Raises RefusedError when its settings will not do."""

    async def send(self, place: Place, part: Part) -> None:
        """Send one part. Raises SendError."""

    async def busy(self, place: Place) -> None:
        """Show that an answer is being made, where the channel can. Raises nothing."""
