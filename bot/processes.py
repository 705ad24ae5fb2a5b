"""Starting, watching and stopping Rasa and the action server beside the gateway, on one machine."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from bot.privacy import TOKEN_FILE, inner_token
from bot.settings import ROOT, Settings
from knowledge.errors import RefusedError

log = logging.getLogger(__name__)
READY_WITHIN = 120.0
MODEL = "rasa-model"
TRACKER = "tracker.db"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Part:
    """A process of ours: how it is started and how one sees that it serves."""

    name: str
    port: int
    command: list[str]
    probe: str
    expected: str

    @property
    def remedy(self) -> str:
        """What to do when somebody else has its port."""
        return f"set TTHC_{self.name.upper()}_PORT to a free port, or stop that program"


def parts(settings: Settings) -> tuple[Part, Part]:
    """Rasa and the action server."""
    home = settings.home.absolute()
    rasa = [
        str(settings.rasa_python), "-m", "nlu.launcher", "run", "--port", str(settings.rasa_port),
        "--actions", f"{settings.actions_url}/webhook", "--tracker-db", str(home / TRACKER),
        "--model", str(home / MODEL), "--token-file", str(home / TOKEN_FILE),
    ]  # fmt: skip
    return (
        Part("rasa", settings.rasa_port, rasa, f"{settings.rasa_url}/", "Hello from Rasa"),
        Part("actions", settings.actions_port, [sys.executable, "-m", "bot", "actions"],
             f"{settings.actions_url}/about", str(settings.home.resolve())),
    )  # fmt: skip


async def answer_of(part: Part) -> str | None:
    """What listens on the part's port says, None when nothing does. Not ours: something else than expected."""
    try:
        async with httpx.AsyncClient(timeout=2.0) as http:
            return (await http.get(part.probe)).text
    except httpx.HTTPError:
        return None


async def is_up(part: Part) -> bool:
    """Whether the part serves. Raises RefusedError when somebody else has its port."""
    said = await answer_of(part)
    if said is None:
        return False
    if part.expected in said:
        return True
    raise RefusedError(f"port {part.port} is taken by something else; {part.remedy}")


class Supervisor:
    """Starts what is not running yet, starts it again when it dies, stops what it started.

    A part that already serves (another ``tthc serve`` of the same home) is used as it is, and started here when gone.
    """

    def __init__(self, settings: Settings, say: Say = lambda _: None, *, wait: bool = True) -> None:
        """``wait``: enter only when all serve; else they come up meanwhile, and who needs them does without."""
        self.settings, self.say, self._patient = settings, say, wait
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._watchers: list[asyncio.Task[None]] = []
        self._logs = settings.home / "logs"

    async def __aenter__(self) -> Supervisor:
        try:
            await self._start_all()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _start_all(self) -> None:
        check_setup(self.settings)
        inner_token(self.settings.home, self.settings.secret.get_secret_value())
        started = time.monotonic()
        missing = [part for part in parts(self.settings) if not await is_up(part)]
        for part in missing:
            await self._start(part)
        for part in missing:
            if self._patient:
                await self._wait(part, started)
            self._watchers.append(asyncio.create_task(self._watch(part)))
        for part in (p for p in parts(self.settings) if p not in missing):
            self._watchers.append(asyncio.create_task(self._adopt(part)))

    async def _start(self, part: Part) -> None:
        self._logs.mkdir(parents=True, exist_ok=True)
        environment: dict[str, Any] = {
            **os.environ,
            "TTHC_HOME": str(self.settings.home.absolute()),
            "TTHC_TRACKER_DAYS": str(self.settings.keep_days),
        }
        with (self._logs / f"{part.name}.log").open("ab") as out:
            self._running[part.name] = await asyncio.create_subprocess_exec(
                *part.command, cwd=ROOT, stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=out, env=environment,
                start_new_session=True,
            )  # fmt: skip

    async def _wait(self, part: Part, started: float) -> None:
        process = self._running[part.name]
        while time.monotonic() - started < READY_WITHIN:
            if process.returncode is not None:
                raise RefusedError(f"{part.name} stopped at its start; {self._tail(part)}")
            if await is_up(part):
                self.say(f"{part.name} ready after {time.monotonic() - started:.0f} s")
                return
            await asyncio.sleep(0.2)
        raise RefusedError(f"{part.name} was not ready within {READY_WITHIN:.0f} s; {self._tail(part)}")

    def _tail(self, part: Part) -> str:
        path = self._logs / f"{part.name}.log"
        lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return f"see {path}" + (f" ({lines[-1][:300]})" if lines else "")

    async def _adopt(self, part: Part) -> None:
        """Watch a part that somebody else started; when it is gone, start it here."""
        silent = 0
        while silent < 2:
            await asyncio.sleep(1.0)
            silent = 0 if await answer_of(part) else silent + 1
        log.warning("%s is gone; starting it", part.name)
        await self._start(part)
        await self._watch(part)

    async def _watch(self, part: Part) -> None:
        pause = 1.0
        while True:
            began = time.monotonic()
            code = await self._running[part.name].wait()
            log.warning("%s ended (%s); starting it again", part.name, code)
            pause = 1.0 if time.monotonic() - began > 60 else min(pause * 2, 30.0)
            await asyncio.sleep(pause)
            if await answer_of(part):  # somebody else was quicker
                await self._adopt(part)
                return
            await self._start(part)

    async def stop(self) -> None:
        """Stop what was started here: politely, then not."""
        for watcher in self._watchers:
            watcher.cancel()
        for process in self._running.values():
            if process.returncode is None:
                _signal(process.pid, signal.SIGTERM)
        for process in self._running.values():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 8)
            if process.returncode is None:
                _signal(process.pid, signal.SIGKILL)
                await process.wait()
        self._running.clear()


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)


def check_setup(settings: Settings) -> None:
    """Raise RefusedError saying what is missing: the Rasa environment or the trained model."""
    if not settings.rasa_python.is_file():
        raise RefusedError(f"{settings.rasa_python}: the Rasa environment is missing; run `make setup`")
    if not any(Path(settings.home / MODEL).glob("*.tar.gz")):
        raise RefusedError(f"{settings.home / MODEL}: no trained Rasa model; run `make setup`")
