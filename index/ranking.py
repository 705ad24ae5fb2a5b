"""Fusion and decision, both small linear models fitted on the tuning questions when the index is built.

The ranker (a conditional logit) orders candidates by features of (question, procedure); the decision looks at the
ranked list and says *answer* (the first one), *clarify* (ask which) or *none* (the catalogue does not hold it). Nothing
is guessed by hand: weights come from the fit, thresholds from out-of-fold predictions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.preprocessing import StandardScaler

Matrix = NDArray[np.float64]
Decision = Literal["answer", "clarify", "none"]

SCORES = (
    "dense", "lexical", "dense_top3", "joint", "joint_top3", "name", "query_covered", "text_covered", "centre",
    "words_covered", "pairs_covered", "record_covered",
)  # fmt: skip
CANDIDATE_FEATURES = (
    *SCORES, "matched_phrase", *(f"{name}_gap" for name in SCORES), "texts", "commune", "province", "local", "need",
)  # fmt: skip
OF_FIRST = len(SCORES) + 1
"""So many features of the first candidate are the decision's too."""
LIST_FEATURES = (
    "first", "second", "margin", "third_margin", "best_dense", "best_lexical", "known_share", "rarity", "words",
    "utility", "utility_margin", "utility_third_margin", "mass",
    "outside", "outside_top3", "outside_gap", *(f"first_{f}" for f in CANDIDATE_FEATURES[:OF_FIRST]),
)  # fmt: skip

VERSION = 2
"""Of what is fitted here and stored; a release made by another version is refused."""
RIDGE = 5.0
"""Strength of the ranker's penalty, against tuning questions too few for its features."""
LOST_AT_MOST = 0.03
"""Share of answerable questions that may be called "none" (a requirement, not a guess)."""
GAIN = {"right": 1.0, "wrong": -1.5, "asked": 0.6, "asked in vain": -0.3}
"""What an outcome is worth to the person asking, to choose between answering and asking back."""


@dataclass(frozen=True)
class Ranker:
    """A conditional logit: each candidate has a utility, linear in standardised features; the likeliest is meant."""

    mean: list[float]
    scale: list[float]
    weights: list[float]

    @classmethod
    def fit(cls, lists: Sequence[Matrix], labels: Sequence[NDArray[np.bool_]]) -> Ranker:
        """Fit on questions: features [n, k] of each one's candidates, and which of them are right (at least one)."""
        every = np.vstack(lists)
        mean, scale = every.mean(axis=0), every.std(axis=0) + 1e-9
        z, right = (every - mean) / scale, np.concatenate(labels).astype(float)
        sizes = [len(own) for own in lists]
        starts, question = np.concatenate([[0], np.cumsum(sizes)[:-1]]), np.repeat(np.arange(len(sizes)), sizes)

        def loss(weights: Matrix) -> tuple[float, Matrix]:
            utility = z @ weights
            grown = np.exp(utility - np.maximum.reduceat(utility, starts)[question])
            total, good = np.add.reduceat(grown, starts), np.add.reduceat(grown * right, starts)
            slope = z.T @ (grown / total[question] - grown * right / good[question]) + RIDGE * weights
            return float(np.log(total / good).sum() + RIDGE / 2 * weights @ weights), slope

        found = minimize(loss, np.zeros(z.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 1000})
        return cls(mean.tolist(), scale.tolist(), found.x.tolist())

    def run(self, features: Matrix) -> Matrix:
        """Utilities for ``features`` [n, k]: the more, the likelier."""
        return np.asarray(((features - np.array(self.mean)) / np.array(self.scale)) @ np.array(self.weights))


def chances(utilities: Matrix) -> Matrix:
    """Probability of each candidate, were one of them right."""
    grown = np.exp(utilities - utilities.max())
    return np.asarray(grown / grown.sum())


@dataclass(frozen=True)
class Logistic:
    """A fitted logistic model over standardised features; plain numbers, so that it is stored as JSON."""

    mean: list[float]
    scale: list[float]
    weights: list[float]
    bias: float

    @classmethod
    def fit(cls, features: Matrix, labels: NDArray[np.int_], weights: Matrix | None = None) -> Logistic:
        """Fit on ``features`` [n, k], 0/1 ``labels`` [n] and, where rows count differently, ``weights`` [n]."""
        scaler = StandardScaler().fit(features)
        model = LogisticRegression(max_iter=1000).fit(scaler.transform(features), labels, sample_weight=weights)
        return cls(scaler.mean_.tolist(), scaler.scale_.tolist(), model.coef_[0].tolist(), float(model.intercept_[0]))

    def run(self, features: Matrix) -> Matrix:
        """Probabilities for ``features`` [n, k]."""
        z = ((features - np.array(self.mean)) / np.array(self.scale)) @ np.array(self.weights) + self.bias
        return np.asarray(1 / (1 + np.exp(-z)), np.float64)


class Thresholds(NamedTuple):
    """Below ``none`` nothing fits; at or above ``answer`` the first one is told; between them we ask."""

    none: float
    answer: float


def list_features(
    utilities: Matrix, dense: float, lexical: float, known: tuple[float, float], outside: tuple[float, float],
    words: int, first: Matrix,
) -> list[float]:  # fmt: skip
    """Features of a ranked list: ``utilities`` best first, ``first``: features of the best one."""
    likely = np.append(chances(utilities), [0.0, 0.0])[:3]
    best, second, third = np.append(utilities, [utilities[-1]] * 2)[:3]
    return [
        likely[0], likely[1], likely[0] - likely[1], likely[0] - likely[2], dense, lexical, known[0], known[1],
        float(np.log1p(words)), best, best - second, best - third, float(logsumexp(utilities)),
        *outside, dense - outside[0], *first[:OF_FIRST],
    ]  # fmt: skip


def choose_thresholds(answerable: Matrix, right: Matrix, has_gold: NDArray[np.bool_], first_is_gold: NDArray[np.bool_],
                      near_gold: NDArray[np.bool_], weights: Matrix) -> Thresholds:  # fmt: skip
    """Thresholds from out-of-fold probabilities: lose at most 3% of real questions, then maximise :data:`GAIN`."""
    real = np.sort(answerable[has_gold])
    none = float(real[int(LOST_AT_MOST * len(real))]) if len(real) else 0.5
    kept = answerable >= none
    gain_answer = np.where(first_is_gold, GAIN["right"], GAIN["wrong"])
    gain_ask = np.where(near_gold, GAIN["asked"], GAIN["asked in vain"])
    best, best_gain = 0.5, -np.inf
    for candidate in np.unique(np.round(right[kept], 3)) if kept.any() else []:
        gain = float((np.where(right >= candidate, gain_answer, gain_ask) * weights)[kept].sum())
        if gain > best_gain:
            best, best_gain = float(candidate), gain
    return Thresholds(none, best)


def out_of_fold(features: Matrix, labels: NDArray[np.int_], weights: Matrix) -> Matrix:
    """Probabilities for each row by models that have not seen it (5 folds, fixed split)."""
    from sklearn.model_selection import StratifiedKFold
    from sklearn.pipeline import make_pipeline

    folds = StratifiedKFold(n_splits=5, shuffle=True, random_state=0)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    params = {"logisticregression__sample_weight": weights}
    found = cross_val_predict(model, features, labels, cv=folds, method="predict_proba", params=params)
    return np.asarray(found[:, 1], np.float64)
