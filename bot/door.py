"""The door to the outside: how much may come in, how large, how deep and how slowly."""

from __future__ import annotations

import asyncio
import itertools
import re
from typing import Literal

from limits import parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY = 256 * 1024
"""Bytes; the largest delivery of Telegram or Zalo is a tenth of it."""
DEPTH = 32
"""Brackets within brackets of a JSON body; real ones have about eight."""
READ_WITHIN = 5.0
"""Seconds in which a body has to be there."""
_OTHER = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[^][{}"]++', re.S)
"""Strings (one that is not closed goes to the end) and whatever is no bracket; takes time in proportion to the text."""

Verdict = Literal["yes", "tell", "no"]


class Limits:
    """What one user and all together may send. Moving windows in memory: after a restart everybody begins anew."""

    def __init__(self, per_minute: int, in_all_per_second: int) -> None:
        self._window = MovingWindowRateLimiter(MemoryStorage())
        self._own, self._told = parse(f"{per_minute}/minute"), parse("1/minute")
        self._all = parse(f"{in_all_per_second}/second")

    async def user(self, user: str) -> Verdict:
        """Whether a message of this user is answered; the first one too many in a minute is told so."""
        if await self._window.hit(self._own, "user", user):
            return "yes"
        return "tell" if await self._window.hit(self._told, "told", user) else "no"

    async def all(self) -> bool:
        """Whether one more delivery can be taken on now."""
        return await self._window.hit(self._all, "all")


def depth_of(body: bytes) -> int:
    """How deep brackets nest in JSON text, those inside strings left out; 0 for no brackets.

    >>> depth_of(b'{"a": [1, "]]]["]}')
    2
    """
    brackets = _OTHER.sub(b"", body)
    return max(itertools.accumulate(1 if byte in b"[{" else -1 for byte in brackets), default=0)


class Guard:
    """ASGI middleware: reads the whole body within :data:`READ_WITHIN`, refuses what is too large (413), too deep
    (400) or too slow (408), and only then lets the application see the request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refused = None
        body = b""
        try:
            async with asyncio.timeout(READ_WITHIN):
                body = await _read(receive)
        except TimeoutError:
            refused = PlainTextResponse("too slow", 408, {"connection": "close"})
        except OverflowError:
            refused = PlainTextResponse("too large", 413, {"connection": "close"})
        except ConnectionError:
            return
        if refused is None and body.count(b"[") + body.count(b"{") > DEPTH and depth_of(body) > DEPTH:
            refused = PlainTextResponse("too deep", 400)
        if refused is not None:
            await refused(scope, receive, send)
            return
        given = False

        async def again() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, again, send)


async def _read(receive: Receive) -> bytes:
    """The body. Raises OverflowError beyond :data:`BODY` bytes, ConnectionError when the client is gone."""
    parts = list[bytes]()
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError
        part = message.get("body", b"")
        size += len(part)
        if size > BODY:
            raise OverflowError
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)
