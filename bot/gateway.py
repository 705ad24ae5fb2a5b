"""From a delivery to its replies: redact → keep → resolve a button → Rasa (or the index when Rasa is down).

:mod:`bot.delivery` carries what channels bring through here and sends what comes out; the console calls
:meth:`Gateway.handle` and shows it. Nothing but a channel sees a raw user id, nothing after :func:`clean` sees unmasked
text. A user's own text never reaches Rasa with a leading slash, so it can never become a payload.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import re
import time
import unicodedata
from collections import OrderedDict
from typing import Any

from bot.assistant import Current
from bot.inbox import Inbox, Kept
from bot.menu import chosen, numbers
from bot.message import Incoming, Outgoing
from bot.privacy import MASKS, Seal, inner_token, load_key, redact, user_key
from bot.rasa_client import RasaClient, RasaDownError
from bot.reply import Button, Reply
from bot.service import FILE, Service, read_short
from bot.settings import Settings
from bot.texts import text
from bot.turns import FORGETTING, take_turn

log = logging.getLogger(__name__)
LONGEST = 1000
"""Characters of a message that are read."""
USERS = 10_000
"""Users of a console whose locks are kept in memory."""
PRIVATE = ("case", "tick", "checklist", "precheck", "returned")
"""Intents beside those of a guide whose answers are one person's own and not for a group to read."""

COMMANDS = {
    "start": "/greet", "huongdan": "/help", "help": "/help", "tiep": "/guide_resume", "dung": "/guide_stop",
    "xoa": "/forget_me", "nguoithat": "/talk_to_person",
}  # fmt: skip
_COMMAND = re.compile(r"/([a-z]+)(?:@\w+)?(?:\s+(\S+))?$")
_CODE = re.compile(r"(\d)[._](\d{6})$")
"""A code after ``/start``; with ``_`` in a deep link, since Telegram takes no dot there."""
_PAYLOAD = re.compile(r"/([a-z_]+)(\{.*\})?$", re.S)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


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
    if match[2] == "tiep":
        return COMMANDS["tiep"]
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
        self.service = Service(settings.home / FILE, durable=True, patience=2.0)
        self.inbox = Inbox(self.service)
        secret = settings.secret.get_secret_value()
        self._key = load_key(settings.home, secret)
        self.rasa = rasa or RasaClient(settings.rasa_url, settings.rasa_timeout, inner_token(settings.home, secret))
        self.seal = Seal(self._key)
        self._current = Current(settings.home)
        self._locks: OrderedDict[str, asyncio.Lock] = OrderedDict()

    # -- keeping

    def user_key(self, incoming: Incoming) -> str:
        """Who sent it, as a keyed hash."""
        return user_key(incoming.channel, incoming.user, self._key)

    def chat_key(self, incoming: Incoming) -> str:
        """The chat whose order it keeps: the user's own, or a group."""
        return user_key(incoming.channel, incoming.chat or incoming.user, self._key)

    def delivery_id(self, incoming: Incoming) -> str:
        """The delivery's own id: the same for the same delivery of the same user, and it tells of nobody (32 hex)."""
        told = f"{incoming.channel}:{incoming.user}:{incoming.delivery}"
        return hmac.new(self._key, b"delivery:" + told.encode(), hashlib.sha256).hexdigest()[:32]

    def keep(self, incoming: Incoming) -> bool:
        """Put a delivery into the inbox, masked and sealed; False when it is there already. Raises sqlite3.Error."""
        place = self.seal.close(incoming.place) if incoming.place else ""
        message = clean(incoming.text)[: LONGEST + 1]
        user, chat = self.user_key(incoming), self.chat_key(incoming)
        return self.inbox.receive(self.delivery_id(incoming), incoming, user, chat, message, place)

    # -- answering

    async def handle(self, incoming: Incoming) -> list[Outgoing]:
        """Answer a delivery on the spot. One that was answered before gets the same answer and is not handled again.

        Never raises: whatever goes wrong, the user is told something.
        """
        try:
            delivery, user = self.delivery_id(incoming), self.user_key(incoming)
            self.keep(incoming)
            async with self._lock(user):
                if (known := self.service.answer_of(delivery)) is not None:
                    return [Outgoing(Reply.from_json(part), part["keys"]) for part in known]
                kept = self.inbox.find(delivery)
                assert kept is not None
                out = [self.outgoing(user, reply) for reply in await self.turn(kept)]
                self.service.answered(delivery, [{**o.reply.to_json(), "keys": o.keys} for o in out])
                if any(o.reply.intent == "forget_me" for o in out):
                    self.service.forget(user)
                return out
        except Exception:
            log.exception("a delivery on %s could not be answered", incoming.channel)
            return [Outgoing(Reply(text("broken"), intent="error"))]

    def _lock(self, user: str) -> asyncio.Lock:
        lock = self._locks.setdefault(user, asyncio.Lock())
        self._locks.move_to_end(user)
        for old in [
            u for u, held in list(self._locks.items())[: max(0, len(self._locks) - USERS)] if not held.locked()
        ]:
            del self._locks[old]
        return lock

    def outgoing(self, user: str, reply: Reply, *, numbered: bool = False) -> Outgoing:
        """A reply with its buttons kept under short keys and places; ``numbered``: their numbers in a menu."""
        pairs = [(b.label, b.payload) for b in reply.buttons]
        places = numbers([b.label for b in reply.buttons], reply.text) if numbered else ()
        return Outgoing(reply, self.service.keep_buttons(user, pairs, places) if pairs else [])

    def payload(self, kept: Kept, *, numbered: bool = False) -> str | None:
        """What a tapped button or a command stands for, None for words. ``numbered``: a bare number is a tap.

        Raises LookupError for a button that is unknown, of somebody else, or too old.
        """
        button = kept.button
        if numbered and button is None and (count := self.service.last_buttons(kept.user)):
            number = chosen(kept.text, count)
            button = self.service.nth_button(kept.user, number) if number else None
        if button is None:
            return {"follow": "/greet", "unfollow": "/forget_me"}.get(kept.kind) or payload_of(kept.text)
        key = self.service.nth_button(kept.user, int(button[1:])) if re.fullmatch(r"#\d{1,3}", button) else button
        payload = self.service.button(kept.user, key) if key else None
        if payload is None:
            raise LookupError(button)
        return payload

    async def turn(self, kept: Kept, *, numbered: bool = False) -> list[Reply]:
        """The replies to a delivery; taken anew, a turn comes to the same. Raises sqlite3.Error, DataError."""
        help_ = (Button.to(text("button_help"), "help"),)
        try:
            payload = await asyncio.to_thread(self.payload, kept, numbered=numbered)
        except LookupError:
            return [Reply(text("old_button"), help_, intent="old_button")]
        if payload is None and kept.kind != "text":
            return [self._unread(kept)]
        if payload is not None and payload.startswith("/more_choices"):
            rest = parse_payload(payload)[1]["buttons"]
            return [Reply(text("more_choices"), tuple(Button(*pair) for pair in rest), intent="more_choices")]
        message, note = kept.text, ""
        if payload is None:
            if len(message) > LONGEST:
                message, note = message[:LONGEST], text("too_long")
            message = harmless(message)
            if not any(c.isalnum() for c in message):
                return [Reply(text("no_words"), help_, intent="no_words")]
        replies = await self._answer(kept, payload, message)
        if kept.kind == "unfollow":
            return [Reply("", intent="forget_me")]
        if kept.group and any(self._private(reply, message) for reply in replies):
            return [Reply(text("go_private"), intent="go_private")]
        return [replies[0].plus(note, first=True), *replies[1:]] if note else replies

    def _unread(self, kept: Kept) -> Reply:
        if kept.kind == "fast":
            seconds = 60 // self.settings.messages_per_minute + 1
            return Reply(text("slow_down", seconds=seconds), intent="rate_limit")
        said = text("unsupported_place" if kept.kind == "place" else "unsupported")
        return Reply(said, (Button.to(text("button_help"), "help"),), intent="unsupported")

    @staticmethod
    def _private(reply: Reply, message: str) -> bool:
        own = reply.intent.startswith("guide_") or reply.intent in PRIVATE
        return own or any(mask in message for mask in MASKS.values())

    async def _answer(self, kept: Kept, payload: str | None, message: str) -> list[Reply]:
        started = time.monotonic()
        tapped = kept.button is not None or (payload is not None and payload_of(kept.text) is None)
        try:
            replies = await self.rasa.ask(kept.user, payload or message, {"tapped": tapped, "delivery": kept.delivery})
            await self._owed()
        except RasaDownError:
            replies = [await asyncio.to_thread(self._without_rasa, kept, payload, message, tapped)]
            if payload == "/forget_me":
                self.service.owe_forgetting(kept.user)
        log.info("%s %s %.0f ms", kept.user[:6], replies[0].intent, (time.monotonic() - started) * 1000)
        return replies

    async def _owed(self) -> None:
        """Have Rasa forget those who asked while it was down."""
        for user in self.service.owed_forgettings():
            await self.rasa.ask(user, "/forget_me", {})
            self.service.forgetting_done(user)

    def _without_rasa(self, kept: Kept, payload: str | None, message: str, tapped: bool) -> Reply:
        intent, entities = parse_payload(payload) if payload else ("find_procedure", {})
        outcome = take_turn(
            self.service, self._current.get(), kept.user, intent, message, entities,
            delivery=kept.delivery, tapped=tapped, keep_days=self.settings.keep_days,
        )  # fmt: skip
        return outcome.reply if intent in FORGETTING else outcome.reply.plus(text("simple_mode"))

    # -- keeping house

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
