"""Which number an answer to a numbered menu means, and which answers mean none."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from bot.menu import FILE, chosen, load_menu
from index.text import fold
from knowledge.errors import DataError

MENU = load_menu()
ROOT = Path(__file__).resolve().parents[2]
CHOICES = {
    1: [
        "1", "1.", "1)", "(1)", "[1]", "#1", "01", "1 ạ", "1 nha", "1nha", "1 đi", "số 1", "so 1", "SỐ 1", "Số 1.",
        "so1", "một", "mot", "Một ạ", "số một", "so mot", "cái 1", "cái một", "cái đầu", "cai dau", "cai dau ik",
        "cái đầu tiên", "đầu tiên", "dau tien", "thứ nhất", "cái thứ nhất", "cai thu nhat", "thứ 1", "chọn 1",
        "chọn cái đầu", "cho em cái đầu tiên", "làm cái đầu tiên", "mục 1", "dòng đầu", "dòng trên cùng", "so 1 nha",
        "dạ số 1 ạ", "dạ 1", "ok 1", "1️⃣", "１", "👉 1", "1 🙏", "1 :)", "số 1 ^^", "phương án 1", "lua chon 1",
        "lựa chọn số 1", "số 1 nhaaa", "so 1 nhe ban", "bấm số 1", "click 1", "1 thanks", "ừ, 1", "1!",
    ],
    2: [
        "2", "(2)", "2.", "số 2", "hai", "số hai", "so hai", "chọn 2", "chọn hai", "chon 2", "cái thứ hai",
        "cai thu hai", "thứ 2", "thứ hai", "cái thứ 2 đó", "dạ số 2 ạ", "da so 2 a", "em chọn số 2",
        "em muốn chọn số 2 ạ", "tui lấy cái 2", "cho tôi số 2", "cho em xem cái thứ hai với",
        "dạ em chọn cái thứ hai nha chị", "bạn ơi số 2 nhé", "số: 2", "đúng rồi, cái số 2",
        "bác lấy cái thứ hai đó cháu", "đúng là cái số 2", "chọn: 2", "dạ, số 2, cảm ơn bạn", "vậy số 2 đi",
        "thôi thì số 2", "cái thứ nhì", "bấm giúp em số 2", "con chọn 2 ạ", "nút 2", "việc thứ hai", "thủ tục số 2",
        "ý 2", "là số 2", "số 2️⃣", "chon so 2 di", "minh chon cai so 2", "2 ik", "số 2 nghen", "số 2 hen",
        "cho e cái 2", "so 2 giup em", "s\u1ed1 2", "s\u006f\u0302\u0301 2",
    ],
    3: [
        "3", "ba", "số ba", "so ba", "chọn ba", "cái thứ ba", "cai thu ba", "ba nha", "thứ 3", "cái cuối", "cai cuoi",
        "cái cuối cùng", "cuối cùng", "cuoi cung", "cái chót", "dòng dưới cùng", "lấy cái cuối",
        "cho mình cái cuối cùng nhé",
    ],
}  # fmt: skip
NONE = [
    "", " ", "0", "4", "số 4", "bốn", "12", "99", "100", "2 con", "3 triệu", "3triệu", "1.001193", "một mình",
    "ba em mất", "không", "ko", "không phải số 1", "1, 3", "1 và 2", "1/2", "1-2", "2.5", "10:30", "18/5/2020", "2%",
    "2k", "2 tr", "hai con", "ba mẹ", "ba đi rồi", "bà", "bả", "bá", "hài", "mốt", "năm nay", "nam nay", "nam", "sau",
    "sáu tháng", "thứ hai tuần sau", "sáng thứ 2", "con thứ hai", "con thu hai", "em thứ 3", "2 em", "2 người",
    "hai anh em", "1 bản", "một bản thôi", "lấy 2 bản", "số 2 Trần Phú", "số 123", "số điện thoại", "số mấy",
    "cái nào", "cái gì", "chọn", "số", "thứ", "cái", "dạ", "ừ", "ok", "nhé", "đầu", "dau", "cuoi", "cưới", "đám cưới",
    "cái đau", "cái này", "đăng ký khai sinh", "1 ngày mấy", "bước 2", "2 vợ chồng", "an hai", "ăn hại", "/1", "1+1",
    "-", "...", "😀", "2 2", "số 2 hay số 3", "số 1 là gì", "cái thứ hai mươi", "hai mươi", "k12", "số 1a", "ngày 2",
    "tháng 3", "năm 2", "phường 1", "2 giờ", "mười hai", "dạ em chào anh chị", "lấy chồng", "chọn nam", "mot minh",
    "hai ngay nua", "so do", "so ho khau", "sổ 2", "sở 2",
]  # fmt: skip


@pytest.mark.parametrize(("message", "number"), [(said, number) for number, all_ in CHOICES.items() for said in all_])
def test_a_choice_is_understood(message: str, number: int) -> None:
    assert chosen(message, 3) == number


@pytest.mark.parametrize("message", NONE)
def test_what_is_no_choice_is_none(message: str) -> None:
    assert chosen(message, 3) is None


@pytest.mark.parametrize(
    ("message", "count", "number"),
    [
        ("9", 9, 9), ("9", 8, None), ("10", 12, 10), ("mười", 10, 10), ("số bảy", 9, 7), ("so bay", 9, 7),
        ("bay", 9, None), ("tám", 9, 8), ("chon nam", 9, 5), ("chọn năm", 9, 5), ("chọn nam", 9, None),
        ("thứ tư", 9, 4), ("cái thứ tu", 9, None), ("cai thu tu", 9, 4), ("cái giữa", 3, 2), ("cai o giua", 5, 3),
        ("cái giữa", 4, None), ("cái kế cuối", 4, 3), ("cái kế cuối", 1, None), ("cái cuối", 1, 1),
        ("cái cuối", 0, None), ("1", 0, None), ("đầu tiên", 1, 1),
    ],
)  # fmt: skip
def test_the_count_matters(message: str, count: int, number: int | None) -> None:
    assert chosen(message, count) == number


LISTS = [name for name in type(MENU).model_fields if name not in ("numbers", "ranks", "places")]
WORDS = sorted({word for name in LISTS for word in getattr(MENU, name)})
WORDS += ["thứ", "1", "2", "12", "ba", "không", "ơi", ",", ".", "/", "👍", "1️⃣"]


@given(st.text(max_size=100) | st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join), st.integers(-1, 30))
@example("cái giữa", 2)
@example("ﷺ" * 80, 3)
@example("ạ " * 40, 3)
def test_any_message_names_a_choice_that_there_is_or_none(message: str, count: int) -> None:
    number = chosen(message, count)
    assert number is None or 1 <= number <= count


@given(
    st.integers(1, 20),
    st.sampled_from(["", "dạ ", "ok ", "bạn ơi ", "vậy thì "]),
    st.sampled_from(["", "chọn ", "em chọn ", "cho tôi xem số ", "tui muốn lấy cái ", "mục số "]),
    st.sampled_from(["", " ạ", " nha bạn", " giúp em với", " nhé, cảm ơn", ".", " 🙏"]),
    st.booleans(),
)
def test_politeness_changes_nothing(number: int, before: str, choose: str, after: str, bare: bool) -> None:
    said = f"{before}{choose}{number}{after}"
    for form in (said, fold(said) if bare else said.upper(), unicodedata.normalize("NFD", said)):
        assert chosen(form, 20) == number


def test_the_bots_own_examples() -> None:
    """What the examples of Rasa call the n-th is mostly understood; what they call anything else is not."""
    missed, wrong, counts = [], [], {True: 0, False: 0}
    for path in sorted((ROOT / "nlu" / "data" / "nlu").glob("*.yml")):
        for block in yaml.safe_load(path.read_text(encoding="utf-8")).get("nlu", []):
            nth = block.get("intent") == "choose_nth"
            for line in block["examples"].splitlines() if "intent" in block else ():
                said = plain_example(line)
                counts[nth] += 1
                number = chosen(said, 9)
                if nth and number is None:
                    missed.append(said)
                elif not nth and number is not None:
                    wrong.append(said)
    assert counts[True] > 50
    assert wrong == []
    assert len(missed) <= counts[True] / 5, missed


def plain_example(line: str) -> str:
    return re.sub(r"\[([^\]]*)\](?:\([^)]*\)|\{[^}]*\})", r"\1", line.removeprefix("- "))


def broken(**changes: Any) -> str:
    data = {**yaml.safe_load(FILE.read_text(encoding="utf-8")), **changes}
    return yaml.safe_dump({k: v for k, v in data.items() if v is not None}, allow_unicode=True, sort_keys=False)


@pytest.mark.parametrize(
    ("changes", "words", "line_of"),
    [
        ({"verbs": None}, "verbs", None),
        ({"verbs": []}, "verbs", "verbs: []"),
        ({"verbs": ["chọn", "Lấy"]}, "lower case", "- Lấy"),
        ({"verbs": ["chọn", "lấy 2"]}, "verbs.1", "- lấy 2"),
        ({"numbers": {0: ["không"]}}, "numbers.0", "- không"),
        ({"ranks": {1: ["nhất"], 3: ["hai"]}}, "'hai' means two places", None),
        ({"alone": ["một", "mươi"]}, "'mươi' is no number", None),
        ({"verb": ["chọn"]}, "verb", "- chọn"),
    ],
)
def test_a_mistake_is_told_with_file_and_line(tmp_path: Path, changes: Any, words: str, line_of: str | None) -> None:
    path = tmp_path / "menu.yml"
    path.write_text(broken(**changes), encoding="utf-8")
    with pytest.raises(DataError) as error:
        load_menu(path)
    assert words in error.value.message
    assert error.value.path == path
    lines = path.read_text(encoding="utf-8").splitlines()
    assert error.value.line is not None
    if line_of:
        assert lines[error.value.line - 1].strip() == line_of
