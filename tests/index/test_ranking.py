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
    LIST_FEATURES,
    LOST_AT_MOST,
    OF_FIRST,
    Logistic,
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


@pytest.mark.parametrize(
    ("scores", "expected"),
    [([], [0, 0, 0, 0]), ([0.8], [0.8, 0, 0.8, 0.8]), ([0.8, 0.5, 0.1, 0.05], [0.8, 0.5, 0.3, 0.7])],
)
def test_features_of_a_list_of_any_length(scores: list[float], expected: list[float]) -> None:
    first = np.arange(20) / 20
    made = list_features(np.array(scores), 0.6, 0.4, (0.5, 3.0), 4, first)
    assert len(made) == len(LIST_FEATURES)
    assert made[:4] == pytest.approx(expected)
    assert made[4:9] == pytest.approx([0.6, 0.4, 0.5, 3.0, np.log(5)])
    assert made[12] == pytest.approx(sum(scores))
    assert made[13:] == pytest.approx(list(first[:OF_FIRST]))
