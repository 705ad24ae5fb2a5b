"""The supervisor: which programs, whose ports, and what it says when something is missing."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bot import processes
from bot.processes import MODEL, Part, Supervisor, answer_of, check_setup, is_up, parts
from knowledge.errors import RefusedError


class Says(BaseHTTPRequestHandler):
    """Answers every request with the server's ``said``."""

    def do_GET(self) -> None:
        body = self.server.said.encode()  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[Any]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Says) as made:
        made.said = "của ta"  # type: ignore[attr-defined]
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def part(port: int, *command: str, name: str = "actions") -> Part:
    return Part(name, port, list(command), f"http://127.0.0.1:{port}/", "của ta")


@pytest.fixture
def ready_home(tmp_path: Path) -> Path:
    (tmp_path / MODEL).mkdir()
    (tmp_path / MODEL / "tthc.tar.gz").touch()
    return tmp_path


def test_both_programs_get_their_ports_and_home(settings_for: Any, tmp_path: Path) -> None:
    rasa, actions = parts(settings_for(tmp_path, rasa_port=6001, actions_port=6002))
    assert rasa.command[1:4] == ["-m", "nlu.launcher", "run"]
    assert "6001" in rasa.command
    assert "http://127.0.0.1:6002/webhook" in rasa.command
    assert str(tmp_path / MODEL) in rasa.command
    assert actions.command == [sys.executable, "-m", "bot", "actions"]
    assert actions.expected == str(tmp_path)
    assert (rasa.port, actions.port) == (6001, 6002)


async def test_who_answers_on_a_port(server: Any) -> None:
    port = server.server_address[1]
    assert await answer_of(part(port)) == "của ta"
    assert await is_up(part(port))
    server.said = "của ai khác"
    with pytest.raises(RefusedError, match=f"port {port} is taken by something else; set TTHC_ACTIONS_PORT"):
        await is_up(part(port))


async def test_nobody_on_a_port(server: Any) -> None:
    port = server.server_address[1]
    server.shutdown()
    server.server_close()
    assert await answer_of(part(port)) is None
    assert not await is_up(part(port))


def test_what_is_missing_is_said(settings_for: Any, ready_home: Path) -> None:
    good = settings_for(ready_home, rasa_python=sys.executable)
    check_setup(good)
    with pytest.raises(RefusedError, match="the Rasa environment is missing; run `make setup`"):
        check_setup(settings_for(ready_home, rasa_python=ready_home / "none"))
    (ready_home / MODEL / "tthc.tar.gz").unlink()
    with pytest.raises(RefusedError, match="no trained Rasa model; run `make setup`"):
        check_setup(good)


async def test_what_already_serves_is_used_as_it_is(
    settings_for: Any, ready_home: Path, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = server.server_address[1]
    monkeypatch.setattr(processes, "parts", lambda _: (part(port, "/khong/co"),))
    async with Supervisor(settings_for(ready_home, rasa_python=sys.executable)) as supervisor:
        assert supervisor._running == {}
    assert await is_up(part(port))


async def test_a_program_that_ends_at_its_start_is_told_with_its_last_words(
    settings_for: Any, ready_home: Path, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = server.server_address[1]
    server.shutdown()
    server.server_close()
    failing = part(port, sys.executable, "-c", "import sys; sys.exit('thiếu mô hình')")
    monkeypatch.setattr(processes, "parts", lambda _: (failing,))
    with pytest.raises(RefusedError, match=r"actions stopped at its start; see .*actions\.log \(thiếu mô hình\)"):
        async with Supervisor(settings_for(ready_home, rasa_python=sys.executable)):
            pass


async def test_what_it_started_it_stops(
    settings_for: Any, ready_home: Path, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = server.server_address[1]
    server.shutdown()
    server.server_close()
    script = (
        "import http.server, sys\n"
        "class H(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        body = 'của ta'.encode(); self.send_response(200)\n"
        "        self.send_header('Content-Length', str(len(body))); self.end_headers(); self.wfile.write(body)\n"
        f"http.server.HTTPServer(('127.0.0.1', {port}), H).serve_forever()\n"
    )
    ours = part(port, sys.executable, "-c", script)
    monkeypatch.setattr(processes, "parts", lambda _: (ours,))
    told: list[str] = []
    async with Supervisor(settings_for(ready_home, rasa_python=sys.executable), told.append) as supervisor:
        process = supervisor._running["actions"]
        assert await is_up(ours)
        assert process.returncode is None
    assert process.returncode is not None
    assert await answer_of(ours) is None
    assert told[0].startswith("actions ready after ")
