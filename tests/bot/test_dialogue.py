"""Turns on the seed release: every intent is answered, every fact carries its source, every guide can be walked."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot import answers
from bot.dialogue import Turn, around, choose, facts, find, guide, papers, respond, stuck, talk
from bot.dialogue.pick import ordinal
from bot.dialogue.turn import ASKING, Forgetful
from bot.gateway import parse_payload
from bot.reply import LABEL_LIMIT, Outcome
from bot.texts import text
from index.text import fold
from knowledge.guides import DIRECT, load_guides
from knowledge.rescues import CALL, OFFICE, SOLVED
from knowledge.seed import load_seed

CODES = [p.code for p in load_seed()]
GUIDES = load_guides()
BIRTH, STAY = "1.001193", "1.004194"
EVERY = [
    *find.INTENTS, *facts.ASPECT_OF, *guide.INTENTS, *stuck.INTENTS, *papers.INTENTS, *around.INTENTS, *choose.INTENTS,
    *talk.INTENTS,
]  # fmt: skip
ENDS = {"forget_me"}
"""Intents whose reply may stand without a button."""


class Remembered(Forgetful):
    """A memory that tests can look into."""

    def __init__(self) -> None:
        self.asked_in_vain: list[str] = []
        self.rated: list[tuple[str, str]] = []
        self.ends = 0
        self.codes: dict[str, dict[str, Any]] = {}
        self.guides: dict[str, dict[str, Any]] = {}
        """By procedure, the one moved last at the end."""
        self.parked = False

    def unanswered(self, question: str) -> None:
        self.asked_in_vain.append(question)

    def shared(self, short: str) -> dict[str, Any] | None:
        return self.codes.get(short)

    @property
    def guide(self) -> dict[str, Any] | None:
        """The guide in hand."""
        return None if self.parked else self.begun()

    def begun(self, code: str = "") -> dict[str, Any] | None:
        return self.guides.get(code or next(reversed(self.guides), ""))

    def keep(self, held: dict[str, Any] | None) -> None:
        """Set or end the guide in hand, as the store does."""
        if held is None:
            self.guides.pop((self.guide or {}).get("code", ""), None)
            return
        self.guides.pop(held["code"], None)
        self.guides[held["code"]] = held
        self.parked = False

    def park(self) -> None:
        self.parked = True

    def finished(self) -> None:
        self.ends += 1

    def done(self) -> int:
        return self.ends

    def rate(self, code: str, answer: str) -> None:
        self.rated.append((code, answer))


class Talk:
    """A conversation: slots and the guide in hand are kept between turns as Rasa and the store keep them."""

    def __init__(self, assistant: Any) -> None:
        self.assistant = assistant
        self.slots: dict[str, Any] = {}
        self.memory = Remembered()
        self.last: Outcome | None = None

    @property
    def guide(self) -> dict[str, Any] | None:
        """The guide in hand."""
        return self.memory.guide

    @guide.setter
    def guide(self, held: dict[str, Any] | None) -> None:
        self.memory.keep(held)

    def say(self, intent: str, message: str = "", *, tapped: bool = False, **entities: Any) -> Outcome:
        turn = Turn(
            intent,
            message,
            self.assistant,
            entities,
            dict(self.slots),
            self.guide,
            self.memory,
            tapped=tapped,
        )
        outcome = respond(turn)
        sound(outcome, intent)
        if intent == "forget_me":
            self.memory.guides.clear()
        slots = dict(outcome.slots)
        if "guide" in slots:
            self.guide = slots.pop("guide")
        self.slots |= slots
        self.last = outcome
        return outcome

    def tap(self, label: str) -> Outcome:
        assert self.last
        button = next(b for b in self.last.reply.buttons if b.label.startswith(label))
        intent, entities = parse_payload(button.payload)
        return self.say(intent, tapped=True, **entities)


def sound(outcome: Outcome, intent: str) -> None:
    """What holds of every reply."""
    reply = outcome.reply
    assert reply.text.strip()
    assert reply.buttons or intent in ENDS
    assert not re.search(r"\{\w+\}|\bNone\b", reply.text)
    assert reply.text.count("**") % 2 == 0
    labels = [b.label for b in reply.buttons]
    assert len(labels) <= 6
    assert len(set(labels)) == len(labels)
    for button in reply.buttons:
        assert 0 < len(button.label) <= LABEL_LIMIT
        assert parse_payload(button.payload)[0] in EVERY
    assert "misses" in outcome.slots


@pytest.fixture
def talking(seed_assistant: Any) -> Talk:
    return Talk(seed_assistant)


def date_of(talking: Talk, code: str) -> str:
    return answers.source(talking.assistant.procedure(code)).split("\n")[0]


# -- every handler


@pytest.mark.parametrize("intent", EVERY)
@pytest.mark.parametrize("held", ["nothing", "procedure", "guide"])
@pytest.mark.parametrize("message", ["", "đăng ký tạm trú", "xyz 123"])
def test_every_intent_is_answered_in_every_state(talking: Talk, intent: str, held: str, message: str) -> None:
    if held != "nothing":
        talking.say("open_procedure", code=BIRTH)
    if held == "guide":
        talking.say("guide_start", code=BIRTH)
        talking.say("guide_next")
    outcome = talking.say(intent, message)
    if outcome.reply.procedure:
        assert talking.assistant.procedure(outcome.reply.procedure)


def test_an_unknown_intent_counts_as_a_search(talking: Talk) -> None:
    assert talking.say("khong_co_intent_nay", "đăng ký tạm trú").reply.procedure == STAY


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(EVERY), st.sampled_from(["", "đăng ký khai sinh", "phí", "2", "ừ"])), max_size=6
    )
)
def test_no_order_of_intents_breaks_it(seed_assistant: Any, steps: list[tuple[str, str]]) -> None:
    conversation = Talk(seed_assistant)
    for intent, message in steps:
        conversation.say(intent, message)


# -- facts


@pytest.mark.parametrize("code", CODES)
def test_every_fact_of_every_procedure_carries_its_source(talking: Talk, code: str) -> None:
    for intent in facts.ASPECT_OF:
        if intent == "ask_processing_status":
            continue
        outcome = talking.say(intent, code=code)
        assert date_of(talking, code) in outcome.reply.text, intent
        assert outcome.reply.procedure == code
        assert outcome.slots["procedure"] == code
        assert answers.title_of(talking.assistant.procedure(code)) in outcome.reply.text
    card = talking.say("open_procedure", code=code)
    assert date_of(talking, code) in card.reply.text
    assert text("code", code=code) in card.reply.text


def test_a_bare_aspect_is_about_the_one_in_hand(talking: Talk) -> None:
    talking.say("open_procedure", code=STAY)
    assert talking.say("ask_fee", "phí bao nhiêu vậy").reply.procedure == STAY
    assert talking.say("ask_documents", "cần giấy tờ gì").reply.procedure == STAY


def test_an_aspect_of_nothing_asks_what_it_is_about(talking: Talk) -> None:
    assert text("need_procedure") in talking.say("ask_fee", "phí bao nhiêu").reply.text
    assert text("need_procedure") in talking.say("show_more").reply.text


def test_another_procedure_named_takes_over_and_says_so(talking: Talk) -> None:
    talking.say("open_procedure", code=BIRTH)
    outcome = talking.say("ask_fee", "đăng ký tạm trú phí bao nhiêu")
    assert outcome.reply.procedure == STAY
    name = answers.title_of(talking.assistant.procedure(STAY))
    assert text("switched", name=name) in outcome.reply.text


def test_what_is_cut_can_be_seen_whole(talking: Talk) -> None:
    cut = 0
    for code in CODES:
        short = talking.say("ask_documents", code=code)
        if answers.is_cut(short.reply.text.rsplit("\n\n", 1)[0]):
            cut += 1
            whole = talking.tap(text("button_more"))
            for paper in talking.assistant.procedure(code).documents:
                if text("full_rest", url=talking.assistant.procedure(code).url) not in whole.reply.text:
                    assert paper.name in whole.reply.text
    assert cut > 3


def test_a_dossiers_state_is_not_made_up(talking: Talk) -> None:
    assert talking.say("ask_processing_status", "hồ sơ của tui tới đâu rồi").reply.text == text("status")


# -- finding


def test_a_clear_question_is_answered(talking: Talk) -> None:
    outcome = talking.say("find_procedure", "đăng ký tạm trú cho người thuê trọ")
    assert outcome.reply.procedure == STAY
    assert outcome.slots["misses"] == 0.0


def test_a_code_that_is_not_held_is_said_so(talking: Talk) -> None:
    outcome = talking.say("open_procedure", code="9.999999")
    assert text("not_held", code="9.999999") in outcome.reply.text
    assert outcome.slots["misses"] == 1.0


def test_out_of_scope_stays_outside(talking: Talk) -> None:
    assert text("out_of_scope") in talking.say("out_of_scope", "tối nay ăn gì").reply.text


def test_asking_which_and_choosing(talking: Talk) -> None:
    turn = Turn("find_procedure", "x", talking.assistant)
    outcome = find.clarify_codes(turn, [BIRTH, STAY, "1.004222"])
    assert outcome.slots["candidates"] == [BIRTH, STAY, "1.004222"]
    assert [b.label.split(".")[0] for b in outcome.reply.buttons[:-1]] == ["1", "2", "3"]
    assert outcome.reply.buttons[-1].label == text("button_none")
    assert "Nguồn: " in outcome.reply.text
    for said, code in (("cái thứ hai", STAY), ("số 3", "1.004222"), ("cái cuối cùng", "1.004222"), ("1", BIRTH)):
        talking.slots = {"candidates": [BIRTH, STAY, "1.004222"], "pending": {"ask": "choose"}}
        assert talking.say("choose_nth", said).reply.procedure == code
    talking.slots = {"candidates": [BIRTH, STAY, "1.004222"], "pending": {"ask": "choose"}}
    assert "1. " in talking.say("choose_nth", "cái thứ 9").reply.text
    talking.slots = {"candidates": [BIRTH, STAY], "pending": {"ask": "choose"}}
    assert talking.say("deny", "không").slots["candidates"] is None
    talking.slots = {"candidates": [STAY], "pending": {"ask": "choose"}}
    assert talking.say("affirm", "ừ").reply.procedure == STAY


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("cái đầu tiên", 1),
        ("thứ nhì", 2),
        ("số 4", 4),
        ("cái cuối", -1),
        ("cái chót", -1),
        ("12", 12),
        ("ừ", None),
        ("", None),
        ("cai thu ba", 3),
    ],
)
def test_ordinals(said: str, number: int | None) -> None:
    assert ordinal(said) == number


def test_two_misunderstandings_lead_to_people(talking: Talk) -> None:
    first = talking.say("none_of_these")
    second = talking.say("none_of_these")
    assert "18001096" not in first.reply.text
    assert "18001096" in second.reply.text
    assert second.slots["misses"] == 2.0
    assert talking.say("greet").slots["misses"] == 0.0


def test_what_found_nothing_is_kept_for_staff(talking: Talk) -> None:
    for question in ("zzz qqq www", "kkk lll ppp"):
        outcome = talking.say("find_procedure", question)
        if outcome.slots["misses"]:
            assert question in talking.memory.asked_in_vain
    assert not talking.say("find_procedure", "đăng ký tạm trú").slots["misses"]
    assert "đăng ký tạm trú" not in talking.memory.asked_in_vain


# -- guides

WALKS = [(code, portal) for code in CODES for portal in ("", DIRECT)] + [
    (code, portal) for code, own in GUIDES.own.items() if code in CODES for portal in own.portals
]


def begin(talking: Talk, code: str, portal: str = "") -> Outcome:
    """Start a guide, knowing no answer to its questions."""
    outcome = talking.say("guide_start", code=code, **({"id": portal} if portal else {}))
    while talking.guide and talking.guide["step"] == ASKING:
        outcome = talking.tap(text("button_unsure"))
    return outcome


@pytest.mark.parametrize(("code", "portal"), sorted(set(WALKS)))
def test_every_guide_is_walked_from_first_to_last_step(talking: Talk, code: str, portal: str) -> None:
    procedure = talking.assistant.procedure(code)
    expected = talking.assistant.guide(procedure, portal)
    outcome = begin(talking, code, portal)
    assert talking.guide
    assert (talking.guide["code"], talking.guide["portal"]) == (code, expected.portal)
    assert talking.guide["step"] == guide.BEFORE
    assert all(line in outcome.reply.text for line in expected.before)
    for at, step in enumerate(expected.steps, 1):
        outcome = talking.say("guide_next", tapped=True)
        assert talking.guide
        assert talking.guide["step"] == step.id
        assert text("guide_step", i=at, n=len(expected.steps), title=step.title) in outcome.reply.text
        assert all(line in outcome.reply.text for line in (*step.do, step.see))
        assert outcome.reply.edit
        assert outcome.reply.procedure == code
        assert f"{(procedure.updated_on or procedure.checked_on):%d/%m/%Y}" in outcome.reply.text
    outcome = talking.say("guide_done")
    assert talking.guide is None
    assert all(line in outcome.reply.text for line in expected.after)
    assert date_of(talking, code) in outcome.reply.text


def test_every_portal_is_walked(talking: Talk) -> None:
    walked = {talking.assistant.guide(talking.assistant.procedure(c), p).portal for c, p in WALKS}
    assert walked == set(GUIDES.portals)


def test_back_repeat_stop_and_resume(talking: Talk) -> None:
    begin(talking, STAY)
    assert text("guide_first") in talking.say("guide_back").reply.text
    first = talking.say("guide_next").reply.text
    second = talking.say("guide_next").reply.text
    assert talking.say("guide_repeat").reply.text == second
    assert talking.say("guide_back").reply.text == first
    talking.say("guide_next")
    stopped = talking.say("guide_stop")
    assert talking.guide
    assert "bước 2/" in stopped.reply.text
    resumed = talking.tap("Làm tiếp")
    assert resumed.reply.text.endswith(second)


def test_a_side_question_offers_the_guide_again(talking: Talk) -> None:
    begin(talking, STAY)
    talking.say("guide_next")
    aside = talking.say("ask_fee", "phí bao nhiêu")
    assert "Bạn đang làm dở bước 1/" in aside.reply.text
    assert talking.tap("Làm tiếp").reply.text.count("Bước 1/") == 1
    talking.say("greet")
    assert talking.guide


def test_a_step_that_is_no_more_starts_the_guide_over(talking: Talk) -> None:
    talking.guide = {"code": STAY, "portal": "cong-quoc-gia", "step": "bo-roi"}
    outcome = talking.say("guide_next")
    assert text("guide_moved") in outcome.reply.text
    assert talking.guide["step"] == "before"


@pytest.mark.parametrize(
    "held", [{"code": "9.999999", "portal": "vneid", "step": "x"}, {"code": BIRTH, "portal": "khong-co", "step": "x"}]
)
def test_a_guide_of_what_is_gone_does_no_harm(talking: Talk, held: dict[str, str]) -> None:
    for intent in guide.INTENTS:
        talking.guide = dict(held)
        talking.say(intent)
        talking.say("greet")


def test_nothing_to_resume(talking: Talk) -> None:
    assert talking.say("guide_resume").reply.text == text("guide_nothing")


def test_stuck_offers_what_goes_wrong_at_this_step(talking: Talk) -> None:
    begin(talking, BIRTH)
    for _ in range(len(talking.assistant.guide(talking.assistant.procedure(BIRTH)).steps)):
        talking.say("guide_next")
        asked = talking.say("guide_stuck", tapped=True)
        step = (talking.guide or {})["step"]
        offered = [parse_payload(b.payload)[1]["id"] for b in asked.reply.buttons if b.payload.startswith("/rescue")]
        assert offered
        here = [r.id for r in talking.assistant.rescues.values() if step in r.steps]
        assert not here or set(offered) <= set(here)


def test_every_rescue_is_walked_to_its_ends(talking: Talk) -> None:
    for rescue in talking.assistant.rescues.values():
        reached: set[str] = set()
        waiting = [rescue.nodes[0].id]
        while waiting:
            node = rescue.node(waiting.pop())
            assert node
            outcome = talking.say("rescue", id=rescue.id, aspect=node.id)
            assert all(line in outcome.reply.text for line in (*node.say, node.ask))
            for at, way in enumerate(node.options):
                shown = talking.say("rescue", id=rescue.id, aspect=node.id)
                intent, entities = parse_payload(shown.reply.buttons[at].payload)
                after = talking.say(intent, tapped=True, **entities)
                if way.to in (SOLVED, CALL, OFFICE):
                    reached.add(way.to)
                    hotline = talking.assistant.contacts.hotlines[rescue.hotline]
                    said = {SOLVED: text("rescue_solved"), CALL: hotline.number, OFFICE: text("stuck_person")}
                    assert said[way.to] in after.reply.text
                else:
                    waiting.append(way.to)
        assert reached & {CALL, OFFICE}, rescue.id
    assert text("stuck_ask") in talking.say("rescue", id="khong-co").reply.text


def test_the_words_of_a_rescue_find_it(talking: Talk) -> None:
    right = told = total = 0
    for rescue in talking.assistant.rescues.values():
        for phrase in rescue.phrases:
            total += 1
            talking.slots = {}
            outcome = talking.say("guide_stuck", phrase)
            pending = outcome.slots["pending"]
            told += pending["ask"] == "rescue"
            right += pending.get("id") == rescue.id or rescue.id in pending.get("ids", ())[:1]
    assert right / total > 0.97
    assert told / total > 0.9


def test_a_rescue_understands_typed_answers(talking: Talk) -> None:
    rescue = talking.assistant.rescues["vneid-muc-2"]
    first = rescue.nodes[0]
    for at, way in enumerate(first.options):
        for said in (str(at + 1), f"số {at + 1}", way.label, fold(way.label)):
            talking.say("rescue", id=rescue.id)
            outcome = talking.say("find_procedure", said)
            node = rescue.node(way.to)
            assert (node.ask if node else "") in outcome.reply.text, said


def test_no_finds_out_where_it_pinches_inside_a_step(talking: Talk) -> None:
    begin(talking, BIRTH)
    talking.say("guide_next")
    assert text("stuck_ask") in talking.say("deny", "chưa").reply.text


# -- around


def test_the_greeting_tells_of_data_once(talking: Talk) -> None:
    assert text("privacy", days=60) in talking.say("greet").reply.text
    assert text("privacy", days=60) not in talking.say("greet").reply.text


@pytest.mark.parametrize("intent", ["restart", "forget_me"])
def test_starting_over_empties_the_slots(talking: Talk, intent: str) -> None:
    talking.say("guide_start", code=BIRTH)
    talking.say(intent)
    assert talking.guide is None
    assert not any(talking.slots.get(name) for name in ("procedure", "candidates", "pending", "last_aspect"))


def test_it_never_files_for_anyone_and_warns_of_secrets(talking: Talk) -> None:
    assert text("file_for_me") in talking.say("file_for_me", "nộp giùm tui").reply.text
    assert "1900.0368" in talking.say("offer_secret", "otp của tui nè").reply.text
    assert "18001096" in talking.say("complaint").reply.text
    people = talking.say("talk_to_person").reply.text
    assert all(c.address in people for c in talking.assistant.contacts.centres)


def test_outside_twice_in_a_row_leads_to_people(talking: Talk) -> None:
    assert "18001096" not in talking.say("out_of_scope", "tối nay ăn gì").reply.text
    second = talking.say("out_of_scope", "mai ăn gì").reply.text
    assert text("out_of_scope") in second
    assert "18001096" in second


def test_words_that_nothing_explains_are_taken_for_being_stuck_inside_a_guide_only(talking: Talk) -> None:
    said = "bà chủ trọ lớn tuổi không có vneid thì sao"
    assert talking.say("out_of_scope", said).reply.text == text("out_of_scope")
    begin(talking, STAY)
    talking.say("guide_next")
    assert text("stuck_ask") in talking.say("out_of_scope", said).reply.text
    assert text("out_of_scope") in talking.say("out_of_scope", "giá vàng hôm nay").reply.text


def test_a_dossier_without_its_code_is_a_rescue(talking: Talk) -> None:
    rescue = talking.assistant.rescues["chua-co-ma-ho-so"]
    assert rescue.nodes[0].ask in talking.say("ask_processing_status", "nộp rồi mà không thấy mã hồ sơ").reply.text


def test_a_fact_asked_of_a_life_event_shows_the_event(talking: Talk) -> None:
    said = "nhà tôi có người mất thì phải làm những thủ tục gì"
    assert talking.assistant.events["nguoi-mat"].title in talking.say("ask_steps", said).reply.text
