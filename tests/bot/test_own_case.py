"""Cases and papers in a conversation: asked, answered by tap or by word, kept, and changing what is told."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.dialogue import guide, papers, talk
from bot.dialogue.turn import ASKING as ASKING_STEP
from bot.gateway import parse_payload
from bot.texts import text
from index.text import fold
from knowledge.cases import UNSURE, chosen, next_question
from knowledge.guides import load_guides
from knowledge.seed import load_seed
from tests.bot.test_dialogue import EVERY, Talk, begin

GUIDES = load_guides()
SEED = {p.code: p for p in load_seed()}
ASKING = [code for code, own in GUIDES.own.items() if own.questions and code in SEED]
OPTIONS = [(code, q.id, o.id) for code in ASKING for q in GUIDES.own[code].questions for o in q.options]


@pytest.fixture
def talking(seed_assistant: Any) -> Talk:
    return Talk(seed_assistant)


def test_the_forty_have_guides_and_nearly_all_ask() -> None:
    assert len(GUIDES.own) >= 48
    assert len(ASKING) >= 40
    assert GUIDES.own.keys() <= SEED.keys()


@pytest.mark.parametrize(("code", "question", "option"), OPTIONS)
def test_every_answer_leads_on(talking: Talk, code: str, question: str, option: str) -> None:
    talking.say("guide_start", code=code)
    while talking.guide and talking.guide["step"] == ASKING_STEP:
        asked = next_question(GUIDES.own[code].questions, talking.guide["answers"])
        assert asked
        assert asked.ask in (talking.last.reply.text if talking.last else "")
        own = asked.option(option) if asked.id == question else None
        outcome = talking.tap(own.label if own else text("button_unsure"))
        if own and own.go:
            known = talking.assistant.procedure(own.go)
            assert own.go in outcome.reply.text or known
            assert text("case_elsewhere") in outcome.reply.text
            return
    assert talking.guide
    assert talking.guide["answers"][question] == option
    procedure = talking.assistant.procedure(code)
    mine = talking.assistant.situation(procedure, talking.guide["answers"])
    told = talking.last.reply.text if talking.last else ""
    assert all(line in told for line in mine.says)
    shown = talking.assistant.guide(procedure, "", talking.guide["answers"])
    assert not mine.skip & {step.id for step in shown.steps}
    for _ in shown.steps:
        talking.say("guide_next", tapped=True)
        assert talking.guide["step"] not in mine.skip
    assert talking.say("guide_next", tapped=True).slots["pending"] == {"ask": "rate"}


@pytest.mark.parametrize("code", ASKING)
def test_no_paper_of_another_case_is_asked_for(code: str, talking: Talk) -> None:
    procedure, questions = SEED[code], GUIDES.own[code].questions
    every = {d.name for d in procedure.documents}
    for given_ in itertools.product(*([*(o.id for o in q.options), UNSURE] for q in questions)):
        answers = dict(zip((q.id for q in questions), given_, strict=True))
        mine = talking.assistant.situation(procedure, answers)
        options = chosen(questions, answers)
        cases = {case for o in options for case in o.cases}
        others = {
            c for q in questions for o in q.options for c in o.cases if q.option(answers[q.id]) and c not in cases
        }
        assert not {d.case for d in mine.documents} & others
        assert not {d.case for d in mine.perhaps} & others
        if all(a == UNSURE for a in given_):
            assert {d.name for d in (*mine.documents, *mine.perhaps)} == every


@pytest.mark.parametrize(("code", "question", "option"), OPTIONS[::3])
def test_typed_answers_are_understood(talking: Talk, code: str, question: str, option: str) -> None:
    questions = GUIDES.own[code].questions
    at = next(i for i, q in enumerate(questions) if q.id == question)
    wanted = questions[at].option(option)
    assert wanted
    number = questions[at].options.index(wanted) + 1
    for said in (wanted.label, fold(wanted.label), f"số {number}", str(number)):
        talking.guide = None
        talking.say("guide_start", code=code)
        for _ in range(at):
            talking.say("dont_know", "không rõ")
        outcome = talking.say("find_procedure", said)
        assert talking.guide
        if wanted.go:
            assert text("case_elsewhere") in outcome.reply.text, said
        else:
            assert talking.guide["answers"].get(question) == option, said


def test_a_side_question_leaves_the_question_open(talking: Talk) -> None:
    talking.say("guide_start", code="1.001193")
    aside = talking.say("ask_fee", "phí bao nhiêu")
    assert "Làm tiếp" in " ".join(b.label for b in aside.reply.buttons)
    assert GUIDES.own["1.001193"].questions[0].ask in talking.tap("Làm tiếp").reply.text


def test_answers_can_be_given_anew(talking: Talk) -> None:
    begin(talking, "1.001193")
    again = talking.tap(text("button_case_again"))
    assert GUIDES.own["1.001193"].questions[0].ask in again.reply.text
    assert talking.guide
    assert talking.guide["answers"] == {}


# -- the list of papers


def test_papers_are_ticked_by_button_and_by_number(talking: Talk) -> None:
    begin(talking, "1.001193")
    shown = talking.tap(text("button_checklist"))
    every, spared, perhaps = papers.papers_of(
        talking.assistant.situation(talking.assistant.procedure("1.001193"), talking.guide["answers"])  # type: ignore[index]
    )
    assert every
    assert spared
    assert perhaps
    assert text("checklist_open", n=1, name="")[:4] in shown.reply.text
    talking.tap("Có: 1.")
    assert talking.guide
    assert talking.guide["ticked"] == [every[0].key]
    typed = talking.say("find_procedure", " ".join(str(n) for n in range(2, len(every) + 1)) or "1")
    if len(every) > 1:
        assert text("checklist_done") in typed.reply.text
    before = list(talking.guide["ticked"])
    talking.say("find_procedure", "1")
    assert every[0].key in before
    assert every[0].key not in talking.guide["ticked"]
    talking.say("guide_resume")
    assert talking.guide["ticked"]


def test_a_short_code_brings_the_guide_to_somebody_else(talking: Talk, seed_assistant: Any) -> None:
    begin(talking, "1.004194")
    talking.say("guide_next", tapped=True)
    held = {**(talking.guide or {}), "short": "K7MQ4P"}
    other = Talk(seed_assistant)
    other.memory.codes["K7MQ4P"] = held
    resumed = other.say("guide_resume", id="K7MQ4P")
    assert "Bước 1/" in resumed.reply.text
    assert other.guide == held
    assert text("guide_no_code") in Talk(seed_assistant).say("guide_resume", id="XXXYYY").reply.text


def test_what_to_check_before_handing_in(talking: Talk) -> None:
    begin(talking, "1.001456")
    while talking.guide and talking.guide["step"] != guide.CHECK:
        talking.say("guide_next", tapped=True)
    shown = talking.tap(text("button_precheck"))
    checks = shown.slots["pending"]["ids"]
    assert 4 <= len(checks) <= papers.CHECKS
    doubt = talking.say("choose_nth", "2")
    reason = next(r for r in talking.assistant.returns if r.id == checks[1])
    assert all(line in doubt.reply.text for line in reason.fix)
    assert "bước" in talking.tap("Làm tiếp").reply.text.lower()


def test_a_notice_is_made_out(talking: Talk) -> None:
    right = total = 0
    for reason in talking.assistant.returns:
        for phrase in reason.phrases:
            total += 1
            outcome = talking.say("returned", phrase)
            offered = [b.payload for b in outcome.reply.buttons]
            right += reason.fix[0] in outcome.reply.text or any(reason.id in p for p in offered)
    assert right / total > 0.95


def test_how_it_went_is_counted_and_the_next_guide_is_shorter(talking: Talk) -> None:
    begin(talking, "1.004194")
    while talking.guide:
        talking.say("guide_next", tapped=True)
    talking.tap(text("button_rate_self"))
    assert talking.memory.rated == [("1.004194", "self")]
    shown = begin(talking, "1.000894")
    assert text("button_short") in [b.label for b in shown.reply.buttons]
    brief = talking.tap(text("button_short"))
    assert brief.reply.text.count("\n") > 8
    assert talking.tap(text("button_all_done")).slots["pending"] == {"ask": "rate"}


# -- nothing strands anyone

SAID = st.sampled_from(
    [
        "", "không rõ", "1", "số 2", "ừ", "không", "chưa", "phí bao nhiêu", "đăng ký khai sinh", "otp không về", "xong",
        "làm tiếp", "đăng ký tạm trú", "em 25 tuổi", "hồ sơ bị trả lại", "xyz",
    ]
)  # fmt: skip
TYPED = [i for i in EVERY if i not in ("case", "tick", "rescue", "event", "open_procedure", "forget_me")]
"""What people's own words can be taken for; the rest comes with buttons and commands."""
MOVES = st.one_of(
    st.tuples(st.just("tap"), st.integers(0, 5)),
    st.tuples(st.just("old button"), st.integers(0, 200)),
    st.tuples(st.sampled_from(TYPED), SAID),
)
BACKWARDS = ("guide_back", "guide_start", "case")
"""Intents by which a person asks to see an earlier step, to begin again or to change the case."""


def reached(conversation: Talk, held: dict[str, Any]) -> int:
    """Steps done: -1 before the first. Refuses a step that is not one of the person's own case."""
    procedure = conversation.assistant.procedure(held["code"])
    if held["step"] in (ASKING_STEP, guide.BEFORE):
        return -1
    steps = [s.id for s in conversation.assistant.guide(procedure, held["portal"], held["answers"]).steps]
    assert held["step"] not in conversation.assistant.situation(procedure, held["answers"]).skip
    return steps.index(held["step"])


def test_no_sequence_of_actions_strands_or_loses(seed_assistant: Any) -> None:
    @settings(max_examples=120, deadline=None)
    @given(code=st.sampled_from(ASKING), moves=st.lists(MOVES, max_size=16))
    def walk(code: str, moves: list[tuple[str, Any]]) -> None:
        walked(Talk(seed_assistant), code, moves)

    walk()


def walked(conversation: Talk, code: str, moves: list[tuple[str, Any]]) -> None:
    """Begin the guide of ``code``, do the moves, and see that nothing is lost, skipped or left without a way on."""
    begin(conversation, code)
    shown = []
    for kind, what in moves:
        assert conversation.last
        shown += conversation.last.reply.buttons
        before = {c: dict(held) for c, held in conversation.memory.guides.items()}
        ends = conversation.memory.ends
        if kind in ("tap", "old button"):
            pool = conversation.last.reply.buttons if kind == "tap" else shown
            intent, entities = parse_payload(pool[what % len(pool)].payload)
            forgotten = intent == "forget_me"
            outcome = conversation.say(intent, tapped=True, **entities)
        else:
            intent, forgotten = kind, False
            outcome = conversation.say(kind, what)
        after = conversation.memory.guides
        if forgotten:
            continue

        # nothing is lost: a guide ends only at its own end, one at a time
        lost = before.keys() - after.keys()
        assert len(lost) <= conversation.memory.ends - ends
        # one guide moves at a time, by one step at the most, and back only when asked to
        moved = [c for c in before.keys() & after.keys() if before[c]["step"] != after[c]["step"]]
        assert len(moved) <= 1
        for c in moved:
            steps = reached(conversation, after[c]) - reached(conversation, before[c])
            assert steps <= 1
            assert steps > -1 or intent in BACKWARDS
        # the step shown is one of the person's own case, and there is always a way on, back to the guide too
        held = conversation.guide
        if held:
            reached(conversation, held)
            onwards = [parse_payload(b.payload)[0] for b in outcome.reply.buttons]
            assert {"guide_resume", "guide_next", "guide_done", "guide_start", "case"} & set(onwards)
    for held in list(conversation.memory.guides.values()):
        resumed = conversation.say("guide_resume", tapped=True, code=held["code"])
        assert resumed.reply.procedure == held["code"]
        assert conversation.guide
        assert conversation.guide["step"] == held["step"]


def test_a_button_tapped_late_or_twice_moves_nothing(talking: Talk) -> None:
    begin(talking, "1.001193")
    start = talking.last
    talking.tap("Bắt đầu")
    first = talking.last
    talking.tap("Xong")
    for old in (start, first):
        assert old
        intent, entities = parse_payload(old.reply.buttons[0].payload)
        assert "Bước 2/" in talking.say(intent, tapped=True, **entities).reply.text
    begin(talking, "1.000894")
    assert first
    intent, entities = parse_payload(first.reply.buttons[0].payload)
    again = talking.say(intent, tapped=True, **entities)
    assert again.reply.procedure == "1.001193"
    assert "Bước 2/" in again.reply.text


def test_an_old_answer_about_the_case_moves_nothing_and_another_one_begins_anew(talking: Talk) -> None:
    talking.say("guide_start", code="1.001193")
    asked = talking.last
    begin(talking, "1.001193")
    talking.tap("Bắt đầu")
    assert asked
    given, other = (parse_payload(asked.reply.buttons[at].payload) for at in (-1, 2))
    assert "Bước 1/" in talking.say(given[0], tapped=True, **given[1]).reply.text
    assert text("guide_before") in talking.say(other[0], tapped=True, **other[1]).reply.text


def test_a_bare_yes_answers_what_was_said_last(talking: Talk) -> None:
    begin(talking, "1.004194")
    talking.tap("Bắt đầu")
    for aside in ("talk_to_person", "insult", "thanks", "out_of_scope"):
        talking.say(aside, "x")
        assert "Bước 1/" in talking.say("affirm", "ừ").reply.text
    talking.say("open_procedure", code="1.001193")
    talking.say("guide_start", code="1.001193")
    for _ in range(2):
        talking.say("thanks", "cảm ơn")
        assert "Câu 1/3" in talking.say("affirm", "ừ").reply.text
    talking.say("thanks", "cảm ơn")
    assert "Câu 2/3" in talking.say("find_procedure", "đã đăng ký kết hôn").reply.text
    assert "Câu 1/3" in talking.say("guide_back", "quay lại").reply.text


def test_going_on_after_a_side_question_is_going_back_to_the_step(talking: Talk) -> None:
    begin(talking, "1.004194")
    talking.tap("Bắt đầu")
    talking.say("ask_fee", "phí bao nhiêu")
    assert "Bước 1/" in talking.say("guide_next", "tiếp tục").reply.text
    assert "Bước 2/" in talking.say("guide_next", "tiếp").reply.text


def test_an_answer_in_a_labels_very_words_is_one_whatever_it_is_taken_for(talking: Talk) -> None:
    talking.say("rescue", id="khong-nhan-otp", aspect="so-nao")
    bare = talking.say("guide_stop", "dung so dang dung")
    assert any("tin nhắn rác" in line for line in bare.reply.text.split("\n"))


def test_somebody_who_wants_a_secret_is_told_of_whatever_the_message_is_taken_for(talking: Talk) -> None:
    for said in ("công an gọi điện kêu đọc mã OTP", "người ta gọi xin mật khẩu vneid thì có đưa không"):
        assert text("offer_secret", vneid="").split("\n")[0] in talking.say("talk_to_person", said).reply.text
    for rescue in talking.assistant.rescues.values():
        assert not [said for said in rescue.phrases if talk.secret_wanted(said)]


def test_what_was_asked_is_answered_once_it_is_clear_of_what(talking: Talk) -> None:
    for typed in (True, False):
        talking.say("restart")
        asked = talking.say("ask_fee", "căn cước phí bao nhiêu, mấy ngày có")
        assert asked.slots["pending"]["wanted"] == "ask_fee"
        told = talking.say("choose_nth", "cái thứ nhất") if typed else talking.tap("1.")
        assert text("fee") in told.reply.text
        assert text("limit") in told.reply.text


def test_several_procedures_named_at_once_are_done_one_after_the_other(talking: Talk) -> None:
    both = talking.say("find_procedure", "tôi muốn đăng ký kết hôn rồi đăng ký tạm trú cho vợ luôn")
    assert both.slots["candidates"][:2] == ["1.000894", "1.004194"]
    one = talking.say("find_procedure", "vợ tôi mới sinh con rồi giờ đăng ký khai sinh cho con")
    assert one.slots.get("candidates") is None
