"""Getting the national catalogue from the portal, politely.

One request at a time, a pause before each, back-off when the portal or its firewall says no, every record kept as soon
as it arrives so that a killed run goes on where it stopped. ``list.jsonl`` is the portal's listing; ``records.jsonl``
holds ``{"id", "code", "name", "detail"}`` a line as the portal gives it, without embedded images; ``state.json`` says
what was done when and whether the result is complete. While a run goes on a record may have an older and a newer line
(the last counts); a finished run leaves one, in the list's order.
"""

from __future__ import annotations

import contextlib
import email.utils
import fcntl
import hashlib
import json
import os
import random
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from knowledge.errors import RefusedError

PORTAL = "https://dichvucong.gov.vn"
LIST_PATH = "/api/v1/submitting/formality/list-all-public-formality-by-citizen"
DETAIL_PATH = "/api/v1/configuring/formality/get-formality-by-citizen"
USER_AGENT = "tro-ly-5299/1.0 (open helper for citizens of Gia Lai; reads the public catalogue, one request at a time)"
TIMEOUT = httpx.Timeout(60.0, connect=15.0)
BACKOFF, BACKOFF_CAP, RETRY_AFTER_CAP = 5.0, 120.0, 300.0
"""Seconds: first wait after a refusal, longest wait, longest ``Retry-After`` that is waited for."""
DAY = 86_400.0  # seconds; for so long a run that was cut off goes on with its own listing
SAVE_EVERY = 20  # records
ITEM_KEYS = ("code", "name", "type", "categories", "departments", "updatedAt")
"""What makes a list item "changed"; with other keys (a counter, a score) all would be fetched again for nothing."""
FRESH = '{"started":0,"finished":0,"list":"","expected":0,"trusted":0,"complete":false,"records":{},"failed":{}}'
"""``state.json``: Unix seconds; fingerprint of the list and its expected size, size of the last complete run's list;
by id the fingerprint of the list item and the time of fetching; by id why a record could not be fetched."""

_IMAGE = re.compile(r"<img\b[^<>]*data:image/[^<>]*>|data:image/[^,\s\"'<>()]{1,80};base64,[A-Z0-9+/_=%-]*", re.I)
Json = dict[str, Any]


class PortalError(RefusedError):
    """No usable answer about ``record`` ("id (code)", or a page of the list). ``again``: asking again may help."""

    def __init__(self, url: str, record: str, reason: str, *, again: bool = False, after: float = 0.0) -> None:
        super().__init__(f"{url}: {record}: {reason}")
        self.url, self.record, self.reason, self.again, self.after = url, record, reason, again, after


class FetchStopped(RefusedError):  # noqa: N818
    """The run gave up; what it fetched is kept, and the next run goes on there."""


class IncompleteFetch(RefusedError):  # noqa: N818
    """Less than nine tenths of the list are held: not to be published."""


@dataclass(frozen=True, slots=True)
class FetchReport:
    """What a run did. At its end ``listed == fetched + unchanged + len(failed)``.

    ``expected`` is above ``listed`` when the portal counts more or the list shrank suspiciously. ``unchanged`` were
    there already, also from before a cut-off run was resumed. ``held`` is how many of the list are in
    ``records.jsonl``, in whatever version. ``removed`` are the codes of records that left the list and were dropped.
    """

    listed: int
    expected: int
    fetched: int
    unchanged: int
    held: int
    failed: tuple[PortalError, ...] = ()
    removed: tuple[str, ...] = ()

    @property
    def short(self) -> bool:
        """The list itself is too short to be believed."""
        return not self.listed or 10 * self.listed < 9 * self.expected

    @property
    def complete(self) -> bool:
        """At least nine tenths of the list are held."""
        return not self.short and 10 * self.held >= 9 * self.expected


def require_complete(report: FetchReport) -> None:
    """Raise :class:`IncompleteFetch` unless the run behind ``report`` may be published."""
    if not report.complete:
        why = "".join(f"\n  {f.record}: {f.reason}" for f in report.failed[:5])
        why += f"\n  the list has {report.listed} procedures, about {report.expected} expected" * report.short
        raise IncompleteFetch(f"{report.held} of {report.expected} procedures, too few to publish: fetch again{why}")


def _retry_after(value: str) -> float:
    """Seconds of a ``Retry-After`` header, a number or a date; 0 when absent or unreadable."""
    try:
        date = email.utils.parsedate_tz(value)
        seconds = email.utils.mktime_tz(date) - time.time() if date else float(value)
        return min(max(0.0, seconds), RETRY_AFTER_CAP)
    except (ValueError, OverflowError):
        return 0.0


@dataclass(slots=True)
class _Asker:
    """Asks the portal: paced, retried, one request at a time."""

    client: httpx.Client
    base: str
    headers: dict[str, str]
    pause: tuple[float, float]
    tries: int
    sleep: Callable[[float], object]
    rng: random.Random
    owed: float | None = None
    """Least wait before the next request because the last was refused; None before the first request."""

    def ask(self, path: str, body: Json, record: str) -> Json:
        """The ``data`` that the portal answers, or :class:`PortalError`."""
        for n in range(1, self.tries + 1):
            if self.owed is not None:
                self.sleep(max(self.rng.uniform(*self.pause), self.owed))
            self.owed = 0.0
            try:
                return self._post(self.base + path, body, record)
            except PortalError as error:
                if error.again:
                    wait = min(BACKOFF * 2 ** (n - 1), BACKOFF_CAP)  # jitter never makes a later wait the shorter one
                    self.owed = max(self.rng.uniform(wait / 2, wait), error.after)
                if not error.again or n == self.tries:
                    raise
        raise AssertionError("no tries")

    def _post(self, url: str, body: Json, record: str) -> Json:
        try:
            answer = self.client.post(url, json=body, headers=self.headers)
        except (httpx.RequestError, httpx.InvalidURL) as error:
            raise PortalError(url, record, f"no answer ({type(error).__name__}: {error})", again=True) from error
        if not answer.is_success:
            status, after = answer.status_code, _retry_after(answer.headers.get("retry-after", ""))
            again = status in {403, 408, 425, 429} or status >= 500
            raise PortalError(url, record, f"refused with status {status}", again=again, after=after)
        if "html" in answer.headers.get("content-type", "").lower() or answer.content.lstrip()[:1] == b"<":
            raise PortalError(url, record, "a web page instead of data: the portal's firewall said no", again=True)
        try:
            whole = json.loads(answer.content)
        except (ValueError, RecursionError) as error:
            raise PortalError(url, record, "the answer is cut off or no JSON", again=True) from error
        data = whole.get("data") if isinstance(whole, dict) else None
        if isinstance(data, dict) and isinstance(data.get("data"), dict) and not {"id", "items"} & data.keys():
            data = data["data"]
        if not isinstance(data, dict):
            raise PortalError(url, record, f"an answer without data: {whole!s:.200}")
        return data


def _list(asker: _Asker, limit: int) -> tuple[list[Json], int]:
    """All list items, each id once, and how many the portal says or sent, whichever is more."""
    found: dict[str, Json] = {}
    total, unusable, last, seen = 0, 0, "", {""}
    while True:
        where = f"list after {last or 'the start'}"
        body = {"limit": limit, "lastId": last, "q": "", "categoryId": "", "departmentCode": ""}
        page = asker.ask(LIST_PATH, body, where)
        items, cursor = page.get("items"), page.get("lastId")
        if not isinstance(items, list) or not isinstance(cursor, str | int | None):
            raise PortalError(asker.base + LIST_PATH, where, "a page without items, or of unknown shape")
        usable = [item for item in items if isinstance(item, dict) and isinstance(item.get("id"), str)]
        found.update((item["id"], item) for item in usable)
        unusable += len(items) - len(usable)
        total = page["total"] if isinstance(page.get("total"), int) else total
        last = str(cursor or "")
        if last in seen or not items:
            return list(found.values()), max(total, len(found) + unusable)
        seen.add(last)


def strip_images(value: Any) -> Any:
    """The same JSON value without the images embedded in its texts."""
    if isinstance(value, str):
        return _IMAGE.sub("", value) if "data:image/" in value.lower() else value
    if isinstance(value, list):
        return [strip_images(part) for part in value]
    return {key: strip_images(part) for key, part in value.items()} if isinstance(value, dict) else value


def _detail(asker: _Asker, item: Json) -> Json:
    """The record of a list item, in the shape of ``records.jsonl``."""
    url, who = asker.base + DETAIL_PATH, f"{item['id']} ({item.get('code')})"
    data = strip_images(asker.ask(DETAIL_PATH, {"id": item["id"]}, who))
    if not all(isinstance(data.get(key), str) and data[key].strip() for key in ("id", "code", "name")):
        raise PortalError(url, who, "a record without id, code or name, or of unknown shape")
    if data["id"] != item["id"]:
        raise PortalError(url, who, f"another record was sent, id {data['id']:.60}")
    return {"id": data["id"], "code": data["code"], "name": data["name"], "detail": data}


def _line(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _sign(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _item_sign(item: Json) -> str:
    """Fingerprint of a list item; the order of its categories and departments does not count."""
    values = (item.get(key) for key in ITEM_KEYS)
    return _sign([sorted(map(_sign, value)) if isinstance(value, list) else value for value in values])


def _write(path: Path, lines: Iterable[bytes], mode: str = "wb") -> None:
    """Write ``path`` whole or not at all (``wb``), or append whole lines to it (``ab``); on disk when this returns."""
    draft = path if mode == "ab" else path.with_name(path.name + ".tmp")
    with draft.open(mode) as file:
        file.writelines(lines)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)


def _read(path: Path) -> dict[str, tuple[bytes, Json]]:
    """By id the line and the object, the last line of an id counting. A torn last line is cut off the file."""
    found: dict[str, tuple[bytes, Json]] = {}
    path.touch()
    with path.open("rb+") as file:
        for line in file:
            if not line.endswith(b"\n"):
                file.seek(-len(line), os.SEEK_END)
                file.truncate()
                break
            with contextlib.suppress(ValueError, TypeError, KeyError):  # a damaged line is as good as none
                value = json.loads(line)
                found[str(value["id"])] = (line, value)
    return found


class _Store:
    """The folder of a run: what is held, and under which list item it was fetched when."""

    def __init__(self, out: Path) -> None:
        self.out, self.state = out, json.loads(FRESH)
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):  # unreadable: as if nothing were known
            saved = json.loads((out / "state.json").read_bytes())
            self.state = {key: type(value)(saved[key]) for key, value in self.state.items()}
        self.items = [item for _, item in _read(out / "list.jsonl").values()]
        self.lines = {id_: line for id_, (line, value) in _read(out / "records.jsonl").items() if "detail" in value}
        self.cut_off = not self.state["finished"] and self.state["list"] == _sign(self.items)
        # what the state of a cut-off run does not know came after it was last saved; any other unknown is out of date
        late = {i["id"]: [_item_sign(i), self.state["started"]] for i in self.items if self.cut_off}
        self.state["records"] = {id_: self.state["records"].get(id_) or late.get(id_, ["", 0]) for id_ in self.lines}

    def due(self, item: Json, before: float) -> bool:
        sign, when = self.state["records"].get(item["id"], ("", 0))
        return item["id"] not in self.lines or sign != _item_sign(item) or when < before

    def save(self) -> None:
        _write(self.out / "state.json", [_line(self.state)])

    def begin(self, items: list[Json], total: int, when: float) -> None:
        """Start a run. The last complete list vouches for the size unless the portal itself counts more items."""
        expected = total if total > len(items) else max(total, self.state["trusted"])
        _write(self.out / "list.jsonl", map(_line, items))
        self.items, sign = items, _sign(items)
        self.state.update(started=int(when), finished=0, complete=False, list=sign, expected=expected)
        self.save()

    def add(self, item: Json, record: Json, when: float) -> None:
        self.lines[item["id"]] = _line(record)
        _write(self.out / "records.jsonl", [self.lines[item["id"]]], "ab")
        self.state["records"][item["id"]] = [_item_sign(item), int(when)]
        self.state["failed"].pop(item["id"], None)

    def tidy(self, *, drop: bool) -> tuple[str, ...]:
        """Leave one line a record, in the list's order; with ``drop`` only of the list. The codes dropped."""
        listed = {item["id"] for item in self.items}
        gone = [self.lines.pop(id_) for id_ in [*self.lines] if id_ not in listed and drop]
        order = dict.fromkeys([*(item["id"] for item in self.items), *self.lines])
        _write(self.out / "records.jsonl", (self.lines[id_] for id_ in order if id_ in self.lines))
        self.state["records"] = {id_: self.state["records"][id_] for id_ in self.lines}
        return tuple(str(json.loads(line).get("code")) for line in gone)


def fetch_catalogue(
    out: Path, *, base_url: str = PORTAL, pause: tuple[float, float] = (1.0, 3.0), limit: int = 200,
    progress: Callable[[int, int], None] | None = None, client: httpx.Client | None = None,
    sleep: Callable[[float], object] = time.sleep, rng: random.Random | None = None, user_agent: str = USER_AGENT,
    now: Callable[[], float] = time.time, max_age_days: float = 30, max_tries: int = 5, max_failures: int = 5,
    accept_smaller_list: bool = False,
) -> FetchReport:  # fmt: skip
    """Bring the folder ``out`` up to date with the portal and say how far that went.

    Fetched are records that are new, whose list item changed, or fetched over ``max_age_days`` ago; what left the list
    is dropped. ``pause`` is in seconds. A record is given up after ``max_tries``, the run after ``max_failures``
    records in a row (:class:`FetchStopped`), but for those that failed in an earlier run too. ``accept_smaller_list``
    believes a list far smaller than expected. ``progress`` gets how many are settled, how many listed.
    """
    step = progress or (lambda done, total: None)
    headers = {"User-Agent": user_agent.encode("ascii", "ignore").decode(), "Accept": "application/json"}
    out.mkdir(parents=True, exist_ok=True)
    with (out / ".lock").open("w") as lock, contextlib.ExitStack() as stack:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # ends with the process
        except OSError as error:
            raise RefusedError(f"{out}: another fetch is running in this folder; wait for it to end") from error
        http = client or stack.enter_context(httpx.Client(timeout=TIMEOUT))
        asker = _Asker(http, base_url.rstrip("/"), headers, pause, max_tries, sleep, rng or random.Random())  # noqa: S311
        store = _Store(out)
        due, failed = list[Json](), list[PortalError]()
        known, fetched, in_a_row = {*store.state["failed"]}, 0, 0

        def report(removed: tuple[str, ...] = ()) -> FetchReport:
            listed, held = len(store.items), sum(item["id"] in store.lines for item in store.items)
            return FetchReport(listed, store.state["expected"], fetched, listed - len(due), held, (*failed,), removed)

        try:
            if not store.cut_off or now() - store.state["started"] > DAY:
                store.begin(*_list(asker, limit), now())
            if accept_smaller_list:
                store.state["expected"] = len(store.items)
            due = [item for item in store.items if store.due(item, now() - max_age_days * DAY)]
            for done, item in enumerate(sorted(due, key=lambda item: item["id"] in known), len(store.items) - len(due)):
                step(done, len(store.items))
                try:
                    store.add(item, _detail(asker, item), now())
                    fetched, in_a_row = fetched + 1, 0
                    if fetched % SAVE_EVERY == 0:
                        store.save()
                except PortalError as error:
                    failed.append(error)
                    store.state["failed"][item["id"]] = error.reason
                    in_a_row += item["id"] not in known
                    if in_a_row >= max_failures:
                        raise
            final = report(store.tidy(drop=not report().short))
            store.state.update(finished=int(now()), complete=final.complete)
            store.state["trusted"] = final.listed if final.complete else store.state["trusted"]
            step(final.listed, final.listed)
            return final
        except PortalError as error:
            raise FetchStopped(f"{error}\n{report().held} records are kept; wait, then run it again") from error
        finally:
            store.save()
