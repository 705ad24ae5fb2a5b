"""Telegram's webhook, behind the pages of the web server as they are served."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import socket
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from desk import Desk, until
from hypothesis import HealthCheck, given
from hypothesis import settings as tuned
from hypothesis import strategies as st
from starlette.routing import Route

from bot.channels import telegram_api
from bot.channels.telegram import TelegramChannel
from bot.delivery import Delivery
from bot.gateway import Gateway
from bot.message import BusyError, Incoming
from bot.reply import Reply
from bot.settings import Settings
from bot.web import application, serving
from knowledge.errors import RefusedError
from tests.telegram_server import TelegramServer, TelegramUser

pytestmark = pytest.mark.e2e  # a Bot API server of its own

SECRET = "mot-bi-mat_0123456789"
WITH_SECRET = {"X-Telegram-Bot-Api-Secret-Token": SECRET}
ids = itertools.count(720_000_001)


class Hook:
    """The webhook as Telegram sees it."""

    def __init__(self, http: httpx.AsyncClient, url: str) -> None:
        self.http, self.url = http, url

    async def post(self, update: Any = None, headers: dict[str, Any] = WITH_SECRET, **more: Any) -> httpx.Response:
        """Bring an update, or ``content=…``."""
        return await self.http.post(
            self.url, **({"json": update} if update is not None else {}), headers=headers, **more
        )


Open = Callable[..., AbstractAsyncContextManager[Hook]]


@pytest.fixture(scope="module")
def server() -> Iterator[TelegramServer]:
    with TelegramServer.running() as running:
        yield running


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telegram_api, "PAUSES", (0.05, 0.1, 0.2))


@pytest.fixture
def token(server: TelegramServer) -> str:
    return server.new_bot()


@pytest.fixture
def user(server: TelegramServer, token: str) -> TelegramUser:
    return TelegramUser(server, token, next(ids))


@pytest.fixture
async def desk() -> Desk:
    return Desk()


@pytest.fixture
def settings(server: TelegramServer, token: str, tmp_path: Path) -> Callable[..., Settings]:
    def make(**changes: Any) -> Settings:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        given = {
            "home": tmp_path, "telegram_token": token, "telegram_api": server.api, "web_port": port, "secret": "khóa",
            "telegram_webhook_url": f"http://127.0.0.1:{port}", "telegram_webhook_secret": SECRET, **changes,
        }  # fmt: skip
        return Settings(_env_file=None, **given)

    return make


def path_of(channel: TelegramChannel) -> str:
    route = channel.routes[0]
    assert isinstance(route, Route)
    return route.path


async def ready() -> dict[str, Any]:
    return {"ready": True}


@pytest.fixture
def opened(settings: Callable[..., Settings]) -> Open:
    """Serves a channel: ``async with opened(desk, telegram_webhook_url=…) as hook``."""

    @asynccontextmanager
    async def opening(desk: Desk, **changes: Any) -> AsyncIterator[Hook]:
        given = settings(**changes)
        channel = TelegramChannel(given)
        async with (
            serving(application(given, channel.routes, ready), "127.0.0.1", given.web_port) as port,
            httpx.AsyncClient(trust_env=False) as http,
            channel.open(desk.accept),
        ):
            yield Hook(http, f"http://127.0.0.1:{port}{path_of(channel) if channel.routes else ''}")

    return opening


def says(user: TelegramUser, said: Any, number: int | None = None) -> dict[str, Any]:
    """An update as Telegram would bring it."""
    message = {"message_id": 3, "date": 1, "chat": user.chat, "from": user.sender, "text": said}
    return {"update_id": number or next(ids), "message": message}


# -- who may deliver


async def test_what_telegram_delivers_is_handed_over(
    opened: Open, server: TelegramServer, user: TelegramUser, desk: Desk
) -> None:
    async with opened(desk):
        await user.say("chào")
        await user.press("k1", 1)
        said, tapped = await desk.hears(2)
    assert (said.text, said.user, said.place) == ("chào", str(user.id), {"chat": user.id})
    assert (tapped.button, tapped.place) == ("k1", {"chat": user.id, "tapped": 1})
    (call,) = server.calls(user.token, "setWebhook")
    assert call["secret_token"] == SECRET
    assert json.loads(call["allowed_updates"]) == ["message", "edited_message", "callback_query", "my_chat_member"]
    assert SECRET not in call["url"]
    assert user.token not in call["url"]
    assert server.calls(user.token, "getUpdates") == []


@pytest.mark.parametrize(
    "headers",
    [{}, *({"X-Telegram-Bot-Api-Secret-Token": wrong} for wrong in (
        "", "sai", SECRET[:-1], SECRET + "0", SECRET.upper(), f"{SECRET},{SECRET}", "bí mật".encode()))],
)  # fmt: skip
async def test_who_does_not_know_the_secret_is_refused(
    opened: Open, user: TelegramUser, desk: Desk, headers: dict[str, Any]
) -> None:
    async with opened(desk) as hook:
        answer = await hook.post(says(user, "giả"), headers)
        assert answer.status_code == 403
        assert (await hook.post(content=b"{", headers=headers)).status_code == 403
        assert (await hook.post(says(user, "thật"))).status_code == 200
    assert [one.text for one in desk.heard] == ["thật"]


async def test_nothing_else_is_served(opened: Open, user: TelegramUser, desk: Desk) -> None:
    async with opened(desk) as hook:
        root = str(httpx.URL(hook.url).copy_with(path="/"))
        for path in ("telegram", "telegram/", f"telegram/{user.token}", f"telegram/{'0' * 32}", user.token):
            assert (await hook.http.post(root + path, json=says(user, "x"), headers=WITH_SECRET)).status_code == 404
        assert (await hook.http.get(hook.url, headers=WITH_SECRET)).status_code == 405
    assert desk.heard == []


@pytest.mark.parametrize("prefix", ["/bot", "/telegram", "/a/b/"])
async def test_a_proxy_may_take_away_the_beginning_of_the_path_or_not(
    opened: Open, settings: Callable[..., Settings], server: TelegramServer, user: TelegramUser, desk: Desk, prefix: str
) -> None:
    given = settings()
    url = given.telegram_webhook_url
    async with opened(desk, web_port=given.web_port, telegram_webhook_url=url + prefix) as hook:
        await user.say("cả đường dẫn")
        await desk.hears()
        assert (await hook.post(says(user, "bớt phần đầu"))).status_code == 200
    (call,) = server.calls(user.token, "setWebhook")
    assert call["url"].startswith(url + prefix.rstrip("/") + "/telegram/")
    assert [one.text for one in desk.heard] == ["cả đường dẫn", "bớt phần đầu"]


# -- what does not look like an update


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"1", b"null", b'"x"', b"\xff\xfe", b"\x00", b"[" * 30, b"9" * 10_000, b"{}",
     b'{"update_id": "1"}', b'{"update_id": null}', b'{"update_id": [1]}', b'{"update_id": 1.5}',
     b'{"message": {"text": "x"}}'],
)  # fmt: skip
async def test_what_is_no_update_is_refused(opened: Open, desk: Desk, body: bytes) -> None:
    async with opened(desk) as hook:
        assert (await hook.post(content=body)).status_code == 400
    assert desk.heard == []


@pytest.mark.parametrize(
    "update",
    [
        {"update_id": 1}, {"update_id": 1, "something_new": {"x": 1}}, {"update_id": 1, "message": {}},
        {"update_id": 1, "message": "x"}, {"update_id": 1, "callback_query": {"id": "1"}},
        {"update_id": 1, "inline_query": {"id": "1", "from": {"id": 1}, "query": "x", "offset": ""}},
    ],
)  # fmt: skip
async def test_an_update_that_nobody_could_read_is_acknowledged(
    opened: Open, desk: Desk, update: dict[str, Any]
) -> None:
    """Telegram would bring it again and again, and hold back what comes after it."""
    async with opened(desk) as hook:
        assert (await hook.post(update)).status_code == 200
    assert desk.heard == []


async def test_half_a_letter_can_be_stored(opened: Open, user: TelegramUser, desk: Desk) -> None:
    async with opened(desk) as hook:
        body = json.dumps(says(user, "ch\ud800ào")).encode()
        assert (await hook.post(content=body)).status_code == 200
    desk.heard[0].text.encode()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
PERSON = {"id": 5, "is_bot": False, "first_name": "An"}
CHAT = {"id": 5, "type": "private"}
MESSAGE = {"message_id": 3, "date": 1, "chat": CHAT, "from": PERSON, "text": "chào", "caption": "x",
           "media_group_id": "g", "reply_to_message": None, "message_thread_id": 1, "is_topic_message": True,
           "location": None, "photo": None, "edit_date": 1}  # fmt: skip
TAP = {"id": "1", "from": PERSON, "chat_instance": "1", "data": "k1", "message": MESSAGE}
LEFT = {"chat": CHAT, "from": PERSON, "date": 1, "old_chat_member": {"user": PERSON, "status": "member"},
        "new_chat_member": {"user": PERSON, "status": "kicked", "until_date": 0}}  # fmt: skip


@st.composite
def misshapen(draw: st.DrawFn) -> dict[str, Any]:
    """An update in which a few values are anything at all, or missing."""
    kind, content = draw(st.sampled_from([("message", MESSAGE), ("edited_message", MESSAGE), ("callback_query", TAP),
                                          ("my_chat_member", LEFT)]))  # fmt: skip
    update = json.loads(json.dumps({"update_id": draw(st.integers(0, 10**6)), kind: content}))
    for _ in range(draw(st.integers(0, 3))):
        at = update[kind] if draw(st.booleans()) else update
        while isinstance(at, dict) and at:
            key = draw(st.sampled_from(sorted(at)))
            if not isinstance(at[key], dict) or draw(st.booleans()):
                if draw(st.booleans()):
                    at[key] = draw(JSON)
                else:
                    del at[key]
                break
            at = at[key]
        if not isinstance(update.get(kind), dict):
            break
    return update


@given(updates=st.lists(misshapen() | JSON, min_size=1, max_size=10), junk=st.binary(max_size=60))
@tuned(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_is_too_strange(settings: Callable[..., Settings], updates: list[Any], junk: bytes) -> None:
    """What can be read can be kept, whatever it holds."""

    async def all_of_them() -> set[int]:
        given = settings()
        channel, desk = TelegramChannel(given), Desk()
        gateway = Gateway(given, Rasa())  # type: ignore[arg-type]

        async def accept(incoming: Incoming) -> bool:
            gateway.keep(incoming)
            return await desk.accept(incoming)

        transport = httpx.ASGITransport(application(given, channel.routes, ready), raise_app_exceptions=True)
        path = path_of(channel)
        async with channel.open(accept), httpx.AsyncClient(transport=transport, base_url="http://bot") as http:
            bodies = [junk, *(json.dumps(update).encode() for update in updates)]
            found = {(await http.post(path, content=body, headers=WITH_SECRET)).status_code for body in bodies}
        await gateway.close()
        return found

    assert asyncio.run(all_of_them()) <= {200, 400}


# -- what cannot be kept


@pytest.mark.parametrize(
    ("error", "status"),
    [(BusyError(), 429), (sqlite3.OperationalError("lời kín"), 503), (OSError(28, "lời kín"), 503),
     (RuntimeError("lời kín"), 503)],
)  # fmt: skip
async def test_what_cannot_be_kept_is_not_acknowledged_and_comes_again(
    opened: Open, user: TelegramUser, desk: Desk, error: Exception, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(desk) as hook:
        desk.errors = [error]
        answer = await hook.post(says(user, "một"))
        assert (answer.status_code, "kín" in answer.text) == (status, False)
        desk.errors = [error, error]
        await user.say("hai")
        (heard,) = await desk.hears_only(1)
    assert heard.text == "hai"
    assert "kín" not in caplog.text


async def test_what_comes_before_the_start_and_after_the_stop_is_not_lost(
    settings: Callable[..., Settings], server: TelegramServer, user: TelegramUser, desk: Desk
) -> None:
    given = settings()
    channel = TelegramChannel(given)
    pages = application(given, channel.routes, ready)
    path = f"http://127.0.0.1:{given.web_port}{path_of(channel)}"
    async with serving(pages, "127.0.0.1", given.web_port), httpx.AsyncClient(trust_env=False) as http:
        assert (await http.post(path, json=says(user, "x"), headers=WITH_SECRET)).status_code == 429
        async with channel.open(desk.accept):
            pass
        assert (await http.post(path, json=says(user, "x"), headers=WITH_SECRET)).status_code == 429
        await user.say("giữa hai lần chạy")
        await asyncio.sleep(0.3)
        assert desk.heard == []
        async with channel.open(desk.accept):
            heard = await desk.hears()
    assert {one.text for one in heard} == {"giữa hai lần chạy"}


# -- once, and in order


class Rasa:
    """Repeats what it hears."""

    async def ask(self, sender: str, message: str, metadata: dict[str, Any]) -> list[Reply]:
        return [Reply(f"nghe: {message}", intent="x")]

    async def close(self) -> None:
        pass


async def test_deliveries_that_come_twice_and_overtake_each_other_are_answered_once_in_order(
    settings: Callable[..., Settings], server: TelegramServer, user: TelegramUser
) -> None:
    given = settings()
    channel, gateway = TelegramChannel(given), Gateway(given, Rasa())  # type: ignore[arg-type]
    delivery = Delivery(gateway, [channel], given)
    other = TelegramUser(server, user.token, next(ids))
    photo = {"photo": [{"file_id": "a", "file_unique_id": "b", "width": 9, "height": 9}], "media_group_id": "g"}
    async with serving(application(given, channel.routes, delivery.state), "127.0.0.1", given.web_port), delivery:
        server.upset(user.token, 6)
        for said in ("một", "hai", "ba"):
            await user.say(said)
        for _ in range(3):
            await other.send(**photo)
        replies = await user.replies(3, settle=0.6)
        refusals = await other.replies(1, settle=0.6)
    await gateway.close()
    assert [one.text for one in replies] == ["nghe: một", "nghe: hai", "nghe: ba"]
    assert len(refusals) == 1, "one answer to an album"


# -- start and stop


async def test_polling_after_a_webhook_takes_the_webhook_away(
    opened: Open, server: TelegramServer, user: TelegramUser, desk: Desk
) -> None:
    async with opened(desk):
        pass
    assert not server.calls(user.token, "deleteWebhook"), "what comes while the bot is down waits at Telegram"
    await user.say("lúc bot nghỉ")
    async with opened(desk, telegram_webhook_url=""):
        (heard,) = await desk.hears()
    assert heard.text == "lúc bot nghỉ"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"telegram_webhook_secret": ""}, "TTHC_TELEGRAM_WEBHOOK_SECRET"),
        ({"telegram_webhook_secret": "có dấu"}, "TTHC_TELEGRAM_WEBHOOK_SECRET"),
        ({"telegram_webhook_secret": "x" * 257}, "TTHC_TELEGRAM_WEBHOOK_SECRET"),
        ({"telegram_api": ""}, "https://"),
    ],
)
def test_a_webhook_that_cannot_work_is_refused(
    settings: Callable[..., Settings], changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(RefusedError, match=said):
        TelegramChannel(settings(**changes))


async def test_a_webhook_that_telegram_refuses_is_refused(
    opened: Open, server: TelegramServer, token: str, desk: Desk
) -> None:
    server.fail(token, "setWebhook", 400, "Bad Request: bad webhook: HTTPS url must be provided for webhook")
    with pytest.raises(RefusedError, match="(?i)https url must be provided.*TTHC_TELEGRAM_WEBHOOK_URL"):
        async with opened(desk):
            pass


async def test_a_short_failure_of_the_webhook_is_waited_out(
    opened: Open, server: TelegramServer, user: TelegramUser, desk: Desk
) -> None:
    server.fail(user.token, "setWebhook", 502, "Bad Gateway")
    async with opened(desk):
        await user.say("chào")
        await desk.hears()


async def test_logs_hold_neither_secrets_nor_ids_nor_words(
    opened: Open, user: TelegramUser, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.errors = [sqlite3.OperationalError("lời riêng")]
    with caplog.at_level(logging.DEBUG):
        async with opened(desk) as hook:
            await user.say("lời riêng tư")
            await desk.hears()
            await hook.post(content=b'{"text": "ri\xc3\xaang"')
            await hook.post({"update_id": 1, "message": {"riêng": 1}})
            path = httpx.URL(hook.url).path
    await until(lambda: "could not be read" in caplog.text)
    ours = "\n".join(record.getMessage() for record in caplog.records if not record.name.startswith("http"))
    for secret in (user.token, str(user.id), "riêng", SECRET, path):
        assert secret not in ours
