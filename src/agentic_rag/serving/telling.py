"""Telling: one answer as one reply, or as a stream of pieces, in whatever form a door has."""

import logging
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Protocol

import orjson
from fastapi import Request
from kserve.metrics import POST_HIST_TIME, PRE_HIST_TIME, PREDICT_HIST_TIME, get_labels
from starlette.responses import Response, StreamingResponse

from agentic_rag.agent.ask import ask
from agentic_rag.agent.deps import Deps
from agentic_rag.domain import Answer
from agentic_rag.errors import BadQuestion, NotAllowed, Overloaded
from agentic_rag.serving.errors import Failed, Refused
from agentic_rag.serving.prose import TakenBack, spoken, stopped
from agentic_rag.serving.stream import HEADERS, HEARTBEAT, resumed
from agentic_rag.serving.talk import Asked
from agentic_rag.serving.wire import headed
from agentic_rag.serving.writing import retry_after

logger = logging.getLogger(__name__)

_BROKEN = "the answer broke off, and what was sent of it is void: ask again"
_DONE = b"data: [DONE]\n\n"

Values = dict[str, Any]


class Form(Protocol):
    """How a door writes."""

    def whole(self, answer: Answer) -> Values:
        """Return the reply to who waits for all of it."""
        ...

    def opening(self) -> Iterable[Values]:
        """Return the events that a stream begins with."""
        ...

    def piece(self, text: str) -> Values:
        """Return the event that adds some text."""
        ...

    def ending(self, answer: Answer) -> Iterable[Values]:
        """Return the events that a stream ends with."""
        ...

    def failure(self, message: str) -> Values:
        """Return the event that a stream ends with which fails."""
        ...


class Teller:
    """Answers what is asked at a door, and counts its time with KServe's own."""

    def __init__(self, deps: Deps, model: str) -> None:
        """Answer with an agent, under a model's name."""
        self._deps = deps
        self._labels = get_labels(model)

    async def reply(
        self, request: Request, read: Callable[[bytes], tuple[Asked, Form]]
    ) -> Response:
        """Answer a request."""
        payload = await request.body()
        try:
            with PRE_HIST_TIME.labels(**self._labels).time():
                asked, form = read(payload)
                [question] = headed([asked.question], request.headers)
            asked = replace(asked, question=question)
            return await (self._streamed if asked.stream else self._whole)(asked, form)
        except (BadQuestion, NotAllowed, Overloaded, Refused):
            raise
        except Exception:
            logger.exception("prediction failed")
            raise Failed from None

    async def _whole(self, asked: Asked, form: Form) -> Response:
        with PREDICT_HIST_TIME.labels(**self._labels).time():
            answer = await ask(asked.question, deps=self._deps)
        with POST_HIST_TIME.labels(**self._labels).time():
            written = orjson.dumps(form.whole(stopped(answer, asked.stops)))
        headers = retry_after([answer])
        return Response(written, media_type="application/json", headers=headers)

    async def _streamed(self, asked: Asked, form: Form) -> Response:
        events = self._events(asked, form)
        first = await anext(events)  # who is refused gets a status that says so
        return StreamingResponse(
            resumed(first, events), media_type="text/event-stream", headers=HEADERS
        )

    async def _events(self, asked: Asked, form: Form) -> AsyncGenerator[bytes, None]:
        begun = False
        try:
            with PREDICT_HIST_TIME.labels(**self._labels).time():
                parts = spoken(asked.question, self._deps, asked.stops)
                async with aclosing(_written(parts, form)) as events:
                    async for event in events:
                        begun = True
                        yield event
        except Overloaded as error:
            if not begun:
                raise
            yield _sent(form.failure(str(error)))
        except TakenBack:
            logger.warning("a stream broke off: what was sent is void")
            yield _sent(form.failure(_BROKEN))
        except Exception:
            logger.exception("a stream failed")
            yield _sent(form.failure(Failed.details))


async def _written(
    parts: AsyncGenerator[str | Answer | None, None], form: Form
) -> AsyncGenerator[bytes, None]:
    begun = False
    async with aclosing(parts):
        async for part in parts:
            if not begun:
                begun = True
                for event in form.opening():
                    yield _sent(event)
            if part is None:
                yield HEARTBEAT
            elif isinstance(part, Answer):
                for event in form.ending(part):
                    yield _sent(event)
            elif part:
                yield _sent(form.piece(part))
    yield _DONE


def _sent(values: Values) -> bytes:
    return b"data: %s\n\n" % orjson.dumps(values)
