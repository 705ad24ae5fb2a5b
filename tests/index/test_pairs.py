"""Training pairs: deterministic, of the given codes only, and noisy in the intended ways."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from index.pairs import Noise, epoch_pairs
from index.text import LEXICON, LexiconFile, fold
from knowledge.yamlfile import load_yaml, parse

DATA = parse(LEXICON, LexiconFile, load_yaml(LEXICON))
NAMES = {"1.000001": "Đăng ký khai sinh", "1.000002": "Cấp giấy phép lái xe (thực hiện tại cấp tỉnh)"}
PHRASES = {"1.000001": ["làm giấy khai sinh cho con", "con mới sinh"], "1.000009": ["nuôi trâu", "mua trâu"]}


def test_the_same_seed_makes_the_same_pairs() -> None:
    first, second, other = (epoch_pairs(NAMES, PHRASES, Noise(DATA, seed), frozenset()) for seed in (1, 1, 2))
    assert first == second
    assert first != other


def test_each_name_and_phrase_is_met_and_points_at_its_own() -> None:
    pairs = epoch_pairs(NAMES, PHRASES, Noise(DATA, 3), frozenset({"1.000002"}))
    codes = [code for code, _, _ in pairs]
    assert codes.count("1.000002") == 2  # its name twice: it is common
    assert codes.count("1.000001") == 1 + 2 * 2  # its name, each phrase with the name and with the other phrase
    assert codes.count("1.000009") == 2  # no name of its own here: phrases with each other
    for code, query, target in pairs:
        assert query.strip()
        assert target in (NAMES.get(code), *PHRASES.get(code, ()))


def test_a_phrase_is_never_its_own_target_when_there_is_another() -> None:
    only_one = epoch_pairs({}, {"1.000001": ["một câu"]}, Noise(DATA, 1), frozenset())
    assert only_one == []


def test_the_kinds_of_noise_all_come_up() -> None:
    noise = Noise(DATA, 7)
    made = [noise.phrase("làm giấy khai sinh cho con được không") for _ in range(400)]
    assert any(text == fold(text) for text in made)
    assert any("khai sanh" in text or "gks" in text for text in made)
    assert any(text.startswith("cho em hỏi ") for text in made)
    assert any(text.endswith(" ở đâu") for text in made)
    assert len(set(made)) > 100


def test_remarks_in_brackets_are_dropped_from_names() -> None:
    noise = Noise(DATA, 7)
    assert not any("thuc hien" in fold(noise.name(NAMES["1.000002"])) for _ in range(50))


@given(st.text(min_size=1, max_size=80), st.integers(0, 10_000))
def test_no_text_is_too_strange(text: str, seed: int) -> None:
    noise = Noise(DATA, seed)
    assert isinstance(noise.phrase(text), str)
    assert isinstance(noise.name(text), str)
