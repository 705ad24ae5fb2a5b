"""Telegram: messages and taps to the gateway, its replies back, by polling or webhook.

What a chat may rely on: its updates are answered one after another, in their order; a reply is sent again only when
Telegram cannot have it yet; whatever fails, the user is told something. Nothing that a user sent is logged, and no id.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from aiolimiter import AsyncLimiter
from telegram import CallbackQuery, InlineKeyboardMarkup, Message, ReplyParameters, Update
from telegram.constants import ChatAction, ChatType
from telegram.error import BadRequest, Forbidden, NetworkError, TelegramError
from telegram.ext import Application, TypeHandler, filters

from bot.channels.telegram_api import (
    application,
    hush,
    insist,
    introduce,
    keyboard_of,
    polling_failed,
    refusing,
    surely_failed,
    webhook_of,
    whence,
)
from bot.gateway import Incoming, Outgoing
from bot.render import rendered, to_html
from bot.settings import Settings
from bot.texts import text
from knowledge.errors import RefusedError

log = logging.getLogger(__name__)

KINDS = [Update.MESSAGE, Update.EDITED_MESSAGE, Update.CALLBACK_QUERY]
TYPING_AFTER, TYPING_EVERY = 0.5, 4.0
CHATS = 10_000
"""Chats, and update ids, that are kept in mind."""
WAITING = 30
"""Updates of one chat that may wait for their turn; those beyond are dropped."""


class Answers(Protocol):
    """What the channel needs of the gateway."""

    async def handle(self, incoming: Incoming) -> list[Outgoing]:
        """Answer a delivery."""


@dataclass
class _Chat:
    """``last``: id and hash of the newest text, to tell a corrected question from other edits."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    pace: AsyncLimiter = field(default_factory=lambda: AsyncLimiter(5, 5))
    waiting: int = 0
    last: tuple[int, int] | None = None
    album: str | None = None


@dataclass(frozen=True)
class _Place:
    """Where a reply goes."""

    chat: int
    thread: int | None = None
    answers: int | None = None


class TelegramChannel:
    """Serves while it is entered: ``async with TelegramChannel(gateway, settings): …``.

    Raises RefusedError at its start when the token, the webhook's settings or its port will not do.
    """

    def __init__(self, gateway: Answers, settings: Settings) -> None:
        self._gateway, self._settings = gateway, settings
        self._chats: OrderedDict[int, _Chat] = OrderedDict()
        self._seen: OrderedDict[int, None] = OrderedDict()
        self._app: Application[Any, Any, Any, Any, Any, Any]

    # -- start and stop

    async def __aenter__(self) -> TelegramChannel:
        token = self._settings.telegram_token.get_secret_value()
        if not token:
            raise RefusedError("no Telegram token; take one from @BotFather and put it into TTHC_TELEGRAM_TOKEN")
        webhook = webhook_of(self._settings)
        hush()
        self._app = application(token, self._settings)
        self._app.add_handler(TypeHandler(Update, self._on_update))
        self._app.add_error_handler(self._on_error)
        try:
            with refusing(self._settings):
                await insist(self._app.initialize, repeatable=True)
                await self._listen(webhook)
            await self._app.start()
        except BaseException:
            await self._close()
            raise
        self._app.create_task(introduce(self._app.bot))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()

    async def _listen(self, webhook: dict[str, Any] | None) -> None:
        updater = self._app.updater
        assert updater is not None

        async def start() -> object:
            if webhook is None:
                return await updater.start_polling(allowed_updates=KINDS, error_callback=polling_failed)
            return await updater.start_webhook(allowed_updates=KINDS, **webhook)

        await insist(start, repeatable=True)

    async def _close(self) -> None:
        """Take no more updates, answer those that were taken, close connections."""
        if self._app.updater and self._app.updater.running:
            with suppress(TelegramError):
                await self._app.updater.stop()
        if self._app.running:
            await self._app.stop()
        await self._app.shutdown()
        await self._app.bot.shutdown()

    # -- in

    async def _on_update(self, update: Update, _: object) -> None:
        # Nothing is awaited before a chat's lock, so the updates of a chat queue up there in their order.
        if update.update_id in self._seen:
            return
        self._seen[update.update_id] = None
        if len(self._seen) > CHATS:
            self._seen.popitem(last=False)
        if update.callback_query:
            await self._on_tap(update.update_id, update.callback_query)
        elif message := update.message or update.edited_message:
            await self._on_message(update.update_id, message, edited=update.message is None)

    async def _on_tap(self, number: int, query: CallbackQuery) -> None:
        acknowledged = asyncio.create_task(self._acknowledge(query))
        message = query.message
        if message is not None and query.data:
            thread = message.message_thread_id if isinstance(message, Message) and message.is_topic_message else None
            incoming = Incoming("telegram", str(query.from_user.id), "", f"c{number}", button=query.data)
            await self._answer(_Place(message.chat.id, thread), incoming, message.message_id)
        await acknowledged

    @staticmethod
    async def _acknowledge(query: CallbackQuery) -> None:
        """Let the button stop waiting. Telegram takes that only for a while, and no answer depends on it."""
        with suppress(TelegramError):
            await query.answer()

    async def _on_message(self, number: int, message: Message, *, edited: bool) -> None:
        user = message.from_user
        if user is None or user.is_bot or filters.StatusUpdate.ALL.check_update(Update(number, message=message)):
            return
        said = self._addressed(message)
        if said is None:
            return
        chat = self._chat(message.chat.id)
        private = message.chat.type == ChatType.PRIVATE
        thread = message.message_thread_id if message.is_topic_message else None
        place = _Place(message.chat.id, thread, None if private else message.message_id)
        if message.text is None:
            # One answer to an album, none to edits: a shared live location is edited all the time.
            if not edited and (message.media_group_id is None or message.media_group_id != chat.album):
                chat.album = message.media_group_id
                await self._answer(place, None)
            return
        # A corrected text is a new question only while it is the newest one: who mends a typo wants an answer, who
        # tidies up an old message does not, and Telegram also calls it an edit when nothing of the text changed.
        now = message.message_id, hash(message.text)
        if edited and (chat.last is None or chat.last[0] != now[0] or chat.last[1] == now[1]):
            return
        chat.last = now
        await self._answer(place, Incoming("telegram", str(user.id), said, f"m{number}"))

    def _addressed(self, message: Message) -> str | None:
        """The text meant for the bot, None when it is not meant: in a group it has to be named or replied to."""
        words = message.text or message.caption or ""
        if message.chat.type == ChatType.PRIVATE:
            return words
        name = re.compile(rf"@{re.escape(self._app.bot.username)}(?!\w)", re.I)
        replied = message.reply_to_message and message.reply_to_message.from_user
        if name.search(words):
            return name.sub("", words).strip()
        return words if replied and replied.id == self._app.bot.id else None

    def _chat(self, chat: int) -> _Chat:
        if chat not in self._chats:
            self._chats[chat] = _Chat()
            if len(self._chats) > CHATS:
                idle = (old for old, kept in self._chats.items() if old != chat and not kept.waiting)
                self._chats.pop(next(idle, 0), None)
        self._chats.move_to_end(chat)
        return self._chats[chat]

    # -- out

    async def _answer(self, place: _Place, incoming: Incoming | None, tapped: int | None = None) -> None:
        """Have the gateway answer and send what it says, when it is this chat's turn. None: nothing that is read."""
        chat = self._chat(place.chat)
        if chat.waiting >= WAITING:
            log.warning("a chat sends faster than it can be answered; an update was dropped")
            return
        chat.waiting += 1
        try:
            async with chat.lock:
                await self._answer_now(place, incoming, tapped)
        finally:
            chat.waiting -= 1

    async def _answer_now(self, place: _Place, incoming: Incoming | None, tapped: int | None) -> None:
        try:
            if incoming is None:
                await self._send(place, text("unsupported"))
                return
            async with self._typing(place):
                replies = await self._gateway.handle(incoming)
            for number, out in enumerate(replies):
                await self._reply(place, out, tapped if number == 0 and out.reply.edit else None)
        except Forbidden:
            log.info("a reply was not wanted: the user has blocked the bot or left")
        except Exception as error:
            log.error("an update was not answered: %s", whence(error))
            with suppress(TelegramError):
                await self._send(place, text("broken"))

    async def _reply(self, place: _Place, out: Outgoing, tapped: int | None) -> None:
        parts = [part for part in rendered(out.reply.text, 4096, to_html) if part]
        keyboard = keyboard_of(out)
        if tapped is not None and len(parts) == 1 and await self._edited(place, tapped, parts[0], keyboard):
            return
        for number, part in enumerate(parts, 1):
            await self._send(place, part, keyboard if number == len(parts) else None)

    async def _edited(self, place: _Place, message: int, part: str, keyboard: InlineKeyboardMarkup | None) -> bool:
        """Put the reply in the place of a message; False when Telegram will not (too old, gone)."""

        async def call() -> object:
            return await self._app.bot.edit_message_text(part, place.chat, message, reply_markup=keyboard)

        try:
            await self._chat(place.chat).pace.acquire()
            await insist(call, repeatable=True)
        except BadRequest as error:
            return "not modified" in error.message.lower()
        return True

    async def _send(self, place: _Place, part: str, keyboard: InlineKeyboardMarkup | None = None) -> None:
        quoted = ReplyParameters(place.answers, allow_sending_without_reply=True) if place.answers else None

        async def call() -> object:
            return await self._app.bot.send_message(
                place.chat, part, reply_markup=keyboard, message_thread_id=place.thread, reply_parameters=quoted
            )

        try:
            await self._chat(place.chat).pace.acquire()
            await insist(call)
        except NetworkError as error:
            if isinstance(error, BadRequest) or surely_failed(error):
                raise
            log.warning("a reply may have been lost on its way (%s)", whence(error))

    @asynccontextmanager
    async def _typing(self, place: _Place) -> AsyncIterator[None]:
        """Show that the bot is writing while the block takes its time."""

        async def show() -> None:
            await asyncio.sleep(TYPING_AFTER)
            while True:
                with suppress(TelegramError):
                    await self._app.bot.send_chat_action(place.chat, ChatAction.TYPING, message_thread_id=place.thread)
                await asyncio.sleep(TYPING_EVERY)

        task = asyncio.create_task(show())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @staticmethod
    async def _on_error(_: object, context: Any) -> None:
        log.error("an update was not handled: %s", whence(context.error))
