"""The Telegram channel: python-telegram-bot against a Bot API on 127.0.0.1, with a stand-in for the gateway."""

from __future__ import annotations

import asyncio
import io
import itertools
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.channels import telegram, telegram_api
from bot.channels.telegram import TelegramChannel
from bot.channels.telegram_api import MENU, keyboard_of
from bot.message import Incoming, Outgoing
from bot.render import units
from bot.reply import Button, Reply
from bot.settings import Settings
from bot.texts import text
from knowledge.errors import RefusedError
from tests.telegram_server import USERNAME, TelegramServer, TelegramUser

pytestmark = pytest.mark.e2e  # a Bot API server of its own, and a minute of waiting

SECRET = "mot-bi-mat_0123456789"
STILL = 0.4
ids = itertools.count(700_000_001)
Answer = Callable[[Incoming], "list[Outgoing] | Awaitable[list[Outgoing]]"]


def out(said: str, *labels: str, edit: bool = False) -> Outgoing:
    buttons = tuple(Button(label, "/x") for label in labels)
    return Outgoing(Reply(said, buttons, edit=edit), [f"k{number}" for number in range(len(labels))])


class Gateway:
    """Answers as it is told and remembers what it was asked."""

    def __init__(self, answer: Answer = lambda incoming: [out(f"nghe: {incoming.text}")]) -> None:
        self.answer, self.heard = answer, list[Incoming]()

    async def handle(self, incoming: Incoming) -> list[Outgoing]:
        self.heard.append(incoming)
        answer = self.answer(incoming)
        return answer if isinstance(answer, list) else await answer


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
def serve(server: TelegramServer, token: str, tmp_path: Path) -> Callable[..., TelegramChannel]:
    def make(gateway: Gateway, **changes: Any) -> TelegramChannel:
        given = {"home": tmp_path, "telegram_token": token, "telegram_api": server.api, **changes}
        return TelegramChannel(gateway, Settings(_env_file=None, **given))

    return make


async def still(user: TelegramUser) -> None:
    """Nothing (more) was said to the user."""
    with pytest.raises(TimeoutError):
        await user.replies(within=STILL)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


# -- replies


async def test_a_text_is_answered_with_buttons(serve: Any, user: TelegramUser) -> None:
    gateway = Gateway(lambda _: [out("**Phí** < 8.000 & hơn", "Giấy tờ", "Nơi nộp", "Đăng ký khai sinh cho con")])
    async with serve(gateway):
        await user.say("mất giấy khai sinh")
        (reply,) = await user.replies()
    assert reply.html == "<b>Phí</b> &lt; 8.000 &amp; hơn"
    assert reply.text == "Phí < 8.000 & hơn"
    lines = [[button["text"] for button in row] for row in reply.buttons]
    assert lines == [["Giấy tờ", "Nơi nộp"], ["Đăng ký khai sinh cho con"]]
    (heard,) = gateway.heard
    assert (heard.channel, heard.user, heard.text) == ("telegram", str(user.id), "mất giấy khai sinh")
    assert heard.button is None
    assert heard.delivery.startswith("m")
    assert heard.limited


async def test_commands_go_to_the_gateway_as_they_are(serve: Any, user: TelegramUser) -> None:
    gateway = Gateway()
    async with serve(gateway):
        await user.say("/start 1.001193", entities=[{"type": "bot_command", "offset": 0, "length": 6}])
        await user.replies()
    assert gateway.heard[0].text == "/start 1.001193"


async def test_a_tap_edits_the_message_in_place(serve: Any, server: TelegramServer, user: TelegramUser) -> None:
    gateway = Gateway(lambda i: [out("Bước 2", "Quay lại", edit=True)] if i.button else [out("Bước 1", "Bước sau")])
    async with serve(gateway):
        await user.say("đăng ký tạm trú")
        (before,) = await user.replies()
        await user.tap("Bước sau")
        (after,) = await user.replies()
    assert (after.edited, after.id, after.text, after.labels) == (True, before.id, "Bước 2", ["Quay lại"])
    assert [(i.text, i.button) for i in gateway.heard] == [("đăng ký tạm trú", None), ("", "k0")]
    assert len(server.calls(user.token, "answerCallbackQuery")) == 1


async def test_a_tap_that_does_not_edit_leaves_the_old_keyboard(serve: Any, user: TelegramUser) -> None:
    gateway = Gateway(lambda i: [out("Miễn phí")] if i.button else [out("Khai sinh", "Phí")])
    async with serve(gateway):
        await user.say("khai sinh")
        await user.replies()
        await user.tap("Phí")
        await user.replies()
        old, new = await user.screen()
    assert (old.text, old.labels, old.edited) == ("Khai sinh", ["Phí"], False)
    assert (new.text, new.edited) == ("Miễn phí", False)


async def test_a_tap_is_acknowledged_while_the_gateway_works(serve: Any, server: Any, user: TelegramUser) -> None:
    done = asyncio.Event()

    async def slowly(incoming: Incoming) -> list[Outgoing]:
        if incoming.button:
            await done.wait()
        return [out("xong", "Nút")]

    async with serve(Gateway(slowly)):
        await user.say("một")
        await user.replies()
        await user.tap("Nút")
        for _ in range(100):
            if server.calls(user.token, "answerCallbackQuery"):
                break
            await asyncio.sleep(0.02)
        else:
            pytest.fail("the tap was not acknowledged")
        done.set()
        await user.replies()


async def test_only_a_text_that_may_edit_edits_and_only_the_first(serve: Any, user: TelegramUser) -> None:
    both = [out("một", edit=True), out("hai", edit=True)]
    gateway = Gateway(lambda incoming: both if incoming.button else [out("Chọn", "Nút", edit=True)])
    async with serve(gateway):
        await user.say("chào")
        (first,) = await user.replies()
        await user.tap("Nút")
        one, two = await user.replies(2)
    assert not first.edited
    assert (one.edited, two.edited) == (True, False)


async def test_a_long_reply_is_split_and_its_buttons_stand_last(serve: Any, user: TelegramUser) -> None:
    long = "\n\n".join(f"**Đoạn {n}** & " + "chữ nghĩa " * 60 for n in range(20))
    async with serve(Gateway(lambda _: [out(long, "Xem tiếp")])):
        await user.say("xem đầy đủ")
        parts = await user.replies(3)
    assert len(parts) > 2
    assert all(units(part.html) <= 4096 for part in parts)
    assert [part.labels for part in parts] == [[]] * (len(parts) - 1) + [["Xem tiếp"]]
    assert " ".join(" ".join(p.text for p in parts).split()) == " ".join(long.replace("**", "").split())


async def test_a_long_reply_to_a_tap_is_sent_not_edited(serve: Any, user: TelegramUser) -> None:
    gateway = Gateway(lambda i: [out("chữ " * 2000, edit=True)] if i.button else [out("Chọn", "Đầy đủ")])
    async with serve(gateway):
        await user.say("chào")
        await user.replies()
        await user.tap("Đầy đủ")
        parts = await user.replies(2)
    assert not any(part.edited for part in parts)


async def test_a_silent_gateway_sends_nothing(serve: Any, user: TelegramUser) -> None:
    async with serve(Gateway(lambda _: [])):
        await user.say("chào")
        await still(user)


# -- what is not read

FILE = {"file_id": "a", "file_unique_id": "b", "file_size": 10}
SIZE = {"width": 9, "height": 9}
CONTENTS: dict[str, dict[str, Any]] = {
    "photo": {"photo": [{**FILE, **SIZE}], "caption": "căn cước của tôi đây"},
    "document": {"document": {**FILE, "file_name": "can-cuoc.pdf"}},
    "voice": {"voice": {**FILE, "duration": 3}},
    "sticker": {"sticker": {**FILE, **SIZE, "is_animated": False, "is_video": False, "type": "regular"}},
    "location": {"location": {"latitude": 13.77, "longitude": 109.22}},
    "contact": {"contact": {"phone_number": "0900000000", "first_name": "An"}},
}  # fmt: skip


@pytest.mark.parametrize("kind", CONTENTS)
async def test_other_contents_are_refused_unread(serve: Any, server: Any, user: TelegramUser, kind: str) -> None:
    gateway = Gateway()
    async with serve(gateway):
        await user.send(**CONTENTS[kind])
        (reply,) = await user.replies()
    assert reply.text == text("unsupported")
    assert gateway.heard == []
    assert not server.calls(user.token, "getFile")


async def test_an_album_is_refused_once(serve: Any, user: TelegramUser) -> None:
    async with serve(Gateway()):
        for _ in range(3):
            await user.send(**CONTENTS["photo"], media_group_id="g1")
        await user.replies()
        await still(user)
        await user.send(**CONTENTS["photo"], media_group_id="g2")
        await user.replies()


async def test_what_telegram_says_of_a_chat_is_no_message(serve: Any, user: TelegramUser) -> None:
    gateway = Gateway()
    async with serve(gateway):
        await user.send(pinned_message={"message_id": 1, "date": 1, "chat": user.chat})
        await still(user)
    assert gateway.heard == []


async def test_only_the_newest_text_counts_again_when_it_is_corrected(serve: Any, user: TelegramUser) -> None:
    gateway = Gateway()
    async with serve(gateway):
        await user.update(message={"message_id": 501, "text": "khai sanh"})
        await user.update(message={"message_id": 502, "text": "tam chú"})
        await user.replies(2)
        await user.update(edited_message={"message_id": 501, "text": "khai sinh", "edit_date": 1})
        await user.update(edited_message={"message_id": 502, "text": "tam chú", "edit_date": 1})
        await user.update(edited_message={"message_id": 502, "edit_date": 1, **CONTENTS["location"]})
        await still(user)
        await user.update(edited_message={"message_id": 502, "text": "tạm trú", "edit_date": 2})
        (reply,) = await user.replies()
    assert reply.text == "nghe: tạm trú"
    assert [i.text for i in gateway.heard] == ["khai sanh", "tam chú", "tạm trú"]


# -- when Telegram does not do as it is asked


@pytest.mark.parametrize(
    "failure",
    [
        {"code": 429, "said": "Too Many Requests: retry after 1", "parameters": {"retry_after": 1}},
        {"code": 500},
        {"code": 502, "said": "Bad Gateway"},
    ],
    ids=["429", "500", "502"],
)
async def test_what_telegram_did_not_carry_out_is_sent_again(
    serve: Any, server: TelegramServer, user: TelegramUser, failure: dict[str, Any]
) -> None:
    gateway = Gateway()
    server.fail(user.token, "sendMessage", **failure)
    async with serve(gateway):
        await user.say("chào")
        (reply,) = await user.replies(settle=STILL)
    assert reply.text == "nghe: chào"
    assert len(server.calls(user.token, "sendMessage")) == 2
    assert len(gateway.heard) == 1


@pytest.mark.parametrize("failure", [{"close": True}, {"code": 504, "said": "Gateway Timeout"}], ids=["cut", "504"])
async def test_what_may_have_arrived_is_not_sent_again(
    serve: Any, server: TelegramServer, user: TelegramUser, failure: dict[str, Any]
) -> None:
    server.fail(user.token, "sendMessage", done=True, **failure)
    async with serve(Gateway(lambda _: [out("một"), out("hai")])):
        await user.say("chào")
        replies = await user.replies(2, settle=STILL)
    assert [reply.text for reply in replies] == ["một", "hai"]


async def test_an_edit_may_be_repeated(serve: Any, server: TelegramServer, user: TelegramUser) -> None:
    gateway = Gateway(lambda i: [out("sau", edit=True)] if i.button else [out("trước", "Nút")])
    server.fail(user.token, "editMessageText", close=True, done=True)
    async with serve(gateway):
        await user.say("chào")
        await user.replies()
        await user.tap("Nút")
        (reply,) = await user.replies(settle=STILL)
    assert (reply.text, reply.edited) == ("sau", True)
    assert len(server.calls(user.token, "sendMessage")) == 1


async def test_a_failure_that_lasts_is_given_up(serve: Any, server: TelegramServer, user: TelegramUser) -> None:
    for _ in range(5):
        server.fail(user.token, "sendMessage")
    async with serve(Gateway()):
        await user.say("chào")
        (reply,) = await user.replies()
    assert reply.text == text("broken")
    assert len(server.calls(user.token, "sendMessage")) == 6


async def test_a_pause_that_is_too_long_is_not_waited_for(serve: Any, server: Any, user: TelegramUser) -> None:
    server.fail(user.token, "sendMessage", 429, "Too Many Requests", parameters={"retry_after": 3000})
    async with serve(Gateway()):
        await user.say("chào")
        (reply,) = await user.replies()
    assert reply.text == text("broken")


@pytest.mark.parametrize(
    "said", ["Bad Request: message to edit not found", "Bad Request: message can't be edited"], ids=["gone", "too old"]
)
async def test_a_message_that_cannot_be_edited_is_sent(
    serve: Any, server: TelegramServer, user: TelegramUser, said: str
) -> None:
    gateway = Gateway(lambda i: [out("Bước 2", "Tiếp", edit=True)] if i.button else [out("Bước 1", "Bước sau")])
    async with serve(gateway):
        await user.say("chào")
        await user.replies()
        server.fail(user.token, "editMessageText", 400, said)
        await user.tap("Bước sau")
        (reply,) = await user.replies()
    assert (reply.edited, reply.text, reply.labels) == (False, "Bước 2", ["Tiếp"])


async def test_a_tap_on_a_message_unknown_to_telegram_is_answered(serve: Any, user: TelegramUser) -> None:
    async with serve(Gateway(lambda _: [out("Bước 2", edit=True)])):
        await user.press("k0", 99_999)
        (reply,) = await user.replies()
    assert not reply.edited


async def test_a_message_that_stays_the_same_is_left(serve: Any, server: TelegramServer, user: TelegramUser) -> None:
    async with serve(Gateway(lambda _: [out("Vẫn thế", "Nút", edit=True)])):
        await user.say("chào")
        await user.replies()
        await user.tap("Nút")
        await still(user)
    assert len(server.calls(user.token, "sendMessage")) == 1
    assert len(server.calls(user.token, "editMessageText")) == 1


async def test_a_user_who_blocked_the_bot_is_left_alone(
    serve: Any, server: TelegramServer, user: TelegramUser, caplog: pytest.LogCaptureFixture
) -> None:
    server.fail(user.token, "sendMessage", 403, "Forbidden: bot was blocked by the user")
    with caplog.at_level(logging.INFO):
        async with serve(Gateway()):
            await user.say("chào")
            await still(user)
    assert "blocked" in caplog.text
    assert str(user.id) not in caplog.text
    assert len(server.calls(user.token, "sendMessage")) == 1


# -- when the gateway fails


async def test_a_gateway_that_raises_is_broken_to_the_user(
    serve: Any, user: TelegramUser, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(incoming: Incoming) -> list[Outgoing]:
        raise ValueError(incoming.text)

    async with serve(Gateway(fail)):
        await user.say("tôi tên là Nguyễn Văn Thử")
        (reply,) = await user.replies()
    assert reply.text == text("broken")
    assert "ValueError at test_telegram.py" in caplog.text
    assert "Nguyễn" not in caplog.text


async def test_a_key_that_telegram_would_refuse_is_noticed(serve: Any, user: TelegramUser) -> None:
    too_long = Outgoing(Reply("Chọn", (Button("Nút", "/x"),)), ["k" * 65])
    with pytest.raises(ValueError, match="64 bytes"):
        keyboard_of(too_long)
    async with serve(Gateway(lambda _: [too_long])):
        await user.say("chào")
        (reply,) = await user.replies()
    assert reply.text == text("broken")


async def test_the_bot_is_seen_writing_when_it_takes_long(
    serve: Any, server: TelegramServer, user: TelegramUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telegram, "TYPING_EVERY", 0.3)

    async def slowly(incoming: Incoming) -> list[Outgoing]:
        await asyncio.sleep(1.3 if incoming.text == "lâu" else 0)
        return [out("xong")]

    async with serve(Gateway(slowly)):
        await user.say("nhanh")
        await user.replies()
        assert server.calls(user.token, "sendChatAction") == []
        await user.say("lâu")
        await user.replies()
        actions = server.calls(user.token, "sendChatAction")
        await asyncio.sleep(0.4)
    assert 2 <= len(actions) <= 3
    assert {(a["action"], a["chat_id"]) for a in actions} == {("typing", str(user.id))}
    assert server.calls(user.token, "sendChatAction") == actions


# -- many at once


async def test_one_user_does_not_wait_for_another(serve: Any, server: TelegramServer, user: TelegramUser) -> None:
    other, done = TelegramUser(server, user.token, next(ids)), asyncio.Event()

    async def slowly(incoming: Incoming) -> list[Outgoing]:
        if incoming.user == str(user.id):
            await done.wait()
        return [out(incoming.text)]

    async with serve(Gateway(slowly)):
        await user.say("một")
        await other.say("hai")
        assert [r.text for r in await other.replies()] == ["hai"]
        assert await user.shown() == []
        done.set()
        assert [r.text for r in await user.replies()] == ["một"]


async def test_the_updates_of_a_chat_are_handled_and_answered_in_order(
    serve: Any, server: TelegramServer, user: TelegramUser
) -> None:
    async def slower_first(incoming: Incoming) -> list[Outgoing]:
        number = len(gateway.heard)
        await asyncio.sleep(max(0.0, 0.3 - number / 10))
        return [out(incoming.text or "chạm", "Nút"), out("và")]

    gateway = Gateway(slower_first)
    await user.press("k9", 1)
    for said in "abc":
        await user.say(said)
    async with serve(gateway):  # all in one batch
        replies = await user.replies(8)
    assert [i.text or i.button for i in gateway.heard] == ["k9", "a", "b", "c"]
    assert [r.text for r in replies] == ["chạm", "và", "a", "và", "b", "và", "c", "và"]


async def test_a_flood_is_not_kept_waiting_forever(
    serve: Any, user: TelegramUser, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(telegram, "WAITING", 2)

    async def slowly(incoming: Incoming) -> list[Outgoing]:
        await asyncio.sleep(0.5)
        return [out(incoming.text)]

    gateway = Gateway(slowly)
    async with serve(gateway):
        for number in range(5):
            await user.say(str(number))
        await user.replies(2, settle=0.8)
    assert [i.text for i in gateway.heard] == ["0", "1"]
    assert "dropped" in caplog.text


async def test_chats_that_are_idle_are_forgotten(
    serve: Any, server: TelegramServer, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telegram, "CHATS", 2)
    channel = serve(Gateway())
    async with channel:
        for _ in range(4):
            one = TelegramUser(server, token, next(ids))
            await one.say("chào")
            await one.replies()
        assert len(channel._chats) == 2
        assert len(channel._seen) == 2


async def test_what_was_taken_is_answered_before_the_end(serve: Any, user: TelegramUser) -> None:
    async def slowly(incoming: Incoming) -> list[Outgoing]:
        await asyncio.sleep(0.5)
        return [out("xong")]

    gateway = Gateway(slowly)
    async with serve(gateway):
        await user.say("chào")
        while not gateway.heard:
            await asyncio.sleep(0.02)
    assert [r.text for r in await user.shown()] == ["xong"]


# -- groups


@pytest.fixture
def member(server: TelegramServer, token: str) -> TelegramUser:
    return TelegramUser(server, token, next(ids), chat_id=-1_001_000_000_000 - next(ids))


@pytest.mark.parametrize("said", ["chào cả nhà", "@nguoi_khac khai sinh ở đâu", f"@{USERNAME}2 ơi", "/start"])
async def test_a_group_is_left_alone(serve: Any, member: TelegramUser, said: str) -> None:
    gateway = Gateway()
    async with serve(gateway):
        await member.say(said)
        await member.send(**CONTENTS["photo"])
        await still(member)
    assert gateway.heard == []


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        (f"@{USERNAME} khai sinh ở đâu", "khai sinh ở đâu"),
        (f"khai sinh ở đâu @{USERNAME.upper()}?", "khai sinh ở đâu ?"),
        (f"/start@{USERNAME} 1.001193", "/start 1.001193"),
    ],
)
async def test_in_a_group_the_bot_answers_to_its_name(serve: Any, member: TelegramUser, said: str, heard: str) -> None:
    gateway = Gateway()
    async with serve(gateway):
        await member.update(message={"message_id": 77, "text": said})
        (reply,) = await member.replies()
    assert [(i.user, i.text) for i in gateway.heard] == [(str(member.id), heard)]
    assert reply.reply_to == 77


async def test_in_a_group_the_bot_answers_replies_to_it_in_their_topic(
    serve: Any, server: TelegramServer, member: TelegramUser
) -> None:
    bot = {"id": int(member.token.split(":")[0]), "is_bot": True, "first_name": "Bot"}
    mine = {"message_id": 5, "date": 1, "chat": member.chat, "from": bot}
    theirs = {**mine, "from": {"id": 6, "is_bot": False, "first_name": "An"}}
    gateway = Gateway()
    async with serve(gateway):
        await member.say("không phải với bot", reply_to_message=theirs)
        await member.say("còn phí?", reply_to_message=mine, message_thread_id=12, is_topic_message=True)
        (reply,) = await member.replies()
    assert [i.text for i in gateway.heard] == ["còn phí?"]
    assert reply.thread == 12


async def test_other_bots_are_not_answered(serve: Any, member: TelegramUser) -> None:
    gateway = Gateway()
    async with serve(gateway):
        await member.say(f"@{USERNAME} chào", **{"from": {"id": 5, "is_bot": True, "first_name": "Bot"}})
        await still(member)
    assert gateway.heard == []


# -- start


async def test_the_menu_is_set(serve: Any, server: TelegramServer, token: str) -> None:
    async with serve(Gateway()):
        pass
    (call,) = server.calls(token, "setMyCommands")
    assert all(f'"command": "{name}"' in call["commands"] for name in MENU)
    (described,) = server.calls(token, "setMyShortDescription")
    assert 0 < len(described["short_description"]) <= 120


async def test_the_bot_serves_without_its_menu(
    serve: Any, server: TelegramServer, user: TelegramUser, caplog: pytest.LogCaptureFixture
) -> None:
    server.fail(user.token, "setMyCommands")
    async with serve(Gateway()):
        await user.say("chào")
        await user.replies()
    assert "menu could not be set" in caplog.text


async def test_a_wrong_token_is_refused_with_a_remedy(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    wrong = "123456:AAEkhongcothat0123456789"
    with pytest.raises(RefusedError, match="@BotFather") as refused:
        async with serve(Gateway(), telegram_token=wrong):
            pass
    assert wrong not in str(refused.value) + caplog.text
    assert refused.value.__suppress_context__
    with pytest.raises(RefusedError, match="TTHC_TELEGRAM_TOKEN"):
        async with serve(Gateway(), telegram_token=""):
            pass


async def test_a_telegram_out_of_reach_is_refused(serve: Any) -> None:
    with pytest.raises(RefusedError, match="not reached"):
        async with serve(Gateway(), telegram_api=f"http://127.0.0.1:{free_port()}/bot"):
            pass


async def test_a_short_failure_at_the_start_is_waited_out(serve: Any, server: Any, user: TelegramUser) -> None:
    server.fail(user.token, "getMe", 502, "Bad Gateway")
    async with serve(Gateway()):
        await user.say("chào")
        await user.replies()


async def test_polling_goes_on_after_a_failure(
    serve: Any, server: TelegramServer, user: TelegramUser, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(Gateway()):
        server.fail(user.token, "getUpdates", 409, "Conflict: terminated by other getUpdates request")
        await user.say("một")
        await user.replies()
        await user.say("hai")
        await user.replies()
    assert "another program uses the same token" in caplog.text


async def test_logs_hold_neither_token_nor_ids_nor_words(
    serve: Any, server: TelegramServer, user: TelegramUser, caplog: pytest.LogCaptureFixture
) -> None:
    server.fail(user.token, "sendMessage", close=True)
    server.fail(user.token, "getUpdates", 500)
    with caplog.at_level(logging.DEBUG):
        async with serve(Gateway()):
            for said in ("lời riêng tư", "lời kín đáo"):
                await user.say(said)
            await user.replies(1)
    for secret in (user.token, str(user.id), f"Người {user.id}", "riêng tư", "kín đáo"):
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


# -- webhook


def webhook(**changes: Any) -> dict[str, Any]:
    port = free_port()
    url = f"http://127.0.0.1:{port}/telegram"
    return {"telegram_webhook_url": url, "telegram_webhook_port": port, "telegram_webhook_secret": SECRET, **changes}


def posted(user: TelegramUser, said: str) -> dict[str, Any]:
    message = {"message_id": 3, "date": 1, "chat": user.chat, "from": user.sender, "text": said}
    return {"update_id": 9_000_000 + next(ids), "message": message}


async def test_a_webhook_answers_who_knows_the_secret(serve: Any, server: TelegramServer, user: TelegramUser) -> None:
    gateway = Gateway()
    async with serve(gateway, **webhook()):
        await user.say("chào")
        (reply,) = await user.replies()
        (call,) = server.calls(user.token, "setWebhook")
        update = posted(user, "giả")
        async with httpx.AsyncClient(trust_env=False) as http:
            for headers in ({}, {"X-Telegram-Bot-Api-Secret-Token": "sai"}):
                assert (await http.post(call["url"], json=update, headers=headers)).status_code == 403
            with_secret = {"X-Telegram-Bot-Api-Secret-Token": SECRET}
            root = call["url"].split("/telegram")[0]
            assert (await http.post(f"{root}/{user.token}", json=update, headers=with_secret)).status_code == 404
        await still(user)
    assert reply.text == "nghe: chào"
    assert [i.text for i in gateway.heard] == ["chào"]
    assert server.calls(user.token, "getUpdates") == []
    assert user.token not in call["url"]
    assert SECRET not in call["url"]


async def test_a_second_delivery_is_not_answered_twice(serve: Any, server: TelegramServer, user: TelegramUser) -> None:
    gateway = Gateway()
    async with serve(gateway, **webhook()):
        (call,) = server.calls(user.token, "setWebhook")
        update, headers = posted(user, "hai lần"), {"X-Telegram-Bot-Api-Secret-Token": SECRET}
        async with httpx.AsyncClient(trust_env=False, headers=headers) as http:
            stripped = call["url"].replace("/telegram", "")
            assert [(await http.post(url, json=update)).status_code for url in (call["url"], stripped)] == [200, 200]
        await user.replies(settle=STILL)
    assert len(gateway.heard) == 1


async def test_polling_after_a_webhook_takes_the_webhook_away(serve: Any, server: Any, user: TelegramUser) -> None:
    async with serve(Gateway(), **webhook()):
        pass
    assert not server.calls(user.token, "deleteWebhook")
    async with serve(Gateway()):
        await user.say("chào")
        await user.replies()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"telegram_webhook_secret": ""}, "TTHC_TELEGRAM_WEBHOOK_SECRET"),
        ({"telegram_webhook_secret": "có dấu"}, "TTHC_TELEGRAM_WEBHOOK_SECRET"),
        ({"telegram_api": ""}, "https://"),
        ({"telegram_webhook_listen": "203.0.113.7"}, "cannot listen"),
    ],
)
async def test_a_webhook_that_cannot_work_is_refused(serve: Any, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(RefusedError, match=said):
        async with serve(Gateway(), **webhook(**changes)):
            pass


async def test_a_port_that_is_taken_is_refused_before_telegram_is_told(
    serve: Any, server: TelegramServer, token: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RefusedError, match=rf"port {port}.*TTHC_TELEGRAM_WEBHOOK_PORT"):
            async with serve(Gateway(), **webhook(telegram_webhook_port=port)):
                pass
    assert not server.calls(token, "setWebhook")


async def test_a_webhook_that_telegram_refuses_is_refused(serve: Any, server: TelegramServer, token: str) -> None:
    server.fail(token, "setWebhook", 400, "Bad Request: bad webhook: HTTPS url must be provided for webhook")
    with pytest.raises(RefusedError, match="(?i)https url must be provided"):
        async with serve(Gateway(), **webhook()):
            pass


@pytest.mark.parametrize(("changes", "method"), [(webhook, "setWebhook"), (dict, "deleteWebhook")])
async def test_a_short_failure_of_the_webhook_is_waited_out(
    serve: Any, server: TelegramServer, user: TelegramUser, changes: Callable[[], dict[str, Any]], method: str
) -> None:
    server.fail(user.token, method, 502, "Bad Gateway")
    async with serve(Gateway(), **changes()):
        await user.say("chào")
        await user.replies()
