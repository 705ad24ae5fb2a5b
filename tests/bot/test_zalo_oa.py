"""The Zalo Official Account: recorded and forged deliveries in, messages out to a Zalo of our own."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import logging
import math
import socket
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from hypothesis import HealthCheck, given
from hypothesis import settings as tuned
from hypothesis import strategies as st
from starlette.applications import Starlette

from bot.channels import zalo_api, zalo_oa, zalo_tokens
from bot.channels.zalo_api import Quota
from bot.channels.zalo_oa import PATH, ZaloOA
from bot.message import BusyError, GoneError, Incoming, LaterError, Part, SendError, UnsureError, WrongError
from bot.settings import Settings
from knowledge.errors import RefusedError
from tests.conftest import SHARED
from tests.zalo_server import Official, ZaloServer, ZaloUser

FIXTURES = SHARED / "fixtures" / "zalo"
SIGNATURES = FIXTURES / "signatures_oa-secret.json"
SECRET, APP, OA, USER = "khoa-thu", "360846524940903967", "388613280878808645", "246845883529197922"
HOUR = 3600
ids = itertools.count(24684588352919792)
e2e = pytest.mark.e2e  # servers of its own
Kept = list[Incoming]
Post = Callable[..., Awaitable[httpx.Response]]


def settings(home: Path, **changes: Any) -> Settings:
    nowhere = "http://127.0.0.1:9"
    given = {
        "home": home, "zalo_app_id": APP, "zalo_oa_id": OA, "zalo_secret": SECRET, "zalo_app_secret": "bi-mat",
        "zalo_refresh_token": "mot-lan", "zalo_api": nowhere, "zalo_oauth": nowhere,
    }  # fmt: skip
    return Settings(_env_file=None, **{**given, **changes})


def event(name: str = "user_send_text", stamp: str = "", **changes: Any) -> dict[str, Any]:
    who: dict[str, Any] = {"sender": {"id": USER}, "recipient": {"id": OA}, "message": {"text": "chào", "msg_id": "m1"}}
    if name in ("follow", "unfollow"):
        who = {"follower": {"id": USER}, "oa_id": OA}
    stamp = stamp or str(int(time.time() * 1000))
    return {"app_id": APP, "user_id_by_app": "1", "event_name": name, "timestamp": stamp, **who, **changes}


def sign(body: bytes, stamp: Any, first: str = APP, secret: str = SECRET) -> str:
    said = first.encode() + body + str(stamp).encode("utf-8", "replace") + secret.encode()
    return "mac=" + hashlib.sha256(said).hexdigest()


def raw(payload: Any) -> bytes:
    return json.dumps(payload, ensure_ascii=False).encode("utf-8", "replace")


@asynccontextmanager
async def serving(
    given: Settings, accept: Callable[[Incoming], Awaitable[bool]], **more: Any
) -> AsyncIterator[tuple[ZaloOA, Post]]:
    """An open channel and what posts a body to it, signed unless the header is given."""
    channel = ZaloOA(given, **more)
    transport = httpx.ASGITransport(Starlette(routes=channel.routes), raise_app_exceptions=True)

    async def post(payload: Any, mac: str | bytes | None = "", **headers: str) -> httpx.Response:
        body = payload if isinstance(payload, bytes) else raw(payload)
        if mac == "":
            mac = sign(body, payload["timestamp"])
        sent: dict[str, Any] = {**headers, **({} if mac is None else {"X-ZEvent-Signature": mac})}
        return await http.post(PATH, content=body, headers=sent)

    async with channel.open(accept), httpx.AsyncClient(transport=transport, base_url="http://bot") as http:
        yield channel, post


@pytest.fixture
def kept() -> Kept:
    return []


@pytest.fixture
async def post(tmp_path: Path, kept: Kept) -> AsyncIterator[Post]:
    async with serving(settings(tmp_path), keeping(kept)) as (_, posting):
        yield posting


def keeping(kept: Kept) -> Callable[[Incoming], Awaitable[bool]]:
    """As the gateway keeps: the same delivery again is no new one."""

    async def accept(incoming: Incoming) -> bool:
        new = all((one.user, one.delivery) != (incoming.user, incoming.delivery) for one in kept)
        if new:
            kept.append(incoming)
        return new

    return accept


# -- what Zalo sends


def recorded() -> list[Any]:
    if not SIGNATURES.is_file():
        why = "the recorded payloads are not here (../shared)"
        return [pytest.param("", "", marks=pytest.mark.skip(reason=why))]
    return list(json.loads(SIGNATURES.read_text()).items())


EXPECTED = {
    "user_send_text": "text", "user_send_link": "text", "user_send_sticker": "other", "user_send_image": "photo",
    "user_send_audio": "other", "user_send_video": "photo", "user_send_file": "photo", "user_send_location": "place",
    "follow": "follow", "unfollow": "unfollow",
}  # fmt: skip


@pytest.mark.parametrize(("name", "mac"), recorded())
async def test_recorded_payloads_are_taken(
    name: str, mac: str, tmp_path: Path, kept: Kept, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(zalo_oa, "OLDEST", math.inf)
    body = (FIXTURES / f"{name}.json").read_bytes().removesuffix(b"\n")
    payload = json.loads(body)
    given = settings(tmp_path, zalo_app_id=payload["app_id"], zalo_secret="oa-secret", zalo_oa_id="")
    with caplog.at_level(logging.INFO, "bot"):
        async with serving(given, keeping(kept)) as (_, post):
            assert (await post(body, mac)).status_code == 200
            assert (await post(body, mac)).status_code == 200
            assert (await post(body, mac[:-1] + ("0" if mac[-1] != "0" else "1"))).status_code == 403
    kind = EXPECTED.get(payload["event_name"])
    assert [one.kind for one in kept] == ([kind] if kind else [])
    user = payload.get("sender", payload.get("follower", {"id": "x"}))["id"]
    if kind:
        (incoming,) = kept
        assert (incoming.channel, incoming.user, incoming.place) == ("zalo", user, {"user": user})
        assert incoming.text == (payload["message"]["text"] if kind == "text" else "")
        assert incoming.sent == float(payload["timestamp"])
        assert incoming.limited
    for private in (user, "Name Example", "84912345678", "10.7923119", "Cơm Coffee", "Chào A4B"):
        assert private not in caplog.text
        assert kind == "text" or private == user or private not in repr(kept)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("user_send_gif", "photo"), ("user_send_business_card", "other"), ("user_send_image", "photo")],
)
async def test_other_kinds(post: Post, kept: Kept, name: str, kind: str) -> None:
    message = {"msg_id": "m2", "attachments": [{"type": "x", "payload": {"phone": "0912345678"}}]}
    assert (await post(event(name, message=message))).status_code == 200
    assert [(one.kind, one.text, one.delivery) for one in kept] == [(kind, "", "msg:m2")]


@pytest.mark.parametrize(
    "name", ["oa_send_text", "user_reacted_message", "user_received_message", "add_user_to_tag", "something_new"]
)
async def test_events_that_do_not_concern_us_are_dropped(
    post: Post, kept: Kept, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    payload = event(name)
    if name.startswith("oa_"):
        payload |= {"sender": {"id": OA}, "recipient": {"id": USER}}
    elif name != "user_reacted_message":
        del payload["sender"], payload["recipient"], payload["message"]
    with caplog.at_level(logging.INFO, "bot"):
        assert (await post(payload)).status_code == 200
    assert kept == []
    assert f"left aside: {name}" in caplog.text
    assert USER not in caplog.text


@pytest.mark.parametrize(
    ("said", "button", "text"),
    [
        ("nut-Ab3_-xYz", "Ab3_-xYz", ""),
        ("nut-#2", "#2", ""),
        ("nut-", None, "nut-"),
        ("nut-a b", None, "nut-a b"),
        ("bấm nut-abc", None, "bấm nut-abc"),
        ("nut-" + "x" * 65, None, "nut-" + "x" * 65),
        ("", None, ""),
        ("/start 1.001193", None, "/start 1.001193"),
    ],
)
async def test_a_tapped_button_is_told_from_words(
    post: Post, kept: Kept, said: str, button: str | None, text: str
) -> None:
    await post(event(message={"text": said, "msg_id": "m1"}))
    assert [(one.button, one.text, one.kind) for one in kept] == [(button, text, "text")]


async def test_half_a_letter_can_be_stored(post: Post, kept: Kept) -> None:
    body = json.dumps(event(message={"text": "ch\ud800ào", "msg_id": "m"})).encode()
    stamp = json.loads(body)["timestamp"]
    assert (await post(body, sign(body, stamp))).status_code == 200
    kept[0].text.encode()


async def test_deliveries_without_a_message_are_told_apart_without_naming_anybody(post: Post, kept: Kept) -> None:
    stamp = str(int(time.time() * 1000))
    for name, number, when in (("follow", USER, stamp), ("follow", USER, stamp), ("unfollow", USER, stamp),
                               ("follow", "77", stamp), ("follow", USER, str(int(stamp) + 1))):  # fmt: skip
        assert (await post(event(name, when, follower={"id": number}))).status_code == 200
    assert len(kept) == len({one.delivery for one in kept}) == 4
    assert not any(USER in one.delivery for one in kept)


# -- what only pretends to come from Zalo


def forged() -> list[Any]:
    payload = event()
    body, stamp = raw(payload), payload["timestamp"]
    right = sign(body, stamp)
    swapped = hashlib.sha256(SECRET.encode() + body + stamp.encode() + APP.encode()).hexdigest()
    made = {
        "unsigned": None, "empty": "mac=", "truncated": right[:-1], "longer": right + "0", "no prefix": right[4:],
        "upper": right.upper(), "other secret": sign(body, stamp, secret="khac"), "oa id first": sign(body, stamp, OA),
        "no secret": sign(body, stamp, secret=""), "swapped": f"mac={swapped}", "not ASCII": "mac=giả".encode(),
        "other body": sign(body + b" ", stamp), "other time": sign(body, int(stamp) + 1), "spaces": right + " x",
    }  # fmt: skip
    return [pytest.param(body, mac, id=name) for name, mac in made.items()]


@pytest.mark.parametrize(("body", "mac"), forged())
async def test_forgeries_are_refused(post: Post, kept: Kept, body: bytes, mac: str | bytes | None) -> None:
    assert (await post(body, mac)).status_code == 403
    assert kept == []


async def test_a_replay_is_acknowledged_and_kept_once(post: Post, kept: Kept) -> None:
    payload = event()
    assert [(await post(payload)).status_code for _ in range(3)] == [200] * 3
    later = {**payload, "timestamp": str(int(payload["timestamp"]) + 1)}  # same message, delivered anew
    assert (await post(later)).status_code == 200
    assert len(kept) == 1


@pytest.mark.parametrize(("seconds", "status"), [(-3 * 86400, 403), (-86400, 200), (60, 200), (3600, 403)])
async def test_old_and_future_deliveries_are_refused(post: Post, kept: Kept, seconds: int, status: int) -> None:
    assert (await post(event(stamp=str(int((time.time() + seconds) * 1000))))).status_code == status
    assert len(kept) == (status == 200)


async def test_the_clock_is_the_channel_s(tmp_path: Path, kept: Kept) -> None:
    payload = event(stamp="1717061839659")
    async with serving(settings(tmp_path), keeping(kept), clock=lambda: 1717061900.0) as (_, post):
        assert (await post(payload)).status_code == 200
    async with serving(settings(tmp_path), keeping(kept)) as (_, post):
        assert (await post(payload)).status_code == 403


@pytest.mark.parametrize(
    "changes",
    [
        {"app_id": "1"},
        {"app_id": None},
        {"recipient": {"id": "1"}},
        {"recipient": {}},
        {"recipient": None},
        {"event_name": "oa_send_text", "sender": {"id": "1"}},
        {"event_name": "follow", "recipient": None, "oa_id": "1", "follower": {"id": USER}},
    ],
)
async def test_deliveries_for_others_are_refused(post: Post, kept: Kept, changes: dict[str, Any]) -> None:
    assert (await post(event(**changes))).status_code == 403
    assert kept == []


async def test_the_signature_may_begin_with_the_account(tmp_path: Path, kept: Kept) -> None:
    payload = event()
    body = raw(payload)
    async with serving(settings(tmp_path, zalo_sign_with="oa_id"), keeping(kept)) as (_, post):
        assert (await post(body, sign(body, payload["timestamp"]))).status_code == 403
        assert (await post(body, sign(body, payload["timestamp"], OA))).status_code == 200
    assert len(kept) == 1


async def test_the_first_day_s_mode_says_what_it_would_refuse(
    tmp_path: Path, kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "bot"):
        async with serving(settings(tmp_path, zalo_log_only=True), keeping(kept)) as (_, post):
            assert "TTHC_ZALO_LOG_ONLY is set" in caplog.text
            assert (await post(event(message={"text": "a", "msg_id": "1"}), "mac=sai")).status_code == 200
            assert "the signature is wrong" in caplog.text
            assert (await post(event(message={"text": "b", "msg_id": "2"}))).status_code == 200
            assert "signature of Zalo's is right" in caplog.text
            assert (await post(event(stamp="1", message={"text": "c", "msg_id": "3"}))).status_code == 200
            assert (await post(event(app_id="1"))).status_code == 403
            assert (await post(b"[]", "mac=sai")).status_code == 400
    assert [one.text for one in kept] == ["a", "b", "c"]


# -- what cannot be read


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"1", b"null", b'"x"', b"\xff\xfe", b"\x00", b"[" * 100_000, b'{"a":' * 100_000,
        b'{"event_name":"user_send_text","timestamp":NaN}', b"9" * 10_000,
    ],
    ids=range(12),
)  # fmt: skip
async def test_what_is_no_event_is_refused(post: Post, kept: Kept, body: bytes) -> None:
    assert (await post(body, "mac=x")).status_code == 400
    assert kept == []


@pytest.mark.parametrize(
    "changes",
    [
        {"timestamp": None}, {"timestamp": 1717061839659}, {"timestamp": "x"}, {"timestamp": "-1"},
        {"timestamp": "٣"}, {"timestamp": "9" * 400}, {"event_name": None}, {"event_name": ["user_send_text"]},
        {"event_name": ""}, {"sender": None}, {"sender": USER}, {"sender": {"id": 5}}, {"sender": {"id": ""}},
        {"sender": {"id": "x" * 300}}, {"sender": {"id": "giả"}}, {"message": None}, {"message": []},
        {"message": {"msg_id": "m"}}, {"message": {"msg_id": 5, "text": "x"}}, {"message": {"msg_id": "m", "text": 5}},
        {"message": {"msg_id": "m", "text": None}}, {"message": {"msg_id": ["m"], "text": "x"}},
    ],
)  # fmt: skip
async def test_signed_but_misshapen_deliveries_are_refused(post: Post, kept: Kept, changes: dict[str, Any]) -> None:
    payload = event() | changes
    body = raw(payload)
    assert (await post(body, sign(body, payload["timestamp"]))).status_code == 400
    assert kept == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from([*zalo_oa.KINDS, "oa_send_text", "user_submit_info", "user_reacted_message"])
NEAR = st.fixed_dictionaries(
    {},
    optional={
        "event_name": NAMES | JSON,
        "timestamp": st.integers(0, 10**14).map(str) | JSON,
        "sender": st.fixed_dictionaries({"id": st.just(USER) | JSON}) | JSON,
        "recipient": st.fixed_dictionaries({"id": st.just(OA) | JSON}) | JSON,
        "follower": st.fixed_dictionaries({"id": st.just(USER) | JSON}) | JSON,
        "message": st.fixed_dictionaries({}, optional={"text": st.text() | JSON, "msg_id": st.text() | JSON}) | JSON,
        "app_id": st.just(APP) | JSON,
        "oa_id": st.just(OA) | JSON,
    },
)


@given(payloads=st.lists(NEAR | JSON, min_size=1, max_size=8), junk=st.binary(max_size=60), mac=st.binary(max_size=80))
@tuned(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_is_too_strange(payloads: list[Any], junk: bytes, mac: bytes, tmp_path: Path) -> None:
    async def all_of_them() -> set[int]:
        kept: Kept = []
        async with serving(settings(tmp_path), keeping(kept)) as (_, post):
            bodies = [json.dumps(payload).encode() for payload in payloads]
            stamps = [payload.get("timestamp") if isinstance(payload, dict) else "" for payload in payloads]
            found = {(await post(junk, b"mac=" + mac.replace(b"\n", b"").replace(b"\r", b"").strip())).status_code}
            for body, stamp in zip(bodies, stamps, strict=True):
                found.add((await post(body, sign(body, stamp))).status_code)
                found.add((await post(body, None)).status_code)
        for one in kept:
            json.dumps([one.place, one.text, one.delivery]).encode()
        return found

    assert asyncio.run(all_of_them()) <= {200, 400, 403}


# -- keeping


@pytest.mark.parametrize(
    ("error", "status"),
    [(BusyError(), 429), (sqlite3.OperationalError("database is locked"), 503), (OSError("đầy đĩa"), 503),
     (ValueError("lời riêng tư"), 503)],
)  # fmt: skip
async def test_what_cannot_be_kept_is_not_acknowledged(
    tmp_path: Path, error: Exception, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def accept(_: Incoming) -> bool:
        raise error

    async with serving(settings(tmp_path), accept) as (_, post):
        assert (await post(event())).status_code == status
        assert (await post(event(), "mac=x")).status_code == 403
        assert (await post(event("oa_send_text", sender={"id": OA}))).status_code == 200
    assert "riêng tư" not in caplog.text


async def test_nothing_is_acknowledged_before_it_is_kept(tmp_path: Path) -> None:
    keep = asyncio.Event()

    async def accept(_: Incoming) -> bool:
        return await keep.wait()

    async with serving(settings(tmp_path), accept) as (_, post):
        posting = asyncio.ensure_future(post(event()))
        await asyncio.sleep(0.1)
        assert not posting.done()
        keep.set()
        assert (await posting).status_code == 200


async def test_a_closed_channel_takes_and_sends_nothing(tmp_path: Path) -> None:
    channel = ZaloOA(settings(tmp_path))
    transport = httpx.ASGITransport(Starlette(routes=channel.routes))
    body = raw(payload := event())
    async with httpx.AsyncClient(transport=transport, base_url="http://bot") as http:
        signed = {"X-ZEvent-Signature": sign(body, payload["timestamp"])}
        assert (await http.post(PATH, content=body, headers=signed)).status_code == 503
        assert (await http.get(PATH)).status_code == 405
    with pytest.raises(LaterError):
        await channel.send({"user": USER}, Part("chào"))


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"zalo_app_id": ""}, "APP_ID"),
        ({"zalo_secret": ""}, "SECRET"),
        ({"zalo_app_secret": ""}, "APP_SECRET"),
        ({"zalo_refresh_token": ""}, "REFRESH_TOKEN"),
        ({"zalo_sign_with": "oa_id", "zalo_oa_id": ""}, "OA_ID"),
    ],
)
async def test_settings_that_will_not_do_are_refused(tmp_path: Path, changes: dict[str, str], name: str) -> None:
    with pytest.raises(RefusedError, match=f"TTHC_ZALO_{name}"):
        async with ZaloOA(settings(tmp_path, **changes)).open(keeping([])):
            pass


# -- out, to a Zalo of our own

Send = Callable[..., Awaitable[None]]
Serve = Callable[..., AbstractAsyncContextManager[ZaloOA]]


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


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zalo_api, "HOLD", 0.5)
    monkeypatch.setattr(zalo_tokens, "AGAIN_LATER", 0.2)


@pytest.fixture
async def channel(server: ZaloServer, oa: Official, tmp_path: Path) -> AsyncIterator[ZaloOA]:
    given = Settings(_env_file=None, home=tmp_path, **oa.settings(server))  # type: ignore[arg-type]
    async with ZaloOA(given).open(keeping([])) as opened:
        yield opened


@e2e
async def test_a_part_is_sent_with_its_buttons(channel: ZaloOA, server: ZaloServer, user: ZaloUser) -> None:
    await user.say("chào")
    labels = [("Giấy tờ", "k1"), ("Phí", "k2"), ("Ở đâu", "k3"), ("Bao lâu", "k4"), ("Xem thêm", "k5")]
    assert channel.quota is None
    await channel.busy({"user": user.id})
    await channel.send({"user": user.id}, Part("Bạn cần gì?", tuple(labels)))
    await channel.send({"user": user.id}, Part("x" * 2000))
    await channel.send({"user": user.id}, Part("Một nút", (("Nhãn " + "dài " * 40, "k6"),)))
    first, second, third = await user.replies(3)
    assert (first.text, first.labels) == ("Bạn cần gì?", [label for label, _ in labels])
    assert [(b["type"], b["payload"]) for b in first.buttons] == [("oa.query.hide", f"nut-k{i}") for i in range(1, 6)]
    assert (len(second.text), second.buttons) == (2000, [])
    assert len(third.labels[0]) == 100
    assert channel.quota == Quota("reply", 5, 8, channel.quota.expires if channel.quota else "")
    assert channel.look.limit == 2000
    assert channel.look.buttons == 5
    assert channel.look.render("**Phí**: 8.000") == "Phí: 8.000"


async def failure(channel: ZaloOA, user: ZaloUser, part: Part | None = None) -> SendError:
    with pytest.raises(SendError) as raised:
        await channel.send({"user": user.id}, part or Part("chào"))
    assert user.id not in str(raised.value)
    return raised.value


@e2e
@pytest.mark.parametrize(
    ("code", "kind", "after"),
    [
        (-213, GoneError, None), (-230, GoneError, None), (-32, LaterError, None), (-211, LaterError, 600),
        (-218, LaterError, 600), (-210, WrongError, None), (-201, WrongError, None), (-224, WrongError, None),
        (-999, WrongError, None), (100, WrongError, None),
    ],
)  # fmt: skip
async def test_refusals(
    channel: ZaloOA, server: ZaloServer, user: ZaloUser, code: int, kind: type[SendError], after: float | None
) -> None:
    await user.say("chào")
    server.fail(user.key, "send", error=code)
    error = await failure(channel, user)
    assert type(error) is kind
    assert str(code) in str(error)
    assert getattr(error, "after", None) == after
    assert len(server.calls(user.key, "send")) == 1
    await channel.send({"user": user.id}, Part("lại"))
    assert [shown.text for shown in await user.replies()] == ["lại"]


@e2e
@pytest.mark.parametrize(
    ("fault", "kind", "after", "sent"),
    [
        ({"status": 500}, LaterError, None, 0), ({"status": 503}, LaterError, None, 0),
        ({"status": 504}, UnsureError, None, 0), ({"status": 429, "retry_after": "7"}, LaterError, 7, 0),
        ({"status": 429}, LaterError, None, 0), ({"status": 429, "retry_after": "Wed, 21 Oct"}, LaterError, None, 0),
        ({"status": 404}, WrongError, None, 0), ({"status": 200}, UnsureError, None, 0),
        ({"close": True}, UnsureError, None, 0), ({"close": True, "done": True}, UnsureError, None, 1),
    ],
)  # fmt: skip
async def test_failures_of_the_call(
    channel: ZaloOA, server: ZaloServer, user: ZaloUser, fault: Any, kind: type[SendError], after: Any, sent: int
) -> None:
    await user.say("chào")
    server.fail(user.key, "send", **fault)
    error = await failure(channel, user)
    assert type(error) is kind
    assert getattr(error, "after", None) == after
    assert len(server.sent(user.key)) == sent


@e2e
async def test_an_answer_that_takes_too_long_is_unsure(
    server: ZaloServer, oa: Official, user: ZaloUser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zalo_oa, "TIMEOUT", httpx.Timeout(0.5))
    await user.say("chào")
    given = Settings(_env_file=None, home=tmp_path, **oa.settings(server))  # type: ignore[arg-type]
    async with ZaloOA(given).open(keeping([])) as channel:
        server.fail(oa.key, "send", slow=1.5)
        assert type(await failure(channel, user)) is UnsureError
    assert len(await user.replies()) == 1


@e2e
async def test_a_zalo_out_of_reach(server: ZaloServer, oa: Official, user: ZaloUser, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    for api, kind in ((f"http://127.0.0.1:{port}", LaterError), ("khong-phai-dia-chi", WrongError)):
        given = Settings(_env_file=None, home=tmp_path, **{**oa.settings(server), "zalo_api": api})  # type: ignore[arg-type]
        async with ZaloOA(given).open(keeping([])) as channel:
            assert type(await failure(channel, user)) is kind


@e2e
async def test_the_windows_in_which_people_may_be_answered(server: ZaloServer, tmp_path: Path) -> None:
    oa = server.new_oa(echo=False, life=30 * 24 * HOUR)
    user = ZaloUser(server, oa.key, str(next(ids)))
    given = Settings(_env_file=None, home=tmp_path, **oa.settings(server))  # type: ignore[arg-type]
    async with ZaloOA(given).open(keeping([])) as channel:
        assert type(await failure(channel, user)) is GoneError
        await user.say("chào")
        await channel.send({"user": user.id}, Part("1"))
        server.set(oa.key, advance=49 * HOUR)
        await channel.send({"user": user.id}, Part("2"))
        assert channel.quota is not None
        assert channel.quota.kind == "sub_quota"
        server.set(oa.key, quota=0)
        assert getattr(await failure(channel, user), "after", None) == 600
        server.set(oa.key, advance=120 * HOUR, quota=9)
        assert type(await failure(channel, user)) is GoneError
        await user.say("lại")
        await channel.send({"user": user.id}, Part("3"))
        await user.unfollow()
        assert type(await failure(channel, user)) is GoneError
    assert [shown.text for shown in await user.replies()] == ["1", "2", "3"]


@e2e
@pytest.mark.parametrize("forget", [False, True])
async def test_an_ended_token_is_renewed_and_the_message_sent(
    channel: ZaloOA, server: ZaloServer, oa: Official, user: ZaloUser, forget: bool
) -> None:
    await user.say("chào")
    await channel.send({"user": user.id}, Part("1"))
    server.expire(oa.key, forget=forget)
    await asyncio.gather(*(channel.send({"user": user.id}, Part(str(n))) for n in range(2, 7)))
    assert sorted(shown.text for shown in await user.replies(6)) == list("123456")
    assert len(server.calls(oa.key, "refresh")) == 2


@e2e
async def test_a_token_that_stays_refused_is_tried_once(
    channel: ZaloOA, server: ZaloServer, oa: Official, user: ZaloUser
) -> None:
    await user.say("chào")
    server.fail(oa.key, "send", times=2, error=-216)
    assert type(await failure(channel, user)) is LaterError
    assert len(server.calls(oa.key, "send")) == 2
    server.expire(oa.key)
    server.fail(oa.key, "refresh", status=503)
    assert type(await failure(channel, user)) is LaterError
    assert server.sent(oa.key) == []


@e2e
async def test_nothing_is_sent_for_a_moment_when_the_rate_is_used_up(
    channel: ZaloOA, server: ZaloServer, oa: Official, user: ZaloUser
) -> None:
    await user.say("chào")
    server.set(oa.key, rate=2)
    await channel.send({"user": user.id}, Part("1"))
    await channel.send({"user": user.id}, Part("2"))
    began = time.monotonic()
    assert type(await failure(channel, user)) is LaterError  # Zalo's minute is not over
    assert time.monotonic() - began >= 0.4
    assert len(server.sent(oa.key)) == 2


@e2e
async def test_logs_and_errors_hold_no_token_no_id_and_no_words(
    server: ZaloServer, oa: Official, user: ZaloUser, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await user.say("chào")
    said = []
    given = Settings(_env_file=None, home=tmp_path, **oa.settings(server))  # type: ignore[arg-type]
    with caplog.at_level(logging.DEBUG):
        async with ZaloOA(given).open(keeping([])) as channel:
            await channel.send({"user": user.id}, Part("lời kín đáo"))
            for fault in ({"error": -201}, {"close": True}, {"status": 404}, {"times": 2, "error": -216}):
                server.fail(oa.key, "send", **fault)
                said.append(repr(await failure(channel, user, Part("lời kín đáo"))))
    tokens = json.loads((tmp_path / zalo_tokens.FILE).read_text())
    for secret in (
        oa.refresh_token,
        oa.app_secret,
        oa.secret,
        tokens["access"],
        *tokens["refresh"],
        user.id,
        "kín đáo",
    ):
        assert secret not in caplog.text + "".join(said)


# -- there and back


@asynccontextmanager
async def listening(channel: ZaloOA) -> AsyncIterator[str]:
    """The channel's routes on a port; the webhook's address."""
    with socket.create_server(("127.0.0.1", 0)) as port:
        config = uvicorn.Config(Starlette(routes=channel.routes), ws="none", lifespan="off", log_level="error")
        web = uvicorn.Server(config)
        task = asyncio.create_task(web.serve(sockets=[port]))
        try:
            yield f"http://127.0.0.1:{port.getsockname()[1]}{PATH}"
        finally:
            web.should_exit = True
            await task


@e2e
async def test_a_conversation(server: ZaloServer, tmp_path: Path) -> None:
    oa = server.new_oa(retry_factor=0.002)
    user = ZaloUser(server, oa.key, str(next(ids)))
    given = Settings(_env_file=None, home=tmp_path, **oa.settings(server))  # type: ignore[arg-type]
    channel, kept, refuse = ZaloOA(given), [], 2
    keep = keeping(kept)

    async def accept(incoming: Incoming) -> bool:
        nonlocal refuse
        if incoming.text == "khó giữ" and refuse:
            refuse -= 1
            raise BusyError if refuse else sqlite3.OperationalError
        new = await keep(incoming)
        if new and incoming.kind == "text":
            await channel.send(incoming.place, Part(f"nghe: {incoming.text or incoming.button}", (("Phí", "k1"),)))
        return new

    async with channel.open(accept), listening(channel) as url:
        server.set(oa.key, webhook=url)
        await user.follow()
        server.set(oa.key, duplicate=1)
        await user.say("mất giấy khai sinh")
        (reply,) = await user.replies()
        assert (reply.text, reply.labels) == ("nghe: mất giấy khai sinh", ["Phí"])
        await user.tap("Phí")
        assert [shown.text for shown in await user.replies()] == ["nghe: k1"]
        await user.say("khó giữ")
        assert [shown.text for shown in await user.replies()] == ["nghe: khó giữ"]
        await user.send_image()
        await user.send_location()
        server.set(oa.key, reorder=3)
        for said in "abc":
            await user.say(said)
        assert [shown.text for shown in await user.replies(3)] == ["nghe: c", "nghe: b", "nghe: a"]
        before = len(kept)
        server.set(oa.key, forge=["wrong", "truncated", "missing", "tampered", "other-secret", "garbage"])
        for number in range(6):
            await user.say(f"giả {number}")
        await user.unfollow()
        for _ in range(200):
            if kept[-1].kind == "unfollow" and all(d["attempts"] for d in server.deliveries(oa.key)):
                break
            await asyncio.sleep(0.05)
        made = server.deliveries(oa.key)
    assert [one.kind for one in kept[before:]] == ["unfollow"]
    assert [one.kind for one in kept[:before]] == ["follow", "text", "text", "text", "photo", "place", *["text"] * 3]
    assert [one.sent for one in kept[6:9]] == sorted((one.sent for one in kept[6:9]), reverse=True)
    assert {d["attempts"][0]["status"] for d in made if d["lie"]} == {403}
    assert [[a["status"] for a in d["attempts"]] for d in made if len(d["attempts"]) > 1] == [[429, 503, 200]]
    assert all(d["accepted"] for d in made if not d["lie"])
    assert {d["event"] for d in made} >= {"oa_send_text", "user_send_text", "follow", "unfollow"}
    assert max(a["seconds"] for d in made for a in d["attempts"]) < 2
