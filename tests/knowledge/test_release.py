"""Releases: published whole or not at all, verified, rolled back, pruned."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from knowledge import release
from knowledge.errors import RefusedError
from knowledge.release import MANIFEST, Releases, read_manifest, verify
from knowledge.store import FILE

NEEDED = ("index/rows.json",)


class Clock(dt.datetime):
    """A second passes each time somebody looks."""

    passed = 0

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        cls.passed += 1
        return dt.datetime(2026, 11, 24, tzinfo=tz) + dt.timedelta(seconds=cls.passed)


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release.dt, "datetime", Clock)


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    return Releases(tmp_path)


def draft(releases: Releases, content: str = "x", *, without: str = "") -> None:
    for name in (FILE, *NEEDED):
        path = releases.draft / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name != without:
            path.write_text(content + name, encoding="utf-8")


def publish(releases: Releases, content: str = "x") -> str:
    draft(releases, content)
    return releases.publish(procedures=3, imported=1, required=NEEDED, notes={"source": "thử"}).id


def test_publishing(releases: Releases) -> None:
    name = publish(releases)
    current = releases.current()
    assert current == releases.folder / name
    assert (current / FILE).read_text(encoding="utf-8") == "x" + FILE
    assert not releases.draft.exists()
    assert releases.link.is_symlink()
    assert not Path(str(releases.link.readlink())).is_absolute()
    manifest = verify(current)
    assert (manifest.procedures, manifest.imported, manifest.notes) == (3, 1, {"source": "thử"})
    assert set(manifest.files) == {FILE, *NEEDED}
    assert [(e["id"], e["action"]) for e in releases.log()] == [(name, "publish")]


def test_nothing_published_yet(releases: Releases) -> None:
    assert releases.log() == []
    for call in (releases.current, releases.rollback, releases.prune):
        with pytest.raises(RefusedError, match="no published release; run `make setup`"):
            call()


@pytest.mark.parametrize("missing", [FILE, *NEEDED])
def test_an_incomplete_draft_is_refused_and_the_published_one_stays(releases: Releases, missing: str) -> None:
    name = publish(releases)
    before = {p: p.read_bytes() for p in releases.current().rglob("*") if p.is_file()}
    draft(releases, "neu", without=missing)
    with pytest.raises(RefusedError, match=f"{missing}: missing; run `tthc kb import`"):
        releases.publish(procedures=1, imported=0, required=NEEDED, notes={})
    assert releases.current().name == name
    assert {p: p.read_bytes() for p in releases.current().rglob("*") if p.is_file()} == before
    assert len(releases.log()) == 1
    assert (releases.draft).is_dir()


@pytest.mark.parametrize("file", [FILE, *NEEDED])
def test_a_tampered_file_is_found(releases: Releases, file: str) -> None:
    publish(releases)
    path = releases.current() / file
    text = path.read_text(encoding="utf-8")
    path.write_text("y" + text[1:], encoding="utf-8")
    with pytest.raises(RefusedError, match=f"{file}: differs from the manifest"):
        verify(releases.current())
    path.write_text(text + "!", encoding="utf-8")
    with pytest.raises(RefusedError, match="differs"):
        verify(releases.current())
    path.unlink()
    with pytest.raises(RefusedError, match=f"{file}: missing from the release"):
        verify(releases.current())


@pytest.mark.parametrize("content", ["", "[]", '{"id": "x"}', '{"id": "x", "more": 1}'])
def test_a_broken_manifest_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / MANIFEST).write_text(content, encoding="utf-8")
    with pytest.raises(RefusedError, match="not a release manifest"):
        read_manifest(tmp_path)
    with pytest.raises(RefusedError, match="not a release manifest"):
        read_manifest(tmp_path / "none")


def test_back_and_further_back(releases: Releases) -> None:
    a, b, c = (publish(releases, x) for x in "abc")
    assert releases.rollback().id == b
    assert releases.current().name == b
    assert releases.rollback().id == a
    with pytest.raises(RefusedError, match="no earlier release"):
        releases.rollback()
    assert releases.rollback(c).id == c
    assert [e["action"] for e in releases.log()] == ["publish"] * 3 + ["rollback"] * 3


def test_after_going_back_and_publishing_anew(releases: Releases) -> None:
    a, _, c = (publish(releases, x) for x in "abc")
    releases.rollback(a)
    d = publish(releases, "d")
    assert releases.current().name == d
    assert releases.rollback().id == a  # what was withdrawn does not come back by itself
    assert releases.rollback(c).id == c
    assert releases.rollback().id == a


def test_no_going_back_to_what_is_not_there_or_broken(releases: Releases) -> None:
    a, b = publish(releases, "a"), publish(releases, "b")
    with pytest.raises(RefusedError, match="no such release; `tthc kb log`"):
        releases.rollback("20200101-000000-xyz")
    (releases.folder / a / FILE).write_text("khác", encoding="utf-8")
    with pytest.raises(RefusedError, match="differs from the manifest"):
        releases.rollback()
    assert releases.current().name == b


def test_pruning_keeps_the_newest_and_the_current(releases: Releases) -> None:
    names = [publish(releases, x) for x in "abcdef"]
    releases.rollback(names[0])
    assert sorted(releases.prune(keep=2)) == names[1:4]
    assert sorted(p.name for p in releases.folder.iterdir()) == [names[0], *names[4:]]
    assert releases.current().name == names[0]
    assert releases.prune(keep=2) == []


def test_ids_sort_by_time_and_name_the_content(releases: Releases) -> None:
    a, b = publish(releases, "a"), publish(releases, "a")
    assert a < b
    assert a.rsplit("-", 1)[1] == b.rsplit("-", 1)[1]
    assert publish(releases, "c").rsplit("-", 1)[1] != a.rsplit("-", 1)[1]


def test_a_manifest_written_by_hand_can_be_read(releases: Releases) -> None:
    publish(releases)
    data = json.loads((releases.current() / MANIFEST).read_text(encoding="utf-8"))
    assert data["files"][FILE][1] == len("x" + FILE)
