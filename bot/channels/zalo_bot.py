"""A bot of Zalo's Bot Platform: messages by polling or webhook in, plain text with numbered choices out.

The platform hands out each update once and wants no receipt: one that was fetched and cannot be kept is tried again
here until it can. Of a webhook's delivery it hears only after it is kept. Nothing that people send is logged, no id,
and no address, since the token is part of it.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import re
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Any

import httpx
from pydantic import BaseModel, Field, StringConstraints
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from bot.channels.zalo_api import LIMITS, TIMEOUT, acknowledged, hush
from bot.channels.zalo_bot_api import CONFLICT, IDLE, OFTEN, TOKEN, RefusalError, ZaloBotApi
from bot.message import Accept, BusyError, Incoming, Kind, LaterError, Place, SendError
from bot.render import ZALO_BOT
from bot.reply import Part
from bot.settings import Settings
from knowledge.errors import RefusedError

log = logging.getLogger(__name__)

PATH = "/zalo/bot"
POLL, SPARE = 25.0, 10.0
"""Seconds that Zalo may hold a call for updates, and that its answer may be late."""
AGAIN = 1.0, 30.0
"""Seconds, first and longest, until something is tried again."""
TRIES = 5
"""How often an update is offered that cannot be kept for another reason than a full disk or too much at once."""
SHORTEST = 1.0
"""Seconds that a call for updates takes at least, so that a server that does not hold it is not run down."""
AT_THE_STOP = 5.0
"""Seconds that an update which was fetched gets to be kept when the bot stops."""
TYPING = 5.0
LATEST = 1e15
"""Milliseconds since 1970 that a message can have been sent."""
PAUSES = (0.5, 1.0, 2.0)
"""Seconds before each further attempt of a call at the start."""
KINDS: dict[str, Kind] = {
    "message.text.received": "text",
    "message.link.received": "text",
    "message.image.received": "photo",
    "message.sticker.received": "other",
    "message.voice.received": "other",
    "message.unsupported.received": "other",
}
"""Events that concern us; others are acknowledged and dropped."""
_TOKEN = re.compile(r"[A-Za-z0-9_:.~-]{8,300}")
_SECRET = re.compile(r"[\x21-\x7e]{8,256}")

Id = Annotated[str, StringConstraints(strict=True, pattern=r"^[\x20-\x7e]{1,200}$")]


class _Person(BaseModel):
    id: Id
    is_bot: bool = False


class _Chat(BaseModel):
    id: Id
    chat_type: str = "PRIVATE"


class _Message(BaseModel):
    message_id: Id
    sender: _Person = Field(alias="from")
    chat: _Chat
    date: Any = None
    text: Any = None


class _Event(BaseModel):
    event_name: Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z_.]{1,60}$")]
    message: Any = None


class ZaloBot:
    """See :class:`bot.message.Channel`. Raises RefusedError when its settings will not do. ``clock``: seconds since
    1970."""

    name, title = "zalobot", "Zalo Bot"
    look = ZALO_BOT

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._settings, self._clock = settings, clock
        self._token = settings.zalo_bot_token.get_secret_value()
        self._secret = settings.zalo_bot_webhook_secret.get_secret_value()
        self._url = settings.zalo_bot_webhook_url.rstrip("/").removesuffix(PATH)
        self._check()
        self._accept: Accept | None = None
        self._api: ZaloBotApi | None = None
        self._taking = asyncio.Lock()
        self.routes: list[BaseRoute] = [Route(PATH, self._hook, methods=["POST"])] if self._url else []

    def _check(self) -> None:
        if not _TOKEN.fullmatch(self._token):
            raise RefusedError("TTHC_ZALO_BOT_TOKEN is no token; take the one that Zalo Bot Manager sent you")
        if not self._url:
            return
        if not self._url.startswith("https://") and not self._settings.zalo_bot_api:
            raise RefusedError("TTHC_ZALO_BOT_WEBHOOK_URL: Zalo calls https:// addresses only")
        if not self._secret:
            raise RefusedError("a webhook needs TTHC_ZALO_BOT_WEBHOOK_SECRET, or anybody could pose as Zalo")
        if not _SECRET.fullmatch(self._secret):
            raise RefusedError("TTHC_ZALO_BOT_WEBHOOK_SECRET: 8 to 256 letters, digits and signs, without blanks")

    # -- start and stop

    @asynccontextmanager
    async def open(self, accept: Accept) -> AsyncIterator[ZaloBot]:
        """Take updates and send, while entered. Raises RefusedError when Zalo refuses the token or the webhook."""
        hush()
        async with httpx.AsyncClient(timeout=TIMEOUT, limits=LIMITS) as http:
            api = ZaloBotApi(http, self._token, self._settings.zalo_bot_api)
            await _insist(api, "getMe")
            self._accept, self._api, self._taking = accept, api, asyncio.Lock()
            polling = None
            try:
                if self._url:
                    await _insist(api, "setWebhook", {"url": self._url + PATH, "secret_token": self._secret})
                else:
                    await _insist(api, "deleteWebhook")
                    polling = asyncio.create_task(self._poll(api))
                yield self
            finally:
                if polling:
                    await self._stop(polling)
                self._accept = self._api = None

    async def _stop(self, polling: asyncio.Task[None]) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(AT_THE_STOP):
                await self._taking.acquire()
        polling.cancel()
        await asyncio.gather(polling, return_exceptions=True)

    # -- in

    async def _poll(self, api: ZaloBotApi) -> None:
        """Ask for updates for ever, whatever happens."""
        pause = AGAIN[0]
        while True:
            began = time.monotonic()
            try:
                updates = await _updates(api)
                async with self._taking:
                    for update in updates:
                        await self._keep(update)
            except Exception as error:
                log.warning("updates could not be taken from Zalo: %s", _reason(error))
                await asyncio.sleep(max(pause, getattr(error, "after", None) or 0.0))
                pause = min(pause * 2, AGAIN[1])
            else:
                pause = AGAIN[0]
                if not updates:
                    await asyncio.sleep(began + SHORTEST - time.monotonic())

    async def _keep(self, update: Any) -> None:
        """Hand an update over, again and again while it cannot be kept: Zalo will not bring it a second time."""
        assert self._accept
        try:
            incoming = self._read(update)
        except ValueError:
            log.warning("an update of Zalo's has the wrong shape and is passed over")
            return
        pause, tries = AGAIN[0], 0
        while incoming:
            try:
                await self._accept(incoming)
                return
            except asyncio.CancelledError:
                log.error("an update that Zalo will not bring again could not be kept before the stop")
                raise
            except (BusyError, sqlite3.Error, OSError) as error:
                log.error("an update could not be kept (%s); trying again", type(error).__name__)
            except Exception as error:  # a fault of ours: it must not hold up all others for ever
                tries += 1
                if tries == TRIES:
                    raise
                log.error("an update could not be kept (%s); trying again", type(error).__name__)
            await asyncio.sleep(pause)
            pause = min(pause * 2, AGAIN[1])

    async def _hook(self, request: Request) -> Response:
        given = request.headers.get("X-Bot-Api-Secret-Token", "")
        if not hmac.compare_digest(given.encode("latin-1", "replace"), self._secret.encode()):
            log.warning("a delivery to the webhook of Zalo Bot was refused: its secret is wrong")
            return PlainTextResponse("who are you?", 403)
        try:
            incoming = self._read(json.loads(await request.body()))
        except ClientDisconnect:
            return PlainTextResponse("cut off", 400)
        except (ValueError, RecursionError):
            log.warning("a delivery of Zalo's has the wrong shape and is refused")
            return PlainTextResponse("no update", 400)
        return await acknowledged(self._accept, incoming)

    def _read(self, update: Any) -> Incoming | None:
        """The update, flat or wrapped in ``result``; None when it does not concern us. Raises ValueError."""
        if isinstance(update, dict) and "event_name" not in update:
            update = update.get("result")
        event = _Event.model_validate(update)
        kind = KINDS.get(event.event_name)
        if kind is None or (kind == "other" and event.message is None):  # some people's messages are not shown to bots
            log.info("an update of Zalo's was left aside: %s", event.event_name)
            return None
        try:
            message = _Message.model_validate(event.message)
        except ValueError:
            if event.event_name != "message.unsupported.received":
                raise
            log.info("an update of Zalo's was left aside: %s", event.event_name)  # of some people it tells no more
            return None
        if event.event_name == "message.link.received" and message.text is None:
            kind = "other"
        if message.sender.is_bot or message.chat.chat_type.upper() != "PRIVATE":
            log.info("an update of Zalo's was left aside: a group or a bot")
            return None
        said = message.text if kind == "text" else ""
        if not isinstance(said, str):
            raise ValueError("no text")
        return Incoming(
            self.name, message.sender.id, said.encode("utf-8", "replace").decode(), f"msg:{message.message_id}",
            kind=kind, place={"chat": message.chat.id}, sent=self._when(message.date),
        )  # fmt: skip

    def _when(self, date: Any) -> float:
        """When it was sent, in milliseconds since 1970; now where it does not say so."""
        known = isinstance(date, int | float) and 0 < date < LATEST
        return float(date) if known else self._clock() * 1000

    # -- out

    async def send(self, place: Place, part: Part) -> None:
        """Send one part; its choices are in its text. Raises SendError."""
        if self._api is None:
            raise LaterError("the channel is not open")
        await self._api.send(place["chat"], part.text)

    async def busy(self, place: Place) -> None:
        """Show that the bot is writing."""
        if self._api:
            with suppress(RefusalError, SendError):
                await self._api.call("sendChatAction", {"chat_id": place["chat"], "action": "typing"}, within=TYPING)


async def _updates(api: ZaloBotApi) -> list[Any]:
    """The next update, as a list of one; empty when none came in time. Raises RefusalError, SendError."""
    try:
        found = await api.call("getUpdates", {"timeout": f"{POLL:g}"}, within=POLL + SPARE)
    except RefusalError as error:
        if error.code != IDLE:
            raise
        return []
    return found if isinstance(found, list) else [found] if found else []


async def _insist(api: ZaloBotApi, method: str, given: dict[str, Any] | None = None) -> None:
    """A call at the start, tried a few times. Raises RefusedError for the person who starts the bot."""
    for pause in (*PAUSES, None):
        try:
            await api.call(method, given)
            return
        except RefusalError as error:
            if error.code in TOKEN and method == "getMe":
                raise RefusedError(
                    "Zalo refuses the bot's token; take it from Zalo Bot Manager and put it into TTHC_ZALO_BOT_TOKEN"
                ) from None
            if method == "deleteWebhook" and error.code == 400:  # most likely there is none
                return
            if pause is None or 400 <= error.code < 500 and error.code not in (IDLE, OFTEN):
                hint = "; see TTHC_ZALO_BOT_WEBHOOK_URL" if method == "setWebhook" else ""
                raise RefusedError(f"Zalo refuses {method} ({error.code}){hint}") from None
        except SendError as error:
            if pause is None:
                raise RefusedError(f"{error}; check the network and TTHC_ZALO_BOT_API") from None
        await asyncio.sleep(pause)


def _reason(error: Exception) -> str:
    """Why a call failed, without what may be private."""
    if isinstance(error, RefusalError) and error.code in TOKEN:
        return "it refuses the token; put a fresh one into TTHC_ZALO_BOT_TOKEN and start again"
    if isinstance(error, RefusalError) and error.code == CONFLICT:
        return "another program uses the same bot, or a webhook is set"
    return str(error) if isinstance(error, RefusalError | SendError) else type(error).__name__
