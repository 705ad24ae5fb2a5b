"""Rule policy for a bot whose rules say one thing: this intent, that action."""

from __future__ import annotations

import copy
from typing import Any, Dict, Optional, Text, Tuple

from rasa.core.policies.policy import PolicyPrediction
from rasa.core.policies.rule_policy import RULES, RulePolicy
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.shared.core.domain import Domain
from rasa.shared.core.trackers import DialogueStateTracker


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.POLICY_WITHOUT_END_TO_END_SUPPORT, is_trainable=True)
class IntentRulePolicy(RulePolicy):
    """Rasa's ``RulePolicy``, with two differences.

    The intent ``restart`` is ours: Rasa's rule policy answers it with its own ``action_restart`` and allows no
    rule for it. And what a rule says is looked up once: without loops and without slots or entities that
    influence the conversation, a decision depends on the last action and the last intent only.
    """

    _known: Dict[Tuple[Optional[Text], Optional[Text]], PolicyPrediction]
    _simple: bool

    @staticmethod
    def _find_action_from_default_actions(tracker: DialogueStateTracker) -> Tuple[Optional[Text], Optional[Text]]:
        return None, None

    def predict_action_probabilities(
        self,
        tracker: DialogueStateTracker,
        domain: Domain,
        rule_only_data: Optional[Dict[Text, Any]] = None,
        **kwargs: Any,
    ) -> PolicyPrediction:
        """Predict the next action (see the parent class)."""
        known = self.__dict__.setdefault("_known", {})
        message = tracker.latest_message
        key = (tracker.latest_action_name, message.intent_name if message else None)
        if key in known:
            prediction = copy.copy(known[key])
            prediction.probabilities = list(prediction.probabilities)  # Rasa zeroes rejected actions in place
            return prediction
        prediction = super().predict_action_probabilities(tracker, domain, rule_only_data, **kwargs)
        if not tracker.active_loop and self._is_simple(domain):
            known[key] = copy.copy(prediction)
            known[key].probabilities = list(prediction.probabilities)
        return prediction

    def _is_simple(self, domain: Domain) -> bool:
        """Tell whether nothing but the last action and the intent can change a decision."""
        if "_simple" not in self.__dict__:
            influencing = any(slot.influence_conversation for slot in domain.slots)
            entities = any('"entities"' in key for key in self.lookup[RULES])
            self._simple = not (influencing or entities or domain.form_names)
        return self._simple
