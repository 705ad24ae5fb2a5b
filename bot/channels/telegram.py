"""Telegram: messages and taps to the inbox, answers from the outbox, by polling or webhook.

An update is acknowledged only after it is kept: by polling, the next call asks for what comes after it; on the webhook,
Telegram gets its 200. Nothing that a user sent is logged, and no id.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import re
from collections import OrderedDict
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from aiolimiter import AsyncLimiter
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from telegram import CallbackQuery, ChatMemberUpdated, Message, ReplyParameters, Update
from telegram.constants import ChatAction, ChatMemberStatus, ChatType
from telegram.error import BadRequest, TelegramError
from telegram.ext import filters

from bot.channels.telegram_api import (
    PollingBot,
    hush,
    insist,
    introduce,
    keyboard_of,
    make_bot,
    polling_failed,
    refusing,
    webhook_of,
    whence,
    why_not_sent,
)
from bot.message import Accept, BusyError, Incoming, Kind, Place
from bot.render import TELEGRAM
from bot.reply import Part
from bot.settings import Settings
from knowledge.errors import RefusedError

log = logging.getLogger(__name__)

KINDS = [Update.MESSAGE, Update.EDITED_MESSAGE, Update.CALLBACK_QUERY, Update.MY_CHAT_MEMBER]
POLL = 25
"""Seconds that Telegram may hold a call for updates."""
AGAIN = 1.0, 30.0
"""Seconds, first and longest, until updates are asked for again after a failure."""
CHATS = 10_000
"""Chats that are kept in mind."""


@dataclass
class _Chat:
    """``last``: id and hash of the newest text, to tell a corrected question from other edits."""

    pace: AsyncLimiter = field(default_factory=lambda: AsyncLimiter(5, 5))
    last: tuple[int, int] = 0, 0


class TelegramChannel:
    """See :class:`bot.message.Channel`. Raises RefusedError when the webhook's settings will not do."""

    name, title = "telegram", "Telegram"
    look = TELEGRAM

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._webhook = webhook_of(settings)
        self._chats: OrderedDict[int, _Chat] = OrderedDict()
        self._aside: set[asyncio.Task[Any]] = set()
        self._bot: PollingBot
        self._accept: Accept | None = None
        paths = self._webhook.paths if self._webhook else ()
        self.routes: list[BaseRoute] = [Route(path, self._on_webhook, methods=["POST"]) for path in paths]

    # -- start and stop

    @asynccontextmanager
    async def open(self, accept: Accept) -> AsyncIterator[None]:
        """Take updates while the block lasts. Raises RefusedError when the token or the webhook will not do."""
        token = self._settings.telegram_token.get_secret_value()
        if not token:
            raise RefusedError("no Telegram token; take one from @BotFather and put it into TTHC_TELEGRAM_TOKEN")
        hush()
        self._bot = make_bot(token, self._settings)
        try:
            with refusing():
                await insist(self._bot.initialize, repeatable=True)
                self._accept = accept
                await insist(self._listen, repeatable=True)
            polling = None if self._webhook else asyncio.create_task(self._poll())
            self._later(introduce(self._bot))
            try:
                yield
            finally:
                if polling:
                    polling.cancel()
                    await asyncio.gather(polling, return_exceptions=True)
        finally:
            self._accept = None
            for task in self._aside:
                task.cancel()
            await asyncio.gather(*self._aside, return_exceptions=True)
            await self._bot.shutdown()

    async def _listen(self) -> None:
        """Tell Telegram how updates are wanted."""
        if self._webhook is None:
            await self._bot.delete_webhook()
            return
        await self._bot.set_webhook(self._webhook.url, secret_token=self._webhook.secret, allowed_updates=KINDS)

    def _later(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work)
        self._aside.add(task)
        task.add_done_callback(self._aside.discard)

    # -- in

    async def _poll(self) -> None:
        """Ask for updates for ever. Those that cannot be kept are not passed over: they are tried again."""
        offset, pause = 0, AGAIN[0]
        while True:
            try:
                for data in await self._bot.updates(offset, POLL, KINDS):
                    await self._take(data)
                    offset = data["update_id"] + 1
                pause = AGAIN[0]
                continue
            except TelegramError as error:
                polling_failed(error)
            except Exception as error:
                log.error("an update could not be kept (%s); trying again", whence(error))
            await asyncio.sleep(pause)
            pause = min(pause * 2, AGAIN[1])

    async def _on_webhook(self, request: Request) -> Response:
        assert self._webhook
        given = request.headers.get("x-telegram-bot-api-secret-token", "")
        if not hmac.compare_digest(given.encode(), self._webhook.secret.encode()):
            return PlainTextResponse("who are you?", 403)
        try:
            data = json.loads(await request.body())
        except (ValueError, RecursionError):
            return PlainTextResponse("no JSON", 400)
        if not isinstance(data, dict) or not isinstance(data.get("update_id"), int):
            return PlainTextResponse("no update", 400)
        try:
            await self._take(data)
        except BusyError:
            return PlainTextResponse("later", 429)
        except Exception as error:
            log.error("an update could not be kept (%s); Telegram will bring it again", whence(error))
            return PlainTextResponse("not kept", 503)
        return PlainTextResponse("ok")

    async def _take(self, data: dict[str, Any]) -> None:
        """Hand an update over; one that cannot be read is passed over, since it would never be read.

        Raises whatever keeps it from being kept.
        """
        if self._accept is None:
            raise BusyError
        try:
            update = Update.de_json(data, self._bot)
            incoming = self._read(update)
        except Exception as error:
            log.error("an update could not be read: %s", whence(error))
            return
        if update.callback_query:
            self._later(self._acknowledge(update.callback_query))
        if incoming:
            await self._accept(incoming)
            self._remember(update)

    def _read(self, update: Update) -> Incoming | None:
        """What an update brings, None when it is not for the bot. Raises anything for what Telegram never sends."""
        if update.callback_query:
            return self._tapped(update.update_id, update.callback_query)
        if update.my_chat_member:
            return self._left(update.update_id, update.my_chat_member)
        message = update.message or update.edited_message
        return self._said(update.update_id, message, edited=update.message is None) if message else None

    def _tapped(self, number: int, query: CallbackQuery) -> Incoming | None:
        message = query.message
        if message is None or not query.data:
            return None
        _check(query.from_user.id, message.chat.id, message.message_id)
        place: Place = {"chat": message.chat.id, "tapped": message.message_id}
        if isinstance(message, Message) and message.is_topic_message:
            place["thread"] = message.message_thread_id
        return Incoming(
            self.name, str(query.from_user.id), "", f"c{number}", button=_words(query.data), place=place,
            chat=str(message.chat.id), sent=float(number), group=message.chat.type != ChatType.PRIVATE,
        )  # fmt: skip

    def _left(self, number: int, member: ChatMemberUpdated) -> Incoming | None:
        """Somebody blocked the bot: what is held of them goes."""
        if member.new_chat_member.status != ChatMemberStatus.BANNED or member.chat.type != ChatType.PRIVATE:
            return None
        _check(member.from_user.id, member.chat.id)
        return Incoming(
            self.name, str(member.from_user.id), "", f"b{number}", kind="unfollow", place={"chat": member.chat.id},
            sent=float(number),
        )  # fmt: skip

    @staticmethod
    async def _acknowledge(query: CallbackQuery) -> None:
        """Let the button stop waiting. Telegram takes that only for a while, and no answer depends on it."""
        with suppress(TelegramError):
            await query.answer()

    def _said(self, number: int, message: Message, *, edited: bool) -> Incoming | None:
        user = message.from_user
        if user is None or user.is_bot or filters.StatusUpdate.ALL.check_update(Update(number, message=message)):
            return None
        _check(user.id, message.chat.id, message.message_id)
        if not isinstance(message.text, str | None):
            raise TypeError("a text that is none")
        said = self._addressed(message)
        if said is None or (edited and not self._corrected(message)):
            return None
        group = message.chat.type != ChatType.PRIVATE
        place: Place = {"chat": message.chat.id}
        if message.is_topic_message:
            place["thread"] = message.message_thread_id
        if group:
            place["answers"] = message.message_id
        kind = _kind_of(message)
        # An album comes as several messages and wants one answer.
        delivery = (
            f"a{_words(str(message.media_group_id))}" if message.media_group_id and kind != "text" else f"m{number}"
        )
        return Incoming(
            self.name, str(user.id), said if kind == "text" else "", delivery, kind=kind, place=place,
            chat=str(message.chat.id), sent=float(number), group=group,
        )  # fmt: skip

    def _corrected(self, message: Message) -> bool:
        """Whether an edit asks anew.

        A corrected text is a new question only while it is the newest one: who mends a typo wants an answer, who
        tidies up an old message does not, and Telegram also calls it an edit when nothing of the text changed. A shared
        live location is edited all the time.
        """
        last, known = self._chat(message.chat.id).last
        return message.text is not None and message.message_id == last and hash(message.text) != known

    def _remember(self, update: Update) -> None:
        """Keep in mind which text is the newest of its chat."""
        message = update.message or update.edited_message
        if message and message.text is not None:
            chat = self._chat(message.chat.id)
            if message.message_id >= chat.last[0]:
                chat.last = message.message_id, hash(message.text)

    def _addressed(self, message: Message) -> str | None:
        """The text meant for the bot, None when it is not meant: in a group it has to be named or replied to."""
        words = _words(message.text or message.caption or "")
        if message.chat.type == ChatType.PRIVATE:
            return words
        name = re.compile(rf"@{re.escape(self._bot.username)}(?!\w)", re.I)
        replied = message.reply_to_message and message.reply_to_message.from_user
        if name.search(words):
            return name.sub("", words).strip()
        return words if replied and replied.id == self._bot.id else None

    def _chat(self, chat: int) -> _Chat:
        kept = self._chats.setdefault(chat, _Chat())
        self._chats.move_to_end(chat)
        if len(self._chats) > CHATS:
            self._chats.popitem(last=False)
        return kept

    # -- out

    async def send(self, place: Place, part: Part) -> None:
        """Send one part, or put it in the place of the message whose button was tapped. Raises SendError."""
        await self._chat(place["chat"]).pace.acquire()
        keyboard = keyboard_of(part)
        if part.edit and "tapped" in place:
            try:
                await self._bot.edit_message_text(part.text, place["chat"], place["tapped"], reply_markup=keyboard)
                return
            except BadRequest as error:
                if "not modified" in error.message.lower():
                    return
            except TelegramError as error:
                raise why_not_sent(error, repeatable=True) from error
        quoted = place.get("answers")
        try:
            await self._bot.send_message(
                place["chat"], part.text, reply_markup=keyboard, message_thread_id=place.get("thread"),
                reply_parameters=ReplyParameters(quoted, allow_sending_without_reply=True) if quoted else None,
            )  # fmt: skip
        except TelegramError as error:
            raise why_not_sent(error) from error

    async def busy(self, place: Place) -> None:
        """Show that the bot is writing."""
        with suppress(TelegramError):
            await self._bot.send_chat_action(place["chat"], ChatAction.TYPING, message_thread_id=place.get("thread"))


def _kind_of(message: Message) -> Kind:
    if message.text is not None:
        return "text"
    if message.location or message.venue:
        return "place"
    pictures = message.photo or message.video or message.video_note or message.animation
    return "photo" if pictures or message.document else "other"


def _check(*numbers: int) -> None:
    """Raise TypeError when ids are no numbers: the library takes them as they come."""
    if not all(isinstance(number, int) for number in numbers):
        raise TypeError("an id is no number")


def _words(said: str) -> str:
    """Words as they can be stored: half a letter cannot."""
    return said.encode("utf-8", "replace").decode()
