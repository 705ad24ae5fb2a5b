"""Coverage: shares by rarity, terms that come later, saving."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from index.coverage import Coverage, pairs, record_words, words
from index.text import lexicon
from tests.making import procedure


@pytest.fixture
def held() -> Coverage:
    texts = [["mat xe may", "xe bi trom"], ["mua xe cu"], []]
    kinds = {"words": words, "pairs": pairs}
    return Coverage.build({k: [frozenset().union(*map(of, own)) for own in texts] for k, of in kinds.items()}, 3)


def test_words_of_several_phrases_add_up(held: Coverage) -> None:
    shares = held.run("words", words("mat xe bi trom"))
    assert shares[0] == pytest.approx(1.0)
    assert 0 < shares[1] < 0.5
    assert shares[2] == 0.0


def test_a_rare_word_counts_for_more_than_a_common_one(held: Coverage) -> None:
    rare, common = held.run("words", words("may cu")), held.run("words", words("xe cu"))
    assert common[1] > rare[1]
    assert held.run("words", words("xe may"))[0] == pytest.approx(1.0)


def test_an_unknown_word_lowers_the_share_and_an_unknown_pair_does_not(held: Coverage) -> None:
    assert held.run("words", words("xe xyz"))[0] < held.run("words", words("xe"))[0]
    assert held.run("pairs", pairs("mat xe xyz"))[0] == pytest.approx(1.0)


@pytest.mark.parametrize("asked", [frozenset(), frozenset({"xyz"})])
def test_nothing_asked_nothing_covered(held: Coverage, asked: frozenset[str]) -> None:
    assert held.run("pairs", asked).tolist() == [0, 0, 0]


def test_terms_that_come_later(held: Coverage) -> None:
    before = held.run("words", words("xe"))
    held.add("words", 2, words("ghe thung moi xe"))
    assert held.run("words", words("ghe moi"))[2] == pytest.approx(1.0)
    assert held.run("words", words("ghe moi"))[0] == 0
    assert held.run("words", words("xe"))[:2].tolist() == before[:2].tolist()
    held.add("words", 2, words("ghe thung"))
    assert held.run("words", words("ghe"))[2] == pytest.approx(1.0)


def test_it_is_saved_and_read_back(held: Coverage, tmp_path: Path) -> None:
    held.add("pairs", 1, pairs("ghe cu"))
    held.save(tmp_path)
    again = Coverage.load(tmp_path)
    for kind, asked in (("words", words("mua xe trom")), ("pairs", pairs("mat xe ghe cu"))):
        assert np.array_equal(held.run(kind, asked), again.run(kind, asked))


def test_a_records_words_come_from_all_its_parts() -> None:
    found = record_words(procedure(results=["Thẻ diều"], requirements="đủ mười tám tuổi"), lexicon())
    assert {"dang", "don", "the", "muoi", "tuoi"} <= found
