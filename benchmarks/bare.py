"""The rival for turns: Rasa as it comes (no patches), with an action server that only says the message back.

``python -m benchmarks.bare PORT`` is that action server. It sets no slots and knows nothing: the least that a Rasa bot
with custom actions can do. Model, rules and tracker store are ours, so that both understand the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx

from bot.settings import ROOT, settings
from knowledge.errors import RefusedError

NAMES = ("action_find", "action_fact", "action_guide", "action_choose", "action_talk", "action_restart_all")
READY_WITHIN = 120.0


def free_port() -> int:
    """A port of 127.0.0.1 that nobody has right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def process(command: list[str], log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command with its output in ``log``; end it by SIGTERM, then SIGKILL."""
    with log.open("wb") as out:
        running = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
    try:
        yield running
    finally:
        running.send_signal(signal.SIGTERM)
        try:
            running.wait(10)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


async def _answers(url: str, running: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + READY_WITHIN
    async with httpx.AsyncClient(timeout=2.0) as http:
        while time.monotonic() < end and running.poll() is None:
            with contextlib.suppress(httpx.HTTPError):
                await http.get(url)
                return
            await asyncio.sleep(0.2)
    tail = log.read_text(encoding="utf-8", errors="replace")[-500:]
    raise RefusedError(f"{log.stem} did not start: {tail}")


class BareRasa:
    """A client of the bare Rasa's REST webhook; the same HTTP client as the gateway's."""

    def __init__(self, url: str) -> None:
        limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
        self._http = httpx.AsyncClient(base_url=url, timeout=60.0, limits=limits)

    async def say(self, user: str, text: str) -> bool:
        """Send a text; whether it was answered as it should be."""
        body = {"sender": user, "message": text, "metadata": {}}
        response = await self._http.post("/webhooks/rest/webhook", json=body)
        return response.status_code == 200 and bool(response.json())

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()


@contextlib.asynccontextmanager
async def bare_rasa(folder: Path, model: Path) -> AsyncIterator[BareRasa]:
    """Start the echo actions and Rasa without patches; yield a client. Logs and tracker go into ``folder``."""
    port, actions_port = free_port(), free_port()
    folder.mkdir(parents=True, exist_ok=True)
    rasa = [
        str(settings().rasa_python), "-m", "nlu.launcher", "run", "--port", str(port), "--model", str(model),
        "--actions", f"http://127.0.0.1:{actions_port}/webhook", "--tracker-db", str(folder / "tracker.db"),
    ]  # fmt: skip
    logs = folder / "bare-rasa.log", folder / "echo.log"
    with (
        process([sys.executable, "-m", "benchmarks.bare", str(actions_port)], logs[1]) as echo,
        process(rasa, logs[0], TTHC_RASA_PATCHES="none") as server,
    ):
        await _answers(f"http://127.0.0.1:{actions_port}/health", echo, logs[1])
        await _answers(f"http://127.0.0.1:{port}/", server, logs[0])
        client = BareRasa(f"http://127.0.0.1:{port}")
        try:
            yield client
        finally:
            await client.close()


def main() -> None:
    """Serve the echo actions on 127.0.0.1."""
    from rasa_sdk import Action
    from rasa_sdk.endpoint import create_app
    from rasa_sdk.executor import ActionExecutor

    class Echo(Action):  # type: ignore[misc]
        """Say the message back."""

        def __init__(self, name: str) -> None:
            self._name = name

        def name(self) -> str:
            """The name by which Rasa calls it."""
            return self._name

        async def run(self, dispatcher: Any, tracker: Any, _domain: dict[str, Any]) -> list[dict[str, Any]]:
            """One reply, no events."""
            dispatcher.utter_message(text=tracker.latest_message.get("text") or "")
            return []

    executor = ActionExecutor()
    for name in NAMES:
        executor.register_action(Echo(name))
    app = create_app(executor)
    app.run(host="127.0.0.1", port=int(sys.argv[1]), single_process=True, access_log=False, motd=False)


if __name__ == "__main__":
    main()
