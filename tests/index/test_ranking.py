"""Fusion and decision: the fit, its storage, and thresholds that lose few real questions."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from index.ranking import (
    CANDIDATE_FEATURES,
    LIST_FEATURES,
    LOST_AT_MOST,
    OF_FIRST,
    Logistic,
    Ranker,
    chances,
    choose_thresholds,
    list_features,
    out_of_fold,
)


def data(count: int = 200, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(count, 3)) * [1, 5, 0.1] + [0, 10, 2]
    labels = (features[:, 0] + rng.normal(scale=0.3, size=count) > 0).astype(int)
    return features, labels


def test_the_fit_is_scikit_learns_and_survives_json() -> None:
    features, labels = data()
    made = Logistic.fit(features, labels)
    scaler = StandardScaler().fit(features)
    theirs = LogisticRegression(C=1.0, max_iter=1000).fit(scaler.transform(features), labels)
    expected = theirs.predict_proba(scaler.transform(features))[:, 1]
    assert made.run(features) == pytest.approx(expected, abs=1e-9)
    again = Logistic(**json.loads(json.dumps(asdict(made))))
    assert np.array_equal(again.run(features), made.run(features))
    assert Logistic.fit(features, labels) == made


def test_a_row_that_weighs_double_is_a_row_that_stands_twice() -> None:
    features, labels = data(60)
    weights = np.where(np.arange(60) < 30, 2.0, 1.0)
    scaler = StandardScaler().fit(features)
    twice = np.concatenate([np.arange(60), np.arange(30)])
    theirs = LogisticRegression(max_iter=1000).fit(scaler.transform(features[twice]), labels[twice])
    made = Logistic.fit(features, labels, weights)
    assert made.weights == pytest.approx(theirs.coef_[0].tolist(), abs=1e-3)


def test_a_feature_that_never_varies_does_no_harm() -> None:
    features, labels = data()
    features[:, 2] = 7
    made = Logistic.fit(features, labels).run(features)
    assert np.isfinite(made).all()
    assert ((made > 0.5) == labels).mean() > 0.85


def test_out_of_fold_is_repeatable_and_honest() -> None:
    rng = np.random.default_rng(1)
    features, labels = rng.normal(size=(100, 30)), rng.integers(0, 2, 100)
    even = np.ones(100)
    made = out_of_fold(features, labels, even)
    assert np.array_equal(made, out_of_fold(features, labels, even))
    seen = Logistic.fit(features, labels).run(features)
    assert ((seen > 0.5) == labels).mean() > ((made > 0.5) == labels).mean() + 0.1


# -- thresholds


@given(st.integers(5, 400), st.integers(0, 1000))
def test_few_real_questions_are_lost(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    gold = rng.random(count) < 0.7
    answerable = np.clip(rng.normal(0.3 + 0.4 * gold, 0.2), 0, 1)
    first = gold & (rng.random(count) < 0.8)
    chosen = choose_thresholds(answerable, rng.random(count), gold, first, gold, np.ones(count))
    if gold.any():
        assert (answerable[gold] < chosen.none).mean() <= LOST_AT_MOST
    assert 0 <= chosen.answer <= 1


def test_the_answer_threshold_parts_right_from_wrong() -> None:
    right = np.array([0.1, 0.2, 0.3, 0.7, 0.8, 0.9])
    first = np.array([False, False, False, True, True, True])
    everything = np.ones(6, bool)
    chosen = choose_thresholds(np.full(6, 0.9), right, everything, first, everything, np.ones(6))
    assert chosen.answer == pytest.approx(0.7)


def test_where_asking_is_in_vain_answering_wins() -> None:
    right, first = np.array([0.4, 0.6]), np.array([True, True])
    chosen = choose_thresholds(np.ones(2), right, first, first, ~first, np.ones(2))
    assert chosen.answer == pytest.approx(0.4)


def test_no_questions_at_all() -> None:
    none, no = np.zeros(0), np.zeros(0, bool)
    assert choose_thresholds(none, none, no, no, no, none) == (0.5, 0.5)


@pytest.mark.parametrize("utilities", [[2.0], [2.0, 1.0], [3.0, 2.0, 0.0, -1.0]])
def test_features_of_a_list_of_any_length(utilities: list[float]) -> None:
    first = np.arange(20) / 20
    made = dict(
        zip(LIST_FEATURES, list_features(np.array(utilities), 0.6, 0.4, (0.5, 3.0), (0.7, 0.5), 4, first), strict=True)
    )
    grown = [*np.exp(utilities), 0.0, 0.0]
    likely = np.array(grown) / sum(grown)
    last = [*utilities, utilities[-1], utilities[-1]]
    assert (made["first"], made["second"]) == pytest.approx((likely[0], likely[1]))
    assert (made["margin"], made["third_margin"]) == pytest.approx((likely[0] - likely[1], likely[0] - likely[2]))
    assert (made["best_dense"], made["best_lexical"]) == (0.6, 0.4)
    assert (made["known_share"], made["rarity"], made["words"]) == pytest.approx((0.5, 3.0, np.log(5)))
    assert (made["utility"], made["utility_margin"]) == (utilities[0], utilities[0] - last[1])
    assert made["utility_third_margin"] == utilities[0] - last[2]
    assert made["mass"] == pytest.approx(np.log(sum(grown)))
    assert (made["outside"], made["outside_top3"], made["outside_gap"]) == pytest.approx((0.7, 0.5, -0.1))
    assert [made[f"first_{f}"] for f in CANDIDATE_FEATURES[:OF_FIRST]] == list(first[:OF_FIRST])


# -- ranker


def _lists(count: int, weights: Any, seed: int) -> tuple[list[Any], list[Any]]:
    rng = np.random.default_rng(seed)
    lists = [rng.normal(size=(int(rng.integers(2, 9)), len(weights))) for _ in range(count)]
    return lists, [np.arange(len(x)) == np.argmax(x @ weights + rng.gumbel(size=len(x)) / 4) for x in lists]


def test_the_ranker_learns_what_decides() -> None:
    lists, labels = _lists(300, np.array([2.0, -1.0, 0.0]), 1)
    ranker = Ranker.fit(lists, labels)
    assert ranker == Ranker.fit(lists, labels)
    assert ranker.weights[0] > 0 > ranker.weights[1]
    assert abs(ranker.weights[2]) < ranker.weights[0] / 4
    fresh, right = _lists(200, np.array([2.0, -1.0, 0.0]), 2)
    assert np.mean([bool(y[np.argmax(ranker.run(x))]) for x, y in zip(fresh, right, strict=True)]) > 0.75


def test_any_of_several_right_ones_will_do() -> None:
    lists = [np.array([[1.0], [0.9], [-1.0]])] * 20
    ranker = Ranker.fit(lists, [np.array([True, True, False])] * 20)
    assert ranker.weights[0] > 0


def test_chances_add_up() -> None:
    made = chances(np.array([1000.0, 999.0, -1000.0]))
    assert made.sum() == pytest.approx(1)
    assert made[0] / made[1] == pytest.approx(np.e)
