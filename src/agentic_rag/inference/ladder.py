"""The LLM ladder: rungs tried from the top, the last of which always answers."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from agentic_rag.domain import Degraded, Draft, Passage, Usage
from agentic_rag.errors import LlmUnavailable

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage
    from langchain_openai import ChatOpenAI

logger = logging.getLogger(__name__)

_AWAKE_S = 60.0  # a model that answered so lately has not been put to sleep since

Messages = Sequence[tuple[str, str]]
Hide = Callable[[Messages, Sequence[str]], tuple[Messages, Callable[[str], str]]]
"""Of messages and the documents in them, makes what may leave, and how a reply is made whole."""


def in_clear(messages: Messages, documents: Sequence[str]) -> tuple[Messages, Callable[[str], str]]:
    """Hide nothing: the model lives where the documents do."""
    return messages, str


class Brief(Protocol):
    """What a rung is given."""

    @property
    def messages(self) -> tuple[tuple[str, str], ...]: ...  # noqa: D102

    @property
    def wants(self) -> tuple[str, ...]: ...  # noqa: D102

    @property
    def passages(self) -> tuple[Passage, ...]: ...  # noqa: D102

    @property
    def max_tokens(self) -> int | None: ...  # noqa: D102

    @property
    def temperature(self) -> float | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class _Note:
    """A brief of messages alone."""

    messages: tuple[tuple[str, str], ...]
    max_tokens: int | None
    wants: tuple[str, ...] = ()
    passages: tuple[Passage, ...] = ()
    temperature: float | None = 0.0


class Rung(Protocol):
    """Writes a draft, or raises LlmUnavailable."""

    async def write(self, brief: Brief) -> Draft:
        """Return a draft."""
        ...


class ModelRung:
    """A chat model behind an OpenAI address."""

    def __init__(
        self, name: str, model: str, chat: "ChatOpenAI", *, timeout_s: float, hide: Hide = in_clear
    ) -> None:
        """Ask nobody yet.

        Args:
            name: of the rung.
            model: as its server calls it.
            chat: the client.
            timeout_s: for a whole reply.
            hide: takes out of a brief's messages what the model must not be told.
        """
        self._generator = f"{name}/{model}"
        self._chat = chat
        self._timeout_s = timeout_s
        self._hide = hide

    async def write(self, brief: Brief) -> Draft:
        """Ask the model once.

        Raises:
            LlmUnavailable: it did not answer, or not with text.
        """
        from openai import OpenAIError  # a second to import: who has a model has paid it

        wishes = {"max_tokens": brief.max_tokens, "temperature": brief.temperature}
        chat = self._chat.bind(**{k: v for k, v in wishes.items() if v is not None})
        messages, lift = self._hide(brief.messages, [each.text for each in brief.passages])
        try:
            async with asyncio.timeout(self._timeout_s):  # the client's own is per read
                reply = await chat.ainvoke(list(messages))
        # a reply that is no chat completion surfaces as one of the latter four
        except (
            OpenAIError, OSError, TypeError, ValueError, AttributeError, LookupError
        ) as error:  # fmt: skip
            raise LlmUnavailable(f"{self._generator}: {type(error).__name__}") from error
        if not reply.text.strip():
            raise LlmUnavailable(f"{self._generator}: an empty reply")
        return Draft(text=lift(reply.text), generator=self._generator, usage=_usage(reply))

    async def close(self) -> None:
        """Close the connections."""
        await self._chat.root_async_client.close()


class Ladder:
    """Tries the model rungs in order; the floor, which needs no model, is always there."""

    def __init__(self, rungs: Sequence[Rung], floor: Rung) -> None:
        self._rungs = tuple(rungs)
        self._floor = floor
        self._answered: dict[int, float] = {}  # when each rung did, unless it failed since

    async def write(self, brief: Brief) -> Draft:
        """Return the draft of the first rung that gives one."""
        degraded: Degraded | None = None
        for at, rung in enumerate(self._rungs):
            try:
                draft = await rung.write(brief)
            except LlmUnavailable as error:
                logger.warning("a rung did not answer: %s", error)
                self._answered.pop(at, None)
                degraded = Degraded.LLM_UNAVAILABLE
            else:
                self._answered[at] = time.monotonic()
                return replace(draft, degraded=degraded)
        return replace(await self._floor.write(brief), degraded=degraded)

    async def ask_awake(
        self, messages: tuple[tuple[str, str], ...], *, max_tokens: int, timeout_s: float
    ) -> str | None:
        """Return what the first rung writes that answered lately; None where none does in time.

        A rung that is not known to be awake is not asked: that could wake it, and would take long.
        """
        since = time.monotonic() - _AWAKE_S
        awake = (at for at, answered in sorted(self._answered.items()) if answered > since)
        at = next(awake, None)
        if at is None:
            return None
        note = _Note(messages=messages, max_tokens=max_tokens)
        try:
            async with asyncio.timeout(timeout_s):
                return (await self._rungs[at].write(note)).text
        except (LlmUnavailable, TimeoutError) as error:
            logger.info("a rung did not plan: %s", type(error).__name__)
            self._answered.pop(at, None)
            return None


def _usage(reply: "AIMessage") -> Usage:
    counted = reply.usage_metadata
    if not counted:
        return Usage()
    return Usage(prompt_tokens=counted["input_tokens"], completion_tokens=counted["output_tokens"])
