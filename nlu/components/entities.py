"""Entities of a message: procedure codes and ordinals by pattern, places by a small CRF."""

from __future__ import annotations

import re
from typing import Any, Callable, Dict, List, Text, Tuple, Type

from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.extractors.extractor import EntityExtractorMixin
from rasa.shared.nlu.constants import ENTITIES, INTENT, INTENT_RANKING_KEY, TEXT
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from nlu.text import fold

_WORD = re.compile(r"\w+", re.UNICODE)
_CODE = re.compile(r"(?<![\w.])[1-9]\.\d{6}(?:\.H\d{2})?(?![\w])", re.IGNORECASE)
# "cái thứ hai", "so 2", "đầu tiên": only when the message chooses from a list
_NUMBER = "|".join(
    (
        "đầu tiên|dau tien|đầu|dau|nhất|nhat|một|mot|hai|ba|tư|tu|bốn|bon|năm|nam",
        "cuối cùng|cuoi cung|cuối|cuoi|chót|chot",
        "giữa|giua|trên cùng|tren cung|dưới cùng|duoi cung|[1-9]",
    )
)
_COUNTS = "|".join(
    (
        "thứ|thu|số|so|cái|cai|mục|muc|chọn|chon|lựa chọn|lua chon|phương án|phuong an",
        "câu|cau|dòng|dong|ý|y|nút|nut|thủ tục|thu tuc",
    )
)
_CHOICE = re.compile(rf"\b(?:{_COUNTS})\s+({_NUMBER})\b|\b({_NUMBER})\b", re.IGNORECASE)
CODE, ORDINAL = "procedure_code", "ordinal"


def words(text: str) -> List[Tuple[str, int, int]]:
    """Return (word, start, end) of every word and number."""
    return [(m.group(), m.start(), m.end()) for m in _WORD.finditer(text)]


def ordinal(text: str) -> List[Dict[Text, Any]]:
    """Return the one entity that says which of a list is meant, if there is one.

    >>> [e["value"] for e in ordinal("cái thứ hai nghe con")]
    ['hai']
    """
    matches = list(_CHOICE.finditer(text))
    for group in (1, 2):  # with a word before it that says it counts, else any
        for m in matches:
            if m.group(group):
                start, end = m.span(group)
                return [{"entity": ORDINAL, "start": start, "end": end, "value": text[start:end]}]
    return []


def _shape(word: str) -> str:
    return "9" if word.isdigit() else "X" if word.isupper() else "Xx" if word[:1].isupper() else "x"


def features(found: List[Tuple[str, int, int]], any_upper: bool) -> List[List[str]]:
    """Return the CRF features of each word: itself and its neighbours, folded, as written, and its shape."""
    low = [w.lower() for w, _, _ in found]
    plain = [fold(w) for w in low]
    shape = [_shape(w) if any_upper else _shape(w.lower()) for w, _, _ in found]
    rows = []
    for i in range(len(found)):
        row = ["bias", f"l={low[i]}", f"f={plain[i]}", f"s={shape[i]}", f"p={plain[i][:2]}", f"e={plain[i][-2:]}"]
        for step in (-3, -2, -1, 1, 2):
            j = i + step
            row.append(f"{step}f={plain[j]}" if 0 <= j < len(found) else f"{step}f=#")
            if abs(step) == 1:
                row.append(f"{step}s={shape[j]}" if 0 <= j < len(found) else f"{step}s=#")
        if i:
            row.append(f"-1:0={plain[i - 1]} {plain[i]}")
        if i + 1 < len(found):
            row.append(f"0:1={plain[i]} {plain[i + 1]}")
        rows.append(row)
    return rows


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.ENTITY_EXTRACTOR, is_trainable=True)
class SyllableEntityExtractor(GraphComponent, EntityExtractorMixin):
    """A CRF over syllables that reads text with and without diacritics, capitals or not; codes and ordinals exactly.

    Every training example with an entity is learned three times: as written, in lower case, and without diacritics,
    because people write "xã Tuy Phước", "xã tuy phước" and "xa tuy phuoc". The many without one are learned once, in
    one of these forms by turns: as good for finding places, and half the time. The model is crfsuite's own file format.
    """

    _model: bytes = b""

    @staticmethod
    def get_default_config() -> Dict[Text, Any]:
        """Return the defaults: L1 and L2 regularisation and the most iterations."""
        return {"c1": 0.05, "c2": 0.05, "max_iterations": 80}

    @classmethod
    def required_components(cls) -> List[Type]:
        """Return nothing: it reads the text itself."""
        return []

    @staticmethod
    def required_packages() -> List[Text]:
        """Return the packages needed."""
        return ["sklearn_crfsuite"]  # brings pycrfsuite

    def __init__(self, config: Dict[Text, Any], storage: ModelStorage, resource: Resource, tagger: Any = None) -> None:
        """Make an extractor around a loaded tagger, or an untrained one."""
        self.config, self._storage, self._resource, self.tagger = config, storage, resource, tagger

    @classmethod
    def create(
        cls,
        config: Dict[Text, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> SyllableEntityExtractor:
        """Create a new (untrained) component."""
        return cls(config, model_storage, resource)

    def train(self, training_data: TrainingData) -> Resource:
        """Fit on all examples that have an intent; codes are left to the pattern."""
        import pycrfsuite

        trainer = pycrfsuite.Trainer(algorithm="lbfgs", verbose=False)
        trainer.set_params({**self.config, "feature.possible_transitions": True})
        forms: Tuple[Callable[[str], str], ...] = (str, str.lower, fold)
        for turn, example in enumerate(training_data.nlu_examples):
            text = example.get(TEXT)
            if not text:
                continue
            spans = [
                (e["start"], e["end"], e["entity"])
                for e in example.get(ENTITIES, [])
                if e["entity"] not in (CODE, ORDINAL)
            ]
            for form in forms if spans else (forms[turn % 3],):
                if len(form(text)) == len(text):  # offsets stay right
                    found = words(form(text))
                    upper = form is not str.lower and any(w[:1].isupper() for w, _, _ in found[1:])
                    trainer.append(features(found, upper), [_tag(s, e, spans) for _, s, e in found])
        with self._storage.write_to(self._resource) as folder:
            trainer.train(str(folder / "entities.crf"))
        return self._resource

    def process(self, messages: List[Message]) -> List[Message]:
        """Add the entities of every message."""
        for message in messages:
            text = message.get(TEXT) or ""
            entities = self.extract(text)
            ranking = message.get(INTENT_RANKING_KEY) or [message.get(INTENT) or {}]
            if any(r.get("name") == "choose_nth" and r.get("confidence", 0) >= 0.15 for r in ranking[:2]):
                entities += ordinal(text)
            message.set(ENTITIES, message.get(ENTITIES, []) + self.add_extractor_name(entities), add_to_output=True)
        return messages

    def extract(self, text: str) -> List[Dict[Text, Any]]:
        """Return entities as ``{"entity", "start", "end", "value"}``, codes first."""
        out = [{"entity": CODE, "start": m.start(), "end": m.end(), "value": m.group()} for m in _CODE.finditer(text)]
        taken = [(e["start"], e["end"]) for e in out]
        found = [w for w in words(text) if not any(s <= w[1] < e for s, e in taken)]
        if self.tagger is None or not found:
            return out
        tags = self.tagger.tag(features(found, any(w[:1].isupper() for w, _, _ in found[1:])))
        last = "O"
        for (_, start, end), tag in zip(found, tags, strict=True):
            if tag != "O":
                if tag[0] == "I" and last[2:] == tag[2:]:
                    out[-1]["end"], out[-1]["value"] = end, text[out[-1]["start"] : end]
                else:
                    out.append({"entity": tag[2:], "start": start, "end": end, "value": text[start:end]})
            last = tag
        return out

    def process_training_data(self, training_data: TrainingData) -> TrainingData:
        """Leave the training data as it is."""
        return training_data

    @classmethod
    def load(
        cls,
        config: Dict[Text, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> SyllableEntityExtractor:
        """Load the trained CRF (read into memory, so that the model's folder may go)."""
        import pycrfsuite

        tagger = pycrfsuite.Tagger()
        with model_storage.read_from(resource) as folder:
            model = (folder / "entities.crf").read_bytes()
        tagger.open_inmemory(model)
        component = cls(config, model_storage, resource, tagger)
        component._model = model  # the tagger reads this memory and does not own it
        return component


def _tag(start: int, end: int, spans: List[Tuple[int, int, str]]) -> str:
    for first, last, name in spans:
        if first <= start and end <= last:
            return f"{'B' if start == first else 'I'}-{name}"
    return "O"
