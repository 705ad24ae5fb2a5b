"""Asking back: each kind of difference on made-up procedures, and labels that differ for any procedures."""

from __future__ import annotations

import random
import re
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.dialogue import Turn, differ, find
from bot.differences import FILE, load_differences
from bot.reply import LABEL_LIMIT
from bot.texts import text
from index.text import fold
from knowledge.errors import DataError
from knowledge.model import Procedure
from knowledge.portal import read_catalogue
from knowledge.seed import load_seed
from tests.conftest import SHARED
from tests.making import procedure

SEED = load_seed()
REAL = SHARED / "data" / "portal-procedures.jsonl.gz"


def some(*names: str, **changes: Any) -> list[Procedure]:
    """Procedures with these names; a list among ``changes`` gives each its own value."""
    return [
        procedure(code=f"9.{n:06}", name=name, **{k: v[n - 1] for k, v in changes.items()})
        for n, name in enumerate(names, 1)
    ]


def labels(asking: differ.Asking) -> list[str]:
    return [c.label for c in asking.choices]


def codes(asking: differ.Asking) -> list[str]:
    return [c.procedure.code for c in asking.choices]


# -- each kind of difference


def test_what_is_done() -> None:
    asking = differ.ask(some("Cấp lại giấy phép thả diều", "Cấp giấy phép thả diều"))
    assert asking.question == "Bạn làm lần đầu, hay làm lại vì mất, hỏng?"
    assert asking.about == "giấy phép thả diều"
    assert labels(asking) == ["Làm lần đầu", "Làm lại vì mất, hỏng"]
    assert codes(asking) == ["9.000002", "9.000001"]
    assert not any(c.title for c in asking.choices)


def test_more_than_two_ways_are_listed() -> None:
    names = ("Cấp", "Gia hạn", "Cấp đổi", "Thu hồi")
    asking = differ.ask(some(*(f"{n} giấy phép thả diều" for n in names)))
    assert asking.question == "Bạn muốn làm gì?"
    assert labels(asking) == ["Làm lần đầu", "Gia hạn", "Đổi, sửa thông tin", "Chấm dứt, thu hồi"]


def test_several_things_done_at_once() -> None:
    asking = differ.ask(some("Cấp, cấp lại giấy phép thả diều", "Chấm dứt giấy phép thả diều"))
    assert labels(asking) == ["Làm lần đầu, làm lại vì mất, hỏng", "Chấm dứt, thu hồi"]


def test_level_commune_first() -> None:
    asking = differ.ask(
        some(
            "Thả diều (thực hiện tại cấp tỉnh)",
            "Thả diều",
            "Thả diều",
            levels=[["province"], ["ministry"], ["commune"]],
        )
    )
    assert asking.question == "Bạn cần làm ở cấp nào?"
    assert labels(asking) == ["Làm ở xã, phường", "Làm ở cấp tỉnh", "Làm ở bộ, trung ương"]


def test_level_is_not_asked_about_where_something_else_differs() -> None:
    asking = differ.ask(some("Khóa cánh diều", "Mở khóa cánh diều", levels=[["commune"], ["province"]]))
    assert not asking.question
    assert labels(asking) == ["Khóa cánh diều", "Mở khóa cánh diều"]


def test_age() -> None:
    asking = differ.ask(some("Cấp thẻ diều cho người từ đủ 14 tuổi trở lên", "Cấp thẻ diều cho người dưới 14 tuổi"))
    assert asking.question == "Bạn làm cho người dưới 14 tuổi, hay từ 14 tuổi?"
    assert labels(asking) == ["Dưới 14 tuổi", "Từ 14 tuổi"]


def test_foreign() -> None:
    asking = differ.ask(some("Đăng ký thả diều có yếu tố nước ngoài", "Đăng ký thả diều"))
    assert labels(asking) == ["Trong nước", "Có yếu tố nước ngoài"]


@pytest.mark.parametrize(
    "made",
    [
        some("Giao bãi diều đối với tổ chức", "Giao bãi diều đối với cá nhân"),
        some("Giao bãi diều", "Giao bãi diều", applicants=[["Doanh nghiệp", "Hợp tác xã"], ["Công dân Việt Nam"]]),
    ],
)
def test_whose(made: list[Procedure]) -> None:
    asking = differ.ask(made)
    assert asking.question == "Bạn làm cho cá nhân, hộ gia đình, hay là tổ chức, doanh nghiệp?"
    assert codes(asking) == ["9.000002", "9.000001"]


def test_the_provinces_own() -> None:
    asking = differ.ask(some("Trả lại diều", "Trả lại diều", province=["", "Gia Lai"]))
    assert labels(asking) == ["Riêng Gia Lai", "Chung cả nước"]


def test_two_differences_where_one_is_not_enough() -> None:
    ages = ("dưới 14 tuổi", "dưới 14 tuổi", "từ đủ 14 tuổi trở lên")
    asking = differ.ask(
        some(*(f"Cấp thẻ diều cho người {a}" for a in ages), levels=[["province"], ["commune"], ["commune"]])
    )
    assert labels(asking) == ["Dưới 14 tuổi – xã, phường", "Dưới 14 tuổi – tỉnh", "Từ 14 tuổi"]


def test_what_is_still_ambiguous_stands_apart() -> None:
    asking = differ.ask(some("Cấp thẻ thả diều trong phố", "Cấp thẻ thả diều ngoài biển", "Cấp lại thẻ thả diều"))
    assert asking.question.startswith("Bạn làm lần đầu")
    assert labels(asking) == ["Làm lần đầu: trong phố", "Làm lần đầu: ngoài biển", "Làm lại vì mất, hỏng"]
    assert asking.choices[0].title == "Cấp thẻ thả diều trong phố"


def test_otherwise_the_words_that_are_not_shared() -> None:
    long = "Cấp giấy chứng nhận đủ điều kiện bảo đảm an toàn khi bay lượn đối với "
    asking = differ.ask(some(f"{long}diều sáo làng Phú Gia", f"{long}khinh khí cầu chở khách"))
    assert not asking.question
    assert labels(asking) == ["Diều sáo làng Phú Gia", "Khinh khí cầu chở khách"]
    assert all(c.title.startswith("Cấp giấy chứng nhận") for c in asking.choices)


def test_equal_names_are_told_apart_by_agency_then_code() -> None:
    asking = differ.ask(some("Thả diều", "Thả diều", agency=["Sở Gió", "Sở Mây"]))
    assert labels(asking) == ["Thả diều – Sở Gió", "Thả diều – Sở Mây"]
    asking = differ.ask(some("Thả diều", "Thả diều"))
    assert labels(asking) == ["Thả diều (9.000001)", "Thả diều (9.000002)"]


def test_lay_names_are_preferred_where_all_have_one() -> None:
    made = some("Cấp lại thẻ diều", "Cấp thẻ diều", short_name=["Mất thẻ diều", "Làm thẻ diều"])
    asking = differ.ask(made)
    assert (labels(asking), bool(asking.question)) == (["Làm thẻ diều", "Mất thẻ diều"], True)


def test_names_in_capitals_are_calmed_down() -> None:
    assert labels(differ.ask(some("THẢ DIỀU", "Đốt đèn"))) == ["Thả diều", "Đốt đèn"]


def test_the_same_one_twice_and_none_at_all() -> None:
    one = procedure()
    assert codes(differ.ask([one, one])) == [one.code]
    assert differ.ask([]).choices == ()


# -- any procedures


def sound(asking: differ.Asking, among: list[Procedure]) -> None:
    found = labels(asking)
    assert sorted(codes(asking)) == sorted(p.code for p in among)
    assert all(0 < len(x) <= LABEL_LIMIT and x.strip(" –…:") == x.strip("…") for x in found), found
    assert len({fold(x[: LABEL_LIMIT - 3]) for x in found}) == len(found), found
    assert all(unicodedata.is_normalized("NFC", x) for x in found)
    again = differ.ask([c.procedure for c in asking.choices])
    assert again == asking, "asked again in the order shown, it stays the same"


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(SEED), min_size=2, max_size=4, unique_by=lambda p: p.code))
def test_labels_of_any_procedures_of_the_seed(among: list[Procedure]) -> None:
    sound(differ.ask(among), among)


_WORD = st.sampled_from(
    ["cấp", "cấp lại", "đổi", "giấy", "thả diều", "cấp tỉnh", "(cấp xã)", "dưới 14 tuổi", ",", "cho"]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(_WORD, min_size=1, max_size=12).map(" ".join), min_size=2, max_size=4))
def test_labels_of_any_names(names: list[str]) -> None:
    made = some(*names)
    sound(differ.ask(made), made)


@pytest.mark.skipif(not REAL.is_file(), reason="the portal's catalogue is not at hand (TTHC_SHARED)")
def test_labels_of_the_whole_catalogue() -> None:
    held = sorted(read_catalogue(REAL).procedures, key=lambda p: fold(p.name))
    rng = random.Random(5299)
    for _ in range(400):
        at = rng.randrange(len(held) - 8)
        among = rng.sample(held[at : at + 8], rng.randint(2, 4))
        sound(differ.ask(among), among)


# -- the reply


def test_the_reply_shows_what_the_slots_hold(seed_assistant: Any) -> None:
    rng = random.Random(5299)
    for _ in range(60):
        among = rng.sample(SEED, rng.randint(2, 4))
        outcome = find.clarify_codes(Turn("find_procedure", "x", seed_assistant), [p.code for p in among])
        *shown, none = outcome.reply.buttons
        assert [re.search(r"\d\.\d{6}", b.payload)[0] for b in shown] == outcome.slots["candidates"]  # type: ignore[index]
        assert none.label == text("button_none")
        assert outcome.slots["pending"] == {"ask": "choose"}
        assert "Nguồn: " in outcome.reply.text
        lines = [line for line in outcome.reply.text.split("\n") if re.match(r"\d\. ", line)]
        assert len(set(lines)) == len(among)


def test_the_question_names_what_it_is_about() -> None:
    asking = differ.ask(some("Cấp lại giấy phép thả diều", "Cấp giấy phép thả diều"))
    assert find._question(asking) == "Về **giấy phép thả diều**: bạn làm lần đầu, hay làm lại vì mất, hỏng?"
    assert [find._line(1, c, "") for c in asking.choices] == ["1. Làm lần đầu", "1. Làm lại vì mất, hỏng"]
    assert find._line(1, asking.choices[0], "Có phải…") == "1. **Làm lần đầu**: Cấp giấy phép thả diều"


# -- the file


def test_the_file_is_composed() -> None:
    assert unicodedata.is_normalized("NFC", FILE.read_text(encoding="utf-8"))
    assert len({d.id for d in load_differences().differences}) == len(load_differences().differences)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("say: gia hạn", "say: làm lần đầu", "called the same"),
        ("look: start", "look: giữa", "look"),
        ("ask: Bạn {options}?", "ask: Bạn?", "ask"),
        ("default: trong nước", "default: trong nhà", "is no option"),
        ("      - say: gia hạn", "      - noi: gia hạn", "say"),
    ],
)
def test_a_mistake_is_told_with_file_and_line(tmp_path: Path, before: str, after: str, words: str) -> None:
    path = tmp_path / "differences.yml"
    good = FILE.read_text(encoding="utf-8")
    assert before in good
    path.write_text(good.replace(before, after, 1), encoding="utf-8")
    with pytest.raises(DataError) as error:
        load_differences(path)
    assert error.value.path == path
    assert error.value.line
    assert words in str(error.value)
