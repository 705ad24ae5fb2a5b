"""Starts what the tests of Rasa need: the launcher, code inside Rasa's environment, a server with its actions."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RASA = ROOT / ".venv-rasa" / "bin" / "python"
MODEL = Path(os.environ.get("TTHC_RASA_MODEL") or ROOT / "var" / "rasa-model")


def free_port() -> int:
    """Return a free port of 127.0.0.1."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def launcher(*args: str, **kwargs: Any) -> subprocess.CompletedProcess[str]:
    """Run ``python -m nlu.launcher`` in Rasa's environment."""
    command = [str(RASA), "-m", "nlu.launcher", *args]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, **kwargs)


def inside(code: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in Rasa's environment."""
    return subprocess.run(
        [str(RASA), "-W", "ignore", "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120
    )


class Server:
    """Rasa behind the launcher, with its tracker file and the last call its action server got."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port, self.actions_port = folder, free_port(), free_port()
        self.tracker, self.last_call_file = folder / "tracker.db", folder / "last_call.json"
        self.stderr = folder / "rasa.log"
        self.process: subprocess.Popen[bytes] | None = None
        script = str(Path(__file__).with_name("stand_in_actions.py"))
        command = [sys.executable, script, str(self.actions_port), str(self.last_call_file)]
        self.actions = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def start(self) -> None:
        """Start Rasa and wait for its line."""
        command = [str(RASA), "-m", "nlu.launcher", "run", "--port", str(self.port), "--model", str(MODEL)]
        command += ["--actions", f"http://127.0.0.1:{self.actions_port}/webhook", "--tracker-db", str(self.tracker)]
        with self.stderr.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        end = time.monotonic() + 90
        while "rasa ready in" not in self.stderr.read_text():
            assert self.process.poll() is None, self.stderr.read_text()
            assert time.monotonic() < end, self.stderr.read_text()
            time.sleep(0.1)

    def kill(self, how: int = signal.SIGKILL) -> int:
        """End Rasa; return its exit code."""
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(20)

    def post(self, sender: str, text: str) -> list[dict[str, Any]]:
        """Send one message; return Rasa's answer."""
        body = json.dumps({"sender": sender, "message": text}).encode()
        url = f"http://127.0.0.1:{self.port}/webhooks/rest/webhook"
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as response:
            return list(json.load(response))

    def say(self, sender: str, text: str) -> dict[str, Any]:
        """Send one message; return the ``custom`` object of the one reply."""
        answer = self.post(sender, text)
        assert len(answer) == 1, answer
        return dict(answer[0]["custom"])

    def last_call(self) -> dict[str, Any]:
        """Return what the action server got last."""
        return dict(json.loads(self.last_call_file.read_text(encoding="utf-8")))

    def rows(self, sender: str) -> list[tuple[Any, ...]]:
        """Return what is stored of ``sender``."""
        with contextlib.closing(sqlite3.connect(self.tracker)) as db:
            return db.execute("SELECT slots, turns FROM conversation WHERE sender = ?", (sender,)).fetchall()
