"""A rung with a model: one call to a chat model, and a name for each way in which it fails."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpx

from agentic_rag.domain import Draft, Usage
from agentic_rag.errors import (
    LlmAsleep,
    LlmPromptRefused,
    LlmRefused,
    LlmStumbled,
    LlmTooSlow,
    LlmUnavailable,
)
from agentic_rag.inference.affinity.session import session
from agentic_rag.inference.ladder import Brief, Hide, Messages, in_clear
from agentic_rag.inference.sampling import as_arguments
from agentic_rag.inference.sight import Sight, of_failure, of_reply
from agentic_rag.inference.slot import Speaker, Speaks, nobody
from agentic_rag.tracing import span

if TYPE_CHECKING:
    from langchain_core.language_models import LanguageModelInput
    from langchain_core.messages import AIMessage
    from langchain_core.runnables import Runnable
    from langchain_openai import ChatOpenAI
    from openai import APIStatusError

_PREFIXES = {"vllm": "LLM", "openai": "OPENAI", "ollama": "OLLAMA"}
_TO_MEND = {
    Sight.KEY_REFUSED: "{0}_API_KEY",
    Sight.NAME_UNKNOWN: "{0}_MODEL_NAME",
    Sight.ELSEWHERE: "{0}_BASE_URL",
    Sight.TOO_LONG: "MAX_CTX_CHARS or LLM_MAX_TOKENS, or the length that it is served with",
}
_MOST_WAIT_S = 3600.0
_MOST_TOKENS = 10**9
_MOST_CHARS = 60_000  # of 8192 tokens, the most that may be asked for; proving more takes too long


class ModelRung:
    """A chat model behind an OpenAI address."""

    def __init__(  # noqa: PLR0913  # each is a part that is handed in
        self,
        name: str,
        model: str,
        make: Callable[[], "ChatOpenAI"],
        *,
        timeout_s: float,
        hide: Hide = in_clear,
        speaker: Speaks = nobody,
    ) -> None:
        """Ask nobody yet.

        Args:
            name: of the rung.
            model: as its server calls it.
            make: makes the client, whose library takes a second to import.
            timeout_s: for a whole reply.
            hide: takes out of a brief's messages what the model must not be told.
            speaker: tells which adapter of the model speaks in a session; None: the model itself.
        """
        self.generator = f"{name}/{model}"
        self._name = name
        self._prefix = _PREFIXES.get(name, name.upper())
        self._make = make
        self._made: asyncio.Task[ChatOpenAI] | None = None
        self._timeout_s = timeout_s
        self._hide = hide
        self._speaker = speaker

    async def connect(self) -> "ChatOpenAI":
        """Return the client, which is made once: beside the event loop, and for all who wait.

        Raises:
            LlmUnavailable: a proxy or a certificate that the environment names cannot be used.
        """
        if self._made is None:
            self._made = asyncio.create_task(asyncio.to_thread(self._make))
        try:
            return await asyncio.shield(self._made)
        except (OSError, ValueError, httpx.InvalidURL) as error:
            told = f"{self.generator}: its client cannot be made ({type(error).__name__})"
            raise LlmUnavailable(told) from error

    async def write(self, brief: Brief) -> Draft:
        """Ask the model once.

        Raises:
            LlmUnavailable: it did not answer, or not with text; its kind says why.
        """
        who = await self._speaker(session.get())
        rung, _, model = self.generator.partition("/")
        model = who.served_as if who else model
        asked = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": rung,
            "gen_ai.request.model": model,
        }
        with span(f"chat {model}", asked) as traced:
            draft = await self._written(brief, who)
            if traced:
                counted = draft.usage
                traced.set_attribute("gen_ai.usage.input_tokens", counted.prompt_tokens)
                traced.set_attribute("gen_ai.usage.output_tokens", counted.completion_tokens)
            return draft

    async def _written(self, brief: Brief, who: Speaker | None) -> Draft:
        client = await self._connected(brief)
        from openai import APIStatusError, OpenAIError  # a second to import: the client has paid it

        asked = as_arguments(self._name, brief) | ({"model": who.served_as} if who else {})
        chat = client.bind(**asked)
        messages, lift = self._hide(brief.messages, [each.text for each in brief.passages])
        # what was taken out of a prompt can be put back into a whole reply only
        reply = _Reply(brief.hear if self._hide is in_clear else None)
        left_s = time_left(brief)
        try:
            async with asyncio.timeout(min(self._timeout_s, left_s)):  # the client's is per read
                await reply.read(chat, list(messages))
        except APIStatusError as error:
            raise self._refusal(error) from error
        # a reply that is no chat completion surfaces as one of the latter five
        except (
            OpenAIError, httpx.HTTPError, OSError,
            TypeError, ValueError, AttributeError, LookupError, RecursionError,
        ) as error:  # fmt: skip
            hurried = left_s < self._timeout_s
            raise self._failure(error, hurried=hurried, begun=bool(reply.text)) from error
        if not reply.text.strip() or not reply.is_whole:
            raise LlmUnavailable(f"{self.generator}: an empty reply, or half of one")
        return Draft(
            text=lift(reply.text),
            generator=f"{self._name}/{who.served_as}" if who else self.generator,
            adapter=who.served_as if who else None,
            usage=reply.usage,
            is_cut=reply.is_cut,
            told=tuple(messages),
        )

    def told(self, messages: Messages, documents: Sequence[str]) -> Messages:
        """Return messages as this model gets them."""
        return self._hide(messages, documents)[0]

    async def close(self) -> None:
        """Close the connections."""
        if self._made:
            with suppress(LlmUnavailable):
                await (await self.connect()).root_async_client.close()

    async def _connected(self, brief: Brief) -> "ChatOpenAI":
        try:
            async with asyncio.timeout(min(self._timeout_s, time_left(brief))):
                return await self.connect()
        except TimeoutError as error:
            raise LlmTooSlow(f"{self.generator}: its client was not made in time") from error

    def _refusal(self, error: "APIStatusError") -> LlmUnavailable:
        sight = of_reply(error.status_code, error.response.content)
        told = f"{self.generator} {sight} ({error.status_code})"
        if sight in _TO_MEND:
            told += f": see {_TO_MEND[sight].format(self._prefix)}"
        if sight in {Sight.TOO_LONG, Sight.REFUSED}:
            return LlmPromptRefused(told)
        if sight in _TO_MEND:
            return LlmRefused(told)
        if sight is Sight.NOBODY:
            return LlmAsleep(told)
        return LlmStumbled(told, _seconds(error.response.headers.get("retry-after", "")))

    def _failure(self, error: Exception, *, hurried: bool, begun: bool) -> LlmUnavailable:
        sight = of_failure(error)
        told = f"{self.generator} {sight} ({type(error).__name__})"
        if sight is Sight.NOBODY:
            return LlmAsleep(told)
        if sight is Sight.ELSEWHERE:
            return LlmRefused(f"{told}: see {self._prefix}_BASE_URL")
        if sight is Sight.BROKEN and not begun:
            return LlmStumbled(told)
        return LlmTooSlow(told) if sight is Sight.SILENT and hurried else LlmUnavailable(told)


class _Reply:
    """What a model writes: in one piece or, where somebody hears it, as it comes."""

    def __init__(self, hear: Callable[[str], None] | None) -> None:
        self._hear = hear
        self.text = ""
        self.usage = Usage()
        self.is_whole = False  # whether nothing was lost on the way
        self.is_cut = False

    async def read(self, chat: "Runnable[LanguageModelInput, AIMessage]", asked: list[Any]) -> None:
        """Ask, and take down the answer."""
        if self._hear is None:
            reply = await chat.ainvoke(asked)
            self._take(reply.text)
            self.usage, self.is_whole = _usage(reply), True
            self.is_cut = _is_cut(reply)
            return
        self._hear("")
        async for piece in chat.astream(asked):
            if piece.text:
                self._hear(self._take(piece.text))
            if piece.usage_metadata:
                self.usage = _usage(piece)
            self.is_whole = self.is_whole or "finish_reason" in piece.response_metadata
            self.is_cut = self.is_cut or _is_cut(piece)

    def _take(self, said: str) -> str:
        text = _sound(said)
        self.text += text
        if len(self.text) > _MOST_CHARS:
            raise ValueError("more words than anybody may ask for")
        return text


def time_left(brief: Brief) -> float:
    """Return the seconds that a model has for a brief."""
    return float("inf") if brief.deadline is None else brief.deadline - time.monotonic()


def _seconds(told: str) -> float:
    """Read a Retry-After; one that is a date, or makes no sense, asks for nothing.

    >>> _seconds("30"), _seconds("Wed, 21 Oct 2026 07:28:00 GMT"), _seconds("-1")
    (30.0, 0.0, 0.0)
    """
    return min(float(told), _MOST_WAIT_S) if told.isdecimal() else 0.0


def _sound(text: str) -> str:
    r"""Put a question mark where half a character stands, which no answer could carry.

    >>> _sound("caf\ud83d")
    'caf?'
    """
    return text.encode("utf-8", "replace").decode()


def _usage(reply: "AIMessage") -> Usage:
    counted = reply.usage_metadata
    if not counted:
        return Usage()
    return Usage(
        prompt_tokens=_count(counted["input_tokens"]),
        completion_tokens=_count(counted["output_tokens"]),
    )


def _is_cut(reply: "AIMessage") -> bool:
    return bool(reply.response_metadata.get("finish_reason") == "length")


def _count(told: object) -> int:
    """Read a count of tokens, which is the server's word; one that can be none is zero."""
    return told if isinstance(told, int) and 0 <= told <= _MOST_TOKENS else 0
