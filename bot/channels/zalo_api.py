"""Speaking with Zalo's Official Account API: one call, and what its many ways of failing mean."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx
from starlette.responses import PlainTextResponse, Response

from bot.channels.zalo_tokens import Tokens
from bot.message import Accept, BusyError, GoneError, Incoming, LaterError, UnsureError, WrongError

log = logging.getLogger(__name__)

API = "https://openapi.zalo.me"
TIMEOUT = httpx.Timeout(15.0, connect=5.0)
"""Seconds. A person waits behind every call."""
LIMITS = httpx.Limits(max_connections=50, keepalive_expiry=5.0)
HOLD = 2.0
"""Seconds in which nothing is sent when the app's calls of this minute are used up."""
QUOTA_AGAIN = 600.0
"""Seconds until a message is tried again that the package did not pay for."""
TITLE = 100
"""Characters of a button's label."""
TOKEN = (-216, -220)
_GONE = {-213: "not a follower", -230: "silent for more than seven days"}
_QUOTA = {-211: "quota used up", -218: "quota for this person used up"}
_WRONG = {-210: "the text is too long", -201: "a parameter is wrong", -224: "the account's package does not allow it"}
_RATE = -32


@dataclass(frozen=True)
class Quota:
    """What the package still pays for, as the last answer said; None where it did not say."""

    kind: str
    remain: int | None
    total: int | None
    expires: str


def hush() -> None:
    """Keep headers, which hold tokens, out of the logs."""
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)


class ZaloApi:
    """Sends messages for one Official Account. ``quota``: as of the last message, None before it."""

    def __init__(self, http: httpx.AsyncClient, tokens: Tokens, base: str = "") -> None:
        self._http, self._tokens = http, tokens
        self._url = f"{(base or API).rstrip('/')}/v3.0/oa/message/cs"
        self._hold = 0.0
        self.quota: Quota | None = None

    async def send(self, user: str, text: str, buttons: tuple[tuple[str, str], ...] = ()) -> None:
        """Send plain text (up to 2000 UTF-16 units) with up to five (label, payload) buttons. Raises SendError."""
        message: dict[str, Any] = {"text": text}
        if buttons:
            dressed = [{"title": label[:TITLE], "type": "oa.query.hide", "payload": key} for label, key in buttons]
            message["attachment"] = {"type": "template", "payload": {"buttons": dressed}}
        body = {"recipient": {"user_id": user}, "message": message}
        token = await self._tokens.access()
        code = await self._call(body, token)
        if code in TOKEN:
            token = await self._tokens.access(refused=token)
            code = await self._call(body, token)
        if code:
            raise self._refusal(code)

    async def _call(self, body: dict[str, Any], token: str) -> int:
        """The error code of the answer, 0 when the message was sent. Raises SendError."""
        while (wait := self._hold - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        try:
            answer = await self._http.post(self._url, json=body, headers={"access_token": token})
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
            raise LaterError(f"Zalo was not reached ({type(error).__name__})") from None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise WrongError("TTHC_ZALO_API is no address") from None
        except httpx.HTTPError as error:
            raise UnsureError(f"Zalo's answer was lost ({type(error).__name__})") from None
        if answer.headers.get("X-RateLimit-Remain", "").strip() == "0":
            self._hold = time.monotonic() + HOLD
        return self._read(answer)

    def _read(self, answer: httpx.Response) -> int:
        status = answer.status_code
        if status == 429:
            raise LaterError("Zalo wants fewer calls (HTTP 429)", seconds(answer.headers.get("Retry-After", "")))
        if status == 504:  # a proxy of theirs gave up waiting; what stands behind it may not have
            raise UnsureError("Zalo's answer was lost (HTTP 504)")
        if status >= 500:
            raise LaterError(f"Zalo is not well (HTTP {status})")
        if status != 200:
            raise WrongError(f"Zalo refuses the call (HTTP {status})")
        try:
            said = answer.json()
            code = int(said["error"])
        except (ValueError, TypeError, KeyError):
            raise UnsureError("Zalo's answer cannot be read") from None
        if code == 0:
            self._note(said.get("data"))
        return code

    def _refusal(self, code: int) -> Exception:
        if code in TOKEN:
            return LaterError(f"Zalo refuses a fresh access token ({code})")
        if code == _RATE:
            self._hold = time.monotonic() + HOLD
            return LaterError(f"Zalo wants fewer calls ({code})")
        if code in _QUOTA:
            return LaterError(f"{_QUOTA[code]} ({code})", QUOTA_AGAIN)
        if code in _GONE:
            return GoneError(f"{_GONE[code]} ({code})")
        return WrongError(f"Zalo refuses a message: {_WRONG.get(code, 'unknown reason')} ({code})")

    def _note(self, data: Any) -> None:
        quota = data.get("quota") if isinstance(data, dict) else None
        if isinstance(quota, dict):
            kind, expires = str(quota.get("quota_type", "")), str(quota.get("expired_date", ""))
            self.quota = Quota(kind, _number(quota.get("remain")), _number(quota.get("total")), expires)


def _number(value: Any) -> int | None:
    with suppress(ValueError, TypeError):
        return int(value)
    return None


def seconds(value: str) -> float | None:
    """A Retry-After in seconds; None for a date or nothing."""
    with suppress(ValueError):
        return max(0.0, min(float(value), 3600.0))
    return None


async def acknowledged(accept: Accept | None, incoming: Incoming | None) -> Response:
    """Hand a delivery of a webhook over and say what became of it: 200 only when it is kept or not for us."""
    if incoming is None:
        return PlainTextResponse("not for us")
    if accept is None:
        return PlainTextResponse("not open", 503)
    try:
        await accept(incoming)
    except BusyError:
        return PlainTextResponse("busy", 429)
    except Exception as error:  # its message may hold what a user wrote
        log.error("a delivery from Zalo could not be kept (%s)", type(error).__name__)
        return PlainTextResponse("not kept", 503)
    return PlainTextResponse("kept")
