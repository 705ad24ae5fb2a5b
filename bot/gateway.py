"""The way of a message: redact → keep → limit → order → resolve a button → Rasa (or the index when Rasa is down).

Channels call :meth:`Gateway.handle`; nothing but a channel sees a raw user id, nothing after :func:`clean` sees
unmasked text. A user's own text never reaches Rasa with a leading slash, so it can never become a payload.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
import unicodedata
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import Any

from aiolimiter import AsyncLimiter

from bot.assistant import Current
from bot.dialogue import Turn, respond
from bot.privacy import load_key, redact, user_key
from bot.rasa_client import RasaClient, RasaDownError
from bot.reply import Button, Reply
from bot.service import FILE, Memory, Service, read_short
from bot.settings import Settings
from bot.texts import text

log = logging.getLogger(__name__)
LONGEST = 1000
"""Characters of a message that are read."""
USERS = 10_000
"""Users whose locks and limits are kept in memory."""

COMMANDS = {
    "start": "/greet", "huongdan": "/help", "help": "/help", "tiep": "/guide_resume", "dung": "/guide_stop",
    "xoa": "/forget_me", "nguoithat": "/talk_to_person",
}  # fmt: skip
_COMMAND = re.compile(r"/([a-z]+)(?:@\w+)?(?:\s+(\S+))?$")
_CODE = re.compile(r"(\d)[._](\d{6})$")
"""A code after ``/start``; with ``_`` in a deep link, since Telegram takes no dot there."""
_PAYLOAD = re.compile(r"/([a-z_]+)(\{.*\})?$", re.S)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


@dataclass(frozen=True)
class Incoming:
    """A delivery of a channel. ``button``: key of a tapped button, or ``#n`` for the n-th of the last reply."""

    channel: str
    user: str
    text: str
    delivery: str
    button: str | None = None
    limited: bool = True
    """False for channels where the user is the operator (the console)."""


@dataclass(frozen=True)
class Outgoing:
    """A reply with the short keys of its buttons, ready for a channel."""

    reply: Reply
    keys: list[str] = field(default_factory=list)


def clean(message: str) -> str:
    """One's own text as the rest of the bot may see it: NFC, masked, no control or invisible characters."""
    message = _CONTROL.sub(" ", unicodedata.normalize("NFC", message))
    return redact(message).strip()


def payload_of(message: str) -> str | None:
    """The payload that a command of ours stands for, None for plain text."""
    if short := read_short(message):
        return f'/guide_resume{{"id": "{short}"}}'
    match = _COMMAND.match(message.strip())
    if not match or match[1] not in COMMANDS:
        return None
    if match[2] and match[1] != "start":
        return None
    if match[2] and (code := _CODE.match(match[2])):
        return f'/open_procedure{{"code": "{code[1]}.{code[2]}"}}'
    return COMMANDS[match[1]]


def harmless(message: str) -> str:
    """A text that Rasa cannot take for a payload: no slash at its start, whatever blanks stand before it."""
    while message[:1] == "/" or message[:1].isspace():
        message = message[1:]
    return message


def parse_payload(payload: str) -> tuple[str, dict[str, Any]]:
    """(intent, entities) of one of our own payloads."""
    match = _PAYLOAD.match(payload)
    if not match:
        return "find_procedure", {}
    return match[1], json.loads(match[2]) if match[2] else {}


class Gateway:
    """One gateway a process; channels share it."""

    def __init__(self, settings: Settings, rasa: RasaClient | None = None) -> None:
        self.settings = settings
        self.service = Service(settings.home / FILE)
        self.rasa = rasa or RasaClient(settings.rasa_url, settings.rasa_timeout)
        self._key = load_key(settings.home, settings.secret.get_secret_value())
        self._current = Current(settings.home)
        self._users: OrderedDict[str, tuple[asyncio.Lock, AsyncLimiter]] = OrderedDict()

    def user_key(self, incoming: Incoming) -> str:
        """Who sent it, as a keyed hash."""
        return user_key(incoming.channel, incoming.user, self._key)

    def _of(self, user: str) -> tuple[asyncio.Lock, AsyncLimiter]:
        if user not in self._users:
            self._users[user] = asyncio.Lock(), AsyncLimiter(self.settings.messages_per_minute, 60)
            for old in [
                u for u, (lock, _) in list(self._users.items())[: max(0, len(self._users) - USERS)] if not lock.locked()
            ]:
                del self._users[old]
        self._users.move_to_end(user)
        return self._users[user]

    async def handle(self, incoming: Incoming) -> list[Outgoing]:
        """Answer a delivery. A delivery that was answered before gets the same answer without being handled again.

        Never raises: whatever goes wrong, the user is told something.
        """
        user = self.user_key(incoming)
        delivery = f"{incoming.channel}:{user}:{incoming.delivery}"
        lock, limiter = self._of(user)
        try:
            message = clean(incoming.text)
            self.service.receive(delivery, user, message[: LONGEST + 1], incoming.button)
            async with lock:
                if (known := self.service.answer_of(delivery)) is not None:
                    return [self._stored(part) for part in known]
                if incoming.limited and not limiter.has_capacity():
                    replies = [
                        Reply(
                            text("slow_down", seconds=60 // self.settings.messages_per_minute + 1), intent="rate_limit"
                        )
                    ]
                else:
                    if incoming.limited:
                        await limiter.acquire()
                    replies = await self._answer(user, message, incoming.button)
                out = [self._keep(user, reply) for reply in replies]
                self.service.answered(delivery, [{**o.reply.to_json(), "keys": o.keys} for o in out])
                if any(reply.intent == "forget_me" for reply in replies):
                    self.service.forget(user)
                return out
        except Exception:
            log.exception("a delivery on %s could not be answered", incoming.channel)
            return [Outgoing(Reply(text("broken"), intent="error"))]

    def _keep(self, user: str, reply: Reply) -> Outgoing:
        pairs = [(b.label, b.payload) for b in reply.buttons]
        return Outgoing(reply, self.service.keep_buttons(user, pairs) if pairs else [])

    @staticmethod
    def _stored(part: dict[str, Any]) -> Outgoing:
        return Outgoing(Reply.from_json(part), part["keys"])

    async def _answer(self, user: str, message: str, button: str | None) -> list[Reply]:
        tapped = button is not None
        if button is not None:
            key = self.service.nth_button(user, int(button[1:])) if button.startswith("#") else button
            payload = self.service.button(user, key) if key else None
            if payload is None:
                return [Reply(text("old_button"), (Button.to(text("button_help"), "help"),), intent="old_button")]
        else:
            payload = payload_of(message)
        note = ""
        if payload is None:
            if len(message) > LONGEST:
                message, note = message[:LONGEST], text("too_long")
            message = harmless(message)
            if not any(c.isalnum() for c in message):
                return [Reply(text("no_words"), (Button.to(text("button_help"), "help"),), intent="no_words")]
        started = time.monotonic()
        try:
            replies = await self.rasa.ask(user, payload or message, {"tapped": tapped})
            await self._owed()
        except RasaDownError:
            replies = [await asyncio.to_thread(self._without_rasa, user, payload, message, tapped)]
            if payload == "/forget_me":
                self.service.owe_forgetting(user)
        log.info("%s %s %.0f ms", user[:6], replies[0].intent, (time.monotonic() - started) * 1000)
        return [replies[0].plus(note, first=True), *replies[1:]] if note else replies

    async def _owed(self) -> None:
        """Have Rasa forget those who asked while it was down."""
        for user in self.service.owed_forgettings():
            await self.rasa.ask(user, "/forget_me", {})
            self.service.forgetting_done(user)

    def _without_rasa(self, user: str, payload: str | None, message: str, tapped: bool) -> Reply:
        intent, entities = parse_payload(payload) if payload else ("find_procedure", {})
        turn = Turn(
            intent, message, self._current.get(), entities, guide=self.service.progress(user),
            memory=Memory(self.service, user), keep_days=self.settings.keep_days, tapped=tapped,
        )  # fmt: skip
        outcome = respond(turn)
        if "guide" in outcome.slots:
            self.service.keep_progress(user, outcome.slots["guide"])
        return replace(outcome.reply, intent=intent).plus(text("simple_mode"))

    async def purge_daily(self) -> None:
        """Forget idle users now and every day from now on."""
        while True:
            forgotten = await asyncio.to_thread(self.service.purge, self.settings.keep_days)
            log.info("forgot %d idle users", forgotten)
            await asyncio.sleep(86_400)

    async def close(self) -> None:
        """Close connections and files."""
        await self.rasa.close()
        self.service.close()
