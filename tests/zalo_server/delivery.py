"""Deliveries to a bot's webhook: signed, given two seconds, tried again at growing intervals."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import time
from typing import Any

import httpx

from tests.zalo_server.world import Account, Bot, Official, World

WITHIN = 2.0
"""Seconds in which a webhook has to answer 200."""
WAITS = (30.0, 300.0, 900.0, 1800.0, 3600.0)
"""Seconds before each further attempt, to be multiplied with the account's ``retry_factor``."""

FORGERIES = ("wrong", "truncated", "missing", "tampered", "other-secret", "garbage")


def signature(account: Official, body: bytes, timestamp: str, secret: str = "") -> str:
    """``mac=<hex>`` as Zalo makes it: a plain SHA-256 over app id (or OA id), body, timestamp and OA secret key."""
    first = account.key if account.sign_with == "oa_id" else account.app_id
    return (
        "mac="
        + hashlib.sha256(first.encode() + body + timestamp.encode() + (secret or account.secret).encode()).hexdigest()
    )


def dumped(payload: Any) -> bytes:
    """JSON as Zalo writes it: compact, letters as they are."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()


def _dressed(account: Account, payload: dict[str, Any], lie: str) -> tuple[bytes, dict[str, str]]:
    body, headers = dumped(payload), {"Content-Type": "application/json"}
    if isinstance(account, Bot):
        name, honest = "X-Bot-Api-Secret-Token", account.hook_secret
        false = {"truncated": honest[:-1], "wrong": secrets.token_hex(16), "other-secret": secrets.token_hex(16)}
    else:
        assert isinstance(account, Official)
        name, stamp = "X-ZEvent-Signature", str(payload.get("timestamp", ""))
        honest = signature(account, body, stamp)
        false = {
            "truncated": honest[:-8],
            "wrong": "mac=" + secrets.token_hex(32),
            "other-secret": signature(account, body, stamp, secret=secrets.token_hex(10)),
        }
    if lie == "tampered":
        body = body.replace(b'"text":"', b'"text":"x', 1) if b'"text":"' in body else body + b" "
    if lie != "missing":
        headers[name] = false.get(lie, "mac=giả".encode().decode("latin-1") if lie == "garbage" else honest)
    return body, headers


class Courier:
    """Takes what happened to the webhooks."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._http = httpx.AsyncClient(trust_env=False, timeout=WITHIN, limits=httpx.Limits(max_connections=200))

    async def close(self) -> None:
        """Let go of what is under way."""
        for task in list(self._world.tasks):
            task.cancel()
        await asyncio.gather(*self._world.tasks, return_exceptions=True)
        await self._http.aclose()

    def happened(self, account: Account, payload: dict[str, Any], user: str) -> None:
        """Deliver an event, with what is to go wrong with it."""
        lie = account.forge.pop(0) if account.forge else ""
        copies = 2 if account.duplicate > 0 else 1
        account.duplicate -= copies - 1
        works = [(payload, user, lie)] * copies
        if account.reorder > 0:
            account.reorder -= 1
            account.held += works
            if account.reorder:
                return
            works, account.held = account.held[::-1], []
            self._world.spawn(self._in_turn(account, works))
            return
        for work in works:
            self._world.spawn(self._deliver(account, *work))

    async def _in_turn(self, account: Account, works: list[Any]) -> None:
        for work in works:
            await self._deliver(account, *work)

    async def _deliver(self, account: Account, payload: dict[str, Any], user: str, lie: str) -> None:
        body, headers = _dressed(account, payload, lie)
        inner = payload.get("result", payload)
        record: dict[str, Any] = {
            "event": inner.get("event_name"), "user": user, "lie": lie, "attempts": [], "accepted": False,
            "msg_id": inner.get("message", {}).get("msg_id", inner.get("message", {}).get("message_id")),
        }  # fmt: skip
        account.deliveries.append(record)
        for wait in (*WAITS, None):
            began = time.monotonic()
            status = await self._post(account, body, headers)
            record["attempts"].append({"status": status, "seconds": time.monotonic() - began, "at": time.time()})
            if status == 200:
                record["accepted"] = True
                return
            if wait is None or lie:  # nobody repeats a forgery
                return
            await asyncio.sleep(wait * account.retry_factor)

    async def _post(self, account: Account, body: bytes, headers: dict[str, str]) -> int:
        """HTTP status; 0 when there was none in time. Nothing listens: 0 too."""
        if not account.webhook:
            return 0
        raw = {name: value.encode("latin-1") for name, value in headers.items()}
        try:
            async with asyncio.timeout(WITHIN):
                return (await self._http.post(account.webhook, content=body, headers=raw)).status_code
        except (httpx.HTTPError, TimeoutError):
            return 0
