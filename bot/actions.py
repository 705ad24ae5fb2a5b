"""The action server: Rasa's custom actions, each a turn of :mod:`bot.dialogue`. Listens on 127.0.0.1 only."""

from __future__ import annotations

import hmac
import logging
from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import Restarted, SlotSet
from rasa_sdk.executor import ActionExecutor, CollectingDispatcher

from bot.assistant import Current
from bot.privacy import TOKEN, inner_token
from bot.service import FILE, Service
from bot.settings import Settings
from bot.turns import FORGETTING, take_turn

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
        told = latest.get("metadata") or {}
        outcome = take_turn(
            self._service,
            self._current.get(),
            user,
            intent,
            latest.get("text") or "",
            {e["entity"]: e.get("value") for e in latest.get("entities") or []},
            delivery=str(told.get("delivery") or ""),
            tapped=bool(told.get("tapped")),
            slots=dict(tracker.slots),
            keep_days=self._settings.keep_days,
        )
        dispatcher.utter_message(json_message=outcome.reply.to_json())
        if intent in FORGETTING:
            return [Restarted()]
        return [SlotSet(k, v) for k, v in outcome.slots.items() if v != tracker.slots.get(k)]


def serve(settings: Settings) -> None:
    """Load the published release and serve until stopped. Raises RefusedError or DataError when it cannot load."""
    from rasa_sdk.endpoint import create_app
    from sanic import Request, json, text

    current = Current(settings.home)
    assistant = current.get()
    assistant.searcher.run("đăng ký khai sinh")  # the first question is not the one that waits
    service = Service(settings.home / FILE)
    executor = ActionExecutor()
    for name in NAMES:
        executor.register_action(TurnAction(name, current, service, settings))
    app = create_app(executor)

    token = inner_token(settings.home, settings.secret.get_secret_value()).encode()

    @app.on_request  # type: ignore[untyped-decorator]
    async def known(request: Request) -> Any:
        if request.path != "/about" and not hmac.compare_digest(request.headers.get(TOKEN, "").encode(), token):
            return text("who are you?", 403)
        return None

    @app.get("/about")  # type: ignore[untyped-decorator]
    async def about(_: Request) -> Any:
        return json({"home": str(settings.home.resolve()), "release": current.get().release.name})

    log.info("actions: %s", assistant.release.name)
    app.run(host="127.0.0.1", port=settings.actions_port, single_process=True, access_log=False, motd=False)
