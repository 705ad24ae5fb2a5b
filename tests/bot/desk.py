"""A stand-in for the gateway behind a channel, and waiting for what is to come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from bot.message import Incoming

STILL = 0.3
"""Seconds after which nothing more is expected."""


class Desk:
    """Takes what the channel hands over; ``errors`` are raised first, one a delivery."""

    def __init__(self, *errors: Exception) -> None:
        self.heard, self.errors = list[Incoming](), list(errors)
        self._came = asyncio.Event()

    async def accept(self, incoming: Incoming) -> bool:
        if self.errors:
            raise self.errors.pop(0)
        self.heard.append(incoming)
        self._came.set()
        return True

    async def hears(self, count: int = 1, within: float = 15.0) -> list[Incoming]:
        """What was heard, once it is so many. Raises TimeoutError."""
        async with asyncio.timeout(within):
            while len(self.heard) < count:
                self._came.clear()
                await self._came.wait()
        return self.heard

    async def hears_only(self, count: int) -> list[Incoming]:
        """The same, when nothing more comes."""
        await self.hears(count)
        await asyncio.sleep(STILL)
        assert len(self.heard) == count, self.heard
        return self.heard


async def until(found: Callable[[], Any], within: float = 10.0) -> Any:
    """What ``found`` gives, once it is something."""
    end = time.monotonic() + within
    while not (value := found()):
        assert time.monotonic() < end, "it did not come"
        await asyncio.sleep(0.02)
    return value
