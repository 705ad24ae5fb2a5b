"""What the soak calls a fault."""

from __future__ import annotations

import pytest

from benchmarks.soak import verdict

A, B, C = "1.000001", "1.000002", "1.000003"


@pytest.mark.parametrize(
    ("shown", "taps", "taken", "said"),
    [
        ([A, B, C], 0, None, "right"),
        ([A, B], 0, None, "waiting"),
        ([A, B, C, A], 0, None, "twice"),
        ([A, B, A], 0, None, "waiting"),
        ([A, B, A, C], 0, None, "twice"),
        ([A, B, A, C], 1, None, "right"),
        ([A, B, B, C, C], 1, None, "twice"),
        ([A, C, B], 0, None, "order"),
        ([A, C, B], 1, None, "right"),
        ([A, C, B], 0, [1.0, 3.0, 2.0], "overtaken"),
        ([A, C, B], 0, [1.0, 2.0, 3.0], "order"),
        ([B, C, A], 0, [3.0, 1.0, 2.0], "overtaken"),
        ([C, B, A], 0, [3.0, 1.0, 2.0], "order"),
    ],
)
def test_verdicts(shown: list[str], taps: int, taken: list[float] | None, said: str) -> None:
    assert verdict([A, B, C], shown, taps, taken) == said
