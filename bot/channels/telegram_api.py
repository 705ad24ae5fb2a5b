"""Speaking with Telegram's Bot API: what is tried again, refused at the start or logged, and how sending fails."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import re
import traceback
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import httpx
from telegram import Bot, BotCommand, InlineKeyboardButton, InlineKeyboardMarkup, LinkPreviewOptions
from telegram.constants import ParseMode
from telegram.error import BadRequest, Conflict, Forbidden, InvalidToken, NetworkError, RetryAfter, TelegramError
from telegram.ext import AIORateLimiter, Defaults, ExtBot
from telegram.request import HTTPXRequest

from bot.message import GoneError, LaterError, SendError, UnsureError, WrongError
from bot.render import rows
from bot.reply import Part
from bot.settings import Settings
from bot.texts import text
from knowledge.errors import RefusedError

log = logging.getLogger(__name__)
os.environ.setdefault("PTB_TIMEDELTA", "true")

MENU = ("start", "huongdan", "tiep", "dung", "nguoithat", "xoa")
"""Commands in the order of the menu; their wording is in texts.yml."""

PAUSES = (0.5, 1.0, 2.0)
"""Seconds before each further attempt of a call that Telegram did not carry out."""
LONGEST_PAUSE = 60.0
"""Seconds; a call that Telegram wants to have later than that is given up."""
ANSWER_WITHIN = 20.0
"""Seconds that Telegram has to answer a call."""
KEY_LIMIT = 64
"""Bytes of callback data."""
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")
_T = TypeVar("_T")


class PollingBot(ExtBot[int]):
    """The library's bot, which hands out updates unread: its own reading of a batch fails with any one of them."""

    async def updates(self, offset: int, seconds: int, kinds: Sequence[str]) -> list[dict[str, Any]]:
        """Updates from number ``offset`` on; Telegram may hold the call for ``seconds``. Raises TelegramError."""
        wanted = {"offset": offset, "timeout": seconds, "allowed_updates": list(kinds)}
        found: list[dict[str, Any]] = await self._post("getUpdates", wanted, read_timeout=seconds + 10)
        return found


def make_bot(token: str, settings: Settings) -> PollingBot:
    """The library's bot: HTML, no link previews, Telegram's sending rate kept."""
    defaults = Defaults(parse_mode=ParseMode.HTML, link_preview_options=LinkPreviewOptions(is_disabled=True))
    request = HTTPXRequest(connection_pool_size=64, read_timeout=ANSWER_WITHIN, connect_timeout=10, pool_timeout=10)
    base = settings.telegram_api or "https://api.telegram.org/bot"
    return PollingBot(token, base, defaults=defaults, request=request, rate_limiter=AIORateLimiter())


async def introduce(bot: Bot) -> None:
    """Set the menu of commands and what the bot says of itself; it serves without them as well."""
    try:
        await bot.set_my_commands([BotCommand(name, text(f"menu_{name}")) for name in MENU])
        await bot.set_my_short_description(text("menu_about"))
        await bot.set_my_description(text("menu_description"))
    except TelegramError as error:
        log.warning("the bot's menu could not be set (%s)", type(error).__name__)


def keyboard_of(part: Part) -> InlineKeyboardMarkup | None:
    """The buttons of a part with their keys as callback data, None without buttons."""
    buttons = []
    for label, key in part.buttons:
        if len(key.encode()) > KEY_LIMIT:
            raise ValueError(f"a button's key has more than {KEY_LIMIT} bytes")
        buttons.append(InlineKeyboardButton(label, callback_data=key))
    lines = rows([button.text for button in buttons])
    return InlineKeyboardMarkup([[buttons[at] for at in line] for line in lines]) if lines else None


async def insist(call: Callable[[], Awaitable[_T]], *, repeatable: bool = False) -> _T:
    """Try again, a few times, what Telegram did not carry out. ``repeatable``: a second time would do no harm."""
    for pause in PAUSES:
        try:
            return await call()
        except RetryAfter as error:
            wanted = error.retry_after
            pause = wanted if isinstance(wanted, int) else wanted.total_seconds()
            if pause > LONGEST_PAUSE:
                raise
        except NetworkError as error:
            if isinstance(error, BadRequest) or not (repeatable or surely_failed(error)):
                raise
        await asyncio.sleep(pause)
    return await call()


def surely_failed(error: NetworkError) -> bool:
    """Whether the call was not carried out: Telegram said so, or the request never left.

    A time-out or a cut connection tells nothing: the message may have arrived.
    """
    cause = error.__cause__
    if isinstance(cause, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
        return True
    return not isinstance(cause, httpx.HTTPError) and "gateway time" not in error.message.lower()


def why_not_sent(error: TelegramError, *, repeatable: bool = False) -> SendError:
    """What an error of a sending call means. ``repeatable``: the same call again would do no harm."""
    if isinstance(error, RetryAfter):
        wanted = error.retry_after
        return LaterError("too fast for Telegram", wanted if isinstance(wanted, int) else wanted.total_seconds())
    if isinstance(error, Forbidden):
        return GoneError("the user has blocked the bot or left")
    if isinstance(error, BadRequest):
        gone = any(words in error.message.lower() for words in ("chat not found", "user is deactivated"))
        return GoneError("the chat is gone") if gone else WrongError(f"Telegram: {error.message}")
    if isinstance(error, NetworkError) and not (repeatable or surely_failed(error)):
        return UnsureError(whence(error))
    if isinstance(error, NetworkError | InvalidToken | Conflict):
        return LaterError(whence(error))
    return WrongError(whence(error))


class Webhook(NamedTuple):
    """Where Telegram delivers to: the public address, its paths on our server (with and without what a proxy may take
    away from its beginning), the secret that Telegram sends along."""

    url: str
    paths: tuple[str, ...]
    secret: str


def webhook_of(settings: Settings) -> Webhook | None:
    """How the webhook is served, None for polling. Its path follows from its secret, not from the token.

    Raises RefusedError for an address or a secret that Telegram would not take.
    """
    url, secret = settings.telegram_webhook_url.rstrip("/"), settings.telegram_webhook_secret.get_secret_value()
    if not url:
        return None
    if not url.startswith("https://") and not settings.telegram_api:
        raise RefusedError("TTHC_TELEGRAM_WEBHOOK_URL: Telegram calls https:// addresses only")
    if not secret:
        raise RefusedError("a webhook needs TTHC_TELEGRAM_WEBHOOK_SECRET, or anybody could pose as Telegram")
    if not _SECRET.fullmatch(secret):
        raise RefusedError("TTHC_TELEGRAM_WEBHOOK_SECRET: 1 to 256 of the characters A-Z a-z 0-9 _ -")
    path = "/telegram/" + hashlib.sha256(f"webhook path: {secret}".encode()).hexdigest()[:32]
    before = urlsplit(url).path
    return Webhook(url + path, (path, before + path) if before else (path,), secret)


@contextmanager
def refusing() -> Iterator[None]:
    """What Telegram says at the start, for the person who starts the bot. The token stands in no message."""
    try:
        yield
    except InvalidToken:
        raise RefusedError(
            "Telegram refuses the token; take a fresh token from @BotFather and put it into TTHC_TELEGRAM_TOKEN"
        ) from None
    except BadRequest as error:
        raise RefusedError(f"Telegram refuses the webhook: {error.message}; see TTHC_TELEGRAM_WEBHOOK_URL") from None
    except TelegramError as error:
        raise RefusedError(
            f"Telegram was not reached ({type(error).__name__}); check the network and TTHC_TELEGRAM_API"
        ) from None


def polling_failed(error: TelegramError) -> None:
    """Log why updates cannot be fetched just now; they are fetched again later."""
    hint = "; another program uses the same token" if isinstance(error, Conflict) else ""
    log.warning("Telegram was not reached (%s)%s; trying again", type(error).__name__, hint)


def whence(error: BaseException | None) -> str:
    """Kind and origin of an error; its message may hold what a user wrote."""
    if error is None:
        return "unknown"
    frames = traceback.extract_tb(error.__traceback__)
    at = f" at {os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""
    return type(error).__name__ + at


class _Terse(logging.Handler):
    """Passes on what the library logs without the arguments, which hold tokens, ids and texts."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log the bare message and the kind of the error."""
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        log.log(record.levelno, "%s: %s %s", record.name, record.msg, kind)


def hush() -> None:
    """Keep addresses (they hold the token) and updates out of the logs."""
    for name in ("httpx", "httpcore", "telegram"):
        logging.getLogger(name).setLevel(logging.WARNING)
    library = logging.getLogger("telegram")
    if not any(isinstance(handler, _Terse) for handler in library.handlers):
        library.addHandler(_Terse())
    library.propagate = False
    # Says with a traceback what :func:`insist` handles.
    logging.getLogger("telegram.ext.AIORateLimiter").setLevel(logging.CRITICAL)
