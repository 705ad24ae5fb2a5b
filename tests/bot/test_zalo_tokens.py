"""Zalo's tokens: refreshed once whoever asks, never lost by a crash; what is done when they are lost on the wire."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.channels import zalo_tokens
from bot.channels.zalo_tokens import FILE, JOURNAL, Tokens
from bot.message import LaterError
from tests.conftest import ROOT
from tests.zalo_server import Official, ZaloServer

pytestmark = pytest.mark.e2e  # a server and processes of its own
HOUR = 3600.0
Open = Callable[..., AbstractAsyncContextManager[Tokens]]


@pytest.fixture(scope="module")
def server() -> Iterator[ZaloServer]:
    with ZaloServer.running() as running:
        yield running


@pytest.fixture
def oa(server: ZaloServer) -> Official:
    return server.new_oa()


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zalo_tokens, "AGAIN_LATER", 0.1)
    monkeypatch.setattr(zalo_tokens, "AGAIN_REFUSED", 0.3)


@pytest.fixture
def opened(server: ZaloServer, oa: Official, tmp_path: Path) -> Open:
    @asynccontextmanager
    async def open_(ahead: float = 0.0, **changes: Any) -> AsyncIterator[Tokens]:
        given = {"app_id": oa.app_id, "app_secret": oa.app_secret, "seed": oa.refresh_token, "oauth": server.url,
                 "clock": lambda: time.time() + ahead, **changes}  # fmt: skip
        async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
            tokens = Tokens(http, tmp_path, **given)
            await tokens.open()
            try:
                yield tokens
            finally:
                await tokens.close()

    return open_


async def until(true: Callable[[], Any], within: float = 10.0) -> None:
    ends = time.monotonic() + within
    while not true():
        assert time.monotonic() < ends
        await asyncio.sleep(0.02)


def kept(home: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((home / FILE).read_text())
    return found


def works(server: ZaloServer, access: str) -> bool:
    """Whether Zalo takes the access token (for a person it does not know: -213)."""
    body = {"recipient": {"user_id": "1"}, "message": {"text": "x"}}
    url = f"{server.url}/v3.0/oa/message/cs"
    return bool(httpx.post(url, json=body, headers={"access_token": access}, trust_env=False).json()["error"] == -213)


# -- as it should be


async def test_the_first_token_comes_for_the_seed(
    server: ZaloServer, oa: Official, opened: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "bot"):
        async with opened() as tokens:
            access = await tokens.access()
            assert 89_900 < tokens.lives <= 90_000
    assert works(server, access)
    assert sorted(p.name for p in tmp_path.iterdir()) == [FILE, zalo_tokens.LOCK]
    assert {stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()} == {0o600}
    state = kept(tmp_path)
    assert "refreshed" in caplog.text
    for secret in (access, oa.refresh_token, oa.app_secret, *state["refresh"]):
        assert secret not in caplog.text


async def test_a_restart_needs_no_refresh(server: ZaloServer, oa: Official, opened: Open) -> None:
    async with opened() as tokens:
        access = await tokens.access()
    async with opened(ahead=12 * HOUR) as tokens:
        assert await tokens.access() == access
        await asyncio.sleep(0.3)
    assert len(server.calls(oa.key, "refresh")) == 1


async def test_it_is_refreshed_at_half_of_its_life_while_the_old_one_serves(
    server: ZaloServer, oa: Official, opened: Open, tmp_path: Path
) -> None:
    async with opened() as tokens:
        old = await tokens.access()
    server.fail(oa.key, "refresh", slow=0.5)
    async with opened(ahead=13 * HOUR) as tokens:
        assert await tokens.access() == old
        await until(lambda: kept(tmp_path)["access"] != old)
        new = await tokens.access()
    assert new != old
    assert works(server, old)
    assert works(server, new)


async def test_what_zalo_says_of_its_life_is_trusted(server: ZaloServer, oa: Official, opened: Open) -> None:
    server.set(oa.key, life=3600)
    async with opened() as tokens:
        first = await tokens.access()
        assert 3500 < tokens.lives <= 3600
    async with opened(ahead=3601) as tokens:
        assert await tokens.access() != first


async def test_a_refused_token_is_replaced_once_whoever_asks(server: ZaloServer, oa: Official, opened: Open) -> None:
    async with opened() as tokens:
        old = await tokens.access()
        server.expire(oa.key)
        new = await asyncio.gather(*(tokens.access(refused=old) for _ in range(20)))
    assert set(new) != {old}
    assert len(set(new)) == 1
    assert len(server.calls(oa.key, "refresh")) == 2


async def test_an_access_token_of_staff_serves_until_the_first_refresh(
    server: ZaloServer, oa: Official, opened: Open
) -> None:
    server.fail(oa.key, "refresh", times=3, status=503)
    async with opened(access=oa.access_token) as tokens:
        assert await tokens.access() == oa.access_token
        await until(lambda: tokens.lives > 0)
        assert await tokens.access() != oa.access_token


# -- several processes, and crashes

PROCESS = """
import asyncio, sys
from pathlib import Path
import httpx
from bot.channels.zalo_tokens import Tokens
home, oauth, app_id, app_secret, seed, hang = sys.argv[1:]

class Slow(Tokens):
    def _adopt_journal(self):
        if hang == "journal" and (self._home / "zalo-token.journal").exists():
            print("kept", flush=True)
            import time; time.sleep(60)
        super()._adopt_journal()
    def _keep_answer(self, raw):
        if hang == "answer":
            print("answered", flush=True)
            import time; time.sleep(60)
        super()._keep_answer(raw)

async def main():
    async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
        tokens = Slow(http, Path(home), app_id=app_id, app_secret=app_secret, seed=seed, oauth=oauth)
        print("ready", flush=True)
        sys.stdin.readline()
        await tokens.open()
        for _ in range(100):
            try:
                print(await tokens.access(), flush=True)
                break
            except Exception as error:
                print(repr(error), file=sys.stderr)
                await asyncio.sleep(0.1)
        await asyncio.sleep(60 if hang == "answer" else 0)
        await tokens.close()
asyncio.run(main())
"""


def process(server: ZaloServer, oa: Official, home: Path, hang: str = "-") -> subprocess.Popen[str]:
    """Another process with the same home, waiting for a line before it opens the tokens."""
    words = [str(home), server.url, oa.app_id, oa.app_secret, oa.refresh_token, hang]
    started = subprocess.Popen(
        [sys.executable, "-c", PROCESS, *words], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "ready\n"
    return started


def go(*processes: subprocess.Popen[str]) -> list[str]:
    """Let them go, all at once; the next line of each."""
    for one in processes:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    return [one.stdout.readline().strip() for one in processes if one.stdout]


def end(*processes: subprocess.Popen[str], kill: bool = False) -> None:
    for one in processes:
        if kill:
            one.send_signal(signal.SIGKILL)
        with one:
            assert one.wait(20) == (-signal.SIGKILL if kill else 0)


def test_processes_at_once_refresh_once(server: ZaloServer, oa: Official, tmp_path: Path) -> None:
    server.fail(oa.key, "refresh", slow=0.7)
    processes = [process(server, oa, tmp_path) for _ in range(3)]
    said = go(*processes)
    end(*processes)
    assert len(set(said)) == 1
    assert works(server, said[0])
    assert len(server.calls(oa.key, "refresh")) == 1


async def test_a_crash_between_refresh_and_save_loses_nothing(
    server: ZaloServer, oa: Official, opened: Open, tmp_path: Path
) -> None:
    crashing = process(server, oa, tmp_path, hang="journal")
    assert go(crashing) == ["kept"]
    assert stat.S_IMODE((tmp_path / JOURNAL).stat().st_mode) == 0o600
    end(crashing, kill=True)
    async with opened() as tokens:
        assert works(server, await tokens.access())
    assert not (tmp_path / JOURNAL).exists()
    assert len(server.calls(oa.key, "refresh")) == 1
    async with opened(ahead=20 * HOUR) as tokens:  # and the refresh token of that answer works
        await until(lambda: tokens.lives > 80_000)


async def test_a_crash_before_anything_is_kept_leaves_the_old_token(
    server: ZaloServer, oa: Official, opened: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened() as tokens:
        old = await tokens.access()
    state = kept(tmp_path)
    (tmp_path / FILE).write_text(json.dumps({**state, "got": state["got"] - 80_000, "ends": state["ends"] - 40_000}))
    crashing = process(server, oa, tmp_path, hang="answer")
    crashing.stdin.write("\n")  # type: ignore[union-attr]
    crashing.stdin.flush()  # type: ignore[union-attr]
    assert {crashing.stdout.readline().strip() for _ in range(2)} == {"answered", old}  # type: ignore[union-attr]
    end(crashing, kill=True)
    async with opened() as tokens:
        await until(lambda: "van-hanh.md" in caplog.text)
        assert await tokens.access() == old
    assert works(server, old)


async def test_a_caller_that_gives_up_does_not_stop_the_refresh(server: ZaloServer, oa: Official, opened: Open) -> None:
    server.fail(oa.key, "refresh", slow=0.5)
    async with opened() as tokens:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await tokens.access()
        assert works(server, await tokens.access())
    assert len(server.calls(oa.key, "refresh")) == 1


async def test_the_end_waits_for_a_refresh(server: ZaloServer, oa: Official, opened: Open, tmp_path: Path) -> None:
    server.fail(oa.key, "refresh", slow=0.5)
    async with opened():
        await until(lambda: server.calls(oa.key, "refresh"))
    assert works(server, kept(tmp_path)["access"])


# -- when it goes wrong


async def test_an_answer_that_never_was_is_asked_for_again(server: ZaloServer, oa: Official, opened: Open) -> None:
    server.fail(oa.key, "refresh", times=2, close=True)
    async with opened() as tokens:
        with pytest.raises(LaterError):
            await tokens.access()
        await until(lambda: tokens.lives)
        assert works(server, await tokens.access())


async def test_a_lost_answer_leaves_the_old_token_and_staff_are_told(
    server: ZaloServer, oa: Official, opened: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened() as tokens:
        old = await tokens.access()
    server.fail(oa.key, "refresh", close=True, done=True)
    async with opened(ahead=13 * HOUR) as tokens:
        await until(lambda: "TTHC_ZALO_REFRESH_TOKEN" in caplog.text)
        assert await tokens.access() == old
        assert "for another 12.0 hours" in caplog.text
    calls = len(server.calls(oa.key, "refresh"))
    async with opened(ahead=13 * HOUR) as tokens:  # a used token is never tried again, and not the first seed either
        assert await tokens.access() == old
        await asyncio.sleep(0.5)
    assert len(server.calls(oa.key, "refresh")) == calls
    async with opened(ahead=26 * HOUR) as tokens:
        with pytest.raises(LaterError, match="no valid access token") as raised:
            await tokens.access()
        assert raised.value.after is not None
    seed = server.consent(oa.key)
    async with opened(ahead=26 * HOUR, seed=seed) as tokens:
        assert works(server, await tokens.access())
    async with opened(ahead=50 * HOUR, seed=seed) as tokens:
        await until(lambda: tokens.lives > 80_000)
    for secret in (old, seed, oa.refresh_token, *kept(tmp_path)["refresh"]):
        assert secret not in caplog.text


async def test_a_new_seed_is_taken_while_the_old_token_serves(
    server: ZaloServer, oa: Official, opened: Open, tmp_path: Path
) -> None:
    async with opened() as tokens:
        old = await tokens.access()
    server.fail(oa.key, "refresh", slow=0.4)
    seed = server.consent(oa.key)
    async with opened(seed=seed) as tokens:
        assert await tokens.access() == old
        await until(lambda: kept(tmp_path)["access"] != old)
    assert server.calls(oa.key, "refresh")[-1]["body"]["refresh_token"] == seed


@pytest.mark.parametrize("seed", ["used", "unknown"])
async def test_a_wrong_new_seed_does_not_lose_the_good_token(
    server: ZaloServer, oa: Official, opened: Open, tmp_path: Path, seed: str
) -> None:
    async with opened() as tokens:
        old = await tokens.access()
    first, wrong = oa.refresh_token, server.consent(oa.key)
    if seed == "used":
        form = {"app_id": oa.app_id, "grant_type": "refresh_token", "refresh_token": wrong}
        url = f"{server.url}/v4/oa/access_token"
        assert (
            "access_token" in httpx.post(url, data=form, headers={"secret_key": oa.app_secret}, trust_env=False).json()
        )
    else:
        wrong = f"{first}x"
    async with opened(seed=wrong) as tokens:
        await until(lambda: kept(tmp_path)["access"] != old)
        assert works(server, await tokens.access())


async def test_a_wrong_app_secret_is_an_error_that_is_not_hammered(
    server: ZaloServer, oa: Official, opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(app_secret="sai") as tokens:
        for _ in range(5):
            with pytest.raises(LaterError):
                await tokens.access()
    assert len(server.calls(oa.key, "refresh")) == 1
    assert "refuses the refresh token (code -201)" in caplog.text
    async with opened() as tokens:
        assert works(server, await tokens.access())


@pytest.mark.parametrize("fault", [{"status": 503}, {"status": 429}, {"error": -32}, {"status": 200}])
async def test_zalo_out_of_order_is_tried_again(
    server: ZaloServer, oa: Official, opened: Open, fault: dict[str, int]
) -> None:
    server.fail(oa.key, "refresh", **fault)
    async with opened() as tokens:
        await until(lambda: tokens.lives)
    assert len(server.calls(oa.key, "refresh")) == 2


@pytest.mark.parametrize("name", [FILE, JOURNAL])
@pytest.mark.parametrize("rest", ["", "{", "[]", '{"access": 1, "x": 2}', '{"raw": "{}", "got": 1, "seed": ""}'])
async def test_a_torn_file_is_survived(
    server: ZaloServer, oa: Official, opened: Open, tmp_path: Path, name: str, rest: str
) -> None:
    (tmp_path / name).write_text(rest)
    async with opened() as tokens:
        assert works(server, await tokens.access())
    assert not (tmp_path / JOURNAL).exists()


async def test_a_full_disk_loses_no_token(
    server: ZaloServer,
    oa: Official,
    opened: Open,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with opened() as tokens:
        old = await tokens.access()
        write = Tokens._write

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Tokens, "_write", full)
        new = await tokens.access(refused=old)
        assert works(server, new)
        assert kept(tmp_path)["access"] == old
        assert "No space left" in caplog.text
        with pytest.raises(LaterError, match="No space left"):
            await tokens.access(refused=new)
        assert await tokens.access() == new
        monkeypatch.setattr(Tokens, "_write", write)
        await tokens._refresh()  # what the next half-life does
        assert kept(tmp_path)["access"] == new
    async with opened() as tokens:
        assert await tokens.access() == new


async def test_another_process_that_never_lets_go_is_not_waited_for_forever(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zalo_tokens, "LOCK_WITHIN", 0.2)
    async with opened() as tokens, tokens._locked():
        with pytest.raises(LaterError, match="another process"):
            async with opened():
                pass
