"""The one public web server: webhooks of all channels and the health pages, guarded, on Starlette and uvicorn."""

from __future__ import annotations

import asyncio
import contextlib
import html
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from bot.door import READ_WITHIN, Guard
from bot.settings import Settings
from knowledge.errors import RefusedError

CONNECTIONS = 1000
"""Open connections; those beyond are told to come back (503)."""
State = Callable[[], Awaitable[dict[str, Any]]]
"""What the ready page shows; ``ready`` says whether all is well."""


class PatientProtocol(H11Protocol):
    """HTTP/1.1 that hangs up on clients who do not finish the head of a request in time, be it the first or a later
    one of the connection."""

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there: its head has to be too, soon."""
        super().connection_made(transport)
        self._waiting = self.loop.call_later(READ_WITHIN, transport.close)

    def handle_events(self) -> None:
        """Something arrived: once the head is complete, the body's own time limit counts."""
        super().handle_events()
        if self.cycle is None:
            return
        begun = self.cycle.response_complete and bool(self.conn.trailing_data[0])
        if begun and self._waiting is None:
            self._waiting = self.loop.call_later(READ_WITHIN, self.transport.close)
        elif not begun and self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        if self._waiting is not None:
            self._waiting.cancel()
        super().connection_lost(exc)


class _Server(uvicorn.Server):
    """Leaves the process's signals to whoever runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        """Nothing."""
        yield


def application(settings: Settings, routes: Sequence[BaseRoute], state: State) -> Starlette:
    """The pages: those of the channels, ``/health`` (it runs), ``/ready`` (it can answer), Zalo's domain check."""

    async def health(_: Request) -> Response:
        return PlainTextResponse("ok")

    async def ready(_: Request) -> Response:
        found = await state()
        return JSONResponse(found, 200 if found["ready"] else 503)

    async def verified(_: Request) -> Response:
        mark = html.escape(settings.zalo_site_verification)
        page = f'<meta name="zalo-platform-site-verification" content="{mark}">' if mark else ""
        return HTMLResponse(f"<!doctype html><html><head>{page}<title>5299</title></head><body></body></html>")

    own: list[BaseRoute] = [
        Route("/health", health),
        Route("/ready", ready),
        Route("/", verified),
        Route("/zalo_verifier{code}.html", verified),
    ]
    return Starlette(routes=[*own, *routes], middleware=[Middleware(Guard)])


@contextlib.asynccontextmanager
async def serving(app: Starlette, listen: str, port: int) -> AsyncIterator[int]:
    """Serve ``app`` while the block lasts; the port (a free one for 0). Raises RefusedError when it cannot listen."""
    try:
        family = socket.AF_INET6 if ":" in listen else socket.AF_INET
        taken = socket.create_server((listen, port), family=family, backlog=512)
    except OSError as error:
        raise RefusedError(
            f"cannot listen on {listen} port {port} ({error.strerror}); set TTHC_WEB_PORT to a free port"
        ) from error
    config = uvicorn.Config(
        app, http=PatientProtocol, ws="none", lifespan="off", access_log=False, log_config=None, server_header=False,
        limit_concurrency=CONNECTIONS, timeout_keep_alive=15, timeout_graceful_shutdown=5,
    )  # fmt: skip
    server = _Server(config)
    running = asyncio.create_task(server.serve(sockets=[taken]))
    try:
        while not server.started and not running.done():
            await asyncio.sleep(0.01)
        yield int(taken.getsockname()[1])
    finally:
        server.should_exit = True
        await running
        taken.close()
