"""The one web server as clients meet it: pages, patience, and what it tells nobody."""

from __future__ import annotations

import asyncio
import html
import logging
import re
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bot import door, web
from bot.door import BODY, DEPTH
from bot.settings import Settings
from bot.web import application, serving
from knowledge.errors import RefusedError

SECRET = "lời riêng tư"
Serve = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
Head = "GET /health HTTP/1.1\r\nHost: bot\r\n"


async def echo(request: Request) -> Response:
    return PlainTextResponse(await request.body())


async def broken(request: Request) -> Response:
    raise ValueError(SECRET)


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """Serves pages: ``async with serve(state, zalo_site_verification=…) as http``."""

    @asynccontextmanager
    async def served(found: dict[str, Any] | None = None, **changes: Any) -> AsyncIterator[httpx.AsyncClient]:
        async def state() -> dict[str, Any]:
            return found or {"ready": True}

        routes = [Route("/echo", echo, methods=["POST"]), Route("/broken", broken, methods=["POST"])]
        app = application(Settings(_env_file=None, home=tmp_path, **changes), routes, state)
        async with (
            serving(app, "127.0.0.1", 0) as port,
            httpx.AsyncClient(trust_env=False, base_url=f"http://127.0.0.1:{port}", timeout=30) as http,
        ):
            yield http

    return served


@asynccontextmanager
async def connected(http: httpx.AsyncClient) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A bare connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", http.base_url.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def hung_up_within(reader: asyncio.StreamReader, seconds: float) -> bytes:
    """What still came before the other side hung up. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        return await reader.read()


async def dribble(writer: asyncio.StreamWriter, piece: bytes = b"x") -> None:
    """Send a little at a time for ever."""
    while True:
        writer.write(piece)
        await asyncio.sleep(0.05)


# -- pages


async def test_it_says_that_it_runs_and_whether_it_can_answer(serve: Serve) -> None:
    async with serve({"ready": True, "new": 0}) as http:
        health, ready = await http.get("/health"), await http.get("/ready")
    assert (health.status_code, health.text) == (200, "ok")
    assert (ready.status_code, ready.json()) == (200, {"ready": True, "new": 0})
    async with serve({"ready": False, "error": "OperationalError"}) as http:
        health, ready = await http.get("/health"), await http.get("/ready")
    assert health.status_code == 200, "it runs all the same"
    assert (ready.status_code, ready.json()["error"]) == (503, "OperationalError")


@pytest.mark.parametrize("mark", ["SFV_abc-123", '"><script>alert(1)</script>', "a&b'c", ""])
async def test_zalo_can_see_that_the_domain_is_ours(serve: Serve, mark: str) -> None:
    async with serve(zalo_site_verification=mark) as http:
        pages = [await http.get(path) for path in ("/", "/zalo_verifierABC123.html")]
    for page in pages:
        assert page.status_code == 200
        assert page.headers["content-type"].startswith("text/html")
        found = re.findall(r'<meta name="zalo-platform-site-verification" content="([^"<>]*)">', page.text)
        assert [html.unescape(one) for one in found] == ([mark] if mark else [])
        assert "<script" not in page.text


async def test_what_is_not_there_is_not_there(serve: Serve) -> None:
    async with serve() as http:
        for path in ("/docs", "/zalo_verifier", "/..%2f.env", "/health/x", "/Health"):
            assert (await http.get(path)).status_code == 404
        assert (await http.post("/health")).status_code == 405
        assert (await http.get("/echo")).status_code == 405


# -- what it tells nobody


async def test_a_failure_is_told_without_its_reasons(serve: Serve) -> None:
    async with serve() as http:
        answer = await http.post("/broken", content=SECRET.encode())
        again = await http.get("/health")
    assert (answer.status_code, answer.text) == (500, "Internal Server Error")
    assert "server" not in answer.headers
    assert again.status_code == 200


async def test_visits_are_not_logged(
    serve: Serve, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG):
        async with serve() as http:
            await http.post("/echo?loi=rieng-tu", content=b"rieng-tu")
            await http.get("/rieng-tu")
            async with connected(http) as (reader, writer):
                writer.write(b"GET /rieng-tu\x00 HTTP/9.9\r\n\r\n")
                assert b"400" in await hung_up_within(reader, 10)
    said = [record.getMessage() for record in caplog.records if not record.name.startswith("http")]
    shown = capfd.readouterr()
    assert "rieng-tu" not in "\n".join([*said, shown.out, shown.err])


# -- patience


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "READ_WITHIN", 0.5)
    monkeypatch.setattr(door, "READ_WITHIN", 0.5)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("begin", ["", "GET /hea", Head, Head + "X-Long: "], ids=["nothing", "line", "head", "header"])
async def test_who_does_not_finish_the_head_is_hung_up_on(serve: Serve, begin: str) -> None:
    async with serve() as http, connected(http) as (reader, writer):
        writer.write(begin.encode())
        slow = asyncio.create_task(dribble(writer) if begin.endswith("Long: ") else asyncio.sleep(0))
        assert await hung_up_within(reader, 5) == b""
        slow.cancel()


@pytest.mark.usefixtures("impatient")
async def test_a_later_head_has_to_be_finished_too(serve: Serve) -> None:
    async with serve() as http, connected(http) as (reader, writer):
        for _ in range(3):
            writer.write(f"{Head}\r\n".encode())
            assert b"200" in await reader.readuntil(b"\r\n\r\n")
            assert await reader.readexactly(2) == b"ok"
            await asyncio.sleep(0.7)  # idle, which is no sin
        writer.write(f"{Head}X-Long: ".encode())
        slow = asyncio.create_task(dribble(writer))
        assert await hung_up_within(reader, 5) == b""
        slow.cancel()


@pytest.mark.usefixtures("impatient")
async def test_a_head_in_pieces_is_taken_when_it_is_in_time(serve: Serve) -> None:
    async with serve() as http, connected(http) as (reader, writer):
        for _ in range(2):
            for piece in (f"{Head}\r\n{Head}"[:9], f"{Head}\r\n{Head}"[9:], "\r\n"):
                writer.write(piece.encode())
                await asyncio.sleep(0.1)
            for _ in range(2):
                assert b"200" in await reader.readuntil(b"\r\n\r\n")
                assert await reader.readexactly(2) == b"ok"


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("length", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
async def test_who_does_not_finish_the_body_is_hung_up_on(serve: Serve, length: str) -> None:
    async with serve() as http, connected(http) as (reader, writer):
        writer.write(f"POST /echo HTTP/1.1\r\nHost: bot\r\n{length}\r\n\r\n".encode())
        slow = asyncio.create_task(dribble(writer, b"1\r\nx\r\n" if "chunked" in length else b"x"))
        said = await hung_up_within(reader, 5)
        slow.cancel()
    assert said.startswith(b"HTTP/1.1 408")


async def test_a_body_has_bounds(serve: Serve) -> None:
    async with serve() as http:
        assert (await http.post("/echo", content=b"x" * BODY)).text == "x" * BODY
        assert (await http.post("/echo", content=b"[" * (DEPTH + 1))).status_code == 400
        async with connected(http) as (reader, writer):
            writer.write(f"POST /echo HTTP/1.1\r\nHost: bot\r\nContent-Length: {10**12}\r\n\r\n".encode())
            writer.write(b"x" * (BODY + 1))
            assert (await hung_up_within(reader, 10)).startswith(b"HTTP/1.1 413")
        assert (await http.get("/health")).text == "ok"


async def test_one_slow_client_holds_up_nobody(serve: Serve) -> None:
    async with serve() as http, connected(http) as (_, writer):
        writer.write(b"POST /echo HTTP/1.1\r\nHost: bot\r\nContent-Length: 10\r\n\r\n")
        began = time.monotonic()
        assert (await http.get("/health")).text == "ok"
        assert time.monotonic() - began < 2


async def test_many_connections_are_served_and_too_many_are_told_to_come_back(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve() as http:
        answers = await asyncio.gather(*(http.post("/echo", content=str(n).encode()) for n in range(100)))
        assert [one.text for one in answers] == [str(n) for n in range(100)]
    monkeypatch.setattr(web, "CONNECTIONS", 5)
    async with serve() as http:
        idle = [await asyncio.open_connection("127.0.0.1", http.base_url.port) for _ in range(5)]
        assert (await http.get("/health")).status_code == 503
        for _, writer in idle:
            writer.close()
            await writer.wait_closed()
        async with asyncio.timeout(10):
            while (await http.get("/health")).status_code == 503:
                await asyncio.sleep(0.05)


# -- start and stop


async def test_a_port_that_is_taken_is_refused(tmp_path: Path) -> None:
    async def state() -> dict[str, Any]:
        return {"ready": True}

    app = application(Settings(_env_file=None, home=tmp_path), [], state)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RefusedError, match=rf"127\.0\.0\.1 port {port} .*TTHC_WEB_PORT"):
            async with serving(app, "127.0.0.1", port):
                pass
    with pytest.raises(RefusedError, match="cannot listen on 203.0.113.7"):
        async with serving(app, "203.0.113.7", 0):
            pass


async def test_a_stopped_server_is_gone_and_its_port_is_free(serve: Serve) -> None:
    before = asyncio.all_tasks()
    async with serve() as http:
        port = http.base_url.port
        async with connected(http) as (reader, _):
            await http.get("/health")
            idle = reader
    assert await hung_up_within(idle, 5) == b""
    assert asyncio.all_tasks() == before
    with socket.create_server(("127.0.0.1", port)):
        pass
