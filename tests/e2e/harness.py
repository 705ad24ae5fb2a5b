"""The real processes for end-to-end tests: ``tthc chat --json`` with its Rasa and actions, in a home of its own."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
VAR = Path(os.environ.get("TTHC_TEST_VAR") or ROOT / "var")
ANSWER_WITHIN = 60.0
AGES = {
    "service.db": (
        ("inbox", "received"), ("inbox", "answered"), ("buttons", "made"), ("progress", "changed"), ("users", "seen"),
    ),
    "tracker.db": (("conversation", "seen"),),
}  # fmt: skip
"""Where a state folder keeps when something was."""


def free_port() -> int:
    """A port of 127.0.0.1 that nobody has right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def missing() -> str:
    """Why the real processes cannot be started here; empty when they can."""
    if not (ROOT / ".venv-rasa" / "bin" / "python").is_file():
        return "no Rasa environment (.venv-rasa); run make setup"
    if not (VAR / "current" / "manifest.json").is_file():
        return f"no published release in {VAR}; run make setup"
    if not any((VAR / "rasa-model").glob("*.tar.gz")):
        return f"no trained Rasa model in {VAR}; run make setup"
    return ""


def make_home(home: Path, release: Path | None = None) -> Path:
    """A state folder with the published release and the trained model of the checkout, and nothing else."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "current").symlink_to((release or VAR / "current").resolve())
    (home / "rasa-model").symlink_to((VAR / "rasa-model").resolve())
    return home


@dataclass
class Bot:
    """One ``tthc chat --json`` and what it started."""

    home: Path
    rasa_port: int = field(default_factory=free_port)
    actions_port: int = field(default_factory=free_port)
    process: subprocess.Popen[str] | None = None
    last: dict[str, list[str]] = field(default_factory=dict)
    """Labels of each user's last buttons."""

    @property
    def environment(self) -> dict[str, str]:
        """Environment of the processes."""
        return {
            **os.environ, "TTHC_HOME": str(self.home), "TTHC_RASA_PORT": str(self.rasa_port),
            "TTHC_ACTIONS_PORT": str(self.actions_port), "TTHC_TELEGRAM_TOKEN": "",
        }  # fmt: skip

    def start(self) -> None:
        """Start the chat; its first answer comes when Rasa and the actions are up."""
        log = (self.home / "gateway.log").open("a")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bot", "chat", "--json"], cwd=ROOT, env=self.environment, text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
        )  # fmt: skip
        log.close()
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self._reader.start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        lines = self._lines
        with process.stdout:
            for line in process.stdout:
                lines.put(line)

    def send(self, **message: Any) -> None:
        """Write one line of input."""
        assert self.process
        assert self.process.stdin
        self.process.stdin.write(json.dumps(message, ensure_ascii=False) + "\n")
        self.process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        """The next line of output."""
        answer: dict[str, Any] = json.loads(self._lines.get(timeout=ANSWER_WITHIN))
        self.last[answer["user"]] = answer["replies"][-1]["buttons"]
        return answer

    def say(self, text: str, user: str = "u1") -> dict[str, Any]:
        """Send a text, wait for its answer."""
        self.send(user=user, text=text)
        return self.receive()

    def label(self, part: str, user: str = "u1") -> str:
        """The first label of the last reply that holds ``part``."""
        labels = self.last.get(user, [])
        found = next((x for x in labels if part in x), None)
        assert found, f"no button {part!r} among {labels}"
        return found

    def tap(self, label: str, user: str = "u1") -> dict[str, Any]:
        """Tap the button of the last reply whose label holds ``label``."""
        self.send(user=user, button=self.last[user].index(self.label(label, user)) + 1)
        return self.receive()

    def kill(self, part: str) -> None:
        """SIGKILL Rasa, the action server, or the gateway; wait until the part serves again."""
        if part == "gateway":
            assert self.process
            self.process.send_signal(signal.SIGKILL)
            self._end(self.process)
            self.start()
            return
        port = self.rasa_port if part == "rasa" else self.actions_port
        pid = self.listener(port)
        assert pid, f"{part} does not listen on {port}"
        os.kill(pid, signal.SIGKILL)
        self.wait_for(part, pid)

    def wait_for(self, part: str, pid: int) -> None:
        """Wait until another process than ``pid`` serves the part."""
        port = self.rasa_port if part == "rasa" else self.actions_port
        deadline = time.monotonic() + ANSWER_WITHIN
        while (self.listener(port) or pid) == pid:
            assert time.monotonic() < deadline, f"{part} was not started again"
            time.sleep(0.1)

    def later(self, days: float) -> None:
        """Let days pass: all that is kept of anybody becomes that much older."""
        for file, columns in AGES.items():
            with contextlib.closing(sqlite3.connect(self.home / file, timeout=10)) as db, db:
                for table, column in columns:
                    db.execute(f"update {table} set {column} = {column} - ?", (days * 86400,))

    def listener(self, port: int) -> int | None:
        """Process id of what listens on ``port``."""
        found = psutil.net_connections("tcp")
        return next((c.pid for c in found if c.status == "LISTEN" and c.laddr.port == port), None)

    def _end(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        process.wait(30)
        self._reader.join(5)

    def stop(self) -> None:
        """End the chat and what it or an earlier one (killed) started."""
        if self.process and self.process.poll() is None:
            self._end(self.process)
        for port in (self.rasa_port, self.actions_port):
            if pid := self.listener(port):
                os.kill(pid, signal.SIGKILL)
