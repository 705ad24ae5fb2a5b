"""The patches refuse another Rasa and change no answer."""

from __future__ import annotations

import pytest
from rasa_harness import inside

pytestmark = pytest.mark.rasa(model=False)


def test_refuses_another_rasa() -> None:
    """A function that is not the expected one stops the launcher."""
    done = inside(
        "from rasa.core.actions.action import RemoteAction\n"
        "from nlu import patches\n"
        "def other(self, result): return True\n"
        "RemoteAction._validate_action_result = other\n"
        "try: patches.apply()\n"
        "except patches.ChangedError as e: print(e)\n"
    )
    assert "is not that of Rasa 3.6.21" in done.stdout, done.stderr


def test_validation_says_the_same() -> None:
    """Good answers pass and bad ones fail with the very message of Rasa's own validation."""
    done = inside(
        """
from jsonschema import ValidationError
from rasa.core.actions.action import RemoteAction
from nlu import patches
original = RemoteAction._validate_action_result
patches.validate_once()
action = RemoteAction("action_find", None)
def verdict(check, result):
    try:
        return check(action, result)
    except ValidationError as error:
        return str(error)
good = [{}, {"events": []},
        {"events": [{"event": "slot", "name": "a", "value": {"x": [1]}}], "responses": [{"text": "a"}]},
        {"events": [{"event": "restart"}, {"event": "followup", "name": "a", "timestamp": 1.5}]}, {"responses": []}]
bad = [None, [], {"events": None}, {"events": {}}, {"events": [1]}, {"events": [{}]}, {"events": [{"event": "slot"}]},
       {"events": [{"event": "nonsense"}]}, {"events": [{"event": "slot", "name": 1, "value": 2}]}, {"responses": [1]},
       {"events": [{"event": "restart", "timestamp": "x"}]}, {"responses": {}}, {"events": [{"event": ["slot"]}]}]
for result in good + bad:
    assert verdict(original, result) == verdict(RemoteAction._validate_action_result, result), result
assert all(verdict(RemoteAction._validate_action_result, r) is True for r in good)
print(sum(verdict(original, r) is not True for r in bad), "same")
"""
    )
    assert "same" in done.stdout, done.stderr
