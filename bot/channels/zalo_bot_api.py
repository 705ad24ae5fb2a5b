"""Speaking with Zalo's Bot Platform: one call, and what its ways of failing mean.

The token is part of every address, so no address and no text of an HTTP error gets into a log or an exception.
"""

from __future__ import annotations

import logging
from typing import Any

import httpx

from bot.channels.zalo_api import seconds
from bot.message import GoneError, LaterError, SendError, UnsureError, WrongError

log = logging.getLogger(__name__)

API = "https://bot-api.zaloplatforms.com"
TOKEN = (401, 404)
"""A token that is none any more, or that never was one."""
BLOCKED, IDLE, CONFLICT, OFTEN = 403, 408, 409, 429
_UNREACHED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


class RefusalError(Exception):
    """Zalo did not carry a call out and said why. ``after``: seconds that it wants to be left alone."""

    def __init__(self, code: int, why: str = "", after: float | None = None) -> None:
        super().__init__(f"Zalo refuses ({code})")
        self.code, self.why, self.after = code, why, after


class ZaloBotApi:
    """Calls for one bot."""

    def __init__(self, http: httpx.AsyncClient, token: str, base: str = "") -> None:
        self._http, self._root = http, f"{(base or API).rstrip('/')}/bot{token}"

    async def call(self, method: str, given: dict[str, Any] | None = None, *, within: float | None = None) -> Any:
        """The result of a call, None where the platform gives none. ``within``: seconds, where not the usual ones.

        Raises RefusalError, or SendError when the call did not come through.
        """
        waiting = httpx.USE_CLIENT_DEFAULT if within is None else httpx.Timeout(within, connect=5.0)
        try:
            answer = await self._http.post(f"{self._root}/{method}", json=given or {}, timeout=waiting)
        except _UNREACHED as error:
            raise LaterError(f"Zalo was not reached ({type(error).__name__})") from None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise WrongError("TTHC_ZALO_BOT_API is no address") from None
        except httpx.HTTPError as error:
            raise UnsureError(f"Zalo's answer was lost ({type(error).__name__})") from None
        return self._read(answer)

    @staticmethod
    def _read(answer: httpx.Response) -> Any:
        try:
            said = answer.json()
        except (ValueError, RecursionError):
            said = None
        said = said if isinstance(said, dict) else {}
        ok = said.get("ok")
        if answer.is_success and ok is True:
            return said.get("result")
        if answer.is_success and ok is not False:
            raise UnsureError("Zalo's answer cannot be read")
        code, why = said.get("error_code"), said.get("description")
        raise RefusalError(
            code if isinstance(code, int) else answer.status_code,
            why if isinstance(why, str) else "",
            seconds(answer.headers.get("Retry-After", "")),
        )

    async def send(self, chat: str, text: str) -> None:
        """Send plain text of 1 to 2000 UTF-16 units. Raises SendError."""
        try:
            await self.call("sendMessage", {"chat_id": chat, "text": text})
        except RefusalError as error:
            raise why_not_sent(error) from None


def why_not_sent(error: RefusalError) -> SendError:
    """What a refusal of a message means."""
    code = error.code
    if code in TOKEN and "chat" not in error.why.lower():
        log.error("Zalo refuses the bot's token; put a fresh one into TTHC_ZALO_BOT_TOKEN and start again")
        return LaterError(f"Zalo refuses the token ({code})")
    if code in (IDLE, 504):  # it gave up waiting for itself; what stands behind may not have
        return UnsureError(f"Zalo's answer was lost ({code})")
    if code == OFTEN:
        return LaterError(f"Zalo wants fewer calls ({code})", error.after)
    if code == CONFLICT or 500 <= code < 600:
        return LaterError(f"Zalo is not well ({code})", error.after)
    if code == BLOCKED or "chat not found" in error.why.lower():
        return GoneError(f"the user has blocked the bot or left ({code})")
    return WrongError(f"Zalo refuses a message ({code})")
