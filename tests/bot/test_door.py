"""How much comes in: the limits of one and of all, the depth of JSON, and the guard before the pages."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as tuned
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from bot import door
from bot.door import BODY, DEPTH, Guard, Limits, depth_of

# -- limits


async def test_the_first_message_too_many_is_told_the_others_are_not() -> None:
    limits = Limits(3, 100)
    assert [await limits.user("a") for _ in range(6)] == ["yes"] * 3 + ["tell"] + ["no"] * 2
    assert await limits.user("b") == "yes", "everybody has limits of their own"


async def test_a_minute_later_everything_is_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    limits = Limits(2, 100)
    assert [await limits.user("a") for _ in range(4)] == ["yes", "yes", "tell", "no"]
    now += 50
    assert await limits.user("a") == "no"
    now += 11
    assert [await limits.user("a") for _ in range(4)] == ["yes", "yes", "tell", "no"]


async def test_all_together_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    limits = Limits(1, 5)
    assert [await limits.all() for _ in range(7)] == [True] * 5 + [False] * 2
    assert await limits.user("a") == "yes", "the one has nothing to do with the other"
    now += 1.01
    assert await limits.all()


# -- depth

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.text(alphabet='[]{}"\\,: é'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet='[]{}"\\a'), inner, max_size=3),
    max_leaves=30,
)


def nesting(value: Any) -> int:
    """How deep lists and objects nest."""
    if isinstance(value, dict):
        return 1 + max(map(nesting, value.values()), default=0)
    return 1 + max(map(nesting, value), default=0) if isinstance(value, list) else 0


@given(JSON, st.booleans(), st.sampled_from([None, 2]))
@tuned(deadline=None)
def test_the_depth_is_that_of_the_json(value: Any, ascii_only: bool, indent: int | None) -> None:
    assert depth_of(json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()) == nesting(value)


@given(st.binary() | st.text(alphabet='[]{}"\\a').map(str.encode))
@tuned(deadline=None)
def test_what_is_deep_is_never_taken_for_flat(body: bytes) -> None:
    depth = depth_of(body)
    try:
        value = json.loads(body.decode())
    except ValueError:
        value = None
    assert depth >= nesting(value) or value is None
    assert depth <= len(body)


@pytest.mark.parametrize(
    ("body", "depth"),
    [(b"", 0), (b"1", 0), (b"[]", 1), (b'{"a": [1, "]]]["]}', 2), (b'["\\"[[["]', 1), (b'["[[[', 1), (b"]]][", 0),
     (b'"\\\\"[[', 2), (b'["a\n[[b"]', 1), (b"[" * BODY, BODY)],
    ids=range(10),
)  # fmt: skip
def test_depths(body: bytes, depth: int) -> None:
    assert max(depth_of(body), 0) == depth


@pytest.mark.parametrize(
    "piece", [b'\\"', b'"\\', b'"', b"[", b'{"a":', b'"\\"', b"\\\\", b'["\\",'], ids=lambda piece: piece.decode()
)
def test_the_worst_body_is_measured_at_once(piece: bytes) -> None:
    body = (b"[" * (DEPTH + 1) + b'"' + piece * BODY)[:BODY]
    began = time.process_time()
    depth_of(body)
    assert time.process_time() - began < 1


# -- the guard


class Asked:
    """An application behind the guard, and a client that sends ``messages``; then it waits, for ever."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self.messages = list(messages)
        self.bodies, self.answers = list[bytes](), list[Message]()

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.bodies.append(await Request(scope, receive).body())
        await PlainTextResponse("welcome")(scope, receive, send)

    async def receive(self) -> Message:
        if not self.messages:
            await asyncio.Event().wait()
        return self.messages.pop(0)

    async def send(self, message: Message) -> None:
        self.answers.append(message)

    async def run(self) -> int | None:
        """The status of the answer, None without one."""
        scope = {"type": "http", "method": "POST", "path": "/", "headers": [], "query_string": b""}
        await Guard(self.app)(scope, self.receive, self.send)
        return self.answers[0]["status"] if self.answers else None

    @property
    def closes(self) -> bool:
        return (b"connection", b"close") in self.answers[0]["headers"]


def part(body: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


async def test_a_body_comes_through_whole() -> None:
    asked = Asked(part(b'{"a"', more=True), part(b"", more=True), part(b": 1}"))
    assert await asked.run() == 200
    assert asked.bodies == [b'{"a": 1}']
    assert await (empty := Asked({"type": "http.request"})).run() == 200
    assert empty.bodies == [b""]


async def test_the_application_learns_that_a_client_is_gone() -> None:
    seen = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend([await receive(), await receive()])

    messages = iter([part(b"x"), {"type": "http.disconnect"}])

    async def receive() -> Message:
        return next(messages)

    await Guard(app)({"type": "http"}, receive, receive)  # type: ignore[arg-type]
    assert [one["type"] for one in seen] == ["http.request", "http.disconnect"]


@pytest.mark.parametrize(("size", "status"), [(BODY, 200), (BODY + 1, 413)])
async def test_what_is_too_large_is_refused(size: int, status: int) -> None:
    asked = Asked(part(b"x" * (size - 10), more=True), part(b"x" * 10, more=True), part(b""))
    assert await asked.run() == status
    assert len(asked.bodies) == (status == 200)
    if status == 413:
        assert asked.closes
        assert asked.messages, "the rest is not read"


@pytest.mark.parametrize(("depth", "status"), [(DEPTH, 200), (DEPTH + 1, 400)])
async def test_what_is_too_deep_is_refused(depth: int, status: int) -> None:
    asked = Asked(part(b'{"a": ' * depth + b"1" + b"}" * depth))
    assert await asked.run() == status
    assert len(asked.bodies) == (status == 200)


async def test_many_brackets_are_not_deep() -> None:
    assert await Asked(part(json.dumps([[{}]] * 1000).encode())).run() == 200
    assert await Asked(part(json.dumps("[" * 1000).encode())).run() == 200


async def test_what_is_too_slow_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "READ_WITHIN", 0.1)
    asked = Asked(part(b"x", more=True), part(b"x", more=True))
    assert await asked.run() == 408
    assert asked.closes
    assert asked.bodies == []


async def test_who_hangs_up_gets_no_answer() -> None:
    asked = Asked(part(b"x", more=True), {"type": "http.disconnect"})
    assert await asked.run() is None
    assert asked.bodies == []


async def test_what_is_no_request_passes() -> None:
    seen = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    await Guard(app)({"type": "lifespan"}, Asked().receive, Asked().send)
    assert seen == ["lifespan"]
