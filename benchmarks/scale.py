"""Scale: the dense index far beyond today's catalogue, and from which size on a graph is quicker than reading all.

The vectors are those of the published release; beyond their number, mixtures of two of them with some noise, in the
shape the encoder gives (both halves of equal length). The queries are the project's test questions, encoded; what is
tuned is tuned on other questions than those measured. Searches run in one thread and fetch what the searcher fetches.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import faiss
import numpy as np

from benchmarks.report import ROOT, emit, progress, quantile, table
from bot.settings import settings
from index.dense import EFFORT, FLAT_UP_TO, LINKS, DenseRetriever
from index.encoder import Encoder, Vectors
from index.evaluate import load_questions
from index.retrieval import DEPTH
from index.search import ENCODER, FOLDER
from index.text import lexicon
from knowledge.release import Releases, read_manifest

QUESTIONS = ROOT / "index" / "questions" / "test.jsonl"
SIZES = (5_000, 50_000, 500_000)
CROSSING = (1_000, 2_000, 4_000, 6_000, 8_000, 12_000, 16_000, 20_000)
NEAREST = 60
"""Recall: the share of the truly nearest that an index finds."""
TARGET = 0.97
"""Recall to which the indexes that can be tuned are tuned."""
MEASURED, TUNED = 200, 100
"""Queries that are measured, and others by which is tuned."""
SEED = 5299
NOISE = 0.15
LARGE, LARGE_EFFORT = 200_000, 80
"""From ``LARGE`` vectors on the graph is built with less effort: it would take too long."""
POINTS = 48
"""Vectors by which IVF learns each of its lists' centres."""


def halves(vectors: Vectors) -> Vectors:
    """The same with both halves of equal length and unit length together, as the encoder gives them."""
    parts = vectors.reshape(len(vectors), 2, -1)
    parts /= np.linalg.norm(parts, axis=2, keepdims=True) * np.float32(np.sqrt(2))
    return parts.reshape(len(vectors), -1)


def grown(real: Vectors, count: int) -> Vectors:
    """``count`` vectors: a sample of the real ones, or all and mixtures of two with noise. Same in, same out."""
    rng = np.random.default_rng(SEED)
    made = np.empty((count, real.shape[1]), np.float32)
    have = min(count, len(real))
    made[:have] = real[rng.permutation(len(real))[:have]]
    for start in range(have, count, 10_000):
        rows = min(10_000, count - start)
        one, other = (real[rng.integers(0, len(real), rows)] for _ in range(2))
        share = rng.random((rows, 1), np.float32)
        noise = rng.standard_normal((rows, real.shape[1]), np.float32) * np.float32(NOISE / real.shape[1] ** 0.5)
        made[start : start + rows] = halves(share * one + (1 - share) * other + noise)
    return made


def megabytes(index: Any) -> float:
    """What an index holds, in 10^6 bytes: its size as it would be written."""
    total = 0

    def count(part: bytes) -> int:
        nonlocal total
        total += len(part)
        return len(part)

    faiss.write_index(index, faiss.PyCallbackIOWriter(count))
    return total / 1e6


def recall(index: Any, queries: Vectors, truth: Any) -> float:
    """Share of the truly nearest (rows of ``truth``) among the :data:`DEPTH` found."""
    _, rows = index.search(queries, min(DEPTH, index.ntotal))
    return float(np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(rows.tolist(), truth.tolist(), strict=True)]))


def milliseconds(indexes: Sequence[Any], queries: Vectors, rounds: int = 3) -> list[list[float]]:
    """Milliseconds of each search, by index; they take turns by rounds, so that what else happens meets all."""
    taken: list[list[float]] = [[] for _ in indexes]
    for turn in range(rounds):
        for index, own in zip(indexes, taken, strict=True):
            index.search(queries[:5], DEPTH)
            for i in range(turn, len(queries), rounds):
                began = time.perf_counter()
                index.search(queries[i : i + 1], DEPTH)
                own.append((time.perf_counter() - began) * 1e3)
    return taken


def flat(vectors: Vectors) -> Any:
    """Exact search."""
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return index


def hnsw(vectors: Vectors) -> Any:
    """The graph as :class:`DenseRetriever` builds it; with less effort from :data:`LARGE` vectors on."""
    index = faiss.IndexHNSWFlat(vectors.shape[1], LINKS, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = LARGE_EFFORT if len(vectors) >= LARGE else EFFORT
    index.hnsw.efSearch = EFFORT
    index.add(vectors)
    return index


def ivf(vectors: Vectors) -> Any:
    """4·√n lists, of which the nearest few are read."""
    lists = round(4 * len(vectors) ** 0.5)
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(vectors.shape[1]), vectors.shape[1], lists, faiss.METRIC_INNER_PRODUCT)
    index.cp.max_points_per_centroid, index.cp.min_points_per_centroid = POINTS, 1
    index.cp.seed = SEED
    index.train(vectors)
    index.add(vectors)
    return index


def tune(parameters: Any, name: str, start: int, most: int, enough: Callable[[], bool]) -> int:
    """Set a parameter to the lowest of ``start``, about half more, … ``most`` that is enough; return it."""
    value = start
    while True:
        setattr(parameters, name, value)
        if value >= most or enough():
            return value
        value = min(most, value + max(1, value // 2))


def by_size(vectors: Vectors, queries: Vectors, others: Vectors) -> Iterator[dict[str, Any]]:
    """A row for each index over ``vectors``; ``others`` are the queries to tune by. One index is held at a time."""
    nearest, cores = min(NEAREST, len(vectors)), os.cpu_count() or 1

    def built(make: Callable[[Vectors], Any]) -> tuple[Any, dict[str, float]]:
        progress(f"{len(vectors):,} vectors: {make.__name__}…")
        faiss.omp_set_num_threads(cores)
        began = time.perf_counter()
        index = make(vectors)
        return index, {"vectors": len(vectors), "seconds": time.perf_counter() - began, "mb": megabytes(index)}

    def row(index: Any, made: dict[str, float], name: str, setting: str) -> dict[str, Any]:
        faiss.omp_set_num_threads(1)
        taken = milliseconds([index], queries)[0]
        return {
            **made, "index": name, "setting": setting, "p50_ms": quantile(taken, 0.5), "p95_ms": quantile(taken, 0.95),
            "recall": recall(index, queries, truth),
        }  # fmt: skip

    def enough() -> bool:
        faiss.omp_set_num_threads(cores)
        return recall(index, others, truth_of_others) >= TARGET

    index, made = built(flat)
    truth, truth_of_others = (index.search(q, nearest)[1] for q in (queries, others))
    yield row(index, made, "Flat", "exact")
    del index
    index, made = built(hnsw)
    graph = index.hnsw
    yield row(index, made, "HNSW, ours", f"links {LINKS}, efforts {graph.efConstruction} and {EFFORT}")
    if not enough():
        effort = tune(graph, "efSearch", EFFORT * 3 // 2, EFFORT * 32, enough)
        yield row(index, made, "HNSW, tuned", f"links {LINKS}, efforts {graph.efConstruction} and {effort}")
    del index, graph
    index, made = built(ivf)
    read = tune(index, "nprobe", 1, index.nlist, enough)
    yield row(index, made, "IVF, tuned", f"{read} of {index.nlist} lists read")


def crossing(real: Vectors, queries: Vectors, sizes: Sequence[int]) -> dict[str, Any]:
    """p50 of exact search and of our graph by size; ``from``: the size from which on the graph is quicker."""
    rows: list[dict[str, Any]] = []
    for size in sizes:
        progress(f"{size:,} vectors: Flat or HNSW…")
        vectors = grown(real, size)
        faiss.omp_set_num_threads(os.cpu_count() or 1)
        exact, graph = flat(vectors), hnsw(vectors)
        faiss.omp_set_num_threads(1)
        one, other = milliseconds([exact, graph], queries, 6)
        truth = exact.search(queries, min(NEAREST, size))[1]
        p50 = quantile(one, 0.5), quantile(other, 0.5)
        rows.append({"vectors": size, "flat_ms": p50[0], "hnsw_ms": p50[1], "recall": recall(graph, queries, truth)})
    slower = [i for i, row in enumerate(rows) if row["hnsw_ms"] >= row["flat_ms"]]
    first = slower[-1] + 1 if slower else 0
    return {"rows": rows, "from": rows[first]["vectors"] if first < len(rows) else None}


def show(crossover: dict[str, Any]) -> None:
    """Print the crossover."""
    rows = [
        [f"{r['vectors']:,}", f"{r['flat_ms']:.3f}", f"{r['hnsw_ms']:.3f}", f"{r['flat_ms'] / r['hnsw_ms']:.2f}",
         f"{r['recall']:.3f}"]
        for r in crossover["rows"]
    ]  # fmt: skip
    emit(table(("vectors", "Flat p50 ms", "HNSW p50 ms", "Flat/HNSW", f"HNSW recall@{NEAREST}"), rows))
    quicker = crossover["from"]
    emit(
        (f"HNSW is quicker from {quicker:,} vectors on" if quicker else "HNSW is quicker at none of these sizes")
        + f"; the dense retriever changes to it beyond {FLAT_UP_TO:,} (`FLAT_UP_TO`).\n"
    )


def measure(real: Vectors, queries: Vectors, sizes: Sequence[int], crossing_sizes: Sequence[int]) -> dict[str, Any]:
    """All figures. ``queries``: the measured ones and, after them, those to tune by."""
    cut = len(queries) * MEASURED // (MEASURED + TUNED)
    found: dict[str, Any] = {"crossing": crossing(real, queries[:cut], crossing_sizes)}
    show(found["crossing"])
    found["sizes"] = [row for n in sizes for row in by_size(grown(real, n), queries[:cut], queries[cut:])]
    columns = ("vectors", "index", "setting", "build s", "MB", "p50 ms", "p95 ms", f"recall@{NEAREST}")
    rows = [
        [f"{r['vectors']:,}", r["index"], r["setting"], f"{r['seconds']:.1f}", f"{r['mb']:.0f}", f"{r['p50_ms']:.2f}",
         f"{r['p95_ms']:.2f}", f"{r['recall']:.3f}"]
        for r in found["sizes"]
    ]  # fmt: skip
    emit(table(columns, rows))
    return found


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measure, print, return all figures."""
    import resource

    release = Releases(settings().home).current()
    retriever = DenseRetriever.load(release / FOLDER)
    real = np.array(retriever.vectors())  # a copy while the index that they are a view of is still there
    del retriever
    questions = load_questions(QUESTIONS)
    chosen = np.random.default_rng(SEED).permutation(len(questions))[: MEASURED + TUNED]
    normal = [lexicon().normalise(questions[i].question) for i in chosen]
    queries = Encoder(release / ENCODER).encode([n.plain for n in normal], [n.folded for n in normal])
    sizes = [*(n for n in SIZES if n < args.largest), args.largest]
    emit("## Scale of the dense index\n")
    emit(
        f"Release {read_manifest(release).id}: {len(real):,} vectors of {real.shape[1]}; "
        f"beyond that, mixtures of two and noise. {MEASURED} of the test questions, one thread, the {DEPTH} nearest "
        f"fetched; built on all cores. Tuned (by {TUNED} other questions): to recall ≥ {TARGET}. "
        f"Efforts: of building (less from {LARGE:,} vectors on) and of searching.\n"
    )
    found = {"vectors": len(real), **measure(real, queries, sizes, CROSSING)}
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    emit(f"Peak memory of this part: {found['peak_mb'] / 1024:.1f} GB.\n")
    return found
