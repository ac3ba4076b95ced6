"""A replica of vLLM: what it serves, what it says, and its adapters; an error for each status."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import orjson

from agentic_rag.errors import (
    AlreadyLoaded,
    EngineFailed,
    LoadingOff,
    NameTaken,
    NoSuchAdapter,
    ReplicaRefused,
    ReplicaUnavailable,
)

T = TypeVar("T")

TIMEOUT_S = 60.0
_POLL_S = 0.2
_OK, _BAD, _MISSING, _FAILED = 200, 400, 404, 500
_MOST_CHARS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A model that a replica lists.

    Attributes:
        root: where its files are, or the name that it was loaded by.
        base: the model that it is an adapter of; None for that model itself.
    """

    name: str
    root: str
    base: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a model wrote, and how long it took."""

    text: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Streamed:
    """How long a streamed answer took, and its first word."""

    first_s: float
    seconds: float


class Replica:
    """One vLLM server, at its own address."""

    def __init__(self, url: str, client: httpx.AsyncClient) -> None:
        """Ask nobody yet.

        Args:
            url: without the `/v1`.
            client: sends the key, where one is wanted; whoever made it closes it.
        """
        self.url = url.rstrip("/")
        self._client = client

    def __str__(self) -> str:
        return self.url.partition("://")[2]

    async def health(self) -> None:
        """Return when it is well.

        Raises:
            ReplicaUnavailable: it is not, or does not answer.
        """
        await self._ask("GET", "/health")

    async def models(self) -> list[Served]:
        """Return the base model and all adapters."""
        reply = await self._ask("GET", "/v1/models")
        return self._read(
            reply,
            lambda told: [
                Served(
                    name=str(each["id"]),
                    root=str(each.get("root") or ""),
                    base=each.get("parent"),
                )
                for each in told["data"]
            ],
        )

    async def base(self) -> Served:
        """Return the model that adapters belong to."""
        for each in await self.models():
            if each.base is None:
                return each
        raise ReplicaUnavailable(f"{self}: lists no model")

    async def complete(self, model: str, prompt: str, *, max_tokens: int) -> Said:
        """Have a text continued, the same way every time.

        Raises:
            NoSuchAdapter: no such model is served.
        """
        asked = {"model": model, "prompt": prompt, "max_tokens": max_tokens}
        return await self._said(
            "/v1/completions", asked, lambda told: str(told["choices"][0]["text"])
        )

    async def chat(
        self, model: str, messages: Sequence[Mapping[str, str]], *, max_tokens: int
    ) -> Said:
        """Have a chat continued, the same way every time.

        Raises:
            NoSuchAdapter: no such model is served.
        """
        asked = {"model": model, "messages": list(messages), "max_tokens": max_tokens}
        return await self._said(
            "/v1/chat/completions",
            asked,
            lambda told: str(told["choices"][0]["message"]["content"]),
        )

    async def stream(
        self, model: str, messages: Sequence[Mapping[str, str]], *, max_tokens: int
    ) -> Streamed:
        """Have a chat continued, and look at the clock.

        Raises:
            NoSuchAdapter: no such model is served.
            ReplicaUnavailable: it breaks off, or says nothing.
        """
        path = "/v1/chat/completions"
        asked = {"model": model, "messages": list(messages), "max_tokens": max_tokens}
        asked |= {"stream": True, "temperature": 0, "seed": 0}
        start, first_s, is_whole = time.perf_counter(), None, False
        try:
            async with self._client.stream("POST", self.url + path, json=asked) as reply:
                if reply.status_code != _OK:
                    await reply.aread()
                    raise self._fault(path, reply)
                async for line in reply.aiter_lines():
                    if first_s is None and _has_words(line):
                        first_s = time.perf_counter() - start
                    is_whole = is_whole or line == "data: [DONE]"
        except (httpx.HTTPError, OSError) as error:
            raise ReplicaUnavailable(f"{self}: {type(error).__name__}") from error
        if first_s is None or not is_whole:
            raise ReplicaUnavailable(f"{self}: it says nothing, or breaks off")
        return Streamed(first_s=first_s, seconds=time.perf_counter() - start)

    async def load(self, name: str, path: Path, *, in_place: bool = False) -> None:
        """Load an adapter.

        Args:
            name: that it is served by.
            path: of its files, as the replica sees them.
            in_place: take the place of one of that name. vLLM keeps what it has cached of the
                old one's prefixes where the path is the same.

        Raises:
            AlreadyLoaded, NameTaken, NoSuchAdapter, LoadingOff, EngineFailed: as they are named.
        """
        asked: dict[str, object] = {"lora_name": name, "lora_path": str(path)}
        if in_place:
            asked["load_inplace"] = True
        await self._ask("POST", "/v1/load_lora_adapter", asked)

    async def unload(self, name: str) -> None:
        """Unload an adapter.

        Raises:
            NoSuchAdapter: it is not loaded.
            LoadingOff: as it is named.
        """
        await self._ask("POST", "/v1/unload_lora_adapter", {"lora_name": name})

    async def wait_until(self, name: str, *, limit_s: float) -> None:
        """Return when it is well and serves a model of that name.

        Raises:
            ReplicaUnavailable: not within the limit.
        """
        end = time.monotonic() + limit_s
        told = "it does not serve it"
        while time.monotonic() < end:
            try:
                await self.health()
                if any(each.name == name for each in await self.models()):
                    return
            except ReplicaUnavailable as error:
                told = str(error)
            await asyncio.sleep(_POLL_S)
        raise ReplicaUnavailable(f"{self}: no {name} within {limit_s:g} s: {told}")

    async def _said(self, path: str, asked: dict[str, Any], text: Callable[[Any], str]) -> Said:
        start = time.perf_counter()
        reply = await self._ask("POST", path, asked | {"temperature": 0, "seed": 0})
        seconds = time.perf_counter() - start
        return Said(text=self._read(reply, text), seconds=seconds)

    def _read(self, reply: httpx.Response, read: Callable[[Any], T]) -> T:
        try:
            return read(orjson.loads(reply.content))
        except (ValueError, LookupError, TypeError, AttributeError):
            raise ReplicaUnavailable(f"{self}: answers, but not as vLLM does") from None

    async def _ask(
        self, method: str, path: str, asked: Mapping[str, Any] | None = None
    ) -> httpx.Response:
        try:
            reply = await self._client.request(method, self.url + path, json=asked)
        except (httpx.HTTPError, OSError) as error:
            raise ReplicaUnavailable(f"{self}: {type(error).__name__}") from error
        if reply.status_code == _OK:
            return reply
        raise self._fault(path, reply)

    def _fault(self, path: str, reply: httpx.Response) -> ReplicaRefused | ReplicaUnavailable:
        """Name what a status means; words tell 400s apart, for vLLM has one type for them all."""
        message, status = _message(reply), reply.status_code
        told = f"{self}: {path} ({status}): {message}"
        if status == _MISSING:
            if message == "Not Found":  # the framework's own words: there is no such route
                return LoadingOff(
                    f"{told}: start it with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True"
                )
            return NoSuchAdapter(told)
        if status == _BAD and "already been loaded" in message:
            return AlreadyLoaded(told)
        if status == _BAD and "base model" in message:
            return NameTaken(told)
        if status == _FAILED:
            return EngineFailed(told)
        return ReplicaUnavailable(told) if status > _FAILED else ReplicaRefused(told)


def _has_words(line: str) -> bool:
    """Tell whether a line of a stream carries a word.

    >>> _has_words('data: {"choices": [{"delta": {"content": "Hi"}}]}'), _has_words("data: [DONE]")
    (True, False)
    """
    try:
        [choice] = orjson.loads(line.removeprefix("data: "))["choices"]
        return bool(choice["delta"].get("content"))
    except (ValueError, LookupError, TypeError, AttributeError):
        return False


def _message(reply: httpx.Response) -> str:
    """Return what a replica says went wrong."""
    try:
        told = orjson.loads(reply.content)
        told = told.get("error", told)
        message = told.get("message") or told.get("detail")
    except (ValueError, AttributeError):
        message = None
    return " ".join(str(message or "it says nothing").split())[:_MOST_CHARS]
