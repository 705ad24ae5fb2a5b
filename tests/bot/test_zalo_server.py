"""The Zalo of the tests keeps the rules that CHANNELS.md tells of, and misbehaves when it is told to."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from tests.zalo_server import Official, ZaloServer, ZaloUser

pytestmark = pytest.mark.e2e  # a server in a process of its own
ids = itertools.count(24684588352919792)
HOUR = 3600


@pytest.fixture(scope="module")
def server() -> Iterator[ZaloServer]:
    with ZaloServer.running() as running:
        yield running


@pytest.fixture
def oa(server: ZaloServer) -> Official:
    return server.new_oa(echo=False)


@pytest.fixture
def user(server: ZaloServer, oa: Official) -> ZaloUser:
    return ZaloUser(server, oa.key, str(next(ids)))


class Hook:
    """A webhook that keeps what it gets and answers as it is told."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[tuple[float, int]] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.got.append((dict(self.headers.items()), body))
                slow, status = hook.answers.pop(0) if hook.answers else (0.0, 200)
                time.sleep(slow)
                try:
                    self.send_response(status)
                    self.end_headers()
                except OSError:  # nobody waits any more
                    pass

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/zalo"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.close()


def send(server: ZaloServer, token: str, user: str, text: Any = "chào", buttons: Any = None, **headers: str) -> Any:
    message: dict[str, Any] = {"text": text}
    if buttons is not None:
        message["attachment"] = {"type": "template", "payload": {"buttons": buttons}}
    body = {"recipient": {"user_id": user}, "message": message}
    url = f"{server.url}/v3.0/oa/message/cs"
    return httpx.post(url, json=body, headers={"access_token": token, **headers}, trust_env=False)


def button(title: str = "Phí", kind: str = "oa.query.hide", payload: Any = "nut-k1") -> dict[str, Any]:
    return {"title": title, "type": kind, "payload": payload}


async def test_a_message_is_answered_and_seen(server: ZaloServer, oa: Official, user: ZaloUser) -> None:
    await user.say("mất giấy khai sinh")
    answer = send(server, oa.access_token, user.id, "Bạn cần gì?", [button(), button("Giấy tờ", payload="nut-k2")])
    assert answer.status_code == 200
    said = answer.json()
    assert said["error"] == 0
    assert said["data"]["user_id"] == user.id
    assert said["data"]["quota"]["quota_type"] == "reply"
    assert answer.headers["X-RateLimit-Remain"] == "3999"
    (shown,) = await user.replies()
    assert (shown.text, shown.labels) == ("Bạn cần gì?", ["Phí", "Giấy tờ"])
    await user.tap("Giấy tờ")
    assert server.deliveries(oa.key)[-1]["event"] == "user_send_text"
    with pytest.raises(LookupError, match="Phí"):
        await user.tap("Không có")
    with pytest.raises(TimeoutError):
        await user.replies(within=0.1)


@pytest.mark.parametrize(
    ("text", "buttons", "code"),
    [
        ("x" * 2000, None, 0),
        ("x" * 2001, None, -210),
        ("😀" * 1001, None, -210),
        ("", None, -201),
        (5, None, -201),
        ("x", [button()] * 5, 0),
        ("x", [button()] * 6, -201),
        ("x", [], -201),
        ("x", [button("x" * 101)], -201),
        ("x", [button("")], -201),
        ("x", [button(payload="x" * 1001)], -201),
        ("x", [button(payload={"a": 1})], -201),
        ("x", [button(kind="query")], -201),
        ("x", "nút", -201),
    ],
)
async def test_what_is_too_long_or_wrong_is_refused(
    server: ZaloServer, oa: Official, user: ZaloUser, text: Any, buttons: Any, code: int
) -> None:
    await user.say("chào")
    answer = send(server, oa.access_token, user.id, text, buttons)
    assert (answer.status_code, answer.json()["error"]) == (200, code)
    assert len(server.sent(oa.key)) == (code == 0)


async def test_tokens(server: ZaloServer, oa: Official, user: ZaloUser) -> None:
    await user.say("chào")
    assert send(server, "sai", user.id).json()["error"] == -216
    assert send(server, f"{oa.key}.sai", user.id).json()["error"] == -216
    bearer = {"Authorization": f"Bearer {oa.access_token}"}
    assert send(server, oa.access_token, user.id, **bearer).json()["error"] == -216
    server.expire(oa.key)
    assert send(server, oa.access_token, user.id).json()["error"] == -220
    form = {"app_id": oa.app_id, "grant_type": "refresh_token", "refresh_token": oa.refresh_token}

    def refresh(secret: str) -> Any:
        url = f"{server.url}/v4/oa/access_token"
        return httpx.post(url, data=form, headers={"secret_key": secret}, trust_env=False).json()

    assert refresh("sai")["error"] != 0
    new = refresh(oa.app_secret)
    assert new["expires_in"] == "90000"
    assert refresh(oa.app_secret)["error"] == -14020
    assert send(server, new["access_token"], user.id).json()["error"] == 0
    server.set(oa.key, advance=90_001)
    assert send(server, new["access_token"], user.id).json()["error"] == -220


async def test_windows_quota_and_rate(server: ZaloServer, user: ZaloUser) -> None:
    oa = server.new_oa(life=30 * 24 * HOUR, quota=1, echo=False)
    user = ZaloUser(server, oa.key, user.id)

    def error() -> tuple[int, str]:
        said = send(server, oa.access_token, user.id).json()
        return said["error"], said.get("data", {}).get("quota", {}).get("quota_type", "")

    assert error() == (-213, "")
    await user.say("chào")
    assert [error() for _ in range(10)] == [*[(0, "reply")] * 8, (0, "sub_quota"), (-211, "")]
    await user.say("chào")
    server.set(oa.key, advance=49 * HOUR, quota=1)
    assert [error(), error()] == [(0, "sub_quota"), (-211, "")]
    server.set(oa.key, advance=120 * HOUR, quota=1)
    assert error() == (-230, "")
    await user.say("chào")
    assert error() == (0, "reply")
    await user.unfollow()
    assert error() == (-213, "")
    await user.follow()
    server.set(oa.key, rate=5)
    assert error() == (-32, "")


async def test_faults(server: ZaloServer, oa: Official, user: ZaloUser) -> None:
    await user.say("chào")
    server.fail(oa.key, "send", times=2, error=-32)
    server.fail(oa.key, "send", status=503)
    server.fail(oa.key, "send", status=429, retry_after="7")
    server.fail(oa.key, "send", slow=0.3)
    assert [send(server, oa.access_token, user.id).json()["error"] for _ in range(2)] == [-32, -32]
    assert send(server, oa.access_token, user.id).status_code == 503
    limited = send(server, oa.access_token, user.id)
    assert (limited.status_code, limited.headers["Retry-After"]) == (429, "7")
    began = time.monotonic()
    assert send(server, oa.access_token, user.id).json()["error"] == 0
    assert time.monotonic() - began >= 0.3
    server.fail(oa.key, "send", close=True)
    server.fail(oa.key, "send", close=True, done=True)
    for _ in range(2):
        with pytest.raises(httpx.TransportError):
            send(server, oa.access_token, user.id)
    assert len(server.sent(oa.key)) == 2
    assert len(server.calls(oa.key, "send")) == 7


async def test_deliveries_are_signed_and_repeated(server: ZaloServer, hook: Hook, user: ZaloUser) -> None:
    oa = server.new_oa(webhook=hook.url, retry_factor=0.001)
    user = ZaloUser(server, oa.key, user.id)
    hook.answers = [(0, 503), (2.3, 200), (0, 200)]
    payload = await user.say("chào")
    (delivery,) = server.delivered(oa.key, 1)
    assert [a["status"] for a in delivery["attempts"]] == [503, 0, 200]
    assert 1.8 < delivery["attempts"][1]["seconds"] < 2.2
    assert delivery["attempts"][1]["at"] - delivery["attempts"][0]["at"] > 0.03
    headers, body = hook.got[0]
    assert json.loads(body) == payload
    assert {type(v) for v in (payload["timestamp"], payload["sender"]["id"], payload["message"]["msg_id"])} == {str}
    signed = oa.app_id.encode() + body + payload["timestamp"].encode() + oa.secret.encode()
    assert headers["X-Zevent-Signature" if "X-Zevent-Signature" in headers else "X-ZEvent-Signature"] == (
        "mac=" + hashlib.sha256(signed).hexdigest()
    )
    assert {body for _, body in hook.got} == {body}


async def test_deliveries_go_wrong_on_command(server: ZaloServer, hook: Hook, user: ZaloUser) -> None:
    oa = server.new_oa(webhook=hook.url)
    user = ZaloUser(server, oa.key, user.id)
    server.set(oa.key, duplicate=1)
    await user.say("hai lần")
    server.delivered(oa.key, 2)
    server.set(oa.key, reorder=3)
    for said in "abc":
        await user.say(said)
    server.delivered(oa.key, 5)
    texts = [json.loads(body)["message"]["text"] for _, body in hook.got]
    assert texts == ["hai lần", "hai lần", "c", "b", "a"]
    lies = ["wrong", "truncated", "missing", "tampered", "other-secret", "garbage"]
    server.set(oa.key, forge=lies)
    for lie in lies:
        await user.say(lie)
    server.delivered(oa.key, 11)
    for headers, body in hook.got[5:]:
        stamp = json.loads(body)["timestamp"]
        right = hashlib.sha256(oa.app_id.encode() + body + stamp.encode() + oa.secret.encode()).hexdigest()
        assert f"mac={right}" not in headers.values()


async def test_an_account_hears_of_what_it_sends(server: ZaloServer, hook: Hook, user: ZaloUser) -> None:
    oa = server.new_oa(webhook=hook.url)
    await ZaloUser(server, oa.key, user.id).say("chào")
    send(server, oa.access_token, user.id)
    server.delivered(oa.key, 2)
    assert sorted(json.loads(body)["event_name"] for _, body in hook.got) == ["oa_send_text", "user_send_text"]


# -- the Bot Platform


async def call(server: ZaloServer, token: str, method: str, **body: Any) -> Any:
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
        return await http.post(f"{server.url}/bot{token}/{method}", json=body)


async def test_a_bot_polls_one_update_at_a_time(server: ZaloServer) -> None:
    token = server.new_bot()
    user = ZaloUser(server, token, "6ede9afa66b88fe6d6a9")
    await user.say("một")
    await user.say("hai")
    for said in ("một", "hai"):
        update = (await call(server, token, "getUpdates", timeout=5)).json()
        assert update["result"]["event_name"] == "message.text.received"
        assert update["result"]["message"]["text"] == said
    idle = await call(server, token, "getUpdates", timeout=0.2)
    assert (idle.status_code, idle.json()["error_code"], idle.json()["ok"]) == (408, 408, False)
    server.set(token, idle_status=200)
    assert (await call(server, token, "getUpdates", timeout="0.2")).status_code == 200
    waiting = asyncio.create_task(call(server, token, "getUpdates", timeout=10))
    await asyncio.sleep(0.2)
    await user.send_image()
    assert (await waiting).json()["result"]["event_name"] == "message.image.received"


async def test_a_bot_sends(server: ZaloServer) -> None:
    token = server.new_bot()
    user = ZaloUser(server, token, "6ede9afa66b88fe6d6a9")
    assert not (await call(server, token, "sendMessage", chat_id=user.id, text="chào")).json()["ok"]
    await user.say("chào")
    assert (await call(server, token, "sendChatAction", chat_id=user.id, action="typing")).json() == {"ok": True}
    sent = (await call(server, token, "sendMessage", chat_id=user.id, text="x" * 2000)).json()
    assert sent["result"].keys() == {"message_id", "date"}
    for text in ("", "x" * 2001):
        assert not (await call(server, token, "sendMessage", chat_id=user.id, text=text)).json()["ok"]
    assert [len(shown.text) for shown in await user.replies()] == [2000]
    assert (await call(server, token, "getMe")).json()["ok"]
    assert (await call(server, "1:sai", "getMe")).json()["error_code"] == 401


async def test_a_bot_has_a_webhook_or_polls(server: ZaloServer, hook: Hook) -> None:
    token = server.new_bot()
    user = ZaloUser(server, token, "6ede9afa66b88fe6d6a9")
    assert not (await call(server, token, "setWebhook", url=hook.url, secret_token="ngắn")).json()["ok"]
    assert (await call(server, token, "setWebhook", url=hook.url, secret_token="du-dai-roi")).json()["ok"]
    assert (await call(server, token, "getWebhookInfo")).json()["result"]["url"] == hook.url
    assert not (await call(server, token, "getUpdates", timeout=0.1)).json()["ok"]
    payload = await user.say("chào")
    server.delivered(token, 1)
    ((headers, body),) = hook.got
    assert json.loads(body) == payload
    assert {name.lower(): value for name, value in headers.items()}["x-bot-api-secret-token"] == "du-dai-roi"
    await call(server, token, "deleteWebhook")
    assert (await call(server, token, "getWebhookInfo")).json()["result"]["url"] == ""
    await user.say("lại")
    assert (await call(server, token, "getUpdates", timeout=5)).json()["result"]["message"]["text"] == "lại"


async def test_an_independent_client_understands_the_bot_platform(server: ZaloServer) -> None:
    from zalo_bot import Bot
    from zalo_bot.error import ZaloError

    token = server.new_bot()
    user = ZaloUser(server, token, "6ede9afa66b88fe6d6a9")
    await user.say("Xin chào")
    async with Bot(token, base_url=server.url) as bot:
        update = await bot.get_update(timeout=5)
        assert update.message is not None
        assert (update.message.text, update.message.chat.id) == ("Xin chào", user.id)
        sent = await bot.send_message(user.id, "Chào bạn")
        assert sent.message_id == server.sent(token)[0]["id"]
        with pytest.raises(ZaloError, match="408"):
            await bot.get_update(timeout=1)
