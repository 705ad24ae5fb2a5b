"""A Zalo on 127.0.0.1, Official Account and Bot Platform, and the people who talk to them there.

It keeps Zalo's rules (lengths, buttons, windows, tokens, two seconds for a webhook) and misbehaves on command.

>>> with ZaloServer.running() as server:
...     oa = server.new_oa(webhook="http://127.0.0.1:8080/zalo/oa")
...     user = ZaloUser(server, oa.key, "24684588352919792")
...     await user.say("mất giấy khai sinh")
...     (reply,) = await user.replies()
...     await user.tap(reply.labels[0])

Another process can drive a running server too: ``ZaloServer(port)``.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Official:
    """An Official Account with its app; ``key`` is its id."""

    key: str
    app_id: str
    app_secret: str
    secret: str
    access_token: str
    refresh_token: str

    def settings(self, server: ZaloServer) -> dict[str, str]:
        """Our settings for it, without ``TTHC_``."""
        return {
            "zalo_oa_id": self.key, "zalo_app_id": self.app_id, "zalo_app_secret": self.app_secret,
            "zalo_secret": self.secret, "zalo_refresh_token": self.refresh_token, "zalo_api": server.url,
            "zalo_oauth": server.url,
        }  # fmt: skip


class ZaloServer:
    """The running server. Every account has its own people, calls and failures, so tests can share one server."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        """Address of every API: OA, OAuth and Bot Platform."""
        self._http = httpx.Client(trust_env=False, base_url=self.url, timeout=30)

    @classmethod
    @contextmanager
    def running(cls, port: int = 0) -> Iterator[ZaloServer]:
        """Start it on a free port (or this one); it ends with the block, or with this process."""
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.zalo_server", str(port)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            try:
                assert process.stdout is not None
                said = process.stdout.readline().split()
                assert said[:1] == ["listening"], f"the Zalo test server did not start: {said}"
                server = cls(int(said[1]))
                try:
                    yield server
                finally:
                    server._http.close()
            finally:
                process.terminate()

    def client(self, timeout: float) -> httpx.AsyncClient:
        """For one call. Without certificates, whose loading would take longer than the call."""
        return httpx.AsyncClient(trust_env=False, base_url=self.url, timeout=timeout, verify=False)

    def _post(self, path: str, **body: Any) -> Any:
        return self._http.post(path, json=body).raise_for_status().json()

    def _get(self, path: str, **params: Any) -> Any:
        return self._http.get(path, params=params).raise_for_status().json()

    def new_oa(self, **given: Any) -> Official:
        """Make an Official Account. ``given``: fields of :class:`tests.zalo_server.world.Official`."""
        made = self._post("/_oa", **given)
        return Official(**{name: made[name] for name in Official.__dataclass_fields__})

    def new_bot(self, **given: Any) -> str:
        """Make a bot of the Bot Platform; its token. ``given``: fields of :class:`tests.zalo_server.world.Bot`."""
        return str(self._post("/_bot", **given)["key"])

    def set(self, key: str, **changes: Any) -> None:
        """Change an account: ``webhook``, ``retry_factor``, ``advance`` (its clock, seconds), ``duplicate`` and
        ``reorder`` (how many of the next deliveries), ``forge`` (list of lies), ``rate``, ``quota``, ``life``, …"""
        self._post("/_set", key=key, **changes)

    def fail(self, key: str, method: str, **how: Any) -> None:
        """Let the next call of ``method`` ("send", "refresh"; the platform's names; "*": any) fail. ``how``: fields of
        :class:`tests.zalo_server.world.Fault`: times, error, status, retry_after, close, done, slow."""
        self._post("/_fail", key=key, method=method, **how)

    def expire(self, key: str, *, forget: bool = False) -> None:
        """End all access tokens of an Official Account now."""
        self._post("/_expire", key=key, forget=forget)

    def consent(self, key: str) -> str:
        """A new refresh token, as staff get one when they give consent anew."""
        return str(self._post("/_tokens", key=key)["refresh_token"])

    def sent(self, key: str) -> list[dict[str, Any]]:
        """All messages an account sent: user, text, buttons, id, at (this machine's time), clock (the account's)."""
        found: list[dict[str, Any]] = self._get("/_sent", key=key)
        return found

    def calls(self, key: str, method: str = "") -> list[dict[str, Any]]:
        """Calls of an account's API: method, body, at; those of one method only when it is given."""
        return [call for call in self._get("/_calls", key=key) if method in ("", call["method"])]

    def deliveries(self, key: str) -> list[dict[str, Any]]:
        """Deliveries to an account's webhook: event, user, msg_id, lie, attempts (status, seconds, at), accepted."""
        found: list[dict[str, Any]] = self._get("/_deliveries", key=key)["deliveries"]
        return found

    def delivered(self, key: str, count: int, within: float = 15.0) -> list[dict[str, Any]]:
        """The deliveries, when ``count`` of them were accepted. Raises TimeoutError when they are not in time."""
        ends = time.monotonic() + within
        while True:
            found = self.deliveries(key)
            if sum(one["accepted"] for one in found) >= count:
                return found
            if time.monotonic() > ends:
                raise TimeoutError(f"of {count} deliveries only these were made: {found}")
            time.sleep(0.02)


@dataclass(frozen=True)
class Shown:
    """A message as the user sees it. ``buttons``: title, type and payload of each."""

    id: str
    text: str
    buttons: list[dict[str, Any]]
    at: float

    @property
    def labels(self) -> list[str]:
        """Labels of its buttons."""
        return [button["title"] for button in self.buttons]


class ZaloUser:
    """Somebody with a phone who talks to an account (``key``: id of an Official Account or token of a bot)."""

    def __init__(self, server: ZaloServer, key: str, user_id: str) -> None:
        self.server, self.key, self.id = server, key, user_id
        self._read = 0

    @property
    def _platform(self) -> bool:
        return ":" in self.key

    async def event(self, name: str, **more: Any) -> dict[str, Any]:
        """Cause an event of any kind; the payload that is delivered. ``more``: its further fields."""
        body = {"key": self.key, "user": self.id, "name": name, "more": more}
        async with self.server.client(30) as http:
            made: dict[str, Any] = (await http.post("/_event", json=body)).raise_for_status().json()
            return made

    async def say(self, text: str) -> dict[str, Any]:
        """Write a message."""
        return await self.event("message.text.received" if self._platform else "user_send_text", message={"text": text})

    async def tap(self, label: str) -> None:
        """Tap the newest button with this label. Raises LookupError naming the buttons that there are."""
        buttons = [button for shown in await self.shown() for button in shown.buttons]
        for button in reversed(buttons):
            if button["title"] == label:
                await self.say(button["payload"])
                return
        raise LookupError(f"no button {label!r} among {[button['title'] for button in buttons]}")

    async def follow(self) -> None:
        """Follow the Official Account."""
        await self.event("follow")

    async def unfollow(self) -> None:
        """Follow it no longer (or block the bot)."""
        await self.event("unfollow")

    async def send_image(self) -> None:
        """Send a picture."""
        if self._platform:
            await self.event("message.image.received", message={"photo": "https://127.0.0.1/anh.jpg", "caption": ""})
            return
        payload = {"thumbnail": "https://127.0.0.1/nho.jpg", "url": "https://127.0.0.1/anh.jpg"}
        await self.event("user_send_image", message={"attachments": [{"payload": payload, "type": "image"}]})

    async def send_location(self, latitude: str = "13.7830", longitude: str = "109.2196") -> None:
        """Send where one is (Official Accounts only)."""
        payload = {"coordinates": {"latitude": latitude, "longitude": longitude}}
        attachment = {"payload": payload, "type": "location"}
        await self.event("user_send_location", message={"attachments": [attachment], "text": "Vị trí của tôi"})

    async def shown(self, after: int = 0, wait: float = 0.0) -> list[Shown]:
        """All that the account sent to this user from the ``after``-th message on, oldest first."""
        params: dict[str, Any] = {"key": self.key, "user": self.id, "after": after, "wait": wait}
        async with self.server.client(wait + 30) as http:
            found = (await http.get("/_shown", params=params)).raise_for_status().json()
        return [Shown(one["id"], one["text"], one["buttons"], one["at"]) for one in found]

    async def replies(self, count: int = 1, within: float = 15.0, settle: float = 0.15) -> list[Shown]:
        """What was sent since the last call: at least ``count``, and all until it is still for ``settle`` seconds.

        Raises TimeoutError when fewer came.
        """
        found: list[Shown] = []
        ends = time.monotonic() + within
        while True:
            wait = settle if len(found) >= count else max(0.0, ends - time.monotonic())
            new = await self.shown(self._read, wait)
            self._read += len(new)
            found += new
            if len(found) >= count and not new:
                return found
            if not new and time.monotonic() >= ends:
                raise TimeoutError(f"{len(found)} of {count} replies in {within} s: {[one.text for one in found]}")
