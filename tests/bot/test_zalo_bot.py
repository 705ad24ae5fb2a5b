"""A bot of Zalo's Bot Platform: updates by polling and webhook, messages out, against a platform of our own."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as tuned
from hypothesis import strategies as st
from starlette.applications import Starlette

from bot.channels import channels, zalo_bot
from bot.channels.zalo_bot import PATH, ZaloBot
from bot.channels.zalo_bot_api import RefusalError, why_not_sent
from bot.message import BusyError, GoneError, Incoming, LaterError, SendError, UnsureError, WrongError
from bot.reply import Part
from bot.settings import Settings
from bot.web import application, serving
from knowledge.errors import RefusedError
from tests.zalo_server import ZaloServer, ZaloUser

TOKEN, SECRET, USER = "123456789:" + "a" * 40, "mot-bi-mat-du-dai", "6ede9afa66b88fe6d6a9"
NOWHERE = "http://127.0.0.1:9"
ids = itertools.count(100)
e2e = pytest.mark.e2e  # a server in a process of its own
Kept = list[Incoming]
Post = Callable[..., Awaitable[httpx.Response]]


def settings(**changes: Any) -> Settings:
    return Settings(_env_file=None, **{"zalo_bot_token": TOKEN, "zalo_bot_api": NOWHERE, **changes})


def update(name: str = "message.text.received", *, flat: bool = False, **changes: Any) -> dict[str, Any]:
    message = {
        "from": {"id": USER, "display_name": "Ted", "is_bot": False}, "chat": {"id": USER, "chat_type": "PRIVATE"},
        "text": "Xin chào", "message_id": "2d758cb5e222177a4e35", "date": 1750316131602, **changes,
    }  # fmt: skip
    event = {"event_name": name, "message": {key: value for key, value in message.items() if value is not None}}
    return event if flat else {"ok": True, "result": event}


class Keeper:
    """Keeps what it gets; ``fails``: what it raises first."""

    def __init__(self, *fails: Exception) -> None:
        self.got: Kept = []
        self.tries = 0
        self._fails = list(fails)

    async def __call__(self, incoming: Incoming) -> bool:
        self.tries += 1
        if self._fails:
            raise self._fails.pop(0)
        new = all(one.delivery != incoming.delivery for one in self.got)
        if new:
            self.got.append(incoming)
        return new

    async def until(self, count: int, within: float = 15.0) -> Kept:
        async with asyncio.timeout(within):
            while len(self.got) < count:
                await asyncio.sleep(0.02)
        return self.got


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits are short."""
    monkeypatch.setattr(zalo_bot, "AGAIN", (0.05, 0.1))
    monkeypatch.setattr(zalo_bot, "PAUSES", (0.02, 0.02))
    monkeypatch.setattr(zalo_bot, "SHORTEST", 0.05)
    monkeypatch.setattr(zalo_bot, "AT_THE_STOP", 0.2)


# -- settings


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"zalo_bot_token": "a b"}, "TTHC_ZALO_BOT_TOKEN"),
        ({"zalo_bot_token": "123:abc/def?x=1"}, "TTHC_ZALO_BOT_TOKEN"),
        ({"zalo_bot_api": "", "zalo_bot_webhook_url": "http://vi-du.vn"}, "https"),
        ({"zalo_bot_webhook_url": "https://vi-du.vn"}, "TTHC_ZALO_BOT_WEBHOOK_SECRET"),
        ({"zalo_bot_webhook_url": "https://vi-du.vn", "zalo_bot_webhook_secret": "ngan"}, "8 to 256"),
        ({"zalo_bot_webhook_url": "https://vi-du.vn", "zalo_bot_webhook_secret": "có dấu cách"}, "8 to 256"),
    ],
)
def test_settings_that_will_not_do(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(RefusedError, match=words) as error:
        ZaloBot(settings(**changes))
    for secret in (TOKEN, "abc/def", "ngan", "dấu"):
        assert secret not in str(error.value)


def test_the_channel_is_there_when_its_token_is() -> None:
    assert channels(settings(zalo_bot_token="")) == []
    (channel,) = channels(settings())
    assert (channel.name, channel.title, channel.look.numbered, channel.routes) == ("zalobot", "Zalo Bot", True, [])


# -- the webhook


@asynccontextmanager
async def hooked(accept: Any, monkeypatch: pytest.MonkeyPatch, *, is_open: bool = True) -> AsyncIterator[Post]:
    """What posts a body to an open channel's webhook, with its secret unless another is given."""

    async def nothing(*_: Any) -> None:
        return None

    monkeypatch.setattr(zalo_bot, "_insist", nothing)
    channel = ZaloBot(settings(zalo_bot_webhook_url="https://vi-du.vn/", zalo_bot_webhook_secret=SECRET))
    transport = httpx.ASGITransport(Starlette(routes=channel.routes), raise_app_exceptions=True)

    async def post(payload: Any, secret: str | bytes | None = SECRET) -> httpx.Response:
        body = payload if isinstance(payload, bytes) else json.dumps(payload, ensure_ascii=False).encode()
        headers: dict[str, Any] = {} if secret is None else {"X-Bot-Api-Secret-Token": secret}
        return await http.post(PATH, content=body, headers=headers)

    async with httpx.AsyncClient(transport=transport, base_url="http://bot") as http:
        if is_open:
            async with channel.open(accept):
                yield post
        else:
            yield post


@pytest.fixture
def keeper() -> Keeper:
    return Keeper()


@pytest.fixture
async def post(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Post]:
    async with hooked(keeper, monkeypatch) as posting:
        yield posting


@pytest.mark.parametrize("flat", [False, True])
async def test_an_update_is_kept_wrapped_or_flat(post: Post, keeper: Keeper, flat: bool) -> None:
    for _ in range(2):
        assert (await post(update(flat=flat))).status_code == 200
    (incoming,) = keeper.got
    assert incoming == Incoming(
        "zalobot", USER, "Xin chào", "msg:2d758cb5e222177a4e35", place={"chat": USER}, sent=1750316131602.0
    )


@pytest.mark.parametrize(
    ("name", "changes", "kind", "text"),
    [
        ("message.image.received", {"photo": "https://x/a.jpg", "caption": "giấy", "text": None}, "photo", ""),
        ("message.sticker.received", {"sticker": "0e07", "url": "https://x", "text": None}, "other", ""),
        ("message.voice.received", {"voice_url": "https://x/a.aac", "text": None}, "other", ""),
        ("message.unsupported.received", {"text": None}, "other", ""),
        (
            "message.link.received",
            {"text": "https://dichvucong.gov.vn là gì"},
            "text",
            "https://dichvucong.gov.vn là gì",
        ),
        ("message.link.received", {"text": None, "url": "https://x"}, "other", ""),
        ("message.text.received", {"text": ""}, "text", ""),
        ("message.text.received", {"text": "/tiep"}, "text", "/tiep"),
    ],
)
async def test_kinds(post: Post, keeper: Keeper, name: str, changes: Any, kind: str, text: str) -> None:
    assert (await post(update(name, **changes))).status_code == 200
    assert [(one.kind, one.text) for one in keeper.got] == [(kind, text)]


@pytest.mark.parametrize(
    "payload",
    [
        update(chat={"id": "g1", "chat_type": "GROUP"}), update("message.reaction.received"), update("bot.added"),
        update(**{"from": {"id": "b", "is_bot": True}}), {"event_name": "message.unsupported.received"},
        {"ok": True, "result": {"event_name": "message.unsupported.received"}},
        {"event_name": "message.unsupported.received", "message": {"message_id": "m1"}},
    ],
)  # fmt: skip
async def test_what_does_not_concern_us_is_acknowledged_and_dropped(
    post: Post, keeper: Keeper, payload: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "bot"):
        assert (await post(payload)).status_code == 200
    assert keeper.got == []
    assert "left aside" in caplog.text
    assert USER not in caplog.text
    assert "Xin chào" not in caplog.text


@pytest.mark.parametrize("secret", [None, "", SECRET[:-1], SECRET + "x", SECRET.upper(), "giả".encode(), b"\xff"])
async def test_forgeries_are_refused(post: Post, keeper: Keeper, secret: Any) -> None:
    assert (await post(update(), secret)).status_code == 403
    assert (await post(b"{", secret)).status_code == 403, "nothing is read before the secret"
    assert keeper.got == []


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"{", b"[]", b"1", b"null", b'"x"', b"\xff\xfe", b"[" * 100_000, b'{"result":' * 50_000, {}, {"ok": True},
        {"result": None}, {"result": []}, {"event_name": None}, {"event_name": ["message.text.received"]},
        {"event_name": "message.text.received"}, {"event_name": "message.text.received", "message": []},
        {"event_name": "x" * 5000}, {"event_name": "message\ntext"}, update(text=None), update(text=5),
        update(text={"a": 1}), update(message_id=None), update(message_id=7), update(message_id=""),
        update(message_id="x" * 300), update(message_id="a\nb"), update(chat=None), update(chat={}), update(chat="x"),
        update(chat={"id": 5}), update(chat={"id": "x", "chat_type": None}), update(**{"from": None}),
        update(**{"from": {"id": ["x"]}}), update(**{"from": {"id": "ngườ"}}),
    ],
)  # fmt: skip
async def test_a_wrong_shape_is_refused(
    post: Post, keeper: Keeper, payload: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "bot"):
        assert (await post(payload)).status_code == 400
    assert keeper.got == []
    assert USER not in caplog.text


@pytest.mark.parametrize("date", [None, "x", -1, 0, 1e30, float("nan"), [], {}])
async def test_without_a_date_it_was_sent_now(post: Post, keeper: Keeper, date: Any) -> None:
    assert (await post(update(date=date))).status_code == 200
    assert keeper.got[0].sent > 1.7e12


async def test_half_a_letter_can_be_stored(post: Post, keeper: Keeper) -> None:
    assert (await post(json.dumps(update(text="ch\ud800ào")).encode())).status_code == 200
    keeper.got[0].text.encode()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["event_name", "message", "result", "from", "chat", "id", "text", "date", "message_id"]),
            inner | st.sampled_from(["message.text.received", "x"]),
            max_size=6,
        )
    ),
    max_leaves=20,
)


@given(JSON)
@tuned(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
def test_no_body_is_too_much(payload: Any) -> None:
    """Whatever is delivered is read, left aside or refused."""
    channel = ZaloBot(settings())
    try:
        incoming = channel._read(payload)
    except ValueError:
        return
    assert incoming is None or incoming.delivery.startswith("msg:")


@pytest.mark.parametrize(
    ("failure", "status"), [(BusyError(), 429), (sqlite3.OperationalError("số 052188001234"), 503), (OSError("x"), 503)]
)
async def test_what_is_not_kept_is_not_acknowledged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, failure: Exception, status: int
) -> None:
    keeper = Keeper(failure)
    async with hooked(keeper, monkeypatch) as post:
        assert (await post(update())).status_code == status
        assert (await post(update())).status_code == 200
    assert len(keeper.got) == 1
    assert "052188001234" not in caplog.text


async def test_before_the_channel_is_open_nothing_is_acknowledged(monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = Keeper()
    async with hooked(keeper, monkeypatch, is_open=False) as post:
        assert (await post(update())).status_code == 503
    assert keeper.got == []


# -- how sending fails


@pytest.mark.parametrize(
    ("code", "why", "kind"),
    [
        (400, "Bad Request: chat not found", GoneError), (400, "Bad Request: text", WrongError), (401, "", LaterError),
        (403, "Forbidden", GoneError), (404, "Not found", LaterError), (404, "chat not found", GoneError),
        (408, "", UnsureError), (409, "", LaterError), (429, "", LaterError), (500, "", LaterError),
        (502, "", LaterError),
        (504, "", UnsureError), (-1, "", WrongError), (418, "", WrongError),
    ],
)  # fmt: skip
def test_what_a_refusal_means(code: int, why: str, kind: type[SendError]) -> None:
    error = why_not_sent(RefusalError(code, why, 7.0))
    assert type(error) is kind
    if code in (429, 500):
        assert isinstance(error, LaterError)
        assert error.after == 7.0


async def test_a_closed_channel_sends_later() -> None:
    channel = ZaloBot(settings())
    with pytest.raises(LaterError):
        await channel.send({"chat": USER}, Part("chào"))
    await channel.busy({"chat": USER})


@pytest.mark.usefixtures("quick")
async def test_an_unreached_platform_is_told_at_the_start(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(RefusedError, match="not reached") as error:
        async with ZaloBot(settings()).open(Keeper()):
            pass
    assert "TTHC_ZALO_BOT_API" in str(error.value)
    assert TOKEN not in str(error.value)
    assert TOKEN not in caplog.text


# -- with the platform


@pytest.fixture(scope="module")
def server() -> Iterator[ZaloServer]:
    with ZaloServer.running() as running:
        yield running


@pytest.fixture
def token(server: ZaloServer) -> str:
    return server.new_bot()


@pytest.fixture
def user(server: ZaloServer, token: str) -> ZaloUser:
    return ZaloUser(server, token, f"{USER}{next(ids)}")


@asynccontextmanager
async def polling(server: ZaloServer, token: str, keeper: Keeper) -> AsyncIterator[ZaloBot]:
    async with ZaloBot(settings(zalo_bot_token=token, zalo_bot_api=server.url)).open(keeper) as channel:
        yield channel


@e2e
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("idle", [408, 200])
async def test_polling(
    server: ZaloServer, token: str, user: ZaloUser, monkeypatch: pytest.MonkeyPatch, idle: int
) -> None:
    monkeypatch.setattr(zalo_bot, "POLL", 0.3)
    server.set(token, idle_status=idle)
    keeper = Keeper()
    async with polling(server, token, keeper) as channel:
        await asyncio.sleep(0.8)
        assert len(server.calls(token, "getUpdates")) >= 2, "it goes on when nothing came"
        for said in ("một", "hai"):
            await user.say(said)
        await user.send_image()
        got = await keeper.until(3)
        assert [(one.text, one.kind, one.user) for one in got] == [
            ("một", "text", user.id), ("hai", "text", user.id), ("", "photo", user.id),
        ]  # fmt: skip
        await channel.send(got[0].place, Part("Chào bạn\n1. Phí"))
        assert [shown.text for shown in await user.replies()] == ["Chào bạn\n1. Phí"]
        await channel.busy(got[0].place)
        assert server.calls(token, "sendChatAction")[0]["body"] == {"chat_id": user.id, "action": "typing"}
    assert server.calls(token, "deleteWebhook")


@e2e
@pytest.mark.usefixtures("quick")
async def test_polling_outlives_everything(
    server: ZaloServer, token: str, user: ZaloUser, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(zalo_bot, "POLL", 0.3)
    keeper = Keeper(BusyError(), sqlite3.OperationalError("locked"), OSError("disk"), RuntimeError("once"))
    with caplog.at_level(logging.DEBUG):
        async with polling(server, token, keeper):
            for fault in ({"status": 502}, {"error": 500}, {"close": True}, {"error": 409}, {"error": 401}):
                server.fail(token, "getUpdates", **fault)
            await asyncio.sleep(0.5)
            await user.say("vẫn nghe chứ")
            assert [one.text for one in await keeper.until(1)] == ["vẫn nghe chứ"]
            assert keeper.tries == 5, "what cannot be kept is tried again, since it is not brought again"
    assert "another program uses the same bot" in caplog.text
    assert "refuses the token" in caplog.text
    for private in (token, user.id, "vẫn nghe chứ"):
        assert private not in caplog.text


@e2e
@pytest.mark.usefixtures("quick")
async def test_what_polling_cannot_read_is_passed_over(
    server: ZaloServer, token: str, user: ZaloUser, caplog: pytest.LogCaptureFixture
) -> None:
    keeper = Keeper(*(RuntimeError("câu làm hỏng") for _ in range(zalo_bot.TRIES)))
    async with polling(server, token, keeper):
        await user.event("message.text.received", message={"text": 5})
        await user.event("message.text.received", message={"text": "lạ", "from": "x"})
        await user.say("câu làm hỏng")
        await user.say("câu sau")
        assert [one.text for one in await keeper.until(1)] == ["câu sau"]
    assert keeper.tries == zalo_bot.TRIES + 1
    assert caplog.text.count("wrong shape") == 2
    assert "câu làm hỏng" not in caplog.text


@e2e
@pytest.mark.usefixtures("quick")
async def test_a_server_that_does_not_hold_the_call_is_not_run_down(
    server: ZaloServer, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zalo_bot, "SHORTEST", 0.2)
    server.fail(token, "getUpdates", times=1000, error=408)
    async with polling(server, token, Keeper()):
        await asyncio.sleep(1.0)
    assert 2 <= len(server.calls(token, "getUpdates")) <= 6


@e2e
@pytest.mark.usefixtures("quick")
async def test_what_was_fetched_is_kept_before_the_stop(
    server: ZaloServer, token: str, user: ZaloUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zalo_bot, "AT_THE_STOP", 5.0)
    under_way, kept = asyncio.Event(), list[Incoming]()

    async def slow(incoming: Incoming) -> bool:
        under_way.set()
        await asyncio.sleep(0.4)
        kept.append(incoming)
        return True

    async with ZaloBot(settings(zalo_bot_token=token, zalo_bot_api=server.url)).open(slow):
        await user.say("phút chót")
        await asyncio.wait_for(under_way.wait(), 10)
    assert [one.text for one in kept] == ["phút chót"]


@e2e
@pytest.mark.usefixtures("quick")
async def test_webhook(server: ZaloServer, token: str, user: ZaloUser) -> None:
    keeper = Keeper()
    given = settings(zalo_bot_token=token, zalo_bot_api=server.url, zalo_bot_webhook_secret=SECRET,
                     zalo_bot_webhook_url="http://127.0.0.1:1")  # fmt: skip
    channel = ZaloBot(given)

    async def state() -> dict[str, Any]:
        return {"ready": True}

    async with serving(application(given, channel.routes, state), "127.0.0.1", 0) as port:
        channel._url = f"http://127.0.0.1:{port}"
        async with channel.open(keeper):
            assert server.calls(token, "setWebhook")[0]["body"]["url"] == f"http://127.0.0.1:{port}/zalo/bot"
            server.set(token, duplicate=1)
            await user.say("hai lần")
            server.set(token, forge=["wrong", "missing", "truncated", "garbage"])
            for _ in range(4):
                await user.say("giả")
            await user.say("thật")
            assert [one.text for one in await keeper.until(2)] == ["hai lần", "thật"]
            forged = [one for one in await asyncio.to_thread(server.deliveries, token) if one["lie"]]
            async with asyncio.timeout(10):
                while not all(one["attempts"] for one in forged) or len(forged) < 4:
                    await asyncio.sleep(0.05)
                    forged = [one for one in await asyncio.to_thread(server.deliveries, token) if one["lie"]]
            assert {one["attempts"][0]["status"] for one in forged} == {403}
            await channel.send(keeper.got[0].place, Part("Chào bạn"))
            assert [shown.text for shown in await user.replies()] == ["Chào bạn"]
    assert not server.calls(token, "getUpdates")


@e2e
@pytest.mark.usefixtures("quick")
async def test_polling_takes_a_webhook_away(server: ZaloServer, token: str, user: ZaloUser) -> None:
    server.set(token, webhook="http://127.0.0.1:9/cu")
    keeper = Keeper()
    async with polling(server, token, keeper):
        await user.say("tới không")
        assert [one.text for one in await keeper.until(1)] == ["tới không"]


@e2e
@pytest.mark.usefixtures("quick")
async def test_refusals_at_the_start(server: ZaloServer, token: str, caplog: pytest.LogCaptureFixture) -> None:
    async def opened(**changes: Any) -> None:
        async with ZaloBot(settings(**{"zalo_bot_token": token, "zalo_bot_api": server.url, **changes})).open(Keeper()):
            pass

    with caplog.at_level(logging.DEBUG):
        with pytest.raises(RefusedError, match="TTHC_ZALO_BOT_TOKEN"):
            await opened(zalo_bot_token=TOKEN)
        hook = {"zalo_bot_webhook_url": "http://vi-du.vn", "zalo_bot_webhook_secret": SECRET}
        with pytest.raises(RefusedError, match="setWebhook.*TTHC_ZALO_BOT_WEBHOOK_URL"):
            await opened(**hook)
        server.fail(token, "getMe", times=9, status=503)
        with pytest.raises(RefusedError, match="getMe"):
            await opened()
        again = server.new_bot()
        server.fail(again, "getMe", times=2, error=429)
        server.fail(again, "deleteWebhook", status=503)
        server.fail(again, "deleteWebhook", close=True)
        server.fail(again, "deleteWebhook", error=400)  # there is none
        await opened(zalo_bot_token=again)
    for secret in (token, TOKEN, again, SECRET):
        assert secret not in caplog.text


@e2e
@pytest.mark.usefixtures("quick")
async def test_sending(
    server: ZaloServer, token: str, user: ZaloUser, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await user.say("chào")
    place = {"chat": user.id}
    with caplog.at_level(logging.DEBUG):
        async with polling(server, token, Keeper()) as channel:

            async def sent(said: str = "chào", to: str = user.id) -> type[Exception] | None:
                failure = None
                try:
                    await channel.send({"chat": to}, Part(said))
                except SendError as error:
                    failure = error
                assert token not in str(failure)
                assert to not in str(failure)
                return type(failure) if failure else None

            assert [await sent("x" * 2000), await sent("x" * 2001), await sent("")] == [None, WrongError, WrongError]
            assert await sent(to="nguoila") is GoneError
            server.fail(token, "sendMessage", status=429, retry_after="7")
            with pytest.raises(LaterError) as later:
                await channel.send(place, Part("chào"))
            assert later.value.after == 7.0
            faults: list[tuple[dict[str, Any], type[Exception]]] = [
                ({"status": 503}, LaterError), ({"status": 504}, UnsureError), ({"error": 500}, LaterError),
                ({"error": 401}, LaterError), ({"error": 429}, LaterError), ({"close": True}, UnsureError),
                ({"close": True, "done": True}, UnsureError),
            ]  # fmt: skip
            for fault, kind in faults:
                server.fail(token, "sendMessage", **fault)
                assert await sent() is kind, fault
            assert channel._api
            monkeypatch.setattr(channel._api._http, "timeout", httpx.Timeout(0.3))
            server.fail(token, "sendMessage", slow=1.0)
            assert await sent() is UnsureError
            server.fail(token, "sendChatAction", times=2, status=500)
            await channel.busy(place)
            await user.unfollow()
            assert await sent() is GoneError
    for private in (token, user.id):
        assert private not in caplog.text
    assert "fresh one into TTHC_ZALO_BOT_TOKEN" in caplog.text


@e2e
@pytest.mark.usefixtures("quick")
async def test_an_independent_client_sees_what_the_channel_does(server: ZaloServer, user: ZaloUser, token: str) -> None:
    """The server speaks the platform's language: another's client reads the same update and sends the same message."""
    zalo = pytest.importorskip("zalo_bot", reason="python-zalo-bot is not installed")
    await user.say("Xin chào")
    async with zalo.Bot(token, base_url=server.url) as bot:
        seen = await bot.get_update(timeout=5)
        theirs = (seen.message.text, seen.message.chat.id, f"msg:{seen.message.message_id}")
        await bot.send_message(user.id, "Chào bạn")
    other = server.new_bot()
    same = ZaloUser(server, other, user.id)
    keeper = Keeper()
    async with polling(server, other, keeper) as channel:
        await same.event("message.text.received", message={"text": "Xin chào", "message_id": theirs[2][4:]})
        (ours,) = await keeper.until(1)
        await channel.send(ours.place, Part("Chào bạn"))
    assert (ours.text, ours.place["chat"], ours.delivery) == theirs
    assert [m["body"] for m in server.calls(other, "sendMessage")] == [{"chat_id": user.id, "text": "Chào bạn"}]
    assert [shown.text for shown in await user.replies()] == [shown.text for shown in await same.replies()]
