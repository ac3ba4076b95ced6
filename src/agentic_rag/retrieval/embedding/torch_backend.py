"""The torch backend: the only room that knows sentence-transformers, transformers and torch."""

import logging
import threading
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from agentic_rag.errors import RetrievalUnavailable
from agentic_rag.retrieval.embedding.embedder import Vectors
from agentic_rag.retrieval.embedding.export import fingerprint_of
from agentic_rag.retrieval.embedding.tokens import Tokens, without_surrogates
from agentic_rag.retrieval.embedding.weights import Weights, fetch_weights, read_weights

_BATCH = 32


class TorchBackend:
    """Runs the weights as sentence-transformers does; needs no export, and seconds to start."""

    def __init__(self, model: str, threads: int) -> None:
        """Load nothing yet; 0 `threads` leave one core to whoever else needs it."""
        self._name = model
        self._threads = threads
        self._lock = threading.RLock()
        self._weights: Weights | None = None
        self._tokens: Tokens | None = None
        self._model: Any = None

    @property
    def fingerprint(self) -> str:
        """See `Backend`."""
        weights = self.weights()
        return fingerprint_of(weights.digest, weights.pooling, weights.max_tokens, "fp32")

    @property
    def max_tokens(self) -> int:
        """See `Backend`."""
        return self.tokens().max_tokens

    @property
    def dimension(self) -> int:
        """See `Backend`."""
        return int(self._loaded().get_embedding_dimension())

    def load(self) -> None:
        """See `Backend`."""
        self._loaded()

    def token_ends(self, texts: Sequence[str]) -> list[Sequence[int]]:
        """See `Backend`."""
        return self.tokens().ends(texts)

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """See `Backend`."""
        with self._lock:  # its tokenizer is not for two at a time
            model = self._loaded()
            if not texts:
                return np.empty((0, self.dimension), dtype=np.float32)
            vectors: Vectors = model.encode(
                [without_surrogates(text) for text in texts],
                normalize_embeddings=True,
                show_progress_bar=False,
                batch_size=_BATCH,
            )
            return vectors

    def close(self) -> None:
        """See `Backend`."""

    def weights(self) -> Weights:
        """Return what is known of the weights.

        Raises:
            RetrievalUnavailable: they cannot be found.
        """
        with self._lock:
            if self._weights is None:
                try:
                    self._weights = read_weights(fetch_weights(self._name))
                except (ImportError, OSError, ValueError, KeyError, TypeError) as error:
                    raise self._unusable("found") from error
            return self._weights

    def tokens(self) -> Tokens:
        """Return the tokenizer.

        Raises:
            RetrievalUnavailable: it cannot be found.
        """
        with self._lock:
            if self._tokens is None:
                path = self.weights().folder / "tokenizer.json"
                if path.is_file():
                    text = path.read_text("utf-8")
                else:  # in another format, which transformers can read
                    text = self._loaded().tokenizer.backend_tokenizer.to_str()
                self._tokens = Tokens.parse(text, self.weights().max_tokens)
            return self._tokens

    def _loaded(self) -> Any:  # noqa: ANN401  # sentence-transformers ships no types
        with self._lock:
            if self._model is None:
                folder = self.weights().folder
                try:
                    self._model = _open_model(folder)
                except (ImportError, OSError, ValueError, KeyError, TypeError) as error:
                    raise self._unusable("loaded") from error
                self._share_cores()
            return self._model

    def _share_cores(self) -> None:
        import torch

        torch.set_num_threads(self._threads or max(1, torch.get_num_threads() - 1))

    def _unusable(self, what: str) -> RetrievalUnavailable:
        return RetrievalUnavailable(f"EMBEDDING_MODEL {self._name}: the weights cannot be {what}")


def write_graph(folder: Path, path: Path) -> None:
    """Write weights as an ONNX graph from `input_ids` and `attention_mask` to `vector`.

    Pooling and normalising are inside; batch and length are free.
    """
    import torch

    class Whole(torch.nn.Module):  # type: ignore[misc]  # torch is not looked into
        def __init__(self) -> None:
            super().__init__()
            self.model = _open_model(folder, attn_implementation="eager")

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:  # noqa: ANN401
            features = {"input_ids": input_ids, "attention_mask": attention_mask}
            vector = self.model(features)["sentence_embedding"]
            return torch.nn.functional.normalize(vector, p=2.0, dim=1)

    # ids and mask differ in shape from nothing but each other's content: given one tensor twice,
    # the exporter makes one input of them
    ids = torch.arange(18).reshape(2, 9) + 5
    mask = torch.ones(2, 9, dtype=torch.long)
    mask[1, 6:] = 0
    free = dict.fromkeys((0, 1), torch.export.Dim.DYNAMIC)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of torch's own parts about each other
        program = torch.onnx.export(
            Whole().eval(),
            (ids, mask),
            dynamo=True,
            verbose=False,
            input_names=["input_ids", "attention_mask"],
            output_names=["vector"],
            dynamic_shapes=(free, free),
        )
        program.save(path, external_data=False)


def _open_model(folder: Path, **how: str) -> Any:  # noqa: ANN401
    from sentence_transformers import SentenceTransformer  # seconds: only who embeds by it pays
    from transformers.utils import logging as chatter

    chatter.disable_progress_bar()
    return SentenceTransformer(str(folder), device="cpu", model_kwargs=how).eval()
