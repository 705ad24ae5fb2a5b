"""A small soak: one kill of each process, doubled and reordered deliveries, failing sends, a full disk, a locked file.

The large one is ``python -m benchmarks soak``; see docs/benchmarks.md.
"""

from __future__ import annotations

import argparse

import pytest

from benchmarks.soak import measure, show


@pytest.mark.timeout(600)
async def test_nothing_is_lost_or_answered_twice(capsys: pytest.CaptureFixture[str]) -> None:
    found = await measure(argparse.Namespace(soak_users=12, soak_turns=150, kills=1, spacing=3.0, seed=1))
    with capsys.disabled():
        show(found)
    assert found["faults"] == []
    assert found["dead"] == 0
    assert found["kills"] == 3
    assert found["turns"] >= 150
    assert found["redelivered"]
    assert found["tracebacks"] == 0
