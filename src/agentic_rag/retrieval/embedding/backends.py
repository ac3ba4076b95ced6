"""Backends: picks what an embedder computes with."""

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agentic_rag.errors import RetrievalUnavailable
from agentic_rag.retrieval.embedding.embedder import Backend
from agentic_rag.retrieval.embedding.export import REMEDY, Precision, read_export
from agentic_rag.retrieval.embedding.onnx_backend import OnnxBackend
from agentic_rag.retrieval.embedding.torch_backend import TorchBackend

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What an embedder is to be made of.

    Attributes:
        backend: "auto" takes the export where there is one of this model, else torch.
        folder: where the export stands, or would.
        threads: that compute; 0 for as many as the machine has cores.
    """

    model: str
    folder: Path
    backend: Literal["auto", "torch", "onnx"] = "auto"
    precision: Precision = "int8"
    threads: int = 0


def pick_backend(recipe: Recipe) -> Backend:
    """Return the backend of a recipe, with nothing loaded.

    Raises:
        RetrievalUnavailable: the export is damaged, or asked for and not there.
    """
    if recipe.backend != "torch":
        export = read_export(recipe.folder)
        if export is not None and export.is_of(recipe.model):
            return OnnxBackend(export, recipe.precision, recipe.threads or _cores())
        if recipe.backend == "onnx":
            raise RetrievalUnavailable(
                f"EMBEDDING_BACKEND is onnx, but {recipe.folder} has no export of"
                f" EMBEDDING_MODEL {recipe.model}; {REMEDY}"
            )
        if export is not None:
            logger.warning(
                "torch embeds: the export in %s is not of EMBEDDING_MODEL; %s",
                recipe.folder,
                REMEDY,
            )
    return TorchBackend(recipe.model, recipe.threads)


def _cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
