"""The Official Account's API (v3) and the tokens for it, as strict as CHANNELS.md says Zalo is."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.zalo_server.delivery import Courier
from tests.zalo_server.world import BILLED, FREE, Fault, Official, World, number

TEXT, TITLE, PAYLOAD, BUTTONS = 2000, 100, 1000, 5
KINDS = ("oa.query.show", "oa.query.hide", "oa.open.url", "oa.open.sms", "oa.open.phone")
MESSAGES = {
    -32: "Rate limit exceeded", -201: "Invalid parameter", -210: "Text is too long", -211: "Out of quota",
    -213: "User has not followed OA", -216: "Access token is invalid", -218: "Out of quota receive",
    -220: "Access token has expired", -224: "OA tier package does not allow", -230: "User has not interacted in 7 days",
    -14020: "Refresh token has been used",
}  # fmt: skip


def refusal(code: int) -> dict[str, Any]:
    """As Zalo refuses: in a body that comes with HTTP 200."""
    return {"error": code, "message": MESSAGES.get(code, "Error")}


async def cut(request: Request) -> Response:
    """Cut the connection of a request. What is returned reaches nobody."""
    cycle: Any = request.receive.__self__  # type: ignore[attr-defined]  # uvicorn's; ASGI has no word for this
    cycle.transport.abort()
    return Response()


async def faulty(request: Request, fault: Fault | None, carry_out: Any) -> Response:
    """Carry a call out, or not, as the fault says. ``carry_out()``: the honest answer's (body, headers)."""
    if fault is None:
        body, headers = carry_out()
        return JSONResponse(body, headers=headers)
    await asyncio.sleep(fault.slow)
    honest = carry_out() if fault.done or not (fault.error or fault.status or fault.close) else None
    if fault.close:
        return await cut(request)
    headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
    if fault.error:
        return JSONResponse(refusal(fault.error), headers=headers)
    if fault.status:
        return Response("<html>not now</html>", fault.status, headers, "text/html")
    assert honest is not None
    return JSONResponse(honest[0], headers=honest[1])


class OfficialApi:
    """``/v3.0/oa/message/cs`` and ``/v4/oa/access_token``."""

    def __init__(self, world: World, courier: Courier) -> None:
        self._world, self._courier = world, courier
        self.routes = [
            Route("/v3.0/oa/message/cs", self.send, methods=["POST"]),
            Route("/v4/oa/access_token", self.token, methods=["POST"]),
        ]

    # -- sending

    async def send(self, request: Request) -> Response:
        """Send a message to somebody."""
        token = request.headers.get("access_token", "")
        account = self._world.by_access(token)
        if account is None:
            return JSONResponse(refusal(-216))
        try:
            body = await request.json()
        except ValueError:
            body = None
        account.calls.append({"method": "send", "body": body, "at": time.time(), "token": token})
        recent = account.called()
        headers = {"X-RateLimit-Limit": str(account.rate), "X-RateLimit-Remain": str(max(0, account.rate - recent))}

        def carry_out() -> tuple[dict[str, Any], dict[str, str]]:
            if recent > account.rate:
                return refusal(-32), headers
            if "authorization" in request.headers or token not in account.access:
                return refusal(-216), headers
            if account.access[token] <= account.now():
                return refusal(-220), headers
            return self._send(account, body), headers

        return await faulty(request, account.fault("send"), carry_out)

    def _send(self, account: Official, body: Any) -> dict[str, Any]:
        try:
            user, message = body["recipient"]["user_id"], body["message"]
            text = message["text"]
            attachment = message.get("attachment")
            buttons = attachment["payload"]["buttons"] if attachment else []
            fine = isinstance(user, str) and isinstance(text, str) and bool(text.strip()) and all(map(_fine, buttons))
            fine = fine and (not attachment or (attachment["type"] == "template" and 0 < len(buttons) <= BUTTONS))
        except (KeyError, TypeError, AttributeError):
            fine = False
        if not fine:
            return refusal(-201)
        if len(text.encode("utf-16-le")) // 2 > TEXT:
            return refusal(-210)
        person = account.people.get(user)
        if person is None or not person.follows:
            return refusal(-213)
        silent = account.now() - person.last
        if silent > BILLED:
            return refusal(-230)
        if silent <= FREE and person.free > 0:
            person.free -= 1
            quota = {"quota_type": "reply", "remain": str(person.free), "total": "8"}
        elif account.quota > 0:
            account.quota -= 1
            quota = {"quota_type": "sub_quota", "remain": str(account.quota), "total": "2000"}
        else:
            return refusal(-211)
        message_id = account.keep(user, text, buttons)
        if account.echo:
            self._courier.happened(account, _echo(account, user, text, message_id), user)
        ends = time.strftime("%d/%m/%Y", time.gmtime(account.now() + 30 * 86400))
        owner = {"expired_date": ends, "owner_type": "OA", "owner_id": account.key}
        data = {"message_id": message_id, "user_id": user, "quota": {**quota, **owner}}
        return {"data": data, "error": 0, "message": "Success"}

    # -- tokens

    async def token(self, request: Request) -> Response:
        """Give new tokens for a refresh token, once."""
        form = dict(parse_qsl((await request.body()).decode()))
        account = self._world.by_app(form.get("app_id", ""))
        if account is None:
            return JSONResponse(refusal(-201))
        given = form.get("refresh_token", "")
        account.calls.append({"method": "refresh", "body": {"refresh_token": given}, "at": time.time(), "token": ""})

        def carry_out() -> tuple[dict[str, Any], dict[str, str]]:
            wrong = request.headers.get("secret_key") != account.app_secret
            if wrong or form.get("grant_type") != "refresh_token" or given not in account.refresh:
                return refusal(-201), {}
            if account.refresh[given]:
                return refusal(-14020), {}
            account.refresh[given] = True
            return account.tokens(), {}

        return await faulty(request, account.fault("refresh"), carry_out)


def _fine(button: dict[str, Any]) -> bool:
    title, kind, payload = button["title"], button["type"], button["payload"]
    if not isinstance(title, str) or not 0 < len(title) <= TITLE or kind not in KINDS:
        return False
    return kind.startswith("oa.open") or (isinstance(payload, str) and 0 < len(payload) <= PAYLOAD)


def _echo(account: Official, user: str, text: str, message_id: str) -> dict[str, Any]:
    return {
        "app_id": account.app_id, "user_id_by_app": number(), "event_name": "oa_send_text",
        "timestamp": str(int(account.now() * 1000)), "sender": {"id": account.key}, "recipient": {"id": user},
        "message": {"msg_id": message_id, "text": text},
    }  # fmt: skip


def event(account: Official, name: str, user: str, **more: Any) -> dict[str, Any]:
    """A payload as Zalo sends it. ``more``: fields that are added or changed."""
    common = {"app_id": account.app_id, "user_id_by_app": number(), "event_name": name,
              "timestamp": str(int(account.now() * 1000))}  # fmt: skip
    if name in ("follow", "unfollow"):
        return {
            "oa_id": account.key,
            "follower": {"id": user},
            **common,
            **({"source": "oa_profile"} if name == "follow" else {}),
            **more,
        }
    return {"sender": {"id": user}, "recipient": {"id": account.key}, **common, **more}
