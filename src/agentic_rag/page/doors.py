"""The way to the server: its public doors, asked over HTTP as anybody may ask them."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from glob import escape
from http import HTTPStatus
from typing import Any

import httpx
import orjson

from agentic_rag.client.errors import Failed
from agentic_rag.client.reading import EventReader
from agentic_rag.domain import Answer, Event, Turn

_SILENCE_S = 40.0  # a stream that lives says something every ten seconds
_CLOSING_S = 5.0
_TIMEOUT = httpx.Timeout(_SILENCE_S, connect=5.0)
_PARTS = 100  # of one section that are looked through for a quote, the most that /search gives

_AWAY = "The assistant cannot be reached at the moment."
_FAILED = "The assistant cannot answer at the moment."


class Unheard(Exception):  # noqa: N818  # named for what happened
    """The server did not do what it was asked; the message is for the patient."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clinic:
    """What the page shows of the clinic; phones by what they are for."""

    name: str = "Ask the clinic"
    phones: Mapping[str, str] = field(default_factory=dict)
    disclaimer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cited:
    """What a citation shows of where its quote stands."""

    doc_id: str
    section: str
    quote: str


class Doors:
    """One server's doors."""

    def __init__(self, server: str, key: str = "") -> None:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.AsyncClient(
            base_url=server, headers=headers, timeout=_TIMEOUT, trust_env=False
        )
        self._forgetting: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Hang up, once the server has forgotten what it was to; it is given a moment for that."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING_S):
                await asyncio.gather(*self._forgetting)
        await self._http.aclose()

    async def clinic(self) -> Clinic:
        """Return whose server it is.

        Raises:
            Unheard: it did not say.
        """
        told = (await self._called("GET", "/health")).get("clinic") or {}
        known = {each.name for each in fields(Clinic)}
        return Clinic(**{name: value for name, value in told.items() if name in known})

    async def ask(
        self, question: str, *, session: str, history: Sequence[Turn]
    ) -> AsyncGenerator[Event, None]:
        """Yield what becomes of a question; the last is the Answer. Who stops listening ends it.

        Raises:
            Unheard: it was refused, or there was no answer.
        """
        said = [{"role": turn.role, "content": turn.text} for turn in history]
        body = {"question": question, "session_id": session, "history": said}
        try:
            async with self._http.stream("POST", "/chat/stream", json=body) as reply:
                if not reply.is_success:
                    await reply.aread()
                    raise _refusal(reply)
                events = EventReader()
                async for piece in reply.aiter_bytes():
                    for event in events.feed(piece):
                        yield event
                        if isinstance(event, Answer):
                            return
        except (httpx.HTTPError, ValueError) as error:  # half a character cannot be sent
            raise Unheard(_AWAY) from error
        except Failed as error:
            raise Unheard(_FAILED) from error
        raise Unheard("The answer broke off.")

    async def passage(self, cited: Cited) -> str | None:
        """Return the text that a quote stands in; None where it stands there no more.

        Raises:
            Unheard: the documents cannot be read now.
        """
        within = {"documents": [escape(cited.doc_id)], "sections": [escape(cited.section)]}
        query = cited.quote.strip()[:1000] or cited.doc_id
        if not cited.section:  # no glob is as empty as that
            del within["sections"]
        found = await self._called("POST", "/search", json={"query": query, "k": _PARTS} | within)
        texts = (str(hit["text"]) for hit in found.get("hits", ()))
        return next((text for text in texts if cited.quote in text), None)

    async def rate(self, request_id: str, rating: str, comment: str) -> None:
        """Tell what somebody thought of an answer.

        Raises:
            Unheard: it was not taken.
        """
        body = {"request_id": request_id, "rating": rating, "comment": comment}
        await self._called("POST", "/feedback", json=body)

    def forget(self, session: str) -> asyncio.Task[None]:
        """Have a conversation forgotten, where the server remembers any; nobody has to wait for it.

        The server may still be busy in that conversation, and who hangs up then deletes nothing.
        """
        forgetting = asyncio.create_task(self._forget(session))
        self._forgetting.add(forgetting)
        forgetting.add_done_callback(self._forgetting.discard)
        return forgetting

    async def _forget(self, session: str) -> None:
        with suppress(Unheard):
            await self._called("DELETE", f"/sessions/{session}")

    async def _called(self, method: str, path: str, **body: object) -> dict[str, Any]:
        try:
            reply = await self._http.request(method, path, **body)  # type: ignore[arg-type]
            if not reply.is_success:
                raise _refusal(reply)
            told = orjson.loads(reply.content or b"{}")
        except (httpx.HTTPError, ValueError) as error:
            raise Unheard(_AWAY) from error
        return told if isinstance(told, dict) else {}


def _refusal(reply: httpx.Response) -> Unheard:
    """Say in a patient's words why the server would not."""
    words: dict[int, str] = {
        HTTPStatus.BAD_REQUEST: "The question could not be read. Please make it shorter.",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "That is too long. Please make it shorter.",
        HTTPStatus.NOT_FOUND: "This is not available here yet.",
        HTTPStatus.TOO_MANY_REQUESTS: "Many people are asking just now. Please try in a minute.",
        HTTPStatus.SERVICE_UNAVAILABLE: "Many people are asking just now. Please try in a minute.",
    }
    return Unheard(words.get(reply.status_code, _FAILED))
