"""The action server: Rasa's custom actions, each a turn of :mod:`bot.dialogue`. Listens on 127.0.0.1 only."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import Restarted, SlotSet
from rasa_sdk.executor import ActionExecutor, CollectingDispatcher

from bot.assistant import Current
from bot.dialogue import Turn, respond
from bot.service import FILE, Memory, Service
from bot.settings import Settings

log = logging.getLogger(__name__)
NAMES = ("action_find", "action_fact", "action_guide", "action_choose", "action_talk", "action_restart_all")


class TurnAction(Action):  # type: ignore[misc]
    """Answers a turn and returns the slots that changed. All actions are this one under six names."""

    def __init__(self, name: str, current: Current, service: Service, settings: Settings) -> None:
        self._name, self._current, self._service, self._settings = name, current, service, settings

    def name(self) -> str:
        """The name by which Rasa calls it."""
        return self._name

    async def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """One turn: the reply goes out as ``custom`` JSON, the slots come back as events."""
        latest = tracker.latest_message
        user = tracker.sender_id
        intent = (latest.get("intent") or {}).get("name") or "nlu_fallback"
        if intent == "forget_me" and not (latest.get("text") or "").startswith("/"):
            intent = "about_bot"  # words alone delete nothing: they get the button that does
        turn = Turn(
            intent,
            latest.get("text") or "",
            self._current.get(),
            {e["entity"]: e.get("value") for e in latest.get("entities") or []},
            dict(tracker.slots),
            self._service.progress(user),
            Memory(self._service, user),
            keep_days=self._settings.keep_days,
            tapped=bool((latest.get("metadata") or {}).get("tapped")),
        )
        outcome = respond(turn)
        dispatcher.utter_message(json_message=replace(outcome.reply, intent=intent).to_json())
        slots = outcome.slots
        if "guide" in slots:
            self._service.keep_progress(user, slots.pop("guide"))
        if intent in ("restart", "forget_me"):
            return [Restarted()]
        return [SlotSet(k, v) for k, v in slots.items() if v != tracker.slots.get(k)]


def serve(settings: Settings) -> None:
    """Load the published release and serve until stopped. Raises RefusedError or DataError when it cannot load."""
    from rasa_sdk.endpoint import create_app
    from sanic import Request, json

    current = Current(settings.home)
    assistant = current.get()
    assistant.searcher.run("đăng ký khai sinh")  # the first question is not the one that waits
    service = Service(settings.home / FILE)
    executor = ActionExecutor()
    for name in NAMES:
        executor.register_action(TurnAction(name, current, service, settings))
    app = create_app(executor)

    @app.get("/about")  # type: ignore[untyped-decorator]
    async def about(_: Request) -> Any:
        return json({"home": str(settings.home.resolve()), "release": current.get().release.name})

    log.info("actions: %s", assistant.release.name)
    app.run(host="127.0.0.1", port=settings.actions_port, single_process=True, access_log=False, motd=False)
