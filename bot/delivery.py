"""Every delivery is answered once, in its chat's order, whatever is killed, full, locked or refused in between.

In: a channel hands over what came (:meth:`Delivery.accept`); it is kept before the channel acknowledges it, and
a second delivery finds itself. Out: each chat with work has one task, which takes what was sent first, has the gateway
answer, keeps the answer in the outbox and sends it part by part. A part whose sending was cut off may have arrived: it
is not sent again, the user is offered to see it again. What cannot be answered becomes a dead letter for staff.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import random
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from bot.door import Limits
from bot.gateway import Gateway, parse_payload
from bot.inbox import Kept, Row
from bot.message import (
    BusyError,
    Channel,
    GoneError,
    Incoming,
    LaterError,
    Place,
    SendError,
    UnsureError,
    WrongError,
)
from bot.render import dress, fit
from bot.reply import Button, Part, Reply
from bot.settings import Settings
from bot.texts import text
from knowledge.errors import RefusedError

log = logging.getLogger(__name__)
T = TypeVar("T")

LOCK = "gateway.lock"
AT_ONCE = 32
"""Turns that are taken at the same time."""
WAITING = 30
"""Deliveries of one chat that may wait; those beyond are dropped, since nobody reads so many answers."""
ATTEMPTS = 5
"""Failures to make an answer after which a delivery is a dead letter."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 120.0
LATE = 120.0
"""Seconds after which an answer begins with an apology."""
TOO_OLD = 86_400.0
"""Seconds after which a message is not answered any more; nobody waits so long, and Zalo asks money for it."""
TYPING_AFTER, TYPING_EVERY, WORKING_AFTER = 0.5, 4.0, 5.0
NOTE = 1000
"""Number of the part that offers to see an answer again which may have been lost."""
SETTLE = 0.1
"""Seconds that a message of a webhook waits for one that was sent before it and overtaken on the way."""
LOOK = 5.0
"""Seconds between two looks for dead letters that staff have put back."""
GRACE = 10.0
"""Seconds that turns under way get to end at the stop."""


class Delivery:
    """Serves while it is entered. One a home: a second one is refused, or people would be answered twice.

    Raises RefusedError at its start when another one serves this home or a channel cannot be opened.
    """

    def __init__(self, gateway: Gateway, channels: Sequence[Channel], settings: Settings) -> None:
        self._gateway, self._inbox, self._settings = gateway, gateway.inbox, settings
        self._channels = {channel.name: channel for channel in channels}
        self._limits = Limits(settings.messages_per_minute, settings.messages_per_second)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._news: dict[str, int] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._stopping = asyncio.Event()
        self._files = ThreadPoolExecutor(1, "service.db")
        self._stack = AsyncExitStack()
        self._looking: asyncio.Task[None] | None = None

    # -- start and stop

    async def __aenter__(self) -> Delivery:
        try:
            self._stack.callback(os.close, _only_one(self._settings.home / LOCK))
            if cut_off := await self._stored(self._inbox.interrupted):
                log.warning("%d parts may or may not have arrived when the gateway was stopped", cut_off)
            for channel in self._channels.values():
                await self._stack.enter_async_context(channel.open(self.accept))
            self._looking = asyncio.create_task(self._look())
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Finish what is under way; the rest stays in the inbox for the next start."""
        self._stopping.set()
        if self._looking:
            await self._looking
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=GRACE)
            slow = list(self._tasks.values())
            for task in slow:
                task.cancel()
            await asyncio.gather(*slow, return_exceptions=True)
        await self._stack.aclose()
        self._files.shutdown()

    async def _look(self) -> None:
        """Take up what is open: from the last life at first, later what staff have put back."""
        while not self._stopping.is_set():
            for chat in await self._surely(self._inbox.open_chats):
                if chat not in self._tasks:
                    self._wake(chat)
            await self._pause(LOOK)

    async def _stored(self, call: Callable[..., T], *args: Any, **named: Any) -> T:
        """Run something that reads or writes the files, off the event loop. Raises sqlite3.Error."""
        return await asyncio.get_running_loop().run_in_executor(self._files, lambda: call(*args, **named))

    async def _surely(self, call: Callable[..., T], *args: Any, **named: Any) -> T:
        """The same, again and again while the disk is full or the file locked: what has been done must be noted."""
        pause = 0.2
        while True:
            try:
                return await self._stored(call, *args, **named)
            except sqlite3.Error as error:
                log.error("service.db cannot be written (%s); trying again", error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 5.0)

    # -- in

    async def accept(self, incoming: Incoming) -> bool:
        """Keep a delivery and have it answered; False when it was kept before, or is dropped as one of far too many.

        Raises BusyError and sqlite3.Error; it is not kept then.
        """
        if not await self._limits.all():
            raise BusyError
        delivery = self._gateway.delivery_id(incoming)
        chat_key = self._gateway.chat_key(incoming)
        known, waiting = await self._stored(lambda: (self._inbox.known(delivery), self._inbox.waiting(chat_key)))
        if known:
            return False
        verdict = (
            await self._limits.user(self._gateway.user_key(incoming))
            if incoming.limited and incoming.kind != "unfollow"
            else "yes"
        )
        if verdict == "no" or waiting >= WAITING:
            log.warning("a chat on %s sends faster than it can be answered; a message was dropped", incoming.channel)
            return False
        if verdict == "tell":
            incoming = replace(incoming, kind="fast", text="", button=None)
        fresh = await self._stored(self._gateway.keep, incoming)
        self._wake(chat_key)
        return fresh

    def _wake(self, chat: str) -> None:
        self._news[chat] = self._news.get(chat, 0) + 1
        if chat not in self._tasks and not self._stopping.is_set():
            self._tasks[chat] = asyncio.create_task(self._serve(chat))

    # -- a chat

    async def _serve(self, chat: str) -> None:
        """Work through a chat until nothing is left."""
        try:
            while not self._stopping.is_set():
                seen = self._news[chat]
                kept = await self._surely(self._inbox.next, chat)
                if kept is None:
                    if seen == self._news[chat]:
                        return
                    continue
                try:
                    await self._work(kept)
                except (sqlite3.Error, OSError) as error:
                    log.error("a message could not be handled (%s); trying again", error)
                    await self._pause(FIRST_PAUSE)
                except Exception as error:
                    await self._failed(kept, error)
        finally:
            del self._tasks[chat], self._news[chat]

    async def _failed(self, kept: Kept, error: Exception) -> None:
        """Try again later, a few times; then tell the user and leave it to staff."""
        log.error("no answer could be made", exc_info=error)
        attempts = await self._surely(self._inbox.failed, kept.delivery, type(error).__name__)
        if attempts < ATTEMPTS:
            await self._pause(FIRST_PAUSE * 2**attempts)
            return
        await self._surely(self._inbox.die, kept.delivery, f"no answer could be made: {type(error).__name__}")
        channel = self._channels[kept.channel]
        with suppress(SendError):
            await channel.send(self._gateway.seal.open(kept.place), Part(channel.look.render(text("broken"))))

    async def _work(self, kept: Kept) -> None:
        """Bring a delivery as far as it goes now. Raises whatever keeps its answer from being made."""
        channel = self._channels.get(kept.channel)
        if channel is None:
            return await self._surely(self._inbox.die, kept.delivery, f"no channel {kept.channel!r} is set up")
        if kept.state == "new" and channel.routes and (left := kept.received + SETTLE - time.time()) > 0:
            await asyncio.sleep(left)
            newest = await self._surely(self._inbox.next, kept.chat)
            kept = newest or kept
        try:
            place = self._gateway.seal.open(kept.place)
        except ValueError:
            return await self._surely(self._inbox.die, kept.delivery, "its address was sealed with another key")
        if time.time() - kept.received > TOO_OLD:
            return await self._surely(self._inbox.die, kept.delivery, "too old to be answered")
        if kept.state == "new":
            await self._answer(kept, channel, place)
        return await self._send_all(kept, channel, place)

    # -- its answer

    async def _answer(self, kept: Kept, channel: Channel, place: Place) -> None:
        """Make the answer and keep it."""
        showing = asyncio.create_task(self._show(channel, place))
        try:
            async with self._turns:
                parts, forget = await self._parts(kept, channel)
        finally:
            showing.cancel()
            await asyncio.gather(showing, return_exceptions=True)
        await self._surely(self._inbox.answered, kept.delivery, parts, forget=forget)

    async def _parts(self, kept: Kept, channel: Channel) -> tuple[list[Part], bool]:
        """An answer dressed for its channel, and whether its sender is to be forgotten after it."""
        if (again := await self._again(kept)) is not None:
            return again, False
        replies = await self._gateway.turn(kept, numbered=channel.look.numbered)
        if time.time() - kept.received > LATE and replies[0].text:
            replies[0] = replies[0].plus(text("late"), first=True)
        parts = list[Part]()
        for reply in replies:
            if reply.text:
                parts += await self._stored(self._dressed, kept.user, reply, channel)
        return parts, any(reply.intent == "forget_me" for reply in replies)

    def _dressed(self, user: str, reply: Reply, channel: Channel) -> list[Part]:
        reply = fit(reply, channel.look)
        return dress(reply, self._gateway.outgoing(user, reply, numbered=channel.look.numbered).keys, channel.look)

    async def _again(self, kept: Kept) -> list[Part] | None:
        """The parts of an earlier answer when a button for it was tapped."""
        if kept.button is None:
            return None
        with suppress(LookupError):
            payload = await self._stored(self._gateway.payload, kept)
            if payload and payload.startswith("/again"):
                rows = await self._stored(self._inbox.parts, str(parse_payload(payload)[1]["delivery"]))
                return [replace(row.part, edit=False) for row in rows if row.n < NOTE]
        return None

    async def _show(self, channel: Channel, place: Place) -> None:
        """Show that an answer is being made, and say so when it takes long."""
        began = time.monotonic()
        await asyncio.sleep(TYPING_AFTER)
        told = False
        while True:
            with suppress(Exception):
                await channel.busy(place)
            await asyncio.sleep(min(TYPING_EVERY, WORKING_AFTER - TYPING_AFTER) if not told else TYPING_EVERY)
            if not told and time.monotonic() - began >= WORKING_AFTER:
                told = True
                with suppress(SendError):
                    await channel.send(place, Part(channel.look.render(text("working"))))

    # -- on its way

    async def _send_all(self, kept: Kept, channel: Channel, place: Place) -> None:
        """Send what is not sent yet, in order; then the delivery is done, or dead."""
        rows = await self._surely(self._inbox.parts, kept.delivery)
        unsure, last = any(row.state == "unsure" and row.n < NOTE for row in rows), None
        for row in (row for row in rows if row.state == "ready"):
            if last is not None:
                await self._surely(self._inbox.mark, kept.delivery, last, "sent")
            last = None
            state = await self._send(kept, channel, place, row)
            if state in ("ready", "dead"):
                return
            if state == "dropped":
                unsure = False
                break
            unsure = unsure or (state == "unsure" and row.n < NOTE)
            last = row.n if state == "sent" else None
        if unsure and not any(row.n >= NOTE for row in rows):
            if last is not None:
                await self._surely(self._inbox.mark, kept.delivery, last, "sent")
            await self._surely(self._note, kept, channel)
            return  # it comes round again, with the note to be sent
        await self._surely(self._inbox.done, kept.delivery, sent=last)

    def _note(self, kept: Kept, channel: Channel) -> None:
        """One more part: if you have not seen it, look here."""
        again = Button(text("button_again"), "/again" + json.dumps({"delivery": kept.delivery}))
        (part,) = self._dressed(kept.user, Reply(text("maybe_lost"), (again,)), channel)
        self._inbox.add_part(kept.delivery, part, NOTE)

    async def _send(self, kept: Kept, channel: Channel, place: Place, row: Row) -> str:
        """Send one part until it is clear what became of it; returns the state it is in."""
        pause = FIRST_PAUSE
        while True:
            await self._surely(self._inbox.mark, kept.delivery, row.n, "sending")
            try:
                await channel.send(place, row.part)
            except LaterError as error:
                await self._surely(self._inbox.mark, kept.delivery, row.n, "ready")
                if time.time() - kept.received > TOO_OLD:
                    return await self._refused(kept, row, f"not sent within a day: {error}")
                await self._pause(min(error.after if error.after is not None else pause, LONGEST_PAUSE))
                pause = min(pause * 2, LONGEST_PAUSE) * random.uniform(0.8, 1.2)  # noqa: S311
                if self._stopping.is_set():
                    return "ready"
            except UnsureError as error:
                log.warning("a part may not have arrived on %s: %s", kept.channel, error)
                await self._surely(self._inbox.mark, kept.delivery, row.n, "unsure")
                return "unsure"
            except GoneError as error:
                log.info("a reply was not wanted on %s: %s", kept.channel, error)
                await self._surely(self._inbox.mark, kept.delivery, row.n, "dropped")
                return "dropped"
            except WrongError as error:
                log.error("a part was refused on %s: %s", kept.channel, error)
                return await self._refused(kept, row, str(error))
            else:
                return "sent"

    async def _refused(self, kept: Kept, row: Row, error: str) -> str:
        await self._surely(self._inbox.mark, kept.delivery, row.n, "dropped")
        await self._surely(self._inbox.die, kept.delivery, error)
        return "dead"

    async def _pause(self, seconds: float) -> None:
        """Wait, but not beyond the stop."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    # -- what staff see

    async def state(self) -> dict[str, Any]:
        """Counts for the ready page; ``ready``: the file can be read and nobody waits too long."""
        try:
            counts = await asyncio.wait_for(self._stored(self._inbox.counts), 3)
        except (sqlite3.Error, TimeoutError) as error:
            return {"ready": False, "error": type(error).__name__}
        quotas = {name: quota.remain for name, c in self._channels.items() if (quota := getattr(c, "quota", None))}
        more = {"quota": quotas} if quotas else {}
        return {"ready": counts["oldest"] < LATE, "channels": sorted(self._channels), **counts, **more}


def _only_one(path: Path) -> int:
    """Lock a home for this gateway; the open file. Raises RefusedError when another one has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise RefusedError(f"another gateway serves {path.parent}; stop it first") from None
    return lock
