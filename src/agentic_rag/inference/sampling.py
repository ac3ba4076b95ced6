"""Sampling: which of a caller's wishes a model of each kind knows, and how it is told. Pure."""

from dataclasses import asdict
from typing import Any, Protocol

from agentic_rag.domain import Sampling

_OPENAI = frozenset(
    ("max_tokens", "temperature", "top_p", "seed", "presence_penalty", "frequency_penalty")
)
_BEYOND = frozenset(("top_k", "min_p", "repetition_penalty"))  # vLLM's own
_KNOWN = {"vllm": _OPENAI | _BEYOND, "openai": _OPENAI, "ollama": _OPENAI}


class Wished(Protocol):
    """What is needed of a question, or of a brief."""

    @property
    def max_tokens(self) -> int | None: ...  # noqa: D102

    @property
    def temperature(self) -> float | None: ...  # noqa: D102

    @property
    def sampling(self) -> Sampling: ...  # noqa: D102


def as_arguments(rung: str, wished: Wished) -> dict[str, Any]:
    """Return the wishes that a rung knows, as a chat client takes them."""
    heeded = {k: v for k, v in _given(wished).items() if k in _KNOWN.get(rung, _OPENAI)}
    plain = {k: v for k, v in heeded.items() if k in _OPENAI}
    beyond = {k: v for k, v in heeded.items() if k in _BEYOND}
    return plain | ({"extra_body": beyond} if beyond else {})


def unheeded(generator: str, wished: Wished) -> list[str]:
    """Name the wishes that had no part in an answer: who quotes the documents knows none."""
    known = _KNOWN.get(generator.partition("/")[0], frozenset())
    return [name for name in _given(wished) if name not in known]


def _given(wished: Wished) -> dict[str, Any]:
    wishes = {"max_tokens": wished.max_tokens, "temperature": wished.temperature}
    wishes |= asdict(wished.sampling)
    return {name: value for name, value in wishes.items() if value is not None}
