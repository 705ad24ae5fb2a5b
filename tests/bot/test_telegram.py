"""The Telegram channel against a Bot API on 127.0.0.1: what it hands over, what it sends, how it starts and stops."""

from __future__ import annotations

import asyncio
import io
import itertools
import logging
import socket
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from desk import Desk, until

from bot.channels import telegram, telegram_api
from bot.channels.telegram import TelegramChannel
from bot.channels.telegram_api import MENU, keyboard_of
from bot.gateway import payload_of
from bot.message import BusyError, GoneError, Incoming, LaterError, SendError, UnsureError, WrongError
from bot.render import dress, units
from bot.reply import Button, Part, Reply
from bot.settings import Settings
from knowledge.errors import RefusedError
from tests.telegram_server import USERNAME, TelegramServer, TelegramUser

pytestmark = pytest.mark.e2e  # a Bot API server of its own

BUTTONS = (("Giấy tờ", "k0"), ("Nơi nộp", "k1"), ("Đăng ký khai sinh cho con", "k2"))
ids = itertools.count(700_000_001)


Open = Callable[..., AbstractAsyncContextManager[TelegramChannel]]


@pytest.fixture(scope="module")
def server() -> Iterator[TelegramServer]:
    with TelegramServer.running() as running:
        yield running


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telegram_api, "PAUSES", (0.05, 0.1, 0.2))
    monkeypatch.setattr(telegram, "AGAIN", (0.1, 0.4))


@pytest.fixture
def token(server: TelegramServer) -> str:
    return server.new_bot()


@pytest.fixture
def user(server: TelegramServer, token: str) -> TelegramUser:
    return TelegramUser(server, token, next(ids))


@pytest.fixture
def member(server: TelegramServer, token: str) -> TelegramUser:
    """Somebody in a group."""
    return TelegramUser(server, token, next(ids), chat_id=-1_001_000_000_000 - next(ids))


@pytest.fixture
async def desk() -> Desk:
    return Desk()


@pytest.fixture
def opened(server: TelegramServer, token: str, tmp_path: Path) -> Open:
    """Opens a channel: ``async with opened(desk, telegram_token=…) as channel``."""

    @asynccontextmanager
    async def opening(desk: Desk, **changes: Any) -> AsyncIterator[TelegramChannel]:
        given = {"home": tmp_path, "telegram_token": token, "telegram_api": server.api, **changes}
        channel = TelegramChannel(Settings(_env_file=None, **given))
        async with channel.open(desk.accept):
            yield channel

    return opening


def at(user: TelegramUser, **more: Any) -> dict[str, Any]:
    return {"chat": user.chat_id, **more}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


# -- in: words and taps


async def test_words_are_handed_over(opened: Open, user: TelegramUser, desk: Desk) -> None:
    async with opened(desk) as channel:
        await user.say("mất giấy khai sinh")
        (heard,) = await desk.hears()
    assert (channel.name, channel.routes) == ("telegram", [])
    assert heard == Incoming(
        "telegram", str(user.id), "mất giấy khai sinh", heard.delivery, place={"chat": user.id}, chat=str(user.id),
        sent=float(heard.delivery.removeprefix("m")),
    )  # fmt: skip


@pytest.mark.parametrize("link", ["/start 1_001193", "/start 1.001193"])
async def test_a_deep_link_names_a_procedure(opened: Open, user: TelegramUser, desk: Desk, link: str) -> None:
    async with opened(desk):
        await user.say(link, entities=[{"type": "bot_command", "offset": 0, "length": 6}])
        (heard,) = await desk.hears()
    assert heard.text == link
    assert payload_of(heard.text) == '/open_procedure{"code": "1.001193"}'


async def test_a_tap_tells_its_key_and_its_message(
    opened: Open, server: TelegramServer, user: TelegramUser, desk: Desk
) -> None:
    async with opened(desk) as channel:
        await channel.send(at(user), Part("Bước 1", BUTTONS))
        (shown,) = await user.replies()
        await user.tap("Nơi nộp")
        (heard,) = await desk.hears()
        await until(lambda: server.calls(user.token, "answerCallbackQuery"))
    assert (heard.text, heard.button, heard.kind, heard.user) == ("", "k1", "text", str(user.id))
    assert heard.place == {"chat": user.id, "tapped": shown.id}
    assert heard.chat == str(user.id)
    assert not heard.group


async def test_a_tap_is_acknowledged_whatever_becomes_of_it(
    opened: Open, server: TelegramServer, user: TelegramUser
) -> None:
    full = Desk(*[sqlite3.OperationalError("database or disk is full")] * 100)
    server.fail(user.token, "answerCallbackQuery", 400, "Bad Request: query is too old")
    async with opened(full):
        await user.press("k0", 1)
        await until(lambda: len(server.calls(user.token, "answerCallbackQuery")) > 1)
    assert full.heard == []


async def test_updates_come_in_order(opened: Open, user: TelegramUser, desk: Desk) -> None:
    await user.press("k9", 1)
    for said in "abc":
        await user.say(said)
    async with opened(desk):  # all in one batch
        heard = await desk.hears_only(4)
    assert [one.text or one.button for one in heard] == ["k9", "a", "b", "c"]
    assert sorted(one.sent for one in heard) == [one.sent for one in heard]
    assert len({one.delivery for one in heard}) == 4


async def test_who_blocks_the_bot_leaves(opened: Open, user: TelegramUser, member: TelegramUser, desk: Desk) -> None:
    def changed(status: str) -> dict[str, Any]:
        bot = {"id": 1, "is_bot": True, "first_name": "Bot"}
        until = {"until_date": 0} if status == "kicked" else {}
        old = {"user": bot, "status": "member"}
        return {"old_chat_member": old, "new_chat_member": {"user": bot, "status": status, **until}}

    async with opened(desk):
        await user.update(my_chat_member=changed("kicked"))
        await user.update(my_chat_member=changed("member"))
        await member.update(my_chat_member=changed("kicked"))
        (heard,) = await desk.hears_only(1)
    assert (heard.kind, heard.user, heard.text, heard.place) == ("unfollow", str(user.id), "", {"chat": user.id})


# -- in: other contents

FILE = {"file_id": "a", "file_unique_id": "b", "file_size": 10}
SIZE = {"width": 9, "height": 9}
PHOTO = {"photo": [{**FILE, **SIZE}], "caption": "căn cước 052090001234 đây"}
SPOT = {"latitude": 13.77, "longitude": 109.22}
CONTENTS: list[tuple[str, dict[str, Any]]] = [
    ("photo", PHOTO),
    ("photo", {"document": {**FILE, "file_name": "can-cuoc.pdf"}}),
    ("photo", {"video": {**FILE, **SIZE, "duration": 3}}),
    ("photo", {"video_note": {**FILE, "length": 9, "duration": 3}}),
    ("photo", {"animation": {**FILE, **SIZE, "duration": 3}}),
    ("place", {"location": SPOT}),
    ("place", {"venue": {"location": SPOT, "title": "Nhà tôi", "address": "1 Lê Lợi"}, "location": SPOT}),
    ("other", {"voice": {**FILE, "duration": 3}}),
    ("other", {"audio": {**FILE, "duration": 3}}),
    ("other", {"sticker": {**FILE, **SIZE, "is_animated": False, "is_video": False, "type": "regular"}}),
    ("other", {"contact": {"phone_number": "0900000000", "first_name": "An"}}),
    ("other", {"dice": {"emoji": "🎲", "value": 3}}),
    ("other", {"something_new": {"private": "0900000000"}}),
]


@pytest.mark.parametrize(
    ("kind", "content"), CONTENTS, ids=lambda one: one if isinstance(one, str) else next(iter(one))
)
async def test_other_contents_are_told_by_kind_and_left_unread(
    opened: Open, server: TelegramServer, user: TelegramUser, desk: Desk, kind: str, content: dict[str, Any]
) -> None:
    async with opened(desk):
        await user.send(**content)
        (heard,) = await desk.hears()
    assert (heard.kind, heard.text, heard.button) == (kind, "", None)
    for private in ("052090001234", "can-cuoc", "13.77", "0900000000", "Lê Lợi", "file_id"):
        assert private not in repr(heard)
    assert not server.calls(user.token, "getFile")


async def test_an_album_is_one_delivery(opened: Open, user: TelegramUser, desk: Desk) -> None:
    async with opened(desk):
        for group in ("g1", "g1", "g2"):
            await user.send(**PHOTO, media_group_id=group)
        heard = await desk.hears_only(3)
    assert [one.delivery for one in heard] == ["ag1", "ag1", "ag2"]


async def test_what_telegram_says_of_a_chat_is_no_message(opened: Open, user: TelegramUser, desk: Desk) -> None:
    async with opened(desk):
        await user.send(pinned_message={"message_id": 1, "date": 1, "chat": user.chat})
        await user.send(new_chat_title="Tên mới")
        await desk.hears_only(0)


async def test_only_the_newest_text_counts_again_when_it_is_corrected(
    opened: Open, user: TelegramUser, desk: Desk
) -> None:
    async with opened(desk):
        for number, said in ((501, "khai sanh"), (502, "tam chú"), (501, "khai sanh")):  # the last one: delivered late
            await user.update(message={"message_id": number, "text": said})
        await desk.hears(3)
        await user.update(edited_message={"message_id": 501, "text": "khai sinh", "edit_date": 1})
        await user.update(edited_message={"message_id": 502, "text": "tam chú", "edit_date": 1})
        await user.update(edited_message={"message_id": 502, "edit_date": 1, "location": SPOT})
        await user.update(edited_message={"message_id": 502, "edit_date": 1, **PHOTO})
        await user.update(edited_message={"message_id": 502, "text": "tạm trú", "edit_date": 2})
        heard = await desk.hears_only(4)
    assert [one.text for one in heard] == ["khai sanh", "tam chú", "khai sanh", "tạm trú"]
    assert heard[1].delivery != heard[3].delivery


# -- in: groups


@pytest.mark.parametrize("said", ["chào cả nhà", "@nguoi_khac khai sinh ở đâu", f"@{USERNAME}2 ơi", "/start"])
async def test_a_group_is_left_alone(opened: Open, member: TelegramUser, desk: Desk, said: str) -> None:
    async with opened(desk):
        await member.say(said)
        await member.send(**PHOTO)
        await desk.hears_only(0)


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        (f"@{USERNAME} khai sinh ở đâu", "khai sinh ở đâu"),
        (f"khai sinh ở đâu @{USERNAME.upper()}?", "khai sinh ở đâu ?"),
        (f"/start@{USERNAME} 1.001193", "/start 1.001193"),
    ],
)
async def test_in_a_group_the_bot_listens_to_its_name(
    opened: Open, member: TelegramUser, desk: Desk, said: str, heard: str
) -> None:
    async with opened(desk):
        await member.update(message={"message_id": 77, "text": said})
        (one,) = await desk.hears()
    assert (one.user, one.text, one.group) == (str(member.id), heard, True)
    assert one.chat == str(member.chat_id)
    assert one.place == {"chat": member.chat_id, "answers": 77}


async def test_in_a_group_the_bot_listens_to_replies_to_it_in_their_topic(
    opened: Open, member: TelegramUser, desk: Desk
) -> None:
    bot = {"id": int(member.token.split(":")[0]), "is_bot": True, "first_name": "Bot"}
    mine = {"message_id": 5, "date": 1, "chat": member.chat, "from": bot}
    theirs = {**mine, "from": {"id": 6, "is_bot": False, "first_name": "An"}}
    async with opened(desk) as channel:
        await member.say("không phải với bot", reply_to_message=theirs)
        await member.say("còn phí?", reply_to_message=mine, message_thread_id=12, is_topic_message=True)
        (heard,) = await desk.hears_only(1)
        await channel.send(heard.place, Part("8.000 đồng", BUTTONS))
        (reply,) = await member.replies()
        await member.update(callback_query={"id": "7", "data": "k1", "chat_instance": "1", "message": {
            "message_id": reply.id, "date": 1, "chat": member.chat, "from": bot, "message_thread_id": 12,
            "is_topic_message": True}})  # fmt: skip
        tapped = (await desk.hears(2))[1]
    assert heard.text == "còn phí?"
    assert (reply.thread, reply.reply_to) == (12, heard.place["answers"])
    assert tapped.group
    assert tapped.place == {"chat": member.chat_id, "tapped": reply.id, "thread": 12}


async def test_other_bots_are_not_listened_to(opened: Open, member: TelegramUser, desk: Desk) -> None:
    async with opened(desk):
        await member.say(f"@{USERNAME} chào", **{"from": {"id": 5, "is_bot": True, "first_name": "Bot"}})
        await desk.hears_only(0)


# -- in: what cannot be kept or read


@pytest.mark.parametrize(
    "error", [BusyError(), sqlite3.OperationalError("database or disk is full: lời kín"), OSError(28, "lời kín")]
)
async def test_what_cannot_be_kept_is_asked_for_again(
    opened: Open, user: TelegramUser, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    await user.say("một")
    await user.say("hai")
    desk = Desk(error, error)
    async with opened(desk):
        heard = await desk.hears_only(2)
    assert [one.text for one in heard] == ["một", "hai"]
    assert f"an update could not be kept ({type(error).__name__}" in caplog.text
    assert "lời kín" not in caplog.text


async def test_what_was_not_kept_before_the_stop_comes_at_the_next_start(opened: Open, user: TelegramUser) -> None:
    full = Desk(*[sqlite3.OperationalError("full")] * 1000)
    async with opened(full):
        await user.say("đừng mất tôi")
        await until(lambda: len(full.errors) < 1000)
    desk = Desk()
    async with opened(desk):
        (heard,) = await desk.hears_only(1)
    assert heard.text == "đừng mất tôi"


async def test_a_correction_that_could_not_be_kept_comes_again(opened: Open, user: TelegramUser, desk: Desk) -> None:
    async with opened(desk):
        await user.update(message={"message_id": 5, "text": "khai sanh"})
        await desk.hears(1)
        desk.errors.append(sqlite3.OperationalError("database is locked"))
        await user.update(edited_message={"message_id": 5, "text": "khai sinh", "edit_date": 1})
        heard = await desk.hears_only(2)
    assert [one.text for one in heard] == ["khai sanh", "khai sinh"]


@pytest.mark.parametrize(
    "broken",
    [
        {"callback_query": {"id": "7"}},
        {"message": {"message_id": 1}},
        {"message": {"message_id": 1, "text": {"lời": "kín"}}},
        {"my_chat_member": {"new_chat_member": {}}},
    ],
)
async def test_an_update_that_cannot_be_read_does_not_stop_the_others(
    opened: Open, server: TelegramServer, user: TelegramUser, desk: Desk, broken: Any, caplog: pytest.LogCaptureFixture
) -> None:
    await user.say("trước")
    kind, content = next(iter(broken.items()))
    await user._http(
        "POST", "/_update", json={"token": user.token, "update": {kind: {"chat": user.chat, **content, "x": "kín"}}}
    )
    await user.say("sau")
    async with opened(desk):
        heard = await desk.hears_only(2)
    assert [one.text for one in heard] == ["trước", "sau"]
    assert "kín" not in caplog.text


async def test_polling_goes_on_after_a_failure(
    opened: Open, server: TelegramServer, user: TelegramUser, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    server.fail(user.token, "getUpdates", 409, "Conflict: terminated by other getUpdates request")
    server.fail(user.token, "getUpdates", 502, "Bad Gateway")
    server.fail(user.token, "getUpdates", close=True)
    server.fail(user.token, "getUpdates", 429, "Too Many Requests: retry after 0", parameters={"retry_after": 0})
    async with opened(desk):
        await user.say("một")
        await desk.hears_only(1)
    assert "another program uses the same token" in caplog.text
    assert len(server.calls(user.token, "getUpdates")) >= 5


# -- out


async def test_a_part_is_sent_with_its_buttons(opened: Open, user: TelegramUser, desk: Desk) -> None:
    outgoing = Reply("**Phí** < 8.000 & hơn", tuple(Button(label, "/x") for label, _ in BUTTONS))
    (part,) = dress(outgoing, [key for _, key in BUTTONS], TelegramChannel.look)
    async with opened(desk) as channel:
        await channel.send(at(user), part)
        (reply,) = await user.replies()
    assert reply.html == "<b>Phí</b> &lt; 8.000 &amp; hơn"
    assert reply.text == "Phí < 8.000 & hơn"
    rows = [[(button["text"], button["callback_data"]) for button in row] for row in reply.buttons]
    assert rows == [list(BUTTONS[:2]), [BUTTONS[2]]]
    assert (reply.thread, reply.reply_to, reply.edited) == (None, None, False)


async def test_a_long_reply_comes_in_parts_that_telegram_takes(opened: Open, user: TelegramUser, desk: Desk) -> None:
    long = "\n\n".join(f"**Đoạn {n}** & " + "chữ nghĩa 🏠 " * 60 for n in range(20))
    parts = dress(Reply(long, (Button("Xem tiếp", "/x"),)), ["k0"], TelegramChannel.look)
    async with opened(desk) as channel:
        for part in parts:
            await channel.send(at(user), part)
        shown = await user.replies(len(parts))
    assert len(shown) > 2
    assert all(units(one.html) <= 4096 for one in shown)
    assert [one.labels for one in shown] == [[]] * (len(shown) - 1) + [["Xem tiếp"]]
    assert " ".join(" ".join(one.text for one in shown).split()) == " ".join(long.replace("**", "").split())


async def test_what_is_too_long_or_no_html_is_wrong(opened: Open, user: TelegramUser, desk: Desk) -> None:
    async with opened(desk) as channel:
        with pytest.raises(WrongError, match="too long"):
            await channel.send(at(user), Part("x" * 4097))
        with pytest.raises(WrongError, match="Can't parse entities"):
            await channel.send(at(user), Part("<b>Phí"))


def test_a_key_that_telegram_would_refuse_is_noticed() -> None:
    assert keyboard_of(Part("Chọn", (("Nút", "k" * 64),)))
    assert keyboard_of(Part("Không có nút")) is None
    with pytest.raises(ValueError, match="64 bytes"):
        keyboard_of(Part("Chọn", (("Nút", "đ" * 33),)))


async def test_a_part_that_edits_takes_the_place_of_what_was_tapped(
    opened: Open, user: TelegramUser, desk: Desk
) -> None:
    async with opened(desk) as channel:
        await channel.send(at(user), Part("Bước 1", BUTTONS))
        (before,) = await user.replies()
        await user.tap("Giấy tờ")
        (tapped,) = await desk.hears()
        await channel.send(tapped.place, Part("Bước 2", (("Quay lại", "k3"),), edit=True))
        (after,) = await user.replies()
        await channel.send(tapped.place, Part("Phí"))
        await channel.send(at(user), Part("Bước 3", edit=True))
        fee, third = await user.replies(2)
    assert (after.edited, after.id, after.text, after.labels) == (True, before.id, "Bước 2", ["Quay lại"])
    assert (fee.edited, fee.text) == (False, "Phí")
    assert (third.edited, third.text) == (False, "Bước 3"), "nothing was tapped that it could take the place of"


@pytest.mark.parametrize(
    "said", ["Bad Request: message to edit not found", "Bad Request: message can't be edited"], ids=["gone", "too old"]
)
async def test_a_message_that_cannot_be_edited_is_sent(
    opened: Open, server: TelegramServer, user: TelegramUser, desk: Desk, said: str
) -> None:
    async with opened(desk) as channel:
        await channel.send(at(user), Part("Bước 1", BUTTONS))
        (first,) = await user.replies()
        server.fail(user.token, "editMessageText", 400, said)
        await channel.send(at(user, tapped=first.id), Part("Bước 2", (("Tiếp", "k9"),), edit=True))
        (reply,) = await user.replies()
        await channel.send(at(user, tapped=99_999), Part("Bước 3", edit=True))
        (last,) = await user.replies()
    assert (reply.edited, reply.text, reply.labels) == (False, "Bước 2", ["Tiếp"])
    assert (last.edited, last.text) == (False, "Bước 3")


async def test_a_message_that_stays_the_same_is_left(
    opened: Open, server: TelegramServer, user: TelegramUser, desk: Desk
) -> None:
    async with opened(desk) as channel:
        await channel.send(at(user), Part("Vẫn thế", BUTTONS))
        (first,) = await user.replies()
        await channel.send(at(user, tapped=first.id), Part("Vẫn thế", BUTTONS, edit=True))
    assert len(server.calls(user.token, "sendMessage")) == 1
    assert len(server.calls(user.token, "editMessageText")) == 1


async def test_writing_is_shown_where_it_can_be(
    opened: Open, server: TelegramServer, member: TelegramUser, desk: Desk
) -> None:
    async with opened(desk) as channel:
        await channel.busy(at(member, thread=12))
        server.fail(member.token, "sendChatAction", 403, "Forbidden: bot was blocked by the user")
        await channel.busy(at(member))
    shown = server.calls(member.token, "sendChatAction")
    assert [(one["action"], one["chat_id"]) for one in shown] == [("typing", str(member.chat_id))] * 2
    assert shown[0]["message_thread_id"] == "12"


@pytest.mark.parametrize(
    ("failure", "error", "after"),
    [
        ({"code": 429, "said": "Too Many Requests", "parameters": {"retry_after": 7}}, LaterError, 7.0),
        ({"code": 500}, LaterError, None),
        ({"code": 502, "said": "Bad Gateway"}, LaterError, None),
        ({"code": 401, "said": "Unauthorized"}, LaterError, None),
        ({"code": 504, "said": "Gateway Timeout"}, UnsureError, None),
        ({"close": True}, UnsureError, None),
        ({"code": 403, "said": "Forbidden: bot was blocked by the user"}, GoneError, None),
        ({"code": 403, "said": "Forbidden: user is deactivated"}, GoneError, None),
        ({"code": 400, "said": "Bad Request: chat not found"}, GoneError, None),
        ({"code": 400, "said": "Bad Request: BUTTON_DATA_INVALID"}, WrongError, None),
    ],
)
async def test_how_sending_fails(
    opened: Open,
    server: TelegramServer,
    user: TelegramUser,
    desk: Desk,
    failure: Any,
    error: type[SendError],
    after: Any,
) -> None:
    async with opened(desk) as channel:
        server.fail(user.token, "sendMessage", **failure)
        with pytest.raises(SendError) as raised:
            await channel.send(at(user), Part("lời riêng tư"))
        assert type(raised.value) is error
        if isinstance(raised.value, LaterError):
            assert raised.value.after == after
        for secret in (user.token, str(user.id), "riêng tư"):
            assert secret not in str(raised.value)
        assert len(server.calls(user.token, "sendMessage")) == 1, "trying again is the outbox's"
        if after is None:
            await channel.send(at(user), Part("sau đó"))
            assert [one.text for one in await user.replies()] == ["sau đó"]


async def test_what_telegram_does_not_answer_may_have_arrived(
    opened: Open, server: TelegramServer, user: TelegramUser, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telegram_api, "ANSWER_WITHIN", 0.5)
    async with opened(desk) as channel:
        server.fail(user.token, "sendMessage", hang=True)
        with pytest.raises(UnsureError):
            await channel.send(at(user), Part("một"))


async def test_what_did_not_leave_is_surely_not_sent(opened: Open, desk: Desk) -> None:
    with TelegramServer.running() as brief:
        opening = opened(desk, telegram_api=brief.api, telegram_token=brief.new_bot())
        channel = await opening.__aenter__()
    with pytest.raises(LaterError):
        await channel.send({"chat": 1}, Part("một"))
    await opening.__aexit__(None, None, None)


@pytest.mark.parametrize("failure", [{"close": True, "done": True}, {"code": 504, "said": "Gateway Timeout"}])
async def test_an_edit_may_be_repeated(
    opened: Open, server: TelegramServer, user: TelegramUser, desk: Desk, failure: dict[str, Any]
) -> None:
    async with opened(desk) as channel:
        await channel.send(at(user), Part("trước", BUTTONS))
        (first,) = await user.replies()
        server.fail(user.token, "editMessageText", **failure)
        edit = at(user, tapped=first.id), Part("sau", edit=True)
        with pytest.raises(LaterError):
            await channel.send(*edit)
        await channel.send(*edit)
        (now,) = await user.screen()
    assert (now.text, now.edited) == ("sau", True)
    assert len(server.calls(user.token, "sendMessage")) == 1


async def test_who_left_is_not_sent_an_edit_either(
    opened: Open, server: TelegramServer, user: TelegramUser, desk: Desk
) -> None:
    async with opened(desk) as channel:
        server.fail(user.token, "editMessageText", 403, "Forbidden: bot was blocked by the user")
        with pytest.raises(GoneError):
            await channel.send(at(user, tapped=1), Part("sau", edit=True))
    assert server.calls(user.token, "sendMessage") == []


async def test_a_chat_is_sent_no_more_than_it_may_be(
    opened: Open, server: TelegramServer, user: TelegramUser, desk: Desk
) -> None:
    other = TelegramUser(server, user.token, next(ids))
    async with opened(desk) as channel:
        began = time.monotonic()
        await asyncio.gather(*(channel.send(at(user), Part(str(n))) for n in range(7)))
        taken = time.monotonic() - began
        again = time.monotonic()
        await channel.send(at(other), Part("một"))
        assert time.monotonic() - again < 1, "another chat waits for nobody"
    assert taken >= 1.5, "after five at once, one a second"


async def test_chats_that_are_idle_are_forgotten(
    opened: Open, server: TelegramServer, token: str, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telegram, "CHATS", 2)
    async with opened(desk) as channel:
        for _ in range(4):
            await TelegramUser(server, token, next(ids)).say("chào")
        await desk.hears(4)
        await until(lambda: len(channel._chats) == 2)


# -- start and stop


async def test_the_menu_is_set(opened: Open, server: TelegramServer, token: str, desk: Desk) -> None:
    async with opened(desk):
        await until(lambda: server.calls(token, "setMyDescription"))
    (call,) = server.calls(token, "setMyCommands")
    assert all(f'"command": "{name}"' in call["commands"] for name in MENU)
    (about,) = server.calls(token, "setMyShortDescription")
    assert 0 < len(about["short_description"]) <= 120
    (described,) = server.calls(token, "setMyDescription")
    assert 0 < len(described["description"]) <= 512


async def test_the_bot_serves_without_its_menu(
    opened: Open, server: TelegramServer, user: TelegramUser, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    server.fail(user.token, "setMyCommands")
    async with opened(desk):
        await user.say("chào")
        await desk.hears()
        await until(lambda: "menu could not be set" in caplog.text)


async def test_a_wrong_token_is_refused_with_a_remedy(
    opened: Open, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = "123456:AAEkhongcothat0123456789"
    with pytest.raises(RefusedError, match="@BotFather") as refused:
        async with opened(desk, telegram_token=wrong):
            pass
    assert wrong not in str(refused.value) + caplog.text
    assert refused.value.__suppress_context__
    with pytest.raises(RefusedError, match="TTHC_TELEGRAM_TOKEN"):
        async with opened(desk, telegram_token=""):
            pass


async def test_a_telegram_out_of_reach_is_refused(opened: Open, desk: Desk) -> None:
    with pytest.raises(RefusedError, match="not reached"):
        async with opened(desk, telegram_api=f"http://127.0.0.1:{free_port()}/bot"):
            pass


@pytest.mark.parametrize("method", ["getMe", "deleteWebhook"])
async def test_a_short_failure_at_the_start_is_waited_out(
    opened: Open, server: TelegramServer, user: TelegramUser, desk: Desk, method: str
) -> None:
    server.fail(user.token, method, 502, "Bad Gateway")
    async with opened(desk):
        await user.say("chào")
        await desk.hears()


async def test_a_closed_channel_takes_nothing_and_leaves_nothing_running(
    opened: Open, server: TelegramServer, user: TelegramUser, desk: Desk
) -> None:
    before = asyncio.all_tasks()
    began = time.monotonic()
    async with opened(desk):
        await until(lambda: server.calls(user.token, "getUpdates"))
        began = time.monotonic()
    assert time.monotonic() - began < 5, "it does not wait for the call that is held for updates"
    assert asyncio.all_tasks() == before
    await user.say("sau giờ")
    await desk.hears_only(0)


async def test_logs_hold_neither_token_nor_ids_nor_words(
    opened: Open, server: TelegramServer, user: TelegramUser, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    server.fail(user.token, "getUpdates", 500)
    server.fail(user.token, "sendMessage", close=True)
    desk.errors.append(sqlite3.OperationalError("lời kín đáo"))
    with caplog.at_level(logging.DEBUG):
        async with opened(desk) as channel:
            for said in ("lời riêng tư", "lời kín đáo"):
                await user.say(said)
            await desk.hears(2)
            with pytest.raises(UnsureError):
                await channel.send(at(user), Part("câu trả lời riêng"))
    assert "trying again" in caplog.text
    for secret in (user.token, str(user.id), f"Người {user.id}", "riêng", "kín đáo"):
        assert secret not in caplog.text


def test_what_the_library_logs_loses_its_arguments() -> None:
    telegram_api.hush()
    telegram_api.hush()
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    logging.getLogger().addHandler(handler)
    try:
        raise ValueError("lời riêng tư")
    except ValueError as error:
        logging.getLogger("telegram.ext.Updater").critical("Received data was: %r", "lời riêng tư", exc_info=error)
    finally:
        logging.getLogger().removeHandler(handler)
    assert written.getvalue() == "telegram.ext.Updater: Received data was: %r ValueError\n"
