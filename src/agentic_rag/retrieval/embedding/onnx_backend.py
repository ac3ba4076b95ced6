"""The ONNX backend: the only room that knows onnxruntime."""

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from agentic_rag.errors import RetrievalUnavailable
from agentic_rag.retrieval.embedding.embedder import Vectors
from agentic_rag.retrieval.embedding.export import REMEDY, Export, Precision
from agentic_rag.retrieval.embedding.tokens import Tokens

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


_SLOWER = ["SkipLayerNormFusion"]  # the fused kernel takes a sixth longer over a passage


class OnnxBackend:
    """Runs an exported graph, one text at a time, on as many threads as it is given.

    One at a time, because int8 activations are scaled by the largest in the batch: a vector would
    depend on the company of its text (cosine .99 to itself alone). It is also the fastest way on
    a CPU, since nothing is padded.
    """

    def __init__(self, export: Export, precision: Precision, threads: int) -> None:
        self._export = export
        self._precision: Precision = precision
        self._lock = threading.Lock()
        self._session: InferenceSession | None = None
        self._tokens: Tokens | None = None
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="onnx")

    @property
    def fingerprint(self) -> str:
        """See `Backend`."""
        return self._export.fingerprint(self._precision)

    @property
    def max_tokens(self) -> int:
        """See `Backend`."""
        return self._tokenizer().max_tokens

    @property
    def dimension(self) -> int:
        """See `Backend`."""
        return self._export.manifest.dimension

    def load(self) -> None:
        """See `Backend`."""
        self._tokenizer()
        self._loaded()

    def token_ends(self, texts: Sequence[str]) -> list[Sequence[int]]:
        """See `Backend`."""
        return self._tokenizer().ends(texts)

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """See `Backend`."""
        self.load()
        if len(texts) == 1:
            return self._vector(texts[0])[np.newaxis]
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        # the longest first, so that the threads end together
        order = sorted(range(len(texts)), key=lambda row: -len(texts[row]))
        for row, vector in zip(
            order, self._pool.map(self._vector, [texts[row] for row in order]), strict=True
        ):
            vectors[row] = vector
        return vectors

    def close(self) -> None:
        """See `Backend`."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _vector(self, text: str) -> Vectors:
        ids = np.array([self._tokenizer().ids(text)], dtype=np.int64)
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        vector: Vectors = self._loaded().run(None, inputs)[0][0]
        return vector

    def _tokenizer(self) -> Tokens:
        with self._lock:
            if self._tokens is None:
                file, reads = self._export.manifest.tokenizer, self._export.manifest.max_tokens
                self._tokens = Tokens.parse(self._export.read(file).decode(), reads)
            return self._tokens

    def _loaded(self) -> "InferenceSession":
        with self._lock:
            if self._session is None:
                self._session = self._open()
            return self._session

    def _open(self) -> "InferenceSession":
        file = self._export.manifest.graphs[self._precision]
        content = self._export.read(file)
        try:
            return open_graph(content)
        except Exception as error:  # onnxruntime's errors have no common root
            path = self._export.folder / file.name
            raise RetrievalUnavailable(f"{path} cannot be loaded; {REMEDY}") from error


def open_graph(content: bytes) -> "InferenceSession":
    """Make a session that computes on the thread that calls it; several may call at once."""
    from onnxruntime import InferenceSession, SessionOptions  # tenths of a second to import

    options = SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # an arena keeps what the longest text took, for each thread
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.log_severity_level = 3
    return InferenceSession(
        content, options, providers=["CPUExecutionProvider"], disabled_optimizers=_SLOWER
    )


def quantise(fp32: Path, int8: Path) -> None:
    """Write a graph's int8 twin: weights by channel, activations as they come."""
    from onnxruntime.quantization import quantize_dynamic

    root = logging.getLogger()  # through which the library recommends a step that changes nothing
    root.addFilter(_is_grave)
    try:
        # 7 bits: with 8, processors without VNNI overflow, and their vectors would be others
        quantize_dynamic(fp32, int8, per_channel=True, reduce_range=True)
    finally:
        root.removeFilter(_is_grave)


def _is_grave(record: logging.LogRecord) -> bool:
    return record.levelno > logging.WARNING
