"""A Zalo Official Account: signed deliveries to a webhook in, messages with up to five buttons out.

A delivery is acknowledged once it is kept and not before; what people sent is answered later, from the outbox. Nothing
of it is logged, and no id: only how many deliveries of which kind were left aside.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from bot.channels.zalo_api import LIMITS, TIMEOUT, Quota, ZaloApi, acknowledged, hush
from bot.channels.zalo_tokens import FILE, Tokens
from bot.message import Accept, Incoming, Kind, LaterError, Place
from bot.render import ZALO
from bot.reply import Part
from bot.settings import Settings
from knowledge.errors import RefusedError

log = logging.getLogger(__name__)

PATH = "/zalo/oa"
OLDEST, AHEAD = 2 * 86400.0, 600.0
"""Seconds that a delivery may be behind and ahead of our clock. Zalo itself repeats one for about two hours."""
TAP = re.compile(r"nut-([\w#-]{1,64})", re.ASCII)
"""The text of a tapped button: the payload that :meth:`ZaloOA.send` gave it."""
KINDS: dict[str, Kind] = {
    "user_send_text": "text",
    "user_send_image": "photo",
    "user_send_gif": "photo",
    "user_send_video": "photo",
    "user_send_file": "photo",
    "user_send_audio": "other",
    "user_send_link": "other",
    "user_send_sticker": "other",
    "user_send_business_card": "other",
    "user_send_location": "place",
    "follow": "follow",
    "unfollow": "unfollow",
}
"""Events that concern us. Others (our own messages, tags, data that people fill in) are acknowledged and dropped."""
_ID = re.compile(r"[\x20-\x7e]{1,200}")
_STAMP = re.compile(r"[0-9]{1,20}")
_EVENT = re.compile(r"[a-z_]{1,60}")


class _Refusal(Exception):  # noqa: N818  # an answer, not an error
    """A delivery that is not taken: HTTP status and why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class ZaloOA:
    """The channel. ``clock``: seconds since 1970."""

    name, title = "zalo", "Zalo"
    look = ZALO

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._settings, self._clock = settings, clock
        self._app_id, self._oa_id = settings.zalo_app_id, settings.zalo_oa_id
        self._secret = settings.zalo_secret.get_secret_value()
        self._accept: Accept | None = None
        self._api: ZaloApi | None = None
        self.routes: list[BaseRoute] = [Route(PATH, self._hook, methods=["POST"])]

    @asynccontextmanager
    async def open(self, accept: Accept) -> AsyncIterator[ZaloOA]:
        """Take deliveries and send, while entered. Raises RefusedError naming the setting that is missing."""
        self._check()
        hush()
        given = self._settings
        async with httpx.AsyncClient(timeout=TIMEOUT, limits=LIMITS) as http:
            tokens = Tokens(
                http,
                given.home,
                app_id=self._app_id,
                app_secret=given.zalo_app_secret.get_secret_value(),
                seed=given.zalo_refresh_token.get_secret_value(),
                access=given.zalo_access_token.get_secret_value(),
                oauth=given.zalo_oauth,
                clock=self._clock,
            )
            await tokens.open()
            self._accept, self._api = accept, ZaloApi(http, tokens, given.zalo_api)
            try:
                yield self
            finally:
                self._accept = self._api = None
                await tokens.close()

    def _check(self) -> None:
        given = self._settings
        needed = {"zalo_app_id": self._app_id, "zalo_secret": self._secret,
                  "zalo_app_secret": given.zalo_app_secret.get_secret_value()}  # fmt: skip
        if given.zalo_sign_with == "oa_id":
            needed["zalo_oa_id"] = self._oa_id
        if not (given.home / FILE).is_file():
            needed["zalo_refresh_token"] = given.zalo_refresh_token.get_secret_value()
        for name, value in needed.items():
            if not value:
                raise RefusedError(f"the Zalo Official Account needs TTHC_{name.upper()}; see docs/vi/van-hanh.md")
        if given.zalo_log_only:
            log.error("TTHC_ZALO_LOG_ONLY is set: anybody can pose as Zalo; take it away after the first day")

    @property
    def quota(self) -> Quota | None:
        """What the package still pays for, as of the last message sent."""
        return self._api.quota if self._api else None

    # -- in

    async def _hook(self, request: Request) -> Response:
        try:
            body = await request.body()
        except ClientDisconnect:
            return PlainTextResponse("cut off", 400)
        try:
            incoming = self._read(body, request.headers.get("X-ZEvent-Signature", ""))
        except _Refusal as refusal:
            log.warning("a delivery to Zalo's webhook was refused: %s", refusal)
            return PlainTextResponse(str(refusal), refusal.status)
        return await acknowledged(self._accept, incoming)

    def _read(self, body: bytes, mac: str) -> Incoming | None:
        """The delivery, None when it does not concern us. Raises _Refusal."""
        try:
            event = json.loads(body)
        except (ValueError, RecursionError):
            raise _Refusal(400, "no JSON") from None
        if not isinstance(event, dict):
            raise _Refusal(400, "no event")
        name, stamp = _text(event, "event_name", _EVENT), _text(event, "timestamp", _STAMP)
        self._verify(event, body, stamp, mac)
        kind = KINDS.get(name)
        if kind is None:
            log.info("a delivery from Zalo was left aside: %s", name)
            return None
        if kind in ("follow", "unfollow"):
            user, message = _id(event, "follower"), {}
        else:
            user, message = _id(event, "sender"), _object(event, "message")
        if "msg_id" in message:
            delivery = f"msg:{_text(message, 'msg_id', _ID)}"
        else:  # keyed, since it is stored: the id of a user must not be
            delivery = f"{name}:{stamp}:{self._digest(user)}"
        if kind == "text" or name == "user_send_link" and isinstance(message.get("text"), str):
            kind, said = "text", _words(message)  # words with an address in them are words
        else:
            said = ""
        tap = TAP.fullmatch(said)
        return Incoming(
            self.name, user, "" if tap else said, delivery, button=tap[1] if tap else None, kind=kind,
            place={"user": user}, sent=float(stamp),
        )  # fmt: skip

    def _verify(self, event: dict[str, Any], body: bytes, stamp: str, mac: str) -> None:
        first = self._oa_id if self._settings.zalo_sign_with == "oa_id" else self._app_id or _text(event, "app_id", _ID)
        signed = hashlib.sha256(first.encode() + body + stamp.encode() + self._secret.encode()).hexdigest()
        age = self._clock() - float(stamp) / 1000
        if not self._secret or not hmac.compare_digest(f"mac={signed}".encode(), mac.encode("latin-1", "replace")):
            self._doubt("the signature is wrong" if mac else "it is not signed")
        elif not -AHEAD <= age <= OLDEST:
            self._doubt("its time is wrong")
        elif self._settings.zalo_log_only:
            log.info("a signature of Zalo's is right")
        if self._app_id and event.get("app_id") != self._app_id:
            raise _Refusal(403, "it is for another app (TTHC_ZALO_APP_ID)")
        account = _account_of(event)
        if self._oa_id and account != self._oa_id and (account is not None or event["event_name"] in KINDS):
            raise _Refusal(403, "it is for another account (TTHC_ZALO_OA_ID)")

    def _doubt(self, why: str) -> None:
        if not self._settings.zalo_log_only:
            raise _Refusal(403, why)
        log.error("a delivery to Zalo's webhook is taken although %s (TTHC_ZALO_LOG_ONLY)", why)

    def _digest(self, user: str) -> str:
        return hmac.new(self._secret.encode(), user.encode(), hashlib.sha256).hexdigest()[:16]

    # -- out

    async def send(self, place: Place, part: Part) -> None:
        """Send one part. Raises SendError."""
        if self._api is None:
            raise LaterError("the channel is not open")
        buttons = tuple((label, f"nut-{key}") for label, key in part.buttons)
        await self._api.send(place["user"], part.text, buttons)

    async def busy(self, place: Place) -> None:
        """Nothing: an Official Account cannot show that it is writing."""


def _text(data: dict[str, Any], key: str, form: re.Pattern[str]) -> str:
    value = data.get(key)
    if not isinstance(value, str) or not form.fullmatch(value):
        raise _Refusal(400, f"{key} is missing or wrong")
    return value


def _object(data: dict[str, Any], key: str) -> dict[str, Any]:
    value = data.get(key)
    if not isinstance(value, dict):
        raise _Refusal(400, f"{key} is missing or wrong")
    return value


def _id(event: dict[str, Any], who: str) -> str:
    return _text(_object(event, who), "id", _ID)


def _words(message: dict[str, Any]) -> str:
    text = message.get("text")
    if not isinstance(text, str):
        raise _Refusal(400, "text is missing or wrong")
    return text.encode("utf-8", "replace").decode()  # half a letter cannot be stored


def _account_of(event: dict[str, Any]) -> Any:
    """Id of the account that an event is about, None when it does not say."""
    name = event["event_name"]
    side = event.get("sender" if name.startswith("oa_") else "recipient")
    return side.get("id") if isinstance(side, dict) else event.get("oa_id")
