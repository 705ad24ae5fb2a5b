"""A Telegram Bot API on 127.0.0.1 (``server.js``, needs Node) and the people who talk to a bot there.

>>> with TelegramServer.running() as server:
...     token = server.new_bot()
...     user = TelegramUser(server, token, 7)
...     await user.say("mất giấy khai sinh")
...     (reply,) = await user.replies()
...     await user.tap(reply.labels[0])
"""

from __future__ import annotations

import asyncio
import hashlib
import html
import itertools
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

HERE = Path(__file__).parent
CACHE = HERE.parents[1] / "var" / "test-cache"
USERNAME = "tro_ly_thu_bot"
_numbers = itertools.count(1)


def installed() -> Path:
    """The folder ``node_modules`` for this lock file, installed once. Skips the test where that cannot be done."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        pytest.skip("the Telegram test server needs Node 18 or newer with npm")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    major = int(version.lstrip("v").split(".")[0])
    if major < 18:
        pytest.skip(f"the Telegram test server needs Node 18 or newer; this is {major}")
    lock = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()[:12]
    folder = CACHE / f"telegram-server-{lock}"
    if not folder.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE, ignore_cleanup_errors=True) as temporary:
            made = Path(temporary, "made")
            made.mkdir()
            for name in ("package.json", "package-lock.json", ".npmrc"):
                shutil.copy(HERE / name, made)
            command = [npm, "ci", "--ignore-scripts"]
            done = subprocess.run(command, cwd=made, capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"npm cannot install the Telegram test server: {done.stderr.strip()[-300:]}")
            with suppress(OSError):  # somebody else was faster
                made.rename(folder)
    return folder / "node_modules"


class TelegramServer:
    """The running server. Every bot has its own updates, calls and failures, so tests can share one server."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.api = f"{self.url}/bot"
        """What ``TTHC_TELEGRAM_API`` is set to."""

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[TelegramServer]:
        """Start it on a free port; it ends with the block, or with this process."""
        modules = installed()
        process = subprocess.Popen(
            ["node", str(HERE / "server.js"), "0"],
            env={**os.environ, "NODE_PATH": str(modules)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            try:
                assert process.stdout is not None
                said = process.stdout.readline().split()
                assert said[:1] == ["listening"], f"the Telegram test server did not start: {said}"
                yield cls(int(said[1]))
            finally:
                process.terminate()

    def _post(self, path: str, **body: Any) -> Any:
        with httpx.Client(trust_env=False) as http:
            return http.post(self.url + path, json=body).raise_for_status().json()

    def new_bot(self, username: str = USERNAME) -> str:
        """Make a bot; its token."""
        token = f"{1000 + next(_numbers)}:{os.urandom(18).hex()[:35]}"
        self._post("/_bot", token=token, username=username)
        return token

    def fail(self, token: str, method: str, code: int = 500, said: str = "Internal Server Error", **more: Any) -> None:
        """Let the next call of ``method`` fail. ``parameters``: as Telegram's; ``close``: cut the connection instead;
        ``hang``: do not answer at all; ``done``: only after the call was carried out."""
        self._post("/_fail", token=token, method=method, code=code, description=said, **more)

    def upset(self, token: str, count: int) -> None:
        """Let the next ``count`` updates come to the webhook all at once, the last one first and each twice."""
        self._post("/_upset", token=token, count=count)

    def calls(self, token: str, method: str = "") -> list[dict[str, Any]]:
        """Bodies of the calls of ``method`` that the bot made; without one: all calls, as {method, body, at}."""
        with httpx.Client(trust_env=False) as http:
            made = http.get(f"{self.url}/_calls", params={"token": token}).json()
        return [call["body"] for call in made if call["method"] == method] if method else made


@dataclass(frozen=True)
class Shown:
    """A message as the user sees it after the bot sent or edited it."""

    id: int
    html: str
    buttons: list[list[dict[str, str]]]
    edited: bool
    thread: int | None = None
    reply_to: int | None = None

    @property
    def text(self) -> str:
        """Without markup."""
        return html.unescape(re.sub(r"</?\w+>", "", self.html))

    @property
    def labels(self) -> list[str]:
        """Labels of its buttons, row by row."""
        return [button["text"] for row in self.buttons for button in row]


class TelegramUser:
    """Somebody with a phone. ``chat``: their private chat with the bot, unless it is a group's (negative) id."""

    def __init__(self, server: TelegramServer, token: str, user_id: int, chat_id: int | None = None) -> None:
        self.server, self.token, self.id, self.chat_id = server, token, user_id, chat_id or user_id
        self._read = 0

    @property
    def sender(self) -> dict[str, Any]:
        """``from`` of this user's updates."""
        return {"id": self.id, "is_bot": False, "first_name": f"Người {self.id}", "username": f"nguoi_{self.id}"}

    @property
    def chat(self) -> dict[str, Any]:
        """``chat`` of this user's updates."""
        if self.chat_id < 0:
            return {"id": self.chat_id, "type": "supergroup", "title": "Tổ dân phố"}
        return {"id": self.chat_id, "type": "private", "first_name": f"Người {self.id}"}

    async def _http(self, method: str, path: str, **kwargs: Any) -> Any:
        # Without certificates, whose loading would take longer than the call.
        async with httpx.AsyncClient(trust_env=False, base_url=self.server.url, timeout=30, verify=False) as http:
            return (await http.request(method, path, **kwargs)).raise_for_status().json()

    async def say(self, text: str, **more: Any) -> None:
        """Write a message. ``more``: further fields of it, such as ``reply_to_message``."""
        await self.send(text=text, **more)

    async def send(self, **content: Any) -> None:
        """Send a message of any kind: ``photo=[…]``, ``document={…}``, ``voice={…}``, ``sticker={…}``, …"""
        body = {"botToken": self.token, "from": self.sender, "chat": self.chat, "date": int(time.time()), **content}
        await self._http("POST", "/sendMessage", json=body)

    async def update(self, **update: Any) -> int:
        """Cause an update of any kind, such as ``edited_message={…}``; sender, chat and date are filled in."""
        common = {"from": self.sender, "chat": self.chat, "date": int(time.time())}
        filled = {kind: {**common, **content} for kind, content in update.items()}
        body = {"token": self.token, "update": filled}
        return int((await self._http("POST", "/_update", json=body))["update_id"])

    async def tap(self, label: str) -> None:
        """Tap the newest button with this label. Raises LookupError naming the buttons that there are."""
        buttons = [(shown, b) for shown in await self.screen() for row in shown.buttons for b in row]
        for shown, button in reversed(buttons):
            if button["text"] == label:
                await self.press(button["callback_data"], shown.id)
                return
        raise LookupError(f"no button {label!r} among {[button['text'] for _, button in buttons]}")

    async def press(self, data: str, message_id: int) -> None:
        """Send callback data as a tap on a message."""
        message = {"message_id": message_id, "chat": self.chat, "date": int(time.time())}
        body = {"botToken": self.token, "from": self.sender, "data": data, "message": message}
        await self._http("POST", "/sendCallback", json=body)

    async def shown(self) -> list[Shown]:
        """All that happened in the chat, oldest first: messages sent and edited."""
        found = await self._http("GET", "/_shown", params={"token": self.token, "chat": str(self.chat_id)})
        return [
            Shown(
                one["message_id"], one["text"], one["buttons"], one["edited"],
                int(one["thread"]) if one["thread"] else None, one["reply"]["message_id"] if one["reply"] else None,
            )
            for one in found
        ]  # fmt: skip

    async def screen(self) -> list[Shown]:
        """The bot's messages as they stand now."""
        return list({one.id: one for one in await self.shown()}.values())

    async def replies(self, count: int = 1, within: float = 15.0, settle: float = 0.15) -> list[Shown]:
        """What the bot sent or edited since the last call: at least ``count``, and all until it is still for ``settle``
        seconds. Raises TimeoutError when fewer came."""
        end = time.monotonic() + within
        known, still = 0, time.monotonic()
        while True:
            new = (await self.shown())[self._read :]
            if len(new) != known:
                known, still = len(new), time.monotonic()
            if known >= count and time.monotonic() - still >= settle:
                self._read += known
                return new
            if time.monotonic() > end:
                raise TimeoutError(f"{known} of {count} replies within {within} s: {[one.text for one in new]}")
            await asyncio.sleep(0.03)
