"""Fetching the catalogue: against a stand-in of the portal that misbehaves."""

from __future__ import annotations

import email.utils
import fcntl
import gzip
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge import fetch
from knowledge.errors import RefusedError
from knowledge.fetch import FetchReport, FetchStopped, IncompleteFetch, fetch_catalogue, require_complete, strip_images
from tests.portal_server import PortalServer, make_record, make_records

ROOT = Path(__file__).resolve().parents[2]
REAL = Path(os.environ.get("TTHC_SHARED") or ROOT.parent / "shared") / "data" / "portal-procedures.jsonl.gz"
DAY = 86_400.0


@pytest.fixture
def portal() -> Iterator[PortalServer]:
    with PortalServer(make_records(30)) as server:
        yield server


class Clock:
    """Time that only passes when someone sleeps."""

    def __init__(self) -> None:
        self.time, self.slept = 1_800_000_000.0, list[float]()

    def __call__(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def run(portal: PortalServer, clock: Clock, tmp_path: Path) -> Any:
    def go(**more: Any) -> FetchReport:
        options: dict[str, Any] = {
            "base_url": portal.url, "limit": 7, "sleep": clock.sleep, "now": clock, "rng": random.Random(1)
        }  # fmt: skip
        return fetch_catalogue(tmp_path, **options | more)

    return go


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "records.jsonl").read_bytes().splitlines()]


def state(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "state.json").read_text("utf-8"))


# --- a run that goes well


def test_full_run_brings_every_record_in_the_list_order(portal: PortalServer, run: Any, tmp_path: Path) -> None:
    report = run()
    assert records(tmp_path) == portal.records
    listing = (tmp_path / "list.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["id"] for line in listing] == [r["id"] for r in portal.records]
    assert report == FetchReport(listed=30, expected=30, fetched=30, unchanged=0, held=30)
    assert report.complete
    require_complete(report)
    assert state(tmp_path)["complete"]
    assert state(tmp_path)["finished"] >= state(tmp_path)["started"] > 0
    assert portal.asked("list") == ["", "id-0006", "id-0013", "id-0020", "id-0027"]
    assert not list(tmp_path.glob("*.tmp"))


def test_list_request_has_the_known_body(portal: PortalServer, run: Any) -> None:
    run()
    assert portal.requests[0].body == {"limit": 7, "lastId": "", "q": "", "categoryId": "", "departmentCode": ""}


def test_list_may_end_with_a_repeated_cursor(portal: PortalServer, run: Any) -> None:
    portal.end = "repeat"
    assert run().listed == 30


def test_nested_answers_are_accepted(portal: PortalServer, run: Any, tmp_path: Path) -> None:
    portal.replace(make_record(3, data={"id": "a field of the record that is called data"}))
    portal.misbehave("nested", on="any", times=6)
    assert run().complete
    assert records(tmp_path) == portal.records


def test_says_who_asks(portal: PortalServer, run: Any) -> None:
    run(user_agent="trợ-lý/9 (+https://example.org)")
    headers = portal.requests[0].headers
    assert headers["user-agent"] == "tr-l/9 (+https://example.org)"
    assert headers["content-type"] == "application/json"
    portal.requests.clear()
    run(max_age_days=-1)
    assert portal.requests[-1].headers["user-agent"] == fetch.USER_AGENT
    assert "mozilla" not in fetch.USER_AGENT.lower()


def test_a_given_client_is_used_and_left_open(portal: PortalServer, run: Any) -> None:
    with httpx.Client(headers={"X-Contact": "a@b.vn"}) as client:
        run(client=client)
        assert not client.is_closed
    assert portal.requests[-1].headers["x-contact"] == "a@b.vn"


def test_progress_counts_up_to_the_list(run: Any) -> None:
    steps: list[tuple[int, int]] = []
    run(progress=lambda done, total: steps.append((done, total)))
    assert steps == [(n, 30) for n in range(31)]


def test_images_and_half_characters_are_dropped(portal: PortalServer, run: Any, tmp_path: Path) -> None:
    text = 'Trước <img alt="a" src="data:image/png;base64,iVBORw0KGgo=" /> giữa data:image/jpeg;base64,/9j/4AAQ== sau'
    portal.replace(make_record(3, executionSteps=[{"name": "", "description": text}], note="nửa \ud800 chữ"))
    assert run().complete
    detail = records(tmp_path)[3]["detail"]
    assert detail["executionSteps"] == [{"name": "", "description": "Trước  giữa  sau"}]
    assert detail["note"] == "nửa ? chữ"


LEAF = st.none() | st.booleans() | st.integers() | st.text()
JSON = st.recursive(LEAF, lambda part: st.lists(part) | st.dictionaries(st.text(), part))


@given(JSON)
def test_without_images_nothing_changes(value: Any) -> None:
    assert strip_images(value) == value


# --- politeness


def test_never_two_requests_at_once_and_a_pause_before_each(portal: PortalServer, run: Any, clock: Clock) -> None:
    portal.work = 0.002
    run(pause=(1.0, 3.0))
    assert portal.most_at_once == 1
    assert len(clock.slept) == len(portal.requests) - 1 == 34
    assert all(1.0 <= seconds <= 3.0 for seconds in clock.slept)
    assert len(set(clock.slept)) > 30


def test_the_pause_is_really_waited(portal: PortalServer, run: Any) -> None:
    portal.records = portal.records[:4]
    run(pause=(0.03, 0.05), sleep=time.sleep)
    times = [request.at for request in portal.requests]
    assert min(b - a for a, b in zip(times, times[1:], strict=False)) >= 0.03


def test_backs_off_longer_each_time_and_recovers(portal: PortalServer, run: Any, clock: Clock) -> None:
    for status in (403, 429, 500, 503):
        portal.misbehave("status", on="id-0000", status=status)
    report = run(pause=(0, 0))
    waits = [seconds for seconds in clock.slept if seconds]
    assert len(waits) == 4
    assert waits == sorted(waits)
    for n, seconds in enumerate(waits):
        assert fetch.BACKOFF * 2**n / 2 <= seconds <= fetch.BACKOFF * 2**n
    assert portal.asked()[:6] == ["id-0000"] * 5 + ["id-0001"]
    assert report.fetched == 30
    assert not report.failed


def test_back_off_has_jitter_and_a_cap(portal: PortalServer, run: Any, clock: Clock) -> None:
    portal.misbehave("status", on="id-0000", times=9, status=500)
    run(pause=(0, 0), max_tries=10)
    waits = [seconds for seconds in clock.slept if seconds]
    assert fetch.BACKOFF_CAP / 2 <= min(waits[-4:]) <= max(waits) <= fetch.BACKOFF_CAP
    assert len(set(waits)) == 9


@pytest.mark.parametrize(("value", "least", "most"), [
    ("77", 77, 77), (" 77 ", 77, 77), ("86400", 300, 300), ("in a minute", 2.5, 5), ("-5", 2.5, 5),
    ("nan", 2.5, 5), ("", 2.5, 5),
])  # fmt: skip
def test_retry_after_is_respected_and_capped(
    portal: PortalServer, run: Any, clock: Clock, value: str, least: float, most: float
) -> None:
    portal.misbehave("status", on="id-0004", status=429, headers={"Retry-After": value})
    assert run(pause=(0, 0)).complete
    (wait,) = [seconds for seconds in clock.slept if seconds]
    assert least <= wait <= most


def test_retry_after_as_a_date(portal: PortalServer, run: Any, clock: Clock) -> None:
    when = email.utils.formatdate(time.time() + 90, usegmt=True)
    portal.misbehave("status", on="list", status=503, headers={"Retry-After": when})
    assert run(pause=(0, 0)).complete
    assert 80 <= max(clock.slept) <= 90


def test_the_record_after_a_refusal_waits_too(portal: PortalServer, run: Any, clock: Clock) -> None:
    portal.misbehave("status", on="id-0002", times=2, status=429, headers={"Retry-After": "60"})
    report = run(pause=(0, 0), max_tries=2)
    assert [seconds for seconds in clock.slept if seconds] == [60, 60]
    assert [error.record for error in report.failed] == ["id-0002 (1.900002)"]


# --- answers that are no answers


@pytest.mark.parametrize("kind", ["html", "truncated", "cut"])
def test_firewall_pages_and_broken_answers_are_asked_again(portal: PortalServer, run: Any, kind: str) -> None:
    portal.misbehave(kind, on="list", times=2)
    portal.misbehave(kind, on="id-0005", times=2)
    assert run().complete
    assert portal.asked().count("id-0005") == 3


def test_timeouts_are_asked_again(portal: PortalServer, run: Any) -> None:
    portal.misbehave("slow", on="id-0005", seconds=0.6)
    with httpx.Client(timeout=0.2) as client:
        assert run(client=client).fetched == 30
    assert portal.asked().count("id-0005") == 2


@pytest.mark.parametrize(("kind", "tries", "words"), [
    ("html", 5, "firewall"), ("truncated", 5, "cut off"), ("cut", 5, "RemoteProtocolError"), ("status", 5, "500"),
    ("null", 1, "Không tìm thấy"), ("other", 1, "another record"), ("shapeless", 1, "unknown shape"),
    ("list", 1, "without data"),
])  # fmt: skip
def test_a_record_that_never_comes_is_given_up_and_the_run_goes_on(
    portal: PortalServer, run: Any, tmp_path: Path, kind: str, tries: int, words: str
) -> None:
    portal.misbehave(kind, on="id-0005", times=99)
    report = run()
    (error,) = report.failed
    assert words in error.reason
    assert portal.url in str(error)
    assert "id-0005 (1.900005)" in str(error)
    assert portal.asked().count("id-0005") == tries
    assert (report.listed, report.fetched, report.held, report.complete) == (30, 29, 29, True)
    assert len(records(tmp_path)) == 29
    portal.behave()
    again = run()
    assert (again.fetched, again.unchanged, again.failed) == (1, 29, ())
    assert records(tmp_path) == portal.records
    assert state(tmp_path)["failed"] == {}


@pytest.mark.parametrize("changes", [{"code": None}, {"name": "  "}, {"code": 7}, {"name": ["a"]}])
def test_a_record_without_code_or_name_is_refused(portal: PortalServer, run: Any, changes: dict[str, Any]) -> None:
    portal.records[4]["detail"].update(changes)
    report = run()
    assert ["id-0004" in error.record for error in report.failed] == [True]


def test_records_that_vanished_after_the_listing_are_reported(portal: PortalServer, run: Any) -> None:
    portal.vanished = {"id-0001", "id-0009"}
    report = run()
    assert [error.reason for error in report.failed] == ["refused with status 404"] * 2
    assert portal.asked().count("id-0001") == 1
    assert report.complete


def test_list_items_without_id_count_as_missing(portal: PortalServer, run: Any) -> None:
    portal.extra_items = [None, {"code": "1.1"}, {"id": ["x"]}, {"id": 5}]
    report = run()
    assert (report.listed, report.expected, report.fetched, report.complete) == (30, 34, 30, False)


@pytest.mark.parametrize("kind", ["html", "truncated", "status", "null", "shapeless", "list"])
def test_without_the_list_the_run_stops_clearly(portal: PortalServer, run: Any, tmp_path: Path, kind: str) -> None:
    portal.misbehave(kind, on="after id-0013", times=99)
    with pytest.raises(FetchStopped, match="run it again") as caught:
        run()
    assert portal.url in str(caught.value)
    assert "list after id-0013" in str(caught.value)
    assert portal.asked() == []
    portal.behave()
    assert run().complete


@pytest.mark.parametrize("base", ["http://127.0.0.1:9", "no-address", "http://[::bad"])
def test_no_portal_at_the_address(run: Any, base: str) -> None:
    with pytest.raises(FetchStopped, match="no answer"):
        run(base_url=base, max_tries=1)


# --- resuming


@pytest.mark.parametrize("after", [1, 19, 20, 27])
def test_an_interrupted_run_goes_on(portal: PortalServer, run: Any, tmp_path: Path, after: int) -> None:
    def stop(done: int, _: int) -> None:
        if done == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(progress=stop)
    assert not state(tmp_path)["finished"]
    assert len(records(tmp_path)) == after
    report = run()
    assert (report.fetched, report.unchanged) == (30 - after, after)
    assert sorted(portal.asked()) == [r["id"] for r in portal.records]
    assert len(portal.asked("list")) == 5
    assert records(tmp_path) == portal.records


KILLED = """
import os, signal, sys
from pathlib import Path
from knowledge.fetch import fetch_catalogue
def stop(done, total):
    if done == 26:
        os.kill(os.getpid(), signal.SIGKILL)
fetch_catalogue(Path(sys.argv[1]), base_url=sys.argv[2], pause=(0, 0), limit=7, progress=stop)
"""


@pytest.mark.parametrize("torn", [b"", b'{"id": "id-0026", "code": "1.9', b"\0\0\0\0", b'{"id": "id-0026"}'])
def test_a_killed_run_loses_nothing_that_was_whole(
    portal: PortalServer, run: Any, clock: Clock, tmp_path: Path, torn: bytes
) -> None:
    clock.time = time.time()
    command = [sys.executable, "-c", KILLED, str(tmp_path), portal.url]
    done = subprocess.run(command, cwd=ROOT, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(state(tmp_path)["records"]) == 20
    with (tmp_path / "records.jsonl").open("ab") as file:
        file.write(torn)

    def stop(done: int, _: int) -> None:
        if done == 28:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(progress=stop)
    assert records(tmp_path) == portal.records[:28]  # the new lines did not stick to the torn one
    report = run()
    assert (report.fetched, report.unchanged) == (2, 28)
    assert sorted(portal.asked()) == [r["id"] for r in portal.records]
    assert records(tmp_path) == portal.records


def test_a_damaged_line_in_the_middle_is_fetched_again(portal: PortalServer, run: Any, tmp_path: Path) -> None:
    run()
    lines = (tmp_path / "records.jsonl").read_bytes().splitlines(keepends=True)
    lines[4], lines[9] = b"#####\n", b"[1]\n"
    (tmp_path / "records.jsonl").write_bytes(b"".join(lines))
    assert run().fetched == 2
    assert records(tmp_path) == portal.records


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b'{"records": 5}'])
def test_without_a_readable_state_everything_is_fetched_again(
    portal: PortalServer, run: Any, tmp_path: Path, content: bytes | None
) -> None:
    run()
    (tmp_path / "state.json").unlink()
    if content is not None:
        (tmp_path / "state.json").write_bytes(content)

    def stop(done: int, _: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(progress=stop)
    assert run().fetched == 27
    assert records(tmp_path) == portal.records


def test_a_run_cut_off_long_ago_lists_anew(portal: PortalServer, run: Any, clock: Clock) -> None:
    def stop(done: int, _: int) -> None:
        if done == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(progress=stop)
    clock.time += 2 * DAY
    portal.records.append(make_record(77))
    report = run()
    assert (report.listed, report.fetched, report.unchanged) == (31, 21, 10)


def test_only_one_run_in_a_folder(portal: PortalServer, run: Any, tmp_path: Path) -> None:
    with (tmp_path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(RefusedError, match="another fetch"):
            run()
    assert portal.requests == []
    assert run().complete


# --- the second run


def test_second_run_fetches_only_what_changed(portal: PortalServer, run: Any, tmp_path: Path) -> None:
    run()
    portal.requests.clear()
    portal.replace(make_record(3, name="Tên mới"))
    portal.replace(make_record(5, description="thay đổi mà danh sách không cho thấy"))
    portal.item_changes = {"id-0008": {"views": 99}, "id-0009": {"updatedAt": 1}}
    gone = portal.records.pop(20)
    portal.records.insert(0, make_record(50))
    report = run()
    assert portal.asked() == ["id-0050", "id-0003", "id-0009"]
    assert (report.listed, report.fetched, report.unchanged) == (30, 3, 27)
    assert report.removed == (gone["code"],)
    got = records(tmp_path)
    assert [r["id"] for r in got] == [r["id"] for r in portal.records]
    assert got[4]["name"] == "Tên mới"
    assert gone["id"] not in state(tmp_path)["records"]


def test_the_order_of_categories_is_no_change(portal: PortalServer, run: Any) -> None:
    portal.item_changes = {"id-0001": {"categories": ["a", "b"]}}
    run()
    portal.item_changes = {"id-0001": {"categories": ["b", "a"]}}
    assert run().fetched == 0
    portal.item_changes = {"id-0001": {"categories": ["b", "c"]}}
    assert run().fetched == 1


def test_old_records_are_fetched_again(portal: PortalServer, run: Any, clock: Clock, tmp_path: Path) -> None:
    run()
    clock.time += 20 * DAY
    portal.replace(make_record(5, name="Tên mới"))
    assert run().fetched == 1
    clock.time += 11 * DAY
    assert run().fetched == 29
    assert run().fetched == 0
    clock.time += DAY
    assert run(max_age_days=0.5).fetched == 30
    assert len(records(tmp_path)) == 30


def test_a_record_that_fails_later_stays_in_its_older_version(portal: PortalServer, run: Any, tmp_path: Path) -> None:
    run()
    portal.replace(make_record(3, name="Tên mới"))
    portal.misbehave("status", on="id-0003", times=99)
    report = run()
    assert (len(report.failed), report.held, report.complete) == (1, 30, True)
    assert records(tmp_path)[3]["name"] == make_record(3)["name"]
    portal.behave()
    assert run().fetched == 1
    assert records(tmp_path)[3]["name"] == "Tên mới"


# --- giving up and not publishing


def test_gives_up_after_failures_in_a_row_and_can_go_on(portal: PortalServer, run: Any, tmp_path: Path) -> None:
    def blocked(request: Any) -> None:
        if request.what == "detail" and len(set(portal.asked())) > 12:
            portal.misbehave("status", times=1, status=403)

    portal.before_answer = blocked
    with pytest.raises(FetchStopped, match="12 records are kept") as caught:
        run(max_tries=2, max_failures=3)
    assert "refused with status 403" in str(caught.value)
    assert "id-0014" in str(caught.value)
    assert len(portal.asked()) == 12 + 3 * 2
    assert len(records(tmp_path)) == 12
    assert not state(tmp_path)["complete"]
    portal.before_answer = None
    portal.behave()
    report = run()
    assert (report.fetched, report.unchanged, report.failed) == (18, 12, ())
    assert records(tmp_path) == portal.records


def test_scattered_failures_do_not_stop_the_run(portal: PortalServer, run: Any) -> None:
    for number in range(0, 30, 2):
        portal.misbehave("status", on=f"id-{number:04}", times=99)
    report = run(max_failures=2)
    assert (len(report.failed), report.fetched) == (15, 15)
    with pytest.raises(IncompleteFetch, match="15 of 30 procedures") as caught:
        require_complete(report)
    assert "id-0000 (1.900000): refused with status 500" in str(caught.value)


def test_records_that_always_fail_cannot_block_every_run(portal: PortalServer, run: Any) -> None:
    portal.records += [make_record(number) for number in range(30, 100)]
    portal.vanished = {f"id-{number:04}" for number in range(40, 48)}
    for _ in range(2):
        with pytest.raises(FetchStopped):
            run(max_failures=4)
        portal.requests.clear()
    report = run(max_failures=4)
    assert (len(report.failed), report.held, report.complete) == (8, 92, True)
    assert set(portal.asked()[-8:]) == portal.vanished


def test_an_empty_list_removes_nothing(portal: PortalServer, run: Any, tmp_path: Path) -> None:
    run()
    portal.records = []
    report = run()
    assert (report.listed, report.removed, report.complete) == (0, (), False)
    assert len(records(tmp_path)) == 30
    with pytest.raises(IncompleteFetch):
        require_complete(report)


def test_an_empty_first_list_is_not_complete(portal: PortalServer, run: Any) -> None:
    portal.records = []
    assert not run().complete


@pytest.mark.parametrize(("held", "complete"), [(26, False), (27, True)])
def test_complete_from_nine_tenths(portal: PortalServer, run: Any, tmp_path: Path, held: int, complete: bool) -> None:
    portal.vanished = {f"id-{number:04}" for number in range(held, 30)}
    report = run()
    assert report.complete is complete is state(tmp_path)["complete"]


def test_a_list_that_breaks_off_is_not_taken_for_the_whole(portal: PortalServer, run: Any, tmp_path: Path) -> None:
    run()
    portal.loop_after = 14
    report = run()
    assert (report.listed, report.expected, report.removed, report.complete) == (14, 30, (), False)
    assert len(records(tmp_path)) == 30
    with pytest.raises(IncompleteFetch, match="the list has 14 procedures, about 30 expected"):
        require_complete(report)
    report = run()
    assert not report.complete  # the short list did not become the measure
    portal.loop_after = None
    report = run()
    assert (report.fetched, report.complete) == (0, True)


def test_the_portals_own_count_unmasks_a_first_list_that_breaks_off(portal: PortalServer, run: Any) -> None:
    portal.loop_after, portal.total = 14, 30
    assert not run().complete


def test_a_really_smaller_list_can_be_accepted(portal: PortalServer, run: Any, tmp_path: Path) -> None:
    run()
    del portal.records[20:]
    assert not run().complete
    report = run(accept_smaller_list=True)
    assert (report.complete, len(report.removed)) == (True, 10)
    assert run().complete
    assert len(records(tmp_path)) == 20


# --- the real catalogue, where it is at hand


@pytest.mark.skipif(not REAL.is_file(), reason="the portal's catalogue is not at hand (TTHC_SHARED)")
def test_the_real_catalogue(tmp_path: Path) -> None:
    with gzip.open(REAL, "rt", encoding="utf-8") as file:
        real = [json.loads(line) for line in file]

    def stop(done: int, total: int) -> None:
        assert total == len(real)
        if done == 300:
            raise KeyboardInterrupt

    with PortalServer(real) as portal:
        with pytest.raises(KeyboardInterrupt):
            fetch_catalogue(tmp_path, base_url=portal.url, pause=(0, 0), progress=stop)
        assert len(portal.asked("list")) == -(-len(real) // 200)
    assert records(tmp_path) == real[:300]
