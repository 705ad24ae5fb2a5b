"""Intent classifier: character and word n-grams of several text forms into one linear model."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from typing import Any, Dict, Iterator, List, Mapping, Optional, Text, Type

import numpy as np
from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.classifiers.classifier import IntentClassifier
from rasa.shared.nlu.constants import INTENT, INTENT_RANKING_KEY, TEXT
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from nlu.text import fold, plain

# how much a kind of feature counts: words as written, words folded, characters folded, length, words with one left
# out between them, any two words of the message, and pairs and the whole of what is left without forms of address
WEIGHTS = {"w": 1.0, "f": 1.0, "c": 0.5, "l": 1.0, "s": 0.5, "b": 0.4, "k": 0.7, "q": 1.0}
# kinds of which there are so many that those seen once or twice are not kept
RARE = "sbkq"
# folded: forms of address, particles and helpers around the point of a message
_FILLERS = (
    "a ad ah anh ba bac ban cai cau chau chi chu co con da di do dum e em gium giup ha hen ho la luon ma minh ne nghe "
    "nghen nha nhe nhen oi ong ta tao the thi to toi u uh v vang vay voi"
)
FILLERS = frozenset(_FILLERS.split())
MOST_WORDS = 12  # of these any two are paired


def ngrams(text: str, config: Dict[Text, Any]) -> Iterator[str]:
    """Yield the features of ``text``, each marked with its kind (see ``WEIGHTS``).

    >>> some = {"max_word_ngram": 1, "min_char_ngram": 4, "max_char_ngram": 4, "pairs": False}
    >>> list(ngrams("tạm trú", some))
    ['w tạm', 'w trú', 'f tam', 'f tru', 'c ^tam', 'c tam$', 'c ^tru', 'c tru$', 'l 1']
    """
    written = plain(text)
    folded = [fold(word) for word in written]
    for mark, words in (("w", written), ("f", folded)):
        yield from (f"{mark} {word}" for word in words)
        padded = ["^", *words, "$"]
        for size in range(2, config["max_word_ngram"] + 1):
            yield from (f"{mark} " + " ".join(padded[i : i + size]) for i in range(len(padded) - size + 1))
    for word in folded:
        padded_word = f"^{word}$"
        for size in range(config["min_char_ngram"], config["max_char_ngram"] + 1):
            yield from (f"c {padded_word[i : i + size]}" for i in range(max(1, len(padded_word) - size + 1)))
    yield f"l {min(len(written), 12) // 2}"
    if not config["pairs"]:
        return
    if len(folded) > 1:
        padded = ["^", *folded, "$"]
        yield from (f"s {padded[i]} {padded[i + 2]}" for i in range(len(padded) - 2))
    distinct = sorted(set(folded))
    if len(distinct) <= MOST_WORDS:
        yield from (f"b {one} {other}" for one, other in itertools.combinations(distinct, 2))
    point = [word for word in folded if word not in FILLERS and word not in {",", "?", "!"}]
    if point:
        padded = ["^", *point, "$"]
        yield from (f"k {padded[i]} {padded[i + 1]}" for i in range(len(padded) - 1))
        yield "q " + " ".join(point)


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=True)
class NgramIntentClassifier(IntentClassifier, GraphComponent):
    """Linear SVM and a little naive Bayes over tf-idf n-grams, read from text (needs no tokenizer, no featurizer).

    Every example is learned as written and without diacritics, so that "dừng" is not "đúng" and "dung" may be either.
    The SVM is trained one against the rest with scikit-learn. Naive Bayes is linear in the same features, so the two
    are added into one matrix. The scores become probabilities by a softmax whose temperature was fitted by
    cross-validation. Stored as a vocabulary (JSON) and a float16 matrix (npz), never a pickle; applied by adding up
    the rows of the features that occur: a fraction of a millisecond a message.
    """

    @staticmethod
    def get_default_config() -> Dict[Text, Any]:
        """Return the defaults.

        ``C`` is the inverse regularisation, ``tolerance`` how near to its optimum the SVM is fitted; ``balance`` weighs
        classes between by example (0) and by class (1); ``least`` is how often a feature of a ``RARE`` kind has to
        occur; ``bayes`` is how much naive Bayes counts and ``smoothing`` what it adds to every count; ``sharpness`` is
        the inverse temperature of the softmax.
        """
        return {
            "max_word_ngram": 2,
            "min_char_ngram": 2,
            "max_char_ngram": 4,
            "pairs": True,
            "least": 3,
            "C": 5.0,
            "tolerance": 0.1,
            "balance": 0.5,
            "bayes": 0.03,
            "smoothing": 0.005,
            "sharpness": 3.6,
            "ranking_length": 3,
            "random_state": 5299,
        }

    @staticmethod
    def required_packages() -> List[Text]:
        """Return the packages that training needs."""
        return ["sklearn"]

    @classmethod
    def required_components(cls) -> List[Type]:
        """Return nothing: it reads the text itself."""
        return []

    def __init__(self, config: Dict[Text, Any], model_storage: ModelStorage, resource: Resource) -> None:
        """Make an untrained classifier."""
        self.config = config
        self._storage, self._resource = model_storage, resource
        self.labels: List[str] = []
        self.vocabulary: Dict[str, int] = {}
        self.idf: Optional[np.ndarray] = None
        self.weights: Optional[np.ndarray] = None  # features x labels
        self.bias: Optional[np.ndarray] = None
        self.is_word: Optional[np.ndarray] = None  # of features: the word itself, folded

    @classmethod
    def create(
        cls,
        config: Dict[Text, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> NgramIntentClassifier:
        """Create a new (untrained) component."""
        return cls(config, model_storage, resource)

    def _values(self, counts: Mapping[str, int]) -> Any:
        """Return (indices, tf-idf values of unit length) of the known features among ``counts``."""
        known = [(self.vocabulary[g], n) for g, n in counts.items() if g in self.vocabulary]
        index = np.fromiter((i for i, _ in known), dtype=np.int64, count=len(known))
        value = np.fromiter((n for _, n in known), dtype=np.float32, count=len(known))
        value = (1.0 + np.log(value)) * self.idf[index]
        norm = np.sqrt((value * value).sum())
        return index, (value / norm if norm else value)

    def train(self, training_data: TrainingData) -> Resource:
        """Fit on the examples that have an intent, and persist."""
        from scipy.sparse import csr_matrix
        from sklearn.svm import LinearSVC

        examples = [e for e in training_data.intent_examples if e.get(INTENT) and e.get(TEXT)]
        if not examples:
            return self._resource
        texts, names = [e.get(TEXT) for e in examples], [e.get(INTENT) for e in examples]
        bare = [(fold(t), n) for t, n in zip(texts, names, strict=True) if fold(t) != t]
        texts, names = texts + [t for t, _ in bare], names + [n for _, n in bare]
        every: Dict[str, str] = {}  # one string per feature, however often it occurs
        read = [Counter(every.setdefault(g, g) for g in ngrams(t, self.config)) for t in texts]
        documents = Counter(g for counts in read for g in counts)
        kept = sorted(g for g, n in documents.items() if n >= self.config["least"] or g[0] not in RARE)
        self.vocabulary = {g: i for i, g in enumerate(kept)}
        idf = [WEIGHTS[g[0]] * (np.log((1 + len(texts)) / (1 + documents[g])) + 1) for g in kept]
        self.idf = np.array(idf, dtype=np.float32)
        rows = [self._values(counts) for counts in read]
        pointer = np.cumsum([0] + [len(i) for i, _ in rows])
        matrix = csr_matrix(
            (np.concatenate([v for _, v in rows]), np.concatenate([i for i, _ in rows]), pointer),
            shape=(len(rows), len(kept)),
        )
        sizes = Counter(names)
        mean = len(names) / len(sizes)
        share = {n: (mean / c) ** self.config["balance"] for n, c in sizes.items()}
        some = {"C": self.config["C"], "tol": self.config["tolerance"], "random_state": self.config["random_state"]}
        model = LinearSVC(class_weight=share, **some)
        model.fit(matrix, names)
        self.labels = [str(c) for c in model.classes_]
        ours = csr_matrix(np.array(names)[None, :] == model.classes_[:, None], dtype=np.float64)
        counts = np.asarray((ours @ matrix).todense()) + self.config["smoothing"]
        likely = np.log(counts) - np.log(counts.sum(axis=1, keepdims=True))
        likely -= likely.mean(axis=0)  # what is alike for all labels does not matter to them
        weights = model.coef_ + self.config["bayes"] * likely
        self.weights = np.ascontiguousarray(weights.T, dtype=np.float16)
        self.bias = model.intercept_.astype(np.float32)
        self._mark_words()
        self._persist()
        return self._resource

    def _mark_words(self) -> None:
        words = (g[:2] == "f " and g.count(" ") == 1 and g[2:].isalnum() for g in self.vocabulary)
        self.is_word = np.fromiter(words, dtype=bool, count=len(self.vocabulary))

    def process(self, messages: List[Message]) -> List[Message]:
        """Set ``intent`` and ``intent_ranking`` on every message."""
        for message in messages:
            ranking = self.rank(message.get(TEXT) or "")
            message.set(INTENT, ranking[0], add_to_output=True)
            message.set(INTENT_RANKING_KEY, ranking[: self.config["ranking_length"]], add_to_output=True)
        return messages

    def rank(self, text: str) -> List[Dict[Text, Any]]:
        """Return intents with their probability, best first; a text without any known word gets confidence 0."""
        if self.weights is None:
            return [{"name": None, "confidence": 0.0}]
        index, value = self._values(Counter(ngrams(text, self.config)))
        if not self.is_word[index].any():  # parts of words may be known, but guesses from them would steer the dialogue
            return [{"name": self.labels[0], "confidence": 0.0}]
        scores = value @ self.weights[index].astype(np.float32) + self.bias
        scores = np.exp((scores - scores.max()) * self.config["sharpness"])
        scores /= scores.sum()
        top = np.argsort(-scores, kind="stable")[: max(2, self.config["ranking_length"])]
        return [{"name": self.labels[i], "confidence": round(float(scores[i]), 4)} for i in top]

    def process_training_data(self, training_data: TrainingData) -> TrainingData:
        """Leave the training data as it is: no later component reads predicted intents."""
        return training_data

    def _persist(self) -> None:
        with self._storage.write_to(self._resource) as folder:
            meta = {"labels": self.labels, "vocabulary": list(self.vocabulary)}
            (folder / "model.json").write_text(json.dumps(meta, ensure_ascii=False), encoding="utf-8")
            np.savez(folder / "model.npz", idf=self.idf, weights=self.weights, bias=self.bias)

    @classmethod
    def load(
        cls,
        config: Dict[Text, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> NgramIntentClassifier:
        """Load what ``train`` stored."""
        component = cls(config, model_storage, resource)
        try:
            with model_storage.read_from(resource) as folder:
                meta = json.loads((folder / "model.json").read_text(encoding="utf-8"))
                arrays = np.load(folder / "model.npz", allow_pickle=False)
                component.idf, component.weights, component.bias = arrays["idf"], arrays["weights"], arrays["bias"]
        except ValueError:
            return component
        component.labels = meta["labels"]
        component.vocabulary = {g: i for i, g in enumerate(meta["vocabulary"])}
        component._mark_words()
        return component
