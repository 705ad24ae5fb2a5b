"""The gate before publishing: what is measured at the build, what is compared, what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from index import gate
from index.gate import FOLDER, MEASURES, Measures, load, losses, measure, require_no_worse, save
from knowledge.errors import DataError, RefusedError
from knowledge.release import Releases
from tests.making import six_questions


def measures(*ranks: int | None, first: int = 0) -> Measures:
    """One set of questions with these ranks; questions are numbered from ``first``."""
    return {"test": {"questions": len(ranks), "ranks": {str(i): rank for i, rank in enumerate(ranks, first)}}}


GOOD = measures(*[0] * 100)


def store(release: Path, found: Measures) -> Path:
    (release / FOLDER).mkdir(parents=True, exist_ok=True)
    save(found, release / FOLDER)
    return release


def test_a_fall_by_more_than_a_point_is_told() -> None:
    assert losses(GOOD, measures(*[0] * 98, 1, 4)) == ["test: recall@1 1.000 → 0.980"]
    assert losses(GOOD, measures(*[0] * 98, 5, None)) == [
        "test: recall@1 1.000 → 0.980", "test: recall@5 1.000 → 0.980",
    ]  # fmt: skip


def test_one_point_less_and_anything_better_pass() -> None:
    assert losses(GOOD, measures(*[0] * 99, 1)) == []
    assert losses(measures(*[3] * 100), GOOD) == []
    assert losses(GOOD, GOOD) == []


def test_only_questions_of_both_are_compared() -> None:
    assert losses(measures(*[0] * 95, *[0] * 5), measures(*[0] * 95)) == []
    assert losses(measures(*[0] * 95), measures(*[0] * 95, *[None] * 5)) == []
    assert losses(GOOD, measures(*[None] * 3, *[0] * 97, first=3)) == ["test: recall@1 1.000 → 0.969",
                                                                     "test: recall@5 1.000 → 0.969"]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (measures(*[0] * 100), measures(*[None] * 89)),  # the draft holds less than nine tenths
        (measures(*[0] * 89), measures(*[None] * 100)),  # from the seed to an imported catalogue
        (measures(*[0] * 100), measures(*[None] * 100, first=20)),  # other questions
        ({}, measures(None)),
        (measures(0), {}),
        (measures(), measures()),
        (measures(0), {"other": measures(None)["test"]}),
    ],
)
def test_what_cannot_be_compared_passes(before: Measures, after: Measures) -> None:
    assert losses(before, after) == []


def test_refused_in_one_sentence_that_says_what_to_do(tmp_path: Path) -> None:
    old, new = store(tmp_path / "old", GOOD), store(tmp_path / "new", measures(*[1] * 100))
    with pytest.raises(RefusedError, match=r"\(test: recall@1 1.000 → 0.000\).*--draft.*--force") as error:
        require_no_worse(old, new)
    assert "\n" not in str(error.value)
    require_no_worse(new, old)
    require_no_worse(tmp_path / "none", new)
    require_no_worse(old, tmp_path / "none")


@pytest.mark.parametrize("text", ["{", "[]", '{"test": {}}', '{"test": {"ranks": 5}}', "\xff"])
def test_unreadable_measures_are_told(tmp_path: Path, text: str) -> None:
    path = store(tmp_path, {}) / FOLDER / MEASURES
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match="measures cannot be read") as error:
        load(tmp_path)
    assert error.value.path == path


def test_a_build_measures_what_the_catalogue_holds(
    tiny_draft: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = json.loads((tiny_draft / FOLDER / MEASURES).read_text(encoding="utf-8"))
    assert {name: row["questions"] for name, row in stored.items()} == {"tuning": 0, "test": 0}
    monkeypatch.setattr(gate, "SETS", {"six": six_questions(tmp_path / "six.jsonl")})
    found = measure(tiny_draft)
    row = found["six"]
    assert row["questions"] == len(row["ranks"]) == 24
    assert row["recall@1"] == pytest.approx(sum(r == 0 for r in row["ranks"].values()) / 24, abs=1e-4)
    assert 0.5 < row["recall@1"] <= row["recall@5"] <= 1
    save(found, tmp_path)
    (tmp_path / FOLDER).mkdir()
    (tmp_path / MEASURES).rename(tmp_path / FOLDER / MEASURES)
    assert load(tmp_path) == found == measure(tiny_draft)


def test_publishing_a_worse_draft(tthc: Any, tiny_home: Path, tiny_draft: Path) -> None:
    releases = Releases(tiny_home)

    def draft(found: Measures) -> None:
        shutil.rmtree(releases.draft, ignore_errors=True)
        shutil.copytree(tiny_draft, releases.draft)
        store(releases.draft, found)

    draft(GOOD)
    assert tthc(tiny_home, "kb", "publish").code == 0
    good = releases.current()
    draft(measures(*[0] * 90, *[7] * 10))
    ran = tthc(tiny_home, "kb", "publish")
    assert (ran.code, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert "test: recall@1 1.000 → 0.900; test: recall@5 1.000 → 0.900" in ran.err
    assert releases.current() == good
    assert releases.draft.is_dir()
    assert tthc(tiny_home, "kb", "publish", "--force").code == 0
    assert releases.current() != good
