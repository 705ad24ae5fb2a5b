"""Changes to Rasa 3.6.21 that this bot needs, each small, each applied only to the very code it was written for.

A patched function's source is compared by its hash first; if it differs, Rasa is another one and the launcher
refuses to start (``ChangedError``) instead of running something that was never tried. ``TTHC_RASA_PATCHES`` may
name the patches to apply (comma separated, or ``none``); it exists for measuring.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import inspect
import logging
import os
from typing import Any, AsyncIterator, Callable, Dict, List, Tuple

Patch = Callable[[], None]
PATCHES: List[Tuple[str, Patch]] = []


class ChangedError(RuntimeError):
    """A function to be patched is not the one the patch was written for."""


def _expect(function: Any, digest: str) -> None:
    """Raise ``ChangedError`` unless the source of ``function`` has the SHA-256 that starts with ``digest``."""
    try:
        source = inspect.getsource(function)
    except OSError:  # made elsewhere than in a file
        source = ""
    found = hashlib.sha256(source.encode()).hexdigest()[:12]
    if found != digest:
        name = getattr(function, "__qualname__", function.__name__)
        raise ChangedError(
            f"{name} is not that of Rasa 3.6.21 (source {found}, expected {digest}); see requirements/rasa.txt"
        )


def _patch(function: Patch) -> Patch:
    PATCHES.append((function.__name__, function))
    return function


def apply() -> List[str]:
    """Apply the patches, in order; return their names. Raises ``ChangedError``."""
    wanted = os.environ.get("TTHC_RASA_PATCHES", "all")
    names = [n for n, _ in PATCHES] if wanted == "all" else [n.strip() for n in wanted.split(",") if n != "none"]
    for name, function in PATCHES:
        if name in names:
            function()
    return names


@_patch
def validate_once() -> None:
    """Check an action's answer against a schema that is compiled once.

    Rasa checks the schema itself again at every answer and tries each event against all 23 kinds: most of the CPU
    of a turn. Here an event is checked against its own kind; whatever fails is checked again Rasa's way, for the
    same error.
    """
    from jsonschema import Draft202012Validator
    from rasa.core.actions.action import RemoteAction
    from rasa.shared.utils.schemas.events import EVENT_SCHEMA

    original = RemoteAction._validate_action_result
    _expect(original, "f8cdb4be6812")
    base = {k: v for k, v in EVENT_SCHEMA.items() if k != "oneOf"}
    kinds: Dict[str, Any] = {}
    for kind in EVENT_SCHEMA["oneOf"]:
        kinds[kind["properties"]["event"]["const"]] = Draft202012Validator({"allOf": [base, kind]})

    def check(self: RemoteAction, result: Any) -> bool:
        good = isinstance(result, dict) and isinstance(result.get("events", []), list)
        for event in result.get("events", []) if good else ():
            name = event.get("event") if isinstance(event, dict) else None
            kind = kinds.get(name) if isinstance(name, str) else None
            good = good and kind is not None and kind.is_valid(event)
        responses = result.get("responses", []) if good else None
        good = good and isinstance(responses, list) and all(isinstance(r, dict) for r in responses)
        return True if good else original(self, result)

    RemoteAction._validate_action_result = check  # type: ignore[method-assign]


_sessions: Dict[Tuple[int, int], Any] = {}


@_patch
def keep_session() -> None:
    """Keep one HTTP session per endpoint and event loop; Rasa opens a session and a connection per action call."""
    import ujson
    from aiohttp import ClientSession, TCPConnector
    from rasa.utils.endpoints import EndpointConfig

    _expect(EndpointConfig.session, "e55aa13d9d4f")
    _expect(EndpointConfig.request, "ccdb778aed82")
    original = EndpointConfig.session

    @contextlib.asynccontextmanager
    async def shared(self: EndpointConfig) -> AsyncIterator[ClientSession]:
        key = (id(asyncio.get_running_loop()), id(self))
        session = _sessions.get(key)
        if session is None or session.closed:
            made = original(self)
            # closed before the action server does (120 s), so that no request meets a closing connection
            connector = TCPConnector(limit=0, keepalive_timeout=30)
            session = _sessions[key] = ClientSession(
                connector=connector,
                headers=self.headers,
                auth=made.auth,
                timeout=made.timeout,
                json_serialize=ujson.dumps,
            )
            await made.close()
        yield session

    EndpointConfig.session = shared  # type: ignore[method-assign, assignment]


async def close() -> None:
    """Close the kept sessions."""
    while _sessions:
        await _sessions.popitem()[1].close()


@_patch
def short_wait() -> None:
    """Give an action ``TTHC_ACTION_TIMEOUT`` seconds (default 20) instead of five minutes.

    While an action hangs, its sender's conversation is locked and every further message of theirs waits.
    """
    from rasa.core.actions import action

    if action.DEFAULT_REQUEST_TIMEOUT != 60 * 5:
        raise ChangedError("rasa.core.actions.action.DEFAULT_REQUEST_TIMEOUT is not that of Rasa 3.6.21")
    action.DEFAULT_REQUEST_TIMEOUT = float(os.environ.get("TTHC_ACTION_TIMEOUT") or 20)


@_patch
def slim_call() -> None:
    """Send the action server what it reads: slots, the last message, the last turns; not the domain nor every event.

    rasa-sdk answers 449 when no domain ever came, so a domain of one key goes along. A turn is mostly the making,
    sending and reading of this object.
    """
    import rasa
    from rasa.core.actions.action import RemoteAction
    from rasa.shared.core.constants import SESSION_START_METADATA_SLOT
    from rasa.shared.core.events import ActionExecuted, UserUttered

    _expect(RemoteAction._action_call_format, "428795b944f2")

    def events(tracker: Any) -> Any:
        for event in tracker.events:
            if isinstance(event, UserUttered):
                data = {"intent": event.intent, "entities": event.entities}
                channel = event.input_channel
                yield {"event": "user", "text": event.text, "parse_data": data, "input_channel": channel}
            elif isinstance(event, ActionExecuted):
                yield {"event": "action", "name": event.action_name}

    def call(self: RemoteAction, tracker: Any, domain: Any) -> Dict[str, Any]:
        state = tracker.current_state()
        message = dict(state["latest_message"] or {})
        message.pop("text_tokens", None)
        slots = {k: v for k, v in state["slots"].items() if k != SESSION_START_METADATA_SLOT}
        state.update(slots=slots, latest_message=message, events=list(events(tracker)))
        call = {"next_action": self._name, "sender_id": tracker.sender_id, "version": rasa.__version__}
        return {**call, "tracker": state, "domain": {"version": "3.1"}}

    RemoteAction._action_call_format = call  # type: ignore[method-assign]


@_patch
def no_debug_copies() -> None:
    """Stop deep copies that are made only for debug messages that nobody prints."""
    from rasa.core import processor
    from rasa.core.processor import MessageProcessor

    if logging.getLogger("rasa").isEnabledFor(logging.DEBUG):
        return

    class NoCopy:
        @staticmethod
        def deepcopy(value: Any) -> Any:
            return value

    for module in (processor,):
        _expect(module, "f42dfbf26e2f")
        module.copy = NoCopy  # type: ignore[assignment]
    MessageProcessor._log_slots = staticmethod(lambda tracker: None)  # type: ignore[method-assign]


@_patch
def plain_graph() -> None:
    """Run the trained graph's nodes in their order instead of handing them to dask at every message."""
    from rasa.engine.graph import GraphSchema
    from rasa.engine.runner.dask import DaskGraphRunner

    _expect(DaskGraphRunner.run, "45f0f52f574f")
    original = DaskGraphRunner.run

    def order(self: DaskGraphRunner, targets: List[str]) -> List[Tuple[str, Any, List[str]]]:
        schema: GraphSchema = self._graph_schema.minimal_graph_schema(targets)
        done: List[str] = []

        def visit(name: str) -> None:
            if name in schema.nodes and name not in done:
                for parent in schema.nodes[name].needs.values():
                    visit(parent)
                done.append(name)

        for target in targets:
            visit(target)
        return [(n, self._instantiated_nodes[n], list(schema.nodes[n].needs.values())) for n in done]

    def run(self: DaskGraphRunner, inputs: Any = None, targets: Any = None) -> Dict[str, Any]:
        if not inputs or not targets:
            return original(self, inputs, targets)
        plans = self.__dict__.setdefault("_plans", {})
        key = tuple(targets)
        if key not in plans:
            plans[key] = order(self, targets)
        results: Dict[str, Any] = {name: (name, value) for name, value in inputs.items()}
        for name, node, needs in plans[key]:
            results[name] = node(*(results.get(n, n) for n in needs))
        return dict(results[t] for t in targets)

    DaskGraphRunner.run = run  # type: ignore[method-assign]
