"""A stand-in of the national portal's catalogue API on 127.0.0.1, which misbehaves on command.

>>> with PortalServer(make_records(3)) as portal:
...     portal.misbehave("status", on="id-0001", times=2, status=429, headers={"Retry-After": "7"})
...     httpx.post(portal.url + DETAIL, json={"id": "id-0001"}).status_code
429
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

LIST = "/api/v1/submitting/formality/list-all-public-formality-by-citizen"
DETAIL = "/api/v1/configuring/formality/get-formality-by-citizen"
BLOCKED = "<html><head><title>Request Rejected</title></head><body>Your support ID is: 123</body></html>"
KINDS = {"status", "html", "truncated", "cut", "slow", "nested", "null", "other", "shapeless", "list"}

Json = dict[str, Any]


def make_record(number: int, **changes: Any) -> Json:
    """One small synthetic record in the shape of the portal's catalogue files."""
    id_, code, name = f"id-{number:04}", f"1.{900000 + number}", f"Thủ tục thử nghiệm số {number}"
    detail = {
        "id": id_, "code": code, "codeNotation": code, "name": name, "description": "", "decisionNo": "",
        "type": "STANDARD", "isInternal": False, "isWard": True, "isProvince": False, "isMinistry": False,
        "isFullProcess": number % 2 == 0, "isNonTerritorial": False, "isOfflineOnly": False, "returningMethods": [],
        "executionSteps": [{"name": "", "description": f"Bước 1: nộp hồ sơ số {number}.\nBước 2: nhận kết quả."}],
        "executionMethods": [
            {"submissionMethod": "ONLINE", "processingTime": 3, "processingTimeUnit": "WORKING_DAY", "fees": []}
        ],
        "executionCases": [{"name": "Giấy tờ phải nộp", "profileComponents": [
            {"name": "Tờ khai", "originalQty": 1, "copyQty": 0, "attachments": []}]}],
        "categoriesDetails": [{"id": "c1", "name": "Lĩnh vực thử"}], "departmentDetails": [],
        "departmentsExecuting": [], "departmentsAuthority": [],
        "unitGroupsExecuting": [], "legalBasisesDetails": [], "resultsDetails": [],
        "subjectTypesDetails": [], "departmentPromulgateName": "Bộ Thử nghiệm", "executingAgencies": "",
        "dossierReceivingAddresses": "", "requirementsAndConditions": "", "procedureProposal": None,
        "createdAt": 1775639356720, "updatedAt": 1775639356720,
    }  # fmt: skip
    detail.update(changes)
    return {"id": id_, "code": detail["code"], "name": detail["name"], "detail": detail}


def make_records(count: int) -> list[Json]:
    return [make_record(number) for number in range(count)]


@dataclass
class Fault:
    """What goes wrong, how many times, for which requests: ``list``, ``detail``, ``any``, a record's id, or the page of
    the list ``after`` an id."""

    kind: str
    on: str
    times: float
    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 1.0

    def hits(self, what: str, id_: str) -> bool:
        return self.times > 0 and self.on in {"any", what, id_ if what == "detail" else f"after {id_}"}


@dataclass(frozen=True)
class Request:
    """A request that arrived: ``what`` is ``list`` or ``detail``, ``id`` the record asked for or the cursor."""

    what: str
    id: str
    body: Json
    headers: dict[str, str]
    at: float


class PortalServer:
    """Serves ``records``; use as a context manager. Attributes may be changed while it runs.

    ``requests`` are those that arrived, in order; ``most_at_once`` says how many were ever in work together;
    ``end`` is how the list ends: ``empty`` (an empty lastId) or ``repeat`` (the last one again); ``loop_after`` repeats
    the cursor too early, after so many items; ``total`` is sent with each page when set; ``vanished`` ids are listed
    but have no detail; ``extra_items`` are put into the first page as they are; ``item_changes`` go over the list item
    of an id; ``work`` seconds pass before each answer.
    """

    def __init__(self, records: Iterable[Json], *, end: str = "empty", work: float = 0.0) -> None:
        self.records = list(records)
        self.end, self.work = end, work
        self.loop_after: int | None = None
        self.total: int | None = None
        self.vanished: set[str] = set()
        self.extra_items: list[Any] = []
        self.item_changes: dict[str, Json] = {}
        self.requests: list[Request] = []
        self.most_at_once = 0
        self.before_answer: Callable[[Request], None] | None = None
        self._faults: list[Fault] = []
        self._at_once = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> PortalServer:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def misbehave(self, kind: str, *, on: str = "detail", times: float = 1, **more: Any) -> None:
        """From now on answer the next ``times`` requests that match ``on`` wrongly.

        Kinds: ``status`` (with ``status`` and ``headers``), ``html`` (200 from a firewall), ``truncated`` (half the
        JSON), ``cut`` (half the bytes promised), ``slow`` (``seconds`` late), ``nested`` (``data.data``), ``null`` (no
        data, a message), ``other`` (another record), ``shapeless`` (data of an unknown shape), ``list`` (a JSON list).
        """
        assert kind in KINDS, kind
        self._faults.append(Fault(kind, on, times, **more))

    def behave(self) -> None:
        """Forget every fault."""
        self._faults.clear()

    def asked(self, what: str = "detail") -> list[str]:
        """Ids (or cursors) asked for so far, in order."""
        return [request.id for request in self.requests if request.what == what]

    def replace(self, record: Json) -> None:
        """Put a newer version of a record in the place of the old one."""
        self.records = [record if old["id"] == record["id"] else old for old in self.records]

    def item(self, record: Json) -> Json:
        """The list item of a record."""
        detail = record["detail"]
        item = {"id": record["id"], "code": record["code"], "name": record["name"], "type": detail.get("type"),
                "categories": [c["name"] for c in detail.get("categoriesDetails") or []],
                "departments": [detail.get("departmentPromulgateName")]}  # fmt: skip
        return item | self.item_changes.get(record["id"], {})

    def page(self, body: Json) -> Json:
        ids = [record["id"] for record in self.records]
        start = ids.index(body["lastId"]) + 1 if body["lastId"] in ids else 0
        chunk = self.records[start : start + int(body["limit"])]
        last = chunk[-1]["id"] if chunk else body["lastId"]
        if start + len(chunk) >= len(ids) and self.end == "empty":
            last = ""
        if self.loop_after is not None and start + len(chunk) >= self.loop_after:
            last = body["lastId"]
        data: Json = {"items": (self.extra_items if not start else []) + [self.item(r) for r in chunk], "lastId": last}
        return data if self.total is None else data | {"total": self.total}

    def answer(self, request: Request) -> tuple[int, dict[str, str], bytes, int]:
        """Status, headers, body, and how many bytes of it to keep back."""
        fault = next((f for f in self._faults if f.hits(request.what, request.id)), None)
        kind = ""
        if fault:
            fault.times -= 1
            kind = fault.kind
            if kind == "status":
                return fault.status, fault.headers, b'{"message": "no"}', 0
            if kind == "html":
                return 200, {"Content-Type": "text/html; charset=utf-8"}, BLOCKED.encode(), 0
            if kind == "slow":
                time.sleep(fault.seconds)
        data: Any
        if request.what == "list":
            data = self.page(request.body)
        else:
            record = next((r for r in self.records if r["id"] == request.id), None)
            if record is None or request.id in self.vanished:
                return 404, {}, b'{"message": "not found", "data": null}', 0
            data = record["detail"]
        whole: Any = {"code": "OK", "data": data}
        if kind == "nested":
            whole["data"] = {"data": data}
        elif kind == "null":
            whole = {"code": "ERROR", "message": "Không tìm thấy", "data": None}
        elif kind == "other":
            whole["data"] = next(r["detail"] for r in self.records if r["id"] != request.id)
        elif kind == "shapeless":
            whole["data"] = {"formality": data, "items": None}
        elif kind == "list":
            whole = [data]
        try:
            text = json.dumps(whole, ensure_ascii=False).encode()
        except UnicodeEncodeError:  # half a character: JSON can carry it only escaped
            text = json.dumps(whole).encode()
        if kind == "truncated":
            text = text[: len(text) // 2]
        return 201, {}, text, len(text) // 2 if kind == "cut" else 0

    def take(self, path: str, raw: bytes, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes, int]:
        what = {LIST: "list", DETAIL: "detail"}.get(path)
        if what is None:
            return 404, {}, b"{}", 0
        body = json.loads(raw)
        request = Request(what, body["lastId" if what == "list" else "id"], body, headers, time.monotonic())
        with self._lock:
            self.requests.append(request)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            if self.before_answer:
                self.before_answer(request)
            if self.work:
                time.sleep(self.work)
            return self.answer(request)
        finally:
            with self._lock:
                self._at_once -= 1


def _handler(portal: PortalServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet, or each answer waits for the client's acknowledgement
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            sent = {key.lower(): value for key, value in self.headers.items()}
            status, headers, body, kept_back = portal.take(self.path, raw, sent)
            try:
                self.send_response(status)
                for key, value in ({"Content-Type": "application/json; charset=utf-8"} | headers).items():
                    self.send_header(key, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) - kept_back])
                self.close_connection = self.close_connection or kept_back > 0
            except OSError:  # the client has gone
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler
