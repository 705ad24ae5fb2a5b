"""Cases and papers in a conversation: asked, answered by tap or by word, kept, and changing what is told."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.dialogue import guide, papers
from bot.texts import text
from index.text import fold
from knowledge.cases import UNSURE, chosen, next_question
from knowledge.guides import load_guides
from knowledge.seed import load_seed
from tests.bot.test_dialogue import Talk, begin

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
    while talking.guide and talking.guide["step"] == guide.ASKING:
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
        talking.say("find_procedure", said)
        assert talking.guide
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
        "",
        "không rõ",
        "1",
        "số 2",
        "ừ",
        "không",
        "phí bao nhiêu",
        "đăng ký khai sinh",
        "otp không về",
        "xong",
        "làm tiếp",
    ]
)
MOVES = st.one_of(
    st.tuples(st.just("tap"), st.integers(0, 5)),
    st.tuples(st.just("say"), SAID),
)


@settings(max_examples=60, deadline=None)
@given(code=st.sampled_from(ASKING), moves=st.lists(MOVES, max_size=14))
def test_no_sequence_of_actions_strands_or_loses(seed_assistant: Any, code: str, moves: list[tuple[str, Any]]) -> None:
    from bot.gateway import parse_payload

    conversation = Talk(seed_assistant)
    conversation.say("guide_start", code=code)
    for kind, what in moves:
        last = conversation.last
        assert last
        if kind == "tap" and last.reply.buttons:
            button = last.reply.buttons[what % len(last.reply.buttons)]
            intent, entities = parse_payload(button.payload)
            conversation.say(intent, tapped=True, **entities)
        else:
            conversation.say("find_procedure", str(what))
        held = conversation.guide
        if held and held["step"] not in (guide.ASKING, guide.BEFORE):
            procedure = conversation.assistant.procedure(held["code"])
            steps = conversation.assistant.guide(procedure, held["portal"], held["answers"]).steps
            assert held["step"] in {s.id for s in steps}
            assert held["step"] not in conversation.assistant.situation(procedure, held["answers"]).skip
    if conversation.guide:
        resumed = conversation.say("guide_resume")
        assert resumed.reply.buttons
