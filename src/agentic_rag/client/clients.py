"""Two clients that are one: what is said and understood is shared, only the waiting differs."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from functools import cached_property
from typing import Any, Literal, Self, TypedDict, Unpack

import httpx

from agentic_rag.client.errors import Failed, Unreachable
from agentic_rag.client.reading import EventReader, Hit, read_answer, read_error, read_hits
from agentic_rag.domain import SESSION_HEADER, Answer, Event, Turn

_CONNECT_S, _SPARE_S = 5.0, 2.0
_SILENCE_S = 35.0  # in a stream: the server gives a sign every ten seconds
_MOST_S = 3600.0
_STREAM, _SEARCH, _FEEDBACK = "/chat/stream", "/search", "/feedback"
_HALF = "the stream ended before the answer"

Rating = Literal["up", "down"]


class Wishes(TypedDict, total=False):
    """What may be asked for beside a question; `history` takes the place of what is remembered."""

    k: int
    max_tokens: int
    temperature: float
    history: Sequence[Turn]
    debug: bool
    when_cold: Literal["extractive", "wait", "fallback"]
    timeout_seconds: float


class _Speaker:
    """What both clients say, and understand.

    Attributes:
        session_id: of the conversation; the server names it, and None begins another.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str = "",
        timeout_s: float = 60.0,
        session_id: str | None = None,
        model: str = "rag-agent",
    ) -> None:
        """Connect to nobody yet.

        Args:
            url: of the server, like `http://localhost:8080`.
            key: sent as a bearer token.
            timeout_s: that an answer may take; a stream stays as long as the model takes to wake.
            session_id: of a conversation to go on with.
            model: as the server calls its agent.
        """
        if not (key.isascii() and key.isprintable()):
            raise ValueError("key: expected printable ASCII")
        self.session_id = session_id
        self._timeout_s = timeout_s
        self._predict = f"/v1/models/{model}:predict"
        self._options: dict[str, Any] = {
            "base_url": url,
            "headers": {"authorization": f"Bearer {key}"} if key else {},
        }

    def _question(self, text: str, wishes: Wishes) -> dict[str, Any]:
        turns = [{"role": turn.role, "content": turn.text} for turn in wishes.get("history", ())]
        return {**wishes, "history": turns, "question": text}

    def _sent(self, body: object) -> dict[str, Any]:
        """Return what goes with a request that is answered in one piece."""
        within_s = min(self._timeout_s, _MOST_S)
        return {
            "json": body,
            "headers": self._named() | {"x-request-timeout": f"{within_s:.3f}"},
            "timeout": httpx.Timeout(within_s + _SPARE_S, connect=_CONNECT_S),
        }

    def _streamed(self, text: str, wishes: Wishes) -> dict[str, Any]:
        return {
            "json": self._question(text, wishes),
            "headers": self._named(),
            "timeout": httpx.Timeout(_SILENCE_S, connect=_CONNECT_S),
        }

    def _named(self) -> dict[str, str]:
        return {SESSION_HEADER: self.session_id} if self.session_id else {}

    def _understood(self, reply: httpx.Response) -> bytes:
        if not reply.is_success:
            raise read_error(reply.status_code, reply.content, reply.headers.get("retry-after", ""))
        return reply.content

    def _kept(self, reply: httpx.Response) -> None:
        """Stay in the conversation that the server has named."""
        self.session_id = self.session_id or reply.headers.get(SESSION_HEADER)


class Client(_Speaker):
    """Asks a server, and waits for it.

    Usable as a context manager, which closes its connections.
    """

    @cached_property
    def _http(self) -> httpx.Client:
        return httpx.Client(**self._options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def ask(self, question: str, **wishes: Unpack[Wishes]) -> Answer:
        """Return the answer to a question, and stay in the conversation.

        Raises:
            ClientError: there is none; its kind says what to do about it.
        """
        reply = self._post(self._predict, {"instances": [self._question(question, wishes)]})
        answer = read_answer(self._understood(reply))
        self._kept(reply)
        return answer

    @contextmanager
    def stream(self, question: str, **wishes: Unpack[Wishes]) -> Iterator[Iterator[Event]]:
        """Lend what is told while a question is answered; the last is the Answer.

        Whoever leaves the context before hangs up, which stops the work for it.

        Raises:
            ClientError: there is no answer; its kind says what to do about it.
        """
        with ExitStack() as stack:
            with _named_failures():
                asked = self._http.stream("POST", _STREAM, **self._streamed(question, wishes))
                reply = stack.enter_context(asked)
                if not reply.is_success:
                    reply.read()
                    self._understood(reply)
            self._kept(reply)
            yield self._told(reply)

    def search(self, query: str, *, k: int = 4) -> list[Hit]:
        """Return the passages that a search finds, best first.

        Raises:
            ClientError: it finds out nothing; its kind says what to do about it.
        """
        return read_hits(self._understood(self._post(_SEARCH, {"query": query, "k": k})))

    def feedback(self, request_id: str, rating: Rating, comment: str = "") -> None:
        """Say whether an answer was of use.

        Raises:
            ClientError: it was not heard; its kind says what to do about it.
        """
        self._understood(self._post(_FEEDBACK, _rated(request_id, rating, comment)))

    def _post(self, path: str, body: object) -> httpx.Response:
        with _named_failures():
            return self._http.post(path, **self._sent(body))

    def _told(self, reply: httpx.Response) -> Iterator[Event]:
        events = EventReader()
        with _named_failures():
            for piece in reply.iter_bytes():
                for event in events.feed(piece):
                    yield event
                    if isinstance(event, Answer):
                        return
        raise Failed(_HALF)


class AsyncClient(_Speaker):
    """Asks a server while others are asked; cancelling a call hangs up, which stops the work.

    Usable as a context manager, which closes its connections.
    """

    @cached_property
    def _http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(**self._options)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def ask(self, question: str, **wishes: Unpack[Wishes]) -> Answer:
        """Return the answer to a question, and stay in the conversation.

        Raises:
            ClientError: there is none; its kind says what to do about it.
        """
        reply = await self._post(self._predict, {"instances": [self._question(question, wishes)]})
        answer = read_answer(self._understood(reply))
        self._kept(reply)
        return answer

    @asynccontextmanager
    async def stream(
        self, question: str, **wishes: Unpack[Wishes]
    ) -> AsyncIterator[AsyncIterator[Event]]:
        """Lend what is told while a question is answered; the last is the Answer.

        Whoever leaves the context before hangs up, which stops the work for it.

        Raises:
            ClientError: there is no answer; its kind says what to do about it.
        """
        async with AsyncExitStack() as stack:
            with _named_failures():
                asked = self._http.stream("POST", _STREAM, **self._streamed(question, wishes))
                reply = await stack.enter_async_context(asked)
                if not reply.is_success:
                    await reply.aread()
                    self._understood(reply)
            self._kept(reply)
            yield self._told(reply)

    async def search(self, query: str, *, k: int = 4) -> list[Hit]:
        """Return the passages that a search finds, best first.

        Raises:
            ClientError: it finds out nothing; its kind says what to do about it.
        """
        return read_hits(self._understood(await self._post(_SEARCH, {"query": query, "k": k})))

    async def feedback(self, request_id: str, rating: Rating, comment: str = "") -> None:
        """Say whether an answer was of use.

        Raises:
            ClientError: it was not heard; its kind says what to do about it.
        """
        self._understood(await self._post(_FEEDBACK, _rated(request_id, rating, comment)))

    async def _post(self, path: str, body: object) -> httpx.Response:
        with _named_failures():
            return await self._http.post(path, **self._sent(body))

    async def _told(self, reply: httpx.Response) -> AsyncIterator[Event]:
        events = EventReader()
        with _named_failures():
            async for piece in reply.aiter_bytes():
                for event in events.feed(piece):
                    yield event
                    if isinstance(event, Answer):
                        return
        raise Failed(_HALF)


def _rated(request_id: str, rating: Rating, comment: str) -> dict[str, str]:
    return {"request_id": request_id, "rating": rating, "comment": comment}


@contextmanager
def _named_failures() -> Iterator[None]:
    """Give what httpx raises our names; its own words can hold an address, and stay with it."""
    try:
        yield
    except (httpx.RequestError, httpx.InvalidURL) as error:
        raise Unreachable(f"no answer: {type(error).__name__}") from error
