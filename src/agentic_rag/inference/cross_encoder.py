"""The only module that knows how a cross-encoder is asked whether a quote carries a sentence."""

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from agentic_rag.errors import CheckerUnavailable

_CARRIED = 0.5  # what a model with one score, from 0 to 1, has to give


class CrossEncoderChecker:
    """A cross-encoder trained on natural language inference, loaded when it is first asked."""

    def __init__(self, model: str) -> None:
        self._name = model
        self._model: Any = None
        self._lock = threading.Lock()  # one at a time: it uses every core

    async def carries(self, pairs: Sequence[tuple[str, str]]) -> Sequence[bool]:
        """Tell for each (quote, sentence) whether the model finds that the one entails the other.

        Raises:
            CheckerUnavailable: the model cannot be loaded, or failed.
        """
        if not pairs:
            return []
        return await asyncio.to_thread(self._judge, list(pairs))

    def _judge(self, pairs: list[tuple[str, str]]) -> list[bool]:
        with self._lock:
            try:
                if self._model is None:
                    self._model = _load(self._name)
                scores = np.asarray(self._model.predict(pairs, show_progress_bar=False))
                return _entailed(scores, self._model.config.id2label)
            # what a foreign model raises is not known; none of it may let a sentence pass
            except Exception as error:
                raise CheckerUnavailable(
                    f"SUPPORT_MODEL {self._name}: {type(error).__name__}"
                ) from error


def _load(name: str) -> Any:  # noqa: ANN401  # the library ships no types
    from sentence_transformers import CrossEncoder  # seconds to import: who names one pays

    return CrossEncoder(name)


def _entailed(scores: "np.ndarray[Any, Any]", labels: dict[int, str]) -> list[bool]:
    """Read the scores: one a label, of which one is named for entailment; or one alone."""
    if scores.ndim == 1:
        return [bool(score >= _CARRIED) for score in scores]
    names = [labels[at].lower() for at in range(scores.shape[1])]
    entailment = next((at for at, name in enumerate(names) if name.startswith("entail")), None)
    if entailment is None:
        raise ValueError(f"no label of the model is named entailment: {', '.join(names)}")
    return [bool(row.argmax() == entailment) for row in scores]
