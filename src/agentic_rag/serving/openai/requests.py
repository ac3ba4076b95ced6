"""Requests of OpenAI's protocol: which of its fields are honoured. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field

from agentic_rag.errors import BadQuestion
from agentic_rag.serving.fields import Strict
from agentic_rag.serving.talk import Asked, TalkBody, read_asked, read_talk, read_wished
from agentic_rag.serving.wire import kind_of
from agentic_rag.settings import Settings

NEUTRAL: Mapping[str, tuple[object, ...]] = {
    "best_of": (1,),
    "echo": (False,),
    "function_call": ("none",),
    "logprobs": (False,),
    "modalities": (["text"],),
    "n": (1,),
    "parallel_tool_calls": (False, True),
    "response_format": ({"type": "text"},),
    "service_tier": ("auto", "default"),
    "store": (False,),
    "tool_choice": ("none",),
}
"""Fields that are refused, but for a value that asks for nothing; and so is what is not here."""


class StreamOptions(Strict):
    """How a stream ends."""

    include_usage: bool | None = None
    include_obfuscation: Literal[False] | None = None


class OwnWishes(Strict):
    """What only our agent knows; `wire` reads the values."""

    k: Any = None
    session_id: Any = None
    when_cold: Any = None
    timeout_seconds: Any = None


class OpenAIBody(TalkBody):
    """What a chat and a completion have in common; from `user` on it changes nothing."""

    model: Annotated[str, Field(max_length=256)]
    stream_options: StreamOptions | None = None
    agentic_rag: OwnWishes | None = None
    user: Any = None
    metadata: Any = None
    safety_identifier: Any = None
    prompt_cache_key: Any = None
    prompt_cache_options: Any = None
    prompt_cache_retention: Any = None
    chat_id: Any = None

    def wishes(self) -> dict[str, tuple[str, Any]]:
        """Return what `wire` reads."""
        own = {name: (f"agentic_rag.{name}", value) for name, value in self.agentic_rag or ()}
        plain = {name: (name, getattr(self, name)) for name in ("max_tokens", "temperature")}
        return own | plain

    @property
    def include_usage(self) -> bool:
        """Whether a stream ends with what it cost."""
        if self.stream_options and not self.stream:
            raise BadQuestion("stream_options", "is only allowed where stream is true")
        return bool(self.stream_options and self.stream_options.include_usage)


class ChatBody(OpenAIBody):
    """A conversation."""

    messages: Any = None
    max_completion_tokens: Any = None

    def wishes(self) -> dict[str, tuple[str, Any]]:
        """Return what `wire` reads; the limit on tokens has an old and a new name."""
        if self.max_completion_tokens is None:
            return super().wishes()
        if self.max_tokens is not None:
            raise BadQuestion("max_tokens", "expected it, or max_completion_tokens, but not both")
        limit = ("max_completion_tokens", self.max_completion_tokens)
        return super().wishes() | {"max_tokens": limit}


class CompletionBody(OpenAIBody):
    """A question without a conversation."""

    prompt: Any = None


def read_chat(payload: bytes, settings: Settings) -> tuple[str, Asked]:
    """Read a chat: the model that it names, and what it asks.

    Raises:
        BadQuestion: names the field and what was expected.
    """
    body = read_talk(payload, ChatBody, NEUTRAL)
    asked = read_asked(body, body.messages, body.wishes(), settings)
    return body.model, replace(asked, include_usage=body.include_usage)


def read_completion(payload: bytes, settings: Settings) -> tuple[str, Asked]:
    """Read a completion, whose prompt is the question.

    Raises:
        BadQuestion: names the field and what was expected.
    """
    body = read_talk(payload, CompletionBody, NEUTRAL)
    wishes = body.wishes() | {"question": ("prompt", _prompt(body.prompt))}
    asked = Asked(
        question=read_wished(body, wishes, settings),
        stops=body.stop,
        stream=bool(body.stream),
        include_usage=body.include_usage,
    )
    return body.model, asked


def _prompt(prompt: object) -> str:
    alone = prompt[0] if isinstance(prompt, list) and len(prompt) == 1 else prompt
    if not isinstance(alone, str):
        raise BadQuestion("prompt", f"expected a string, or a list of one; found {kind_of(alone)}")
    return alone
