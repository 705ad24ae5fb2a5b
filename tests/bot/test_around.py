"""The day a result is due, old places, English, several aspects, life events, typed picks."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from bot.dialogue import Turn, around, respond
from bot.dialogue.facts import aspects_in
from bot.dialogue.pick import pick, unsure
from bot.texts import text
from tests.bot.test_dialogue import Talk, begin, sound

NOW = dt.datetime.fromisoformat("2026-11-25T09:00")
"""A Wednesday."""


@pytest.fixture
def talking(seed_assistant: Any) -> Talk:
    return Talk(seed_assistant)


@pytest.mark.parametrize(
    ("said", "when"),
    [
        ("nộp hôm nay thì bao giờ có", "2026-11-25T09:00"),
        ("mai nộp thì chừng nào lấy", "2026-11-26T09:00"),
        ("ngay mai nop thi bao gio co", "2026-11-26T09:00"),
        ("hôm qua nộp rồi", "2026-11-24T09:00"),
        ("thứ hai nộp thì thứ mấy có", "2026-11-30T09:00"),
        ("chủ nhật nộp online", "2026-11-29T09:00"),
        ("nộp ngày 3/12", "2026-12-03T09:00"),
        ("nop 3-12-2026 luc 16h", "2026-12-03T16:00"),
        ("nộp hôm 10/2", "2027-02-10T09:00"),
        ("nộp ngày 40/13", "2026-11-25T09:00"),
        ("chiều nay 16 giờ nộp", "2026-11-25T16:00"),
    ],
)
def test_when_somebody_hands_in(said: str, when: str) -> None:
    assert around.filed_at(said, NOW) == dt.datetime.fromisoformat(when)


def deadline(assistant: Any, said: str, code: str, **more: Any) -> str:
    turn = Turn("ask_deadline", said, assistant, {}, {"procedure": code}, now=NOW, **more)
    outcome = respond(turn)
    sound(outcome, "ask_deadline")
    return outcome.reply.text


def test_the_day_is_told_with_how_it_was_counted(seed_assistant: Any) -> None:
    said = deadline(seed_assistant, "nộp hôm nay thì bao giờ có", "1.014064")
    assert "tối đa 7 ngày làm việc" in said
    assert "thứ sáu, ngày 04/12/2026" in said
    assert "26/11/2026" in said
    assert "Bỏ ra 2 ngày thứ bảy, chủ nhật" in said
    assert "xin lỗi" in said


def test_a_holiday_in_between_is_named(seed_assistant: Any) -> None:
    said = deadline(seed_assistant, "nộp ngày 28/12 thì bao giờ có", "1.014064")
    assert "01/01" in said
    assert "07/01/2027" in said


def test_no_limit_no_day(seed_assistant: Any) -> None:
    said = deadline(seed_assistant, "bao giờ có", "1.001193")
    assert "15 giờ" in said
    assert text("deadline_due", filed="", at="", day="")[:20] not in said


def test_the_limit_of_ones_own_case_counts(seed_assistant: Any) -> None:
    own = seed_assistant.guides.own["1.115375"].questions
    question, option = next((q, o) for q in own for o in q.options if o.limit)
    held = {"code": "1.115375", "portal": "", "step": "before", "answers": {question.id: option.id}}
    said = deadline(seed_assistant, "bao giờ có", "1.115375", guide=held)
    assert f"tối đa {option.limit.value:g}".replace(".", ",") in said


def test_nothing_in_hand_asks_which(talking: Talk) -> None:
    assert talking.say("ask_deadline", "bao giờ có").reply.text == text("need_procedure")


# -- places


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("xã Nhơn An, An Nhơn cũ giờ là xã nào", ["nay là", "An Nhơn Đông"]),
        ("xa canh lien gio thuoc dau", ["được chia ra", "hoặc"]),
        ("phường Ngô Mây giờ là phường nào", ["Có nhiều nơi", "Quy Nhơn"]),
        (
            "huyện Tuy Phước bỏ rồi thì nộp ở đâu",
            ["không còn nữa", "Tuy Phước Đông", "Phước Hòa", "Bạn ở xã, phường nào"],
        ),
        ("o quy nhon", ["**Thành phố Quy Nhơn** không còn nữa", "**Phường Quy Nhơn Nam**: trước là", "Ghềnh Ráng"]),
        ("ở Tây Sơn", ["Huyện Tây Sơn cũ: nay chia ra Xã Tây Sơn", "Phường Tây Sơn, Thành phố Pleiku cũ"]),
        ("phường Lê Lợi Quy Nhơn giờ đi đâu", ["nhập vào Phường Thị Nại từ 01/12/2024", "**Phường Quy Nhơn**", "1257"]),
        ("xã Phước Long, Tuy Phước", ["năm 1994", "**Xã Tuy Phước**", "chưa thấy văn bản gốc"]),
        ("xã Đăk Hlơ", ["Xã Kông Bơ La, Xã Nghĩa An", "**Xã Kông Bơ La**"]),
        ("phường Quy Nhơn Nam", ["là tên mới", "Phường Ngô Mây"]),
        ("xã Xuân An giờ là xã nào", ["Có nhiều nơi", "Cửu An", "Xuân An, nếu bạn nói tên mới"]),
        ("chỗ tui giờ tên gì", ["chưa nhận ra", "không đoán"]),
    ],
)
def test_old_places_are_told_or_asked_back(talking: Talk, said: str, words: list[str]) -> None:
    told = talking.say("ask_place", said).reply.text
    assert all(word in told for word in words), told
    assert talking.assistant.contacts.province_wide in told


def test_a_district_offers_its_communes_and_takes_one(talking: Talk) -> None:
    asked = talking.say("ask_place", "ở Quy Nhơn").reply
    named = [b for b in asked.buttons if b.payload.startswith("/ask_place")]
    assert [b.label for b in named] == list(talking.assistant.places.district_units("Quy Nhơn"))
    assert (
        "**Phường Quy Nhơn Nam** là tên mới"
        in talking.say("ask_place", place="Phường Quy Nhơn Nam", tapped=True).reply.text
    )


def test_a_new_name_that_was_an_old_one_is_settled_by_its_button(talking: Talk) -> None:
    talking.say("ask_place", "Phường An Phú")
    assert "**Phường An Phú** là tên mới" in talking.say("ask_place", place="Phường An Phú", tapped=True).reply.text


def test_a_typed_name_is_read_in_the_district_asked_about(talking: Talk) -> None:
    talking.say("ask_place", "ở Quy Nhơn")
    told = talking.say("find_procedure", "dạ ngô mây").reply.text
    assert "**Phường Ngô Mây** (Thành phố Quy Nhơn cũ) nay là **Phường Quy Nhơn Nam**" in told


@pytest.mark.parametrize("intent", ["out_of_scope", "find_procedure", "nlu_fallback", "affirm"])
@pytest.mark.parametrize("said", ["ở Quy Nhơn", "o quy nhon", "nhà tôi ở An Nhơn", "dạ em ở Hoài Nhơn nha", "phu cat"])
def test_a_message_that_is_only_a_district_is_asked_back(talking: Talk, intent: str, said: str) -> None:
    told = talking.say(intent, said).reply.text
    assert "không còn nữa" in told
    assert text("place_which") in told


@pytest.mark.parametrize("said", ["ừ", "thống nhất", "an toàn", "hòa bình", "làm khai sinh ở Quy Nhơn", "bà Hoài Ân"])
def test_what_is_no_place_is_answered_as_ever(talking: Talk, said: str) -> None:
    assert text("place_which") not in talking.say("find_procedure", said).reply.text


def test_other_words_are_no_answer_to_which_commune(talking: Talk) -> None:
    talking.say("ask_place", "ở Quy Nhơn")
    assert "1.004194" in talking.say("find_procedure", "đăng ký tạm trú ở Quy Nhơn").reply.text


def test_another_district_is_asked_about_in_its_turn(talking: Talk) -> None:
    talking.say("ask_place", "ở Quy Nhơn")
    assert "Tuy Phước** không còn nữa" in talking.say("find_procedure", "à ở Tuy Phước").reply.text


def test_a_place_asked_inside_a_guide_leads_back(talking: Talk) -> None:
    begin(talking, "1.004194")
    talking.say("guide_next", tapped=True)
    assert "Làm tiếp" in talking.say("ask_place", "xã Nhơn An cũ là xã nào").reply.buttons[0].label


# -- English


def test_english_gets_english(talking: Talk) -> None:
    assert "I only guide you" in talking.say("english", "hello, can you help me").reply.text
    found = talking.say("english", "how do I get a birth certificate for my baby")
    assert text("english_found") in found.reply.text
    assert found.reply.buttons[0].payload.startswith("/open_procedure")


# -- several things at once


@pytest.mark.parametrize(
    ("said", "aspects"),
    [
        ("cần giấy gì, phí bao nhiêu, mấy ngày có", ["documents", "fee", "limit"]),
        ("nop o dau, online duoc khong", ["where", "online"]),
        ("phí", ["fee"]),
        ("chào bạn", []),
    ],
)
def test_aspects_of_a_message(said: str, aspects: list[str]) -> None:
    assert aspects_in(said) == aspects


def test_several_questions_get_several_answers(talking: Talk) -> None:
    talking.say("open_procedure", code="1.004194")
    told = talking.say("ask_documents", "cần giấy gì, phí bao nhiêu, mấy ngày có").reply.text
    assert all(text(head) in told for head in ("documents", "fee", "limit"))
    assert told.count(text("documents")) == 1


# -- correction


def test_a_correction_is_searched_without_its_no(talking: Talk) -> None:
    talking.say("open_procedure", code="1.001193")
    assert talking.say("change_procedure", "không, ý tôi là đăng ký tạm trú").reply.procedure == "1.004194"
    assert talking.say("change_procedure", "nhầm rồi, tôi hỏi khai tử").reply.procedure == "1.000656"


# -- life events


def test_every_event_is_told_in_order(talking: Talk) -> None:
    for event in talking.assistant.events.values():
        outcome = talking.say("event", id=event.id)
        assert all(line in outcome.reply.text for line in event.intro)
        held = [task for task in event.items if talking.assistant.procedure(task.code)]
        if not held:
            assert text("event_empty") in outcome.reply.text
            continue
        places = [outcome.reply.text.index(task.what) for task in held]
        assert places == sorted(places)
        assert outcome.slots["candidates"] == [task.code for task in held]
        assert talking.say("choose_nth", str(len(held))).reply.procedure == held[-1].code


def test_the_words_of_an_event_find_it(talking: Talk) -> None:
    right = total = 0
    for event in talking.assistant.events.values():
        for phrase in event.phrases:
            total += 1
            right += talking.assistant.happened.run(phrase, 1)[0].id == event.id
    assert right / total > 0.97


# -- picking


@pytest.mark.parametrize(
    ("said", "labels", "at"),
    [
        ("2", ["A", "B"], 1),
        ("cái đầu", ["Mất thẻ", "Hư thẻ"], 0),
        ("bị mất rồi", ["Bị mất", "Bị hư"], 0),
        ("bi hu", ["Bị mất", "Bị hư"], 1),
        ("rồi", ["Được rồi", "Vẫn chưa được"], 0),
        ("chưa được", ["Được rồi", "Vẫn chưa được"], 1),
        ("9", ["A", "B"], None),
        ("", ["A", "B"], None),
        ("đăng ký tạm trú", ["Được rồi", "Vẫn chưa được"], None),
        ("ừ", ["Con dưới 14", "Người lớn"], None),
    ],
)
def test_what_a_typed_answer_means(said: str, labels: list[str], at: int | None) -> None:
    assert pick(said, labels) == at


@pytest.mark.parametrize("said", ["không rõ", "tui hông biết nữa", "ko biet", "chưa rõ lắm"])
def test_not_knowing_is_understood(said: str) -> None:
    assert unsure(said)
    assert not unsure("biết rồi")
