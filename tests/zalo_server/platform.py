"""The Bot Platform's API: updates by polling or webhook, messages out. Parameters as JSON, form or query."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.zalo_server.official import cut
from tests.zalo_server.world import Bot, World

IDLE = {"ok": False, "error_code": 408, "description": "Request timeout"}
TEXT = 2000


def refused(code: int, why: str) -> Response:
    """As the platform refuses: ``ok`` is false, whatever the HTTP status."""
    return JSONResponse({"ok": False, "error_code": code, "description": why})


def update(user: str, name: str = "message.text.received", **message: Any) -> dict[str, Any]:
    """An update about a message, as getUpdates answers it and as the webhook gets it."""
    person = {"id": user, "display_name": f"Người {user[-4:]}", "is_bot": False}
    said = {"from": person, "chat": {"id": user, "chat_type": "PRIVATE"}, **message}
    return {"ok": True, "result": {"event_name": name, "message": said}}


async def _parameters(request: Request) -> dict[str, Any]:
    kind = request.headers.get("content-type", "")
    given: dict[str, Any] = dict(request.query_params)
    if kind.startswith("application/json"):
        with suppress(ValueError):
            body = await request.json()
            given |= body if isinstance(body, dict) else {}
    elif kind.startswith("application/x-www-form-urlencoded"):
        given |= dict(parse_qsl((await request.body()).decode()))
    return given


class PlatformApi:
    """``/bot<TOKEN>/<method>``."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.routes = [Route("/bot{token}/{method}", self.call, methods=["GET", "POST"])]

    async def call(self, request: Request) -> Response:
        """Any call of a bot."""
        bot = self._world.accounts.get(request.path_params["token"])
        if not isinstance(bot, Bot):
            return refused(401, "Unauthorized")
        method, given = request.path_params["method"], await _parameters(request)
        bot.calls.append({"method": method, "body": given, "at": time.time()})
        fault = bot.fault(method)
        if fault:
            await asyncio.sleep(fault.slow)
        failing = fault is not None and bool(fault.error or fault.status or fault.close)
        honest = None if failing and fault and not fault.done else await self._carry_out(request, bot, method, given)
        if fault is None or not failing:
            assert honest is not None
            return honest
        if fault.close:
            return await cut(request)
        headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
        if fault.status:
            return Response("<html>not now</html>", fault.status, headers, "text/html")
        return JSONResponse({"ok": False, "error_code": fault.error, "description": "Fault"}, headers=headers)

    async def _carry_out(self, request: Request, bot: Bot, method: str, given: dict[str, Any]) -> Response:
        if method == "getMe":
            me = {"id": bot.key.partition(":")[0], "account_name": "bot.tro-ly-thu", "account_type": "BASIC",
                  "can_join_groups": False}  # fmt: skip
            return JSONResponse({"ok": True, "result": me})
        if method == "getUpdates":
            return await self._updates(request, bot, given)
        if method in ("setWebhook", "deleteWebhook", "getWebhookInfo"):
            return self._webhook(bot, method, given)
        if method in ("sendMessage", "sendChatAction"):
            return self._send(bot, method, given)
        return refused(404, "Not found")

    async def _updates(self, request: Request, bot: Bot, given: dict[str, Any]) -> Response:
        if bot.webhook:
            return refused(409, "Conflict: a webhook is set")
        until = time.monotonic() + float(given.get("timeout") or 30)
        while not await request.is_disconnected():
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, min(0.25, until - time.monotonic()))):
                    return JSONResponse(await bot.updates.get())
            if time.monotonic() >= until:
                break
        return JSONResponse(IDLE, bot.idle_status)

    def _webhook(self, bot: Bot, method: str, given: dict[str, Any]) -> Response:
        if method == "setWebhook":
            url, secret = str(given.get("url", "")), str(given.get("secret_token", ""))
            # The real one takes https only; here everything is on this machine.
            if not url.startswith(("https://", "http://127.0.0.1")) or not 8 <= len(secret) <= 256:
                return refused(400, "Bad Request: url or secret_token")
            bot.webhook, bot.hook_secret = url, secret
        elif method == "deleteWebhook":
            bot.webhook = bot.hook_secret = ""
        if method != "getWebhookInfo":
            bot.hook_updated = int(time.time() * 1000)
        return JSONResponse({"ok": True, "result": {"url": bot.webhook, "updated_at": bot.hook_updated}})

    def _send(self, bot: Bot, method: str, given: dict[str, Any]) -> Response:
        chat, text = given.get("chat_id"), given.get("text")
        if not isinstance(chat, str) or chat not in bot.people:
            return refused(400, "Bad Request: chat not found")
        if not bot.people[chat].follows:
            return refused(403, "Forbidden: bot was blocked by the user")
        if method == "sendChatAction":
            if given.get("action") not in ("typing", "upload_photo"):
                return refused(400, "Bad Request: action")
            return JSONResponse({"ok": True})
        if not isinstance(text, str) or not 1 <= len(text.encode("utf-16-le")) // 2 <= TEXT:
            return refused(400, "Bad Request: text must have 1 to 2000 characters")
        message = bot.keep(chat, text, [])
        return JSONResponse({"ok": True, "result": {"message_id": message, "date": int(bot.now() * 1000)}})
