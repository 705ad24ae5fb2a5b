"""Comparable text: whole everyday words are replaced, numbers and codes are not, aspects are set aside."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.text import LEXICON, LexiconFile, fold, has_diacritics, lexicon, load_lexicon
from knowledge.errors import DataError
from knowledge.seed import load_seed
from knowledge.yamlfile import load_yaml, parse

DATA = parse(LEXICON, LexiconFile, load_yaml(LEXICON))
EVERYDAY = sorted({v for variants in DATA.replace.values() for v in variants})
WORDS = st.lists(st.sampled_from([*EVERYDAY, *DATA.replace, "con", "nhà", "Bình Định", "ở"]), min_size=1, max_size=8)
NUMBERS = ["1.001193", "2.000635", "052199001234", "0905123456", "36/2024", "31/12/2026", "10.000", "1.001193.h21"]


def plain(text: str) -> str:
    return lexicon().normalise(text).plain


def folded(text: str) -> str:
    return lexicon().normalise(text).folded


# -- forms


@given(st.text(max_size=40))
def test_folding_is_final_and_leaves_no_mark(text: str) -> None:
    made = fold(text)
    assert fold(made) == made
    assert "đ" not in made
    assert not any("\u0300" <= c <= "\u036f" for c in unicodedata.normalize("NFD", made))


@pytest.mark.parametrize(("text", "marked"), [("đi", True), ("di", False), ("DI", False), ("Ở", True), ("", False)])
def test_has_diacritics(text: str, marked: bool) -> None:
    assert has_diacritics(text) is marked


@given(st.text(max_size=60))
def test_any_text_has_a_normal_form(text: str) -> None:
    made = lexicon().normalise(text)
    assert made.folded == fold(made.plain)
    assert made.plain == " ".join(made.plain.split())
    assert lexicon().without_aspects(text) == lexicon().without_aspects(text)


@given(WORDS)
def test_case_and_composition_do_not_matter(words: list[str]) -> None:
    text = " ".join(words)
    assert plain(unicodedata.normalize("NFD", text)) == plain(text)
    assert plain(text.upper()) == plain(text)
    assert plain(f"  {text} !?") == plain(text)


# -- the lexicon


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("ks cho con", "khai sinh cho con"),
        ("đăng ký tạm trú đc ko", "đăng ký tạm trú được không"),
        ("mất cccd làm lại ntn", "mất căn cước làm lại như thế nào"),
        ("mần khai sanh ở mô", "làm khai sinh ở đâu"),
        ("làm sổ đỏ", "làm giấy chứng nhận quyền sử dụng đất"),
        ("giấy độc thân", "giấy xác nhận tình trạng hôn nhân"),
        ("đc nhà mới", "địa chỉ nhà mới"),
        ("t7 có làm k", "thứ bảy có làm không"),
    ],
)
def test_everyday_words(typed: str, meant: str) -> None:
    assert plain(typed) == meant


@pytest.mark.parametrize("text", ["kom tum", "dcm", "ngọc", "kst", "ubndx", "ks1", "tuấn", "honda1"])
def test_whole_words_only(text: str) -> None:
    assert plain(text) == text


@given(WORDS, st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_numbers_and_codes_pass_untouched(words: list[str], numbers: list[str], rng: object) -> None:
    mixed = words + numbers
    rng.shuffle(mixed)  # type: ignore[attr-defined]
    kept = [t for t in plain(" , ".join(mixed)).split() if t in NUMBERS]
    assert kept == [t for t in mixed if t in NUMBERS]


@given(st.sampled_from(EVERYDAY), st.sampled_from(["052199001234", "36/2024/nđ-cp", "1.001193"]))
def test_no_word_is_replaced_inside_a_number_or_code(word: str, number: str) -> None:
    assert plain(f"{number} {word}").startswith(plain(number))


@pytest.mark.parametrize("name", [p.short_name for p in load_seed() if " chỉ" not in p.short_name])
def test_with_and_without_diacritics_it_is_the_same_to_the_search(name: str) -> None:
    assert folded(fold(name)) == folded(name)


@given(st.lists(st.sampled_from([t for t in DATA.replace if " " in t]), min_size=1, max_size=5))
def test_official_words_are_the_same_folded(words: list[str]) -> None:
    text = " , ".join(words)
    assert folded(fold(text)) == folded(text)


# -- aspects


@pytest.mark.parametrize(
    "question",
    [
        "phí bao nhiêu vậy ạ", "cần giấy tờ gì", "can giay to gi", "nộp ở đâu", "mất bao lâu", "bao nhiêu tiền",
        "mấy ngày có kết quả", "ai được làm", "nộp online được không", "căn cứ pháp lý", "cho em hỏi lệ phí", "ở đâu ạ",
        "bao nhieu tien", "mat bao lau", "thời hạn giải quyết", "thủ tục này cần giấy tờ gì", "mẫu đơn",
    ],
)  # fmt: skip
def test_an_aspect_alone_names_nothing(question: str) -> None:
    assert lexicon().without_aspects(question) == ""


@pytest.mark.parametrize(
    ("question", "rest"),
    [
        ("đăng ký tạm trú phí bao nhiêu", "đăng ký tạm trú"),
        ("dang ky tam tru phi bao nhieu", "dang ky tam tru"),
        ("làm khai sinh cần giấy tờ gì vậy ạ", "làm khai sinh"),
        ("kết hôn thì nộp ở đâu", "kết hôn"),
    ],
)
def test_what_is_named_stays(question: str, rest: str) -> None:
    assert lexicon().without_aspects(question) == rest


@given(WORDS)
def test_setting_aside_only_takes_words_away(words: list[str]) -> None:
    made = lexicon().normalise(" ".join(words))
    left = lexicon().without_aspects(" ".join(words)).split()
    assert set(left) <= set(made.plain.split()) | set(made.folded.split())


def test_guide_words_are_set_aside() -> None:
    assert lexicon().without_guide_words("hướng dẫn từng bước đi") == ""
    assert lexicon().without_guide_words("huong dan tung buoc") == ""
    assert "tạm trú" in lexicon().without_guide_words("chỉ tôi đăng ký tạm trú")


# -- the file


def test_a_broken_lexicon_is_told_with_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "lexicon.yml"
    path.write_text(
        "replace:\n  a: [b]\ncontext:\n  - {from: k, too: x}\naspects: []\nchatter: x\nguide_words: y\n",
        encoding="utf-8",
    )
    with pytest.raises(DataError) as error:
        load_lexicon(path)
    assert error.value.line == 4
    assert str(error.value).startswith(f"{path}:4: context.0")


def test_no_variant_means_two_things() -> None:
    found: dict[str, str] = {}
    for official, variants in DATA.replace.items():
        for variant in variants:
            assert found.setdefault(variant, official) == official, variant
