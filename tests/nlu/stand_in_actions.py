"""A stand-in for the bot's action server: the same names, a canned reply, no knowledge.

``python tests/nlu/stand_in_actions.py PORT [LAST_CALL_FILE]``
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from rasa_sdk import Action
from rasa_sdk.endpoint import run
from rasa_sdk.events import Restarted, SlotSet
from rasa_sdk.executor import ActionExecutor

NAMES = ("action_find", "action_fact", "action_guide", "action_choose", "action_talk", "action_restart_all")
LAST_CALL = sys.argv[2] if len(sys.argv) > 2 else ""


class StandIn(Action):
    """Answer with what was understood, and remember a little in slots."""

    def __init__(self, name: str) -> None:
        self._name = name

    def name(self) -> str:
        """Return the action's name."""
        return self._name

    async def run(self, dispatcher: Any, tracker: Any, domain: dict[str, Any]) -> list[dict[str, Any]]:
        """Reply in one ``custom`` message and set slots as the bot does."""
        message = tracker.latest_message
        intent = message.get("intent", {}).get("name")
        if LAST_CALL:
            call = {"tracker": tracker.current_state(), "domain": domain, "action": self._name}
            with open(LAST_CALL, "w", encoding="utf-8") as file:
                json.dump(call, file, ensure_ascii=False)
        turn = (tracker.get_slot("misses") or 0) + 1
        reply = {
            "text": "Bạn cần chuẩn bị: tờ khai theo mẫu, giấy chứng sinh. " * 12,
            "buttons": [
                {"label": f"Nút {i}", "payload": f'/aspect{{"aspect": "fee", "index": "{i}"}}'} for i in range(4)
            ],
            "action": self._name,
            "intent": intent,
            "entities": {e["entity"]: e["value"] for e in message.get("entities", [])},
            "slots": {k: v for k, v in tracker.slots.items() if v is not None},
            "turn": turn,
        }
        dispatcher.utter_message(json_message=reply)
        if self._name == "action_restart_all":
            return [Restarted()]
        return [
            SlotSet("misses", turn),
            SlotSet("procedure", "1.001193"),
            SlotSet("candidates", [{"code": f"1.00{i}", "name": "Đăng ký khai sinh"} for i in range(4)]),
            SlotSet("pending", {"procedure": "1.001193", "step": int(turn), "done": [1, 2, 3]}),
            SlotSet("last_aspect", "documents"),
        ]


def main() -> None:
    """Serve the stand-in on 127.0.0.1."""
    os.environ["SANIC_HOST"] = "127.0.0.1"
    executor = ActionExecutor()
    for name in NAMES:
        executor.register_action(StandIn(name))
    run(executor, port=int(sys.argv[1]))


if __name__ == "__main__":
    main()
