"""The server's own process: ``python -m tests.zalo_server [port]``. It says ``listening PORT`` and ends with its stdin.

Under ``/_`` stand the controls, which tests, benchmarks and other processes drive it by (see :class:`ZaloServer`).
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.zalo_server.delivery import Courier
from tests.zalo_server.official import OfficialApi, event
from tests.zalo_server.platform import PlatformApi, update
from tests.zalo_server.world import Account, Bot, Fault, Official, World

SETTABLE = ("webhook", "retry_factor", "offset", "duplicate", "reorder", "forge", "sign_with", "life", "rate", "quota",
            "echo", "idle_status", "secret")  # fmt: skip


class Controls:
    """What the tests do to the server."""

    def __init__(self, world: World, courier: Courier) -> None:
        self._world, self._courier = world, courier
        self.routes = [
            Route("/_oa", self.new_official, methods=["POST"]),
            Route("/_bot", self.new_bot, methods=["POST"]),
            Route("/_set", self.set, methods=["POST"]),
            Route("/_fail", self.fail, methods=["POST"]),
            Route("/_event", self.event, methods=["POST"]),
            Route("/_expire", self.expire, methods=["POST"]),
            Route("/_tokens", self.tokens, methods=["POST"]),
            Route("/_shown", self.shown),
            Route("/_sent", self.sent),
            Route("/_calls", self.calls),
            Route("/_deliveries", self.deliveries),
        ]

    def _account(self, key: str) -> Account:
        return self._world.accounts[key]

    async def new_official(self, request: Request) -> Response:
        """Make an Official Account; its ids, secrets and first tokens."""
        made = self._world.official(**await request.json())
        names = ("key", "app_id", "app_secret", "secret", "sign_with")
        return JSONResponse({**{name: getattr(made, name) for name in names}, **made.tokens()})

    async def new_bot(self, request: Request) -> Response:
        """Make a bot; its token."""
        return JSONResponse({"key": self._world.bot(**await request.json()).key})

    async def set(self, request: Request) -> Response:
        """Change an account: {key, …}; ``advance``: seconds that its clock is put forward."""
        body = await request.json()
        account = self._account(body.pop("key"))
        account.offset += body.pop("advance", 0.0)
        for name, value in body.items():
            if name not in SETTABLE or not hasattr(account, name):
                return JSONResponse({"error": f"no such thing: {name}"}, 400)
            setattr(account, name, value)
        return JSONResponse({})

    async def fail(self, request: Request) -> Response:
        """Let calls fail: {key, method, …} as in :class:`Fault`."""
        body = await request.json()
        self._account(body.pop("key")).faults.append(Fault(**body))
        return JSONResponse({})

    async def event(self, request: Request) -> Response:
        """Somebody does something: {key, user, name, more}."""
        body = await request.json()
        account, user, name, more = self._account(body["key"]), body["user"], body["name"], body.get("more", {})
        if name == "unfollow":
            account.person(user).follows = False
        elif not name.startswith("oa_"):
            account.person(user).follows = True
            account.heard(user)
        if isinstance(account, Official):
            if "message" in more:
                more["message"] = {"msg_id": secrets.token_hex(10), **more["message"]}
            payload = event(account, name, user, **more)
            self._courier.happened(account, payload, user)
        else:
            assert isinstance(account, Bot)
            if name == "unfollow":  # the platform has no event for it
                return JSONResponse({})
            fresh = {"message_id": secrets.token_hex(10), "date": int(account.now() * 1000)}
            payload = update(user, name, **{**fresh, **more.get("message", {})})
            if account.webhook:
                self._courier.happened(account, payload, user)
            else:
                self._queue(account, payload)
        return JSONResponse(payload)

    @staticmethod
    def _queue(bot: Bot, payload: dict[str, Any]) -> None:
        copies = 2 if bot.duplicate > 0 else 1
        bot.duplicate -= copies - 1
        works = [payload] * copies
        if bot.reorder > 0:
            bot.reorder -= 1
            bot.held += works
            if bot.reorder:
                return
            works, bot.held = bot.held[::-1], []
        for work in works:
            bot.updates.put_nowait(work)

    async def expire(self, request: Request) -> Response:
        """End all access tokens of an account now; ``forget``: it does not even know them any more (-216)."""
        body = await request.json()
        account = self._account(body["key"])
        assert isinstance(account, Official)
        account.access = {} if body.get("forget") else dict.fromkeys(account.access, 0.0)
        return JSONResponse({})

    async def tokens(self, request: Request) -> Response:
        """A fresh pair of tokens, as if staff had given consent anew."""
        account = self._account((await request.json())["key"])
        assert isinstance(account, Official)
        return JSONResponse(account.tokens())

    async def shown(self, request: Request) -> Response:
        """Messages to ``user`` of ``key`` from the ``after``-th on; waits up to ``wait`` seconds for one."""
        asked = request.query_params
        account, user, after = self._account(asked["key"]), asked["user"], int(asked.get("after", 0))
        ends = asyncio.get_running_loop().time() + float(asked.get("wait", 0))
        while True:
            found = account.got.get(user, [])[after:]
            left = ends - asyncio.get_running_loop().time()
            if found or left <= 0:
                return JSONResponse(found)
            try:
                await asyncio.wait_for(account.waiting.setdefault(user, asyncio.Event()).wait(), left)
            except TimeoutError:
                continue

    async def sent(self, request: Request) -> Response:
        """All messages that an account sent."""
        return JSONResponse(self._account(request.query_params["key"]).sent)

    async def calls(self, request: Request) -> Response:
        """All calls of an account's API."""
        return JSONResponse(self._account(request.query_params["key"]).calls)

    async def deliveries(self, request: Request) -> Response:
        """All deliveries to an account's webhook, with what it answered."""
        account = self._account(request.query_params["key"])
        faults = [asdict(fault) for fault in account.faults if fault.times > 0]
        return JSONResponse({"deliveries": account.deliveries, "held": len(account.held), "faults": faults})


def application() -> Starlette:
    """Both APIs and the controls."""
    world = World()
    courier = Courier(world)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await courier.close()

    parts = (OfficialApi(world, courier), PlatformApi(world), Controls(world, courier))
    return Starlette(routes=[route for part in parts for route in part.routes], lifespan=lifespan)


def main() -> None:
    """Serve until stdin ends."""
    listening = socket.create_server(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 0), backlog=512)
    config = uvicorn.Config(application(), http="h11", ws="none", log_level="error", access_log=False,
                            timeout_graceful_shutdown=1)  # fmt: skip
    server = uvicorn.Server(config)

    def watch() -> None:
        sys.stdin.read()
        server.should_exit = True

    threading.Thread(target=watch, daemon=True).start()
    print("listening", listening.getsockname()[1], flush=True)
    server.run(sockets=[listening])


if __name__ == "__main__":
    main()
