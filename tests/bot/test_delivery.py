"""Delivery over a channel that fails as told, with a stand-in for Rasa and a real service.db."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bot import delivery as module
from bot.delivery import ATTEMPTS, NOTE, Delivery
from bot.gateway import Gateway
from bot.message import Accept, BusyError, GoneError, Incoming, LaterError, Place, SendError, UnsureError, WrongError
from bot.rasa_client import RasaDownError
from bot.render import TELEGRAM, ZALO, ZALO_BOT, Look
from bot.reply import Button, Part, Reply
from bot.texts import text
from knowledge.errors import RefusedError


class Rasa:
    """Answers as told and remembers what it was asked."""

    def __init__(
        self, answer: Callable[[str], list[Reply]] = lambda said: [Reply(f"nghe: {said}", intent="x")]
    ) -> None:
        self.asked: list[str] = []
        self.answer = answer
        self.slow = 0.0
        self.running = self.most = 0

    async def ask(self, sender: str, message: str, metadata: dict[str, Any]) -> list[Reply]:
        self.asked.append(message)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(self.slow)
        finally:
            self.running -= 1
        return self.answer(message)

    async def close(self) -> None:
        pass


class Phone:
    """A channel: what was sent to whom, and which errors come before."""

    def __init__(self, name: str = "thu", look: Look = TELEGRAM) -> None:
        self.name = self.title = name
        self.look = look
        self.routes: list[Any] = []
        self.sent: list[tuple[str, Part]] = []
        self.errors: list[SendError] = []
        self.typing = 0
        self.accept: Accept

    @asynccontextmanager
    async def open(self, accept: Accept) -> AsyncIterator[None]:
        self.accept = accept
        yield

    async def send(self, place: Place, part: Part) -> None:
        await asyncio.sleep(0)
        if self.errors:
            raise self.errors.pop(0)
        self.sent.append((place["to"], part))

    async def busy(self, place: Place) -> None:
        self.typing += 1

    def said(self, user: str = "1") -> list[str]:
        return [part.text for to, part in self.sent if to == user]


def came(message: str, user: str = "1", *, delivery: str = "", **more: Any) -> Incoming:
    came.number = getattr(came, "number", 0) + 1  # type: ignore[attr-defined]
    delivery = delivery or f"d{came.number}"  # type: ignore[attr-defined]
    return Incoming("thu", user, message, delivery, place={"to": user}, **more)


class House:
    """A gateway, its delivery and one phone over one home; ``async with house():`` is one life of the process."""

    def __init__(self, settings_for: Any, home: Path) -> None:
        self.settings_for, self.home, self.changes = settings_for, home, dict[str, Any]()
        self.rasa, self.phone = Rasa(), Phone()
        self.gateway: Gateway
        self.delivery: Delivery

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[House]:
        settings = self.settings_for(self.home, **{"messages_per_minute": 1000, **self.changes})
        self.gateway = Gateway(settings, self.rasa)  # type: ignore[arg-type]
        self.delivery = Delivery(self.gateway, [self.phone], settings)
        try:
            async with self.delivery:
                yield self
        finally:
            await self.gateway.close()

    async def done(self, within: float = 8.0) -> None:
        """Wait until nothing is open."""
        until = time.monotonic() + within
        while (counts := self.gateway.inbox.counts())["new"] or counts["answered"]:
            assert time.monotonic() < until, counts
            await asyncio.sleep(0.01)


@pytest.fixture
def house(settings_for: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.02)
    return House(settings_for, tmp_path / "home")


# -- once, and in order


async def test_a_delivery_is_answered_once_however_often_it_comes(house: House) -> None:
    async with house():
        one = came("chào")
        assert [await house.phone.accept(one) for _ in range(3)] == [True, False, False]
        await house.done()
        assert not await house.phone.accept(one)
        await house.done()
    async with house():
        assert not await house.phone.accept(one), "after a restart too"
        await house.done()
    assert house.phone.said() == ["nghe: chào"]
    assert house.rasa.asked == ["chào"]


async def test_a_chat_keeps_its_order_and_chats_run_side_by_side(house: House) -> None:
    house.rasa.slow = 0.05
    async with house():
        await asyncio.gather(*(house.phone.accept(came(str(n), user, sent=n)) for n in range(5) for user in "abcdefgh"))
        await house.done()
    for user in "abcdefgh":
        assert house.phone.said(user) == [f"nghe: {n}" for n in range(5)]
    assert house.rasa.most > 4


async def test_what_was_sent_first_goes_first_though_it_comes_last(house: House) -> None:
    house.phone.routes = ["a webhook"]
    async with house():
        for n in (3, 1, 2):
            await house.phone.accept(came(str(n), sent=n))
        await house.done()
    assert house.phone.said() == ["nghe: 1", "nghe: 2", "nghe: 3"]


async def test_nothing_is_kept_of_an_answered_message_but_its_id(house: House) -> None:
    async with house():
        await house.phone.accept(came("chuyện riêng", user="700000001"))
        await house.done()
        (row,) = house.gateway.service.db["inbox"].rows
    assert (row["text"], row["place"], row["state"]) == ("", "", "done")
    held = b"".join(p.read_bytes() for p in house.home.glob("service.db*"))
    assert b"700000001" not in held


async def test_an_address_is_sealed_while_it_waits(house: House) -> None:
    house.phone.errors = [LaterError("down", 60)]
    async with house():
        await house.phone.accept(came("chào", user="700000001"))
        await asyncio.sleep(0.3)
        held = b"".join(p.read_bytes() for p in house.home.glob("service.db*"))
        assert b"700000001" not in held
        assert house.gateway.inbox.counts()["answered"] == 1


# -- killed in between


async def kill(house: House) -> None:
    """Leave the files as a SIGKILL would: nothing is finished, nothing is written any more."""
    house.delivery._stopping.set()
    for task in list(house.delivery._tasks.values()):
        task.cancel()
    await asyncio.gather(*house.delivery._tasks.values(), return_exceptions=True)


async def test_what_waits_at_a_kill_is_answered_after_it(house: House) -> None:
    house.rasa.slow = 30
    async with house():
        for n in range(3):
            await house.phone.accept(came(str(n), sent=n))
        await asyncio.sleep(0.1)
        await kill(house)
    house.rasa.slow = 0
    async with house():
        await house.done()
    assert house.phone.said() == ["nghe: 0", "nghe: 1", "nghe: 2"]


async def test_a_part_whose_sending_was_cut_off_is_offered_not_sent_again(house: House) -> None:
    stuck = asyncio.Event()

    async def hangs(place: Place, part: Part) -> None:
        house.phone.sent.append((place["to"], part))  # it did arrive
        await stuck.wait()

    send = house.phone.send
    house.phone.send = hangs  # type: ignore[method-assign]
    async with house():
        await house.phone.accept(came("chào"))
        await asyncio.sleep(0.2)
        await kill(house)
    house.phone.send = send  # type: ignore[method-assign]
    async with house():
        await house.done()
        assert house.phone.said() == ["nghe: chào", text("maybe_lost")]
        ((label, key),) = house.phone.sent[-1][1].buttons
        assert label == text("button_again")
        await house.phone.accept(came("", button=key))
        await house.done()
    assert house.phone.said() == ["nghe: chào", text("maybe_lost"), "nghe: chào"]
    assert house.rasa.asked == ["chào"]


async def test_an_unsure_part_is_not_repeated(house: House) -> None:
    house.phone.errors = [UnsureError("time-out")]
    async with house():
        await house.phone.accept(came("chào"))
        await house.done()
        await house.phone.accept(came("hai"))
        await house.done()
    assert house.phone.said() == [text("maybe_lost"), "nghe: hai"]
    async with house():
        rows = list(house.gateway.service.db["outbox"].rows)
    assert sorted(row["n"] for row in rows) == [0, 0, NOTE]


async def test_the_rest_of_an_answer_follows_after_a_kill(house: House) -> None:
    house.rasa.answer = lambda said: [Reply(f"{said} {n}", intent="x") for n in range(3)]
    async with house():
        house.phone.errors = []
        send, count = house.phone.send, 0

        async def once(place: Place, part: Part) -> None:
            nonlocal count
            count += 1
            if count > 1:
                raise LaterError("down", 60)
            await send(place, part)

        house.phone.send = once  # type: ignore[method-assign]
        await house.phone.accept(came("a"))
        await asyncio.sleep(0.2)
        await kill(house)
        house.phone.send = send  # type: ignore[method-assign]
    async with house():
        await house.done()
    assert house.phone.said() == ["a 0", "a 1", "a 2"]


# -- sending fails


async def test_sending_is_tried_again_in_order(house: House) -> None:
    house.phone.errors = [LaterError("429", 0.05), LaterError("500"), LaterError("-32")]
    async with house():
        await house.phone.accept(came("một", sent=1))
        await house.phone.accept(came("hai", sent=2))
        await house.done()
    assert house.phone.said() == ["nghe: một", "nghe: hai"]


async def test_nobody_there_is_no_fault(house: House) -> None:
    house.rasa.answer = lambda said: [Reply(f"{said} {n}", intent="x") for n in range(3)]
    house.phone.errors = [GoneError("blocked")]
    async with house():
        await house.phone.accept(came("a"))
        await house.done()
        assert house.gateway.inbox.dead() == []
    assert house.phone.sent == []


async def test_a_refused_answer_is_a_dead_letter_that_staff_can_replay(house: House) -> None:
    house.phone.errors = [WrongError("-201")]
    async with house():
        await house.phone.accept(came("a"))
        await house.phone.accept(came("b"))
        await house.done()
        (dead,) = house.gateway.inbox.dead()
        assert dead["error"] == "-201"
        assert house.phone.said() == ["nghe: b"]
        assert house.gateway.inbox.replay(dead["delivery"])
        assert not house.gateway.inbox.replay(dead["delivery"])
    async with house():
        await house.done()
        assert house.gateway.inbox.dead() == []
    assert house.phone.said() == ["nghe: b", "nghe: a"]
    assert house.rasa.asked == ["a", "b"]


# -- answering fails


async def test_what_cannot_be_answered_is_tried_then_told(house: House) -> None:
    def broken(_: str) -> list[Reply]:
        raise RuntimeError("hỏng")

    house.rasa.answer = broken
    async with house():
        await house.phone.accept(came("a"))
        await house.done()
        (dead,) = house.gateway.inbox.dead()
    assert len(house.rasa.asked) == ATTEMPTS
    assert house.phone.said() == [text("broken")]
    assert "RuntimeError" in dead["error"]
    house.rasa.answer = lambda said: [Reply(f"nghe: {said}", intent="x")]
    async with house():
        house.gateway.inbox.replay(dead["delivery"])
    async with house():
        await house.done()
    assert house.phone.said()[-1] == "nghe: a"


async def test_without_rasa_the_index_answers(settings_for: Any, tiny_home: Path) -> None:
    house = House(settings_for, tiny_home)

    def down(_: str) -> list[Reply]:
        raise RasaDownError("down")

    house.rasa.answer = down
    async with house():
        await house.phone.accept(came("cấp giấy phép nuôi trâu"))
        await house.done()
    (said,) = house.phone.said()
    assert "24/11/2026" in said
    assert text("simple_mode") in said


async def test_a_slow_answer_is_announced(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("TYPING_AFTER", 0.05), ("TYPING_EVERY", 0.1), ("WORKING_AFTER", 0.2)):
        monkeypatch.setattr(module, name, value)
    house.rasa.slow = 0.5
    async with house():
        await house.phone.accept(came("a"))
        await house.done()
    assert house.phone.said() == [text("working"), "nghe: a"]
    assert house.phone.typing >= 2


async def test_a_late_answer_says_so_and_too_late_is_none(house: House) -> None:
    house.rasa.slow = 30
    async with house():
        await house.phone.accept(came("muộn", sent=1))
        await house.phone.accept(came("quá muộn", user="2", sent=2))
        await asyncio.sleep(0.1)
        await kill(house)
        house.gateway.service.run("update inbox set received = received - 600 where text = 'muộn'")
        house.gateway.service.run("update inbox set received = received - 90000 where text = 'quá muộn'")
    house.rasa.slow = 0
    async with house():
        await house.done()
        assert [d["error"] for d in house.gateway.inbox.dead()] == ["too old to be answered"]
    assert house.phone.said() == [f"{text('late')}\n\nnghe: muộn"]
    assert house.phone.said("2") == []


# -- the files


async def test_a_locked_file_delays_and_loses_nothing(house: House) -> None:
    async with house():
        house.gateway.service.run("pragma busy_timeout = 50")
        await house.phone.accept(came("trước"))
        await house.done()
        lock = sqlite3.connect(house.home / "service.db", isolation_level=None)
        house.rasa.slow = 0.2
        await house.phone.accept(came("đang"))
        await asyncio.sleep(0.05)
        lock.execute("begin immediate")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            await house.phone.accept(came("trong lúc khóa"))
        await asyncio.sleep(0.6)
        assert house.phone.said() == ["nghe: trước"]
        lock.execute("rollback")
        lock.close()
        await house.done()
    assert house.phone.said() == ["nghe: trước", "nghe: đang"]
    assert house.rasa.asked == ["trước", "đang"]


async def test_one_home_one_gateway(house: House, settings_for: Any) -> None:
    async with house():
        other = House(settings_for, house.home)
        with pytest.raises(RefusedError, match="another gateway"):
            async with other():
                pass
    async with house():
        pass


# -- the door


async def test_too_many_messages_are_told_once_then_dropped(house: House) -> None:
    house.changes = {"messages_per_minute": 3}
    async with house():
        kept = [await house.phone.accept(came(f"câu {n}", sent=n)) for n in range(6)]
        assert await house.phone.accept(came("khác", user="2"))
        await house.done()
    assert kept == [True] * 4 + [False] * 2
    assert house.phone.said()[:3] == ["nghe: câu 0", "nghe: câu 1", "nghe: câu 2"]
    assert house.phone.said()[3:] == [text("slow_down", seconds=21)]
    assert house.phone.said("2") == ["nghe: khác"]


async def test_more_than_can_be_taken_on_comes_later(house: House) -> None:
    house.changes = {"messages_per_second": 2}
    async with house():
        for n in range(2):
            await house.phone.accept(came("a", user=str(n)))
        with pytest.raises(BusyError):
            await house.phone.accept(came("a", user="9"))
        await house.done()


async def test_a_flood_into_one_chat_does_not_fill_the_inbox(house: House) -> None:
    house.rasa.slow = 30
    async with house():
        kept = [await house.phone.accept(came(str(n), sent=n)) for n in range(module.WAITING + 5)]
        assert sum(kept) == module.WAITING
        await kill(house)


# -- what else people send


@pytest.mark.parametrize(
    ("kind", "key"), [("photo", "unsupported"), ("other", "unsupported"), ("place", "unsupported_place")]
)
async def test_what_is_not_read_is_said(house: House, kind: Any, key: str) -> None:
    async with house():
        await house.phone.accept(came("", kind=kind))
        await house.done()
    assert house.phone.said() == [text(key)]
    assert house.rasa.asked == []


async def test_following_is_greeted_and_leaving_is_forgotten(house: House) -> None:
    house.rasa.answer = lambda said: [Reply(said, intent=said.strip("/"))]
    async with house():
        await house.phone.accept(came("", kind="follow"))
        await house.done()
        assert house.phone.said() == ["/greet"]
        house.gateway.service.keep_slots(house.gateway.user_key(came("")), {"procedure": "1.001193"})
        await house.phone.accept(came("", kind="unfollow"))
        await house.done()
        assert house.rasa.asked == ["/greet", "/forget_me"]
        assert not house.gateway.service.db["talks"].count
        assert house.gateway.user_key(came("")) not in {r["user"] for r in house.gateway.service.db["inbox"].rows}
    assert house.phone.said() == ["/greet"], "nobody is there to be answered"


async def test_in_a_group_ones_own_affairs_are_taken_aside(house: House) -> None:
    house.rasa.answer = lambda said: [Reply("bước 1", intent="guide_start" if "chỉ" in said else "ask_fee")]
    async with house():
        for n, message in enumerate(("chỉ từng bước", "phí bao nhiêu", "cccd 052199001234 phí bao nhiêu")):
            await house.phone.accept(came(message, group=True, sent=n))
            await house.done()
    assert house.phone.said() == [text("go_private"), "bước 1", text("go_private")]


# -- choices


def choices(count: int) -> Callable[[str], list[Reply]]:
    def answer(said: str) -> list[Reply]:
        if said.startswith("/"):
            return [Reply(f"đã chọn {said}", intent="x")]
        return [Reply("Chọn đi", tuple(Button(f"Việc {n}", f"/v{chr(97 + n)}") for n in range(count)), intent="x")]

    return answer


async def test_more_choices_than_buttons_stand_behind_one(house: House) -> None:
    house.rasa.answer = choices(11)
    house.phone.look = ZALO
    seen = list[str]()
    async with house():
        await house.phone.accept(came("gì"))
        await house.done()
        while True:
            part = house.phone.sent[-1][1]
            labels = [label for label, _ in part.buttons]
            assert len(labels) <= 5
            seen += [label for label in labels if label.startswith("Việc")]
            if not labels[-1].startswith(text("button_more_choices")):
                break
            await house.phone.accept(came("", button=part.buttons[-1][1]))
            await house.done()
        await house.phone.accept(came("", button=part.buttons[-1][1]))
        await house.done()
    assert seen == [f"Việc {n}" for n in range(11)]
    assert house.phone.said()[-1] == "đã chọn /vk"


async def test_a_number_takes_a_choice_where_there_are_no_buttons(house: House) -> None:
    house.rasa.answer = choices(3)
    house.phone.look = ZALO_BOT
    async with house():
        await house.phone.accept(came("gì"))
        await house.done()
        assert "2. Việc 1" in house.phone.said()[-1]
        await house.phone.accept(came("số 2"))
        await house.done()
    assert house.phone.said()[-1] == "đã chọn /vb"


async def test_a_rasa_that_answers_too_late_takes_no_second_turn(house: House) -> None:
    """What the index answered while Rasa was slow stays the turn's outcome after it was sent."""
    async with house():
        await house.phone.accept(came("a", delivery="d"))
        service, delivery = house.gateway.service, house.gateway.delivery_id(came("a", delivery="d"))
        service.keep_outcome(delivery, {"reply": Reply("x").to_json(), "slots": {}})
        await house.done()
        assert house.phone.said() == ["nghe: a"]
        assert service.outcome_of(delivery) is not None


async def test_a_list_with_numbers_of_its_own_keeps_them(house: House) -> None:
    """The papers of a checklist have numbers; those still to be ticked and the other choices go by them."""

    def answer(said: str) -> list[Reply]:
        if said.startswith("/") or said.isdecimal():
            return [Reply(f"nghe {said}", intent="x")]
        sheet = "☑ 1. Tờ khai\n☐ 2. Giấy chứng sinh\n☐ 3. Ảnh"
        return [Reply(sheet, (Button("Có: 2. Giấy chứng sinh", "/hai"), Button("Dừng", "/dung")), intent="x")]

    house.rasa.answer = answer
    house.phone.look = ZALO_BOT
    async with house():
        for said in ("gì", "2", "gì", "4", "gì", "3"):
            await house.phone.accept(came(said))
            await house.done()
    assert house.phone.said()[0].endswith("2. Có: Giấy chứng sinh\n4. Dừng")
    assert house.phone.said()[1::2] == ["nghe /hai", "nghe /dung", "nghe 3"]


async def test_the_ready_page_tells_of_what_waits(house: House) -> None:
    async with house():
        state = await house.delivery.state()
    assert state == {"ready": True, "channels": ["thu"], "new": 0, "answered": 0, "dead": 0, "oldest": 0}
