"""``service.db``: deliveries once, buttons of their owner only, and nothing left after forgetting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot import service as module
from bot.inbox import Inbox
from bot.message import Incoming
from bot.service import (
    ANSWERED_DAYS,
    FILE,
    OF_A_USER,
    Service,
    new_short,
    read_short,
    shown_short,
)
from bot.turns import Memory

DAY = 86400


@pytest.fixture
def service(tmp_path: Path) -> Any:
    made = Service(tmp_path / "state" / FILE)
    yield made
    made.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Time that goes only where a test puts it."""

    class Clock:
        now = 1_800_000_000.0

    monkeypatch.setattr(module.time, "time", lambda: Clock.now)
    return Clock


def receive(service: Service, delivery: str, user: str = "u1", text: str = "x") -> bool:
    return Inbox(service).receive(delivery, Incoming("console", user, text, delivery), user, user, text)


# -- buttons


def test_the_nth_button_of_the_last_reply(service: Service, clock: Any) -> None:
    service.keep_buttons("u1", [("Phí", "/ask_fee"), ("Giấy tờ", "/ask_documents")])
    clock.now += 1
    keys = service.keep_buttons("u1", [("Bắt đầu", "/guide_next")])
    assert service.nth_button("u1", 1) == keys[0]
    assert service.nth_button("u1", 2) is None
    assert service.nth_button("u1", 0) is None
    assert service.nth_button("u2", 1) is None


def test_a_key_works_for_its_owner_only_and_stays_good(service: Service) -> None:
    first, second = service.keep_buttons("u1", [("Phí", "/ask_fee"), ("Dừng", "/guide_stop")])
    service.keep_buttons("u1", [("Khác", "/help")])
    assert service.button("u1", first) == "/ask_fee"
    assert service.button("u1", second) == "/guide_stop"
    assert service.button("u2", first) is None
    assert service.button("u1", "' or 1=1 --") is None
    assert len(first) == 8
    assert first != second


def test_old_buttons_of_a_user_make_room(service: Service, clock: Any) -> None:
    other = service.keep_buttons("u2", [("Phí", "/ask_fee")])
    keys = []
    for n in range(6):
        clock.now += 1
        keys += service.keep_buttons("u1", [(f"a{n}", f"/a{n}"), (f"b{n}", f"/b{n}")], keep=5)
    alive = [k for k in keys if service.button("u1", k)]
    assert len(alive) == 5
    assert alive == [keys[6], *keys[8:]]
    assert service.button("u2", other[0])


# -- progress


def test_progress_is_set_moved_and_ended(service: Service) -> None:
    assert service.progress("u1") is None
    held = {"code": "1.001193", "portal": "vneid", "step": "before"}
    service.keep_progress("u1", held)
    kept = service.progress("u1")
    assert kept
    assert kept == {**held, "answers": {}, "ticked": [], "short": kept["short"]}
    service.keep_progress("u1", {**kept, "step": "login", "answers": {"ai": "con"}, "ticked": ["|Đơn"]})
    moved = service.progress("u1")
    assert moved == {**kept, "step": "login", "answers": {"ai": "con"}, "ticked": ["|Đơn"]}
    assert service.shared(kept["short"]) == moved
    assert service.shared("AAAAAA") is None
    assert service.progress("u2") is None
    service.keep_progress("u1", None)
    assert service.progress("u1") is None
    assert service.shared(kept["short"]) is None


def test_a_guide_for_each_procedure(service: Service, clock: Any) -> None:
    first, second = ({"code": code, "portal": "p", "step": "s"} for code in ("1.001193", "1.000894"))
    for held in (first, second):
        clock.now += 1
        service.keep_progress("u1", held)
    in_hand, begun = service.progress("u1"), service.begun("u1", "1.001193")
    assert in_hand
    assert begun
    assert (in_hand["code"], begun["code"]) == ("1.000894", "1.001193")
    assert in_hand["short"] != begun["short"]
    service.park("u1")
    assert service.progress("u1") is None
    assert service.begun("u1") == in_hand
    clock.now += 1
    service.keep_progress("u1", begun)
    assert service.progress("u1") == begun
    service.keep_progress("u1", None)
    assert service.progress("u1") is None
    assert service.begun("u1") == in_hand
    service.keep_progress("u1", None)
    assert service.begun("u1") == in_hand
    assert service.begun("u2") is None


def test_short_codes_are_read_back() -> None:
    for _ in range(200):
        short = new_short()
        assert read_short(f"mã {shown_short(short).lower()} nè") == short
    for said in ("mua xe-may", "abc-def", "77C-123.45", "K7MQ4P", "số K7M-Q4P-1", "052-199", ""):
        assert read_short(said) == "", said


def test_how_it_went_is_counted_for_nobody(service: Service) -> None:
    memory = Memory(service, "u1")
    receive(service, "d1")
    assert memory.done() == 0
    memory.finished()
    for answer in ("self", "self", "not"):
        memory.rate("1.001193", answer)
    assert memory.done() == 0, "nothing counts before the turn is over"
    memory.write()
    assert memory.done() == 1
    rows = {r["answer"]: r["times"] for r in service.db["ratings"].rows}
    assert rows == {"self": 2, "not": 1}
    assert "user" not in service.db["ratings"].columns_dict
    service.forget("u1")
    assert memory.done() == 0


def test_a_file_of_an_earlier_version_is_brought_up(tmp_path: Path) -> None:
    import sqlite3

    with sqlite3.connect(tmp_path / FILE) as old:
        old.execute("create table progress (user text primary key, code text not null, portal text not null,"
                    " step text not null, changed real not null)")  # fmt: skip
        old.execute("insert into progress values ('u1', '1.001193', 'vneid', 'nop', 1)")
        old.execute("create table users (user text primary key, seen real not null)")
    old.close()
    service = Service(tmp_path / FILE)
    held = service.progress("u1")
    assert held
    assert (held["step"], held["answers"], held["ticked"]) == ("nop", {}, [])
    service.keep_progress("u1", {"code": "1.000894", "portal": "vneid", "step": "before"})
    assert service.begun("u1", "1.001193") == held
    service.close()


def test_what_was_asked_in_vain_is_counted_and_tied_to_nobody(service: Service) -> None:
    for question in ("nuôi rồng", "nuôi rồng", "x" * 900):
        service.unanswered(question)
    rows = {r["question"]: r["times"] for r in service.db["unanswered"].rows}
    assert rows == {"nuôi rồng": 2, "x" * 500: 1}
    assert "user" not in service.db["unanswered"].columns_dict


# -- forgetting


def everything_in(folder: Path) -> bytes:
    return b"".join(p.read_bytes() for p in folder.iterdir())


def test_forgetting_leaves_no_trace_in_the_files(service: Service) -> None:
    for n in range(40):
        receive(service, f"d-lan-{n}", "khóa-của-lan", f"câu riêng của lan {n}")
        service.answered(f"d-lan-{n}", [{"text": f"trả lời riêng cho lan {n}"}])
        service.keep_buttons("khóa-của-lan", [(f"nút của lan {n}", f"/lan{n}")])
    service.keep_slots("khóa-của-lan", {"procedure": "1.888888"})
    service.keep_progress("khóa-của-lan", {"code": "1.999999", "portal": "cổng-của-lan", "step": "bước-của-lan"})
    receive(service, "d-minh", "khóa-của-minh", "câu của minh")
    assert b"lan" in everything_in(service.path.parent)
    service.forget("khóa-của-lan")
    held = everything_in(service.path.parent)
    for trace in (
        "khóa-của-lan",
        "riêng",
        "nút của lan",
        "bước-của-lan",
        "cổng-của-lan",
        "1.999999",
        "1.888888",
    ):
        assert trace.encode() not in held, trace
    assert "câu của minh".encode() in held
    for table in (*OF_A_USER, "inbox"):
        assert "khóa-của-lan" not in {r["user"] for r in service.db[table].rows}


def test_a_message_that_waits_is_answered_even_after_its_sender_asked_to_be_forgotten(service: Service) -> None:
    receive(service, "xóa", "u1", "xóa hết")
    receive(service, "sau", "u1", "còn câu này")
    service.answered("xóa", [])
    service.forget("u1")
    waiting = Inbox(service).next("u1")
    assert waiting
    assert (waiting.delivery, waiting.text) == ("sau", "còn câu này")
    assert not receive(service, "xóa", "u1", "xóa hết"), "a second delivery still finds itself"


def test_every_table_with_users_is_forgotten(service: Service) -> None:
    with_users = {t.name for t in service.db.tables if "user" in t.columns_dict}
    assert with_users - {"owed", "inbox"} == set(OF_A_USER)


def test_what_rasa_has_yet_to_forget(service: Service) -> None:
    service.owe_forgetting("u1")
    service.owe_forgetting("u1")
    service.owe_forgetting("u2")
    assert service.owed_forgettings() == ["u1", "u2"]
    service.forgetting_done("u1")
    assert service.owed_forgettings() == ["u2"]


def test_purging_takes_the_idle_and_the_old(service: Service, clock: Any) -> None:
    receive(service, "d1", "idle", "câu cũ")
    service.keep_progress("idle", {"code": "1.000001", "portal": "p", "step": "s"})
    service.unanswered("hỏi lâu rồi")
    clock.now += 59 * DAY
    receive(service, "d2", "busy", "câu mới")
    service.answered("d2", [])
    receive(service, "d3", "busy", "câu chờ")
    service.unanswered("mới hỏi")
    assert service.purge(60) == 0
    assert service.progress("idle")
    clock.now += (ANSWERED_DAYS + 1) * DAY
    assert service.purge(60) == 1
    assert service.progress("idle") is None
    assert service.answer_of("d2") is None
    assert not service.db["inbox"].count
    assert [r["question"] for r in service.db["unanswered"].rows] == ["mới hỏi"]
    assert service.purge(60) == 0


def test_being_seen_again_puts_off_the_purge(service: Service, clock: Any) -> None:
    receive(service, "d1", "u1", "a")
    clock.now += 50 * DAY
    receive(service, "d2", "u1", "b")
    clock.now += 50 * DAY
    assert service.purge(60) == 0


def test_two_processes_share_the_file(service: Service) -> None:
    other = Service(service.path)
    service.keep_progress("u1", {"code": "1.001193", "portal": "p", "step": "s"})
    assert other.progress("u1")
    assert receive(service, "d1", "u1", "a")
    assert not receive(other, "d1", "u1", "a")
    other.close()
