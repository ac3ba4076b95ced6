"""The door that streams: Server-Sent Events, from the first step to the last answer."""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

import orjson
from fastapi import APIRouter, Request
from starlette.responses import StreamingResponse

from agentic_rag.agent.live import ask_live, paced
from agentic_rag.bootstrap.house import House
from agentic_rag.domain import Question
from agentic_rag.errors import Overloaded
from agentic_rag.serving.openapi import describe
from agentic_rag.serving.shapes import StreamRequest
from agentic_rag.serving.wire import headed, read_patient
from agentic_rag.serving.writing import write_event

logger = logging.getLogger(__name__)

HEARTBEAT_S = 10.0
"""How often something is sent, so that no proxy takes a wait for the end."""

HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}
HEARTBEAT = b": still here\n\n"


def router(house: House, *, heartbeat_s: float = HEARTBEAT_S) -> APIRouter:
    """Return the route of one house; a silence of `heartbeat_s` seconds is broken."""
    routes = APIRouter()

    @routes.post("/chat/stream", **describe(None, takes=StreamRequest))
    async def stream(request: Request) -> StreamingResponse:
        question = read_patient(await request.body(), settings=house.settings)
        [question] = headed([question], request.headers)
        events = told(question, house, heartbeat_s)
        first = await anext(events)  # who is refused gets a status that says so
        return StreamingResponse(
            resumed(first, events), media_type="text/event-stream", headers=HEADERS
        )

    return routes


async def told(question: Question, house: House, heartbeat_s: float) -> AsyncGenerator[bytes, None]:
    """Yield the events of a question as they are sent; whoever closes it stops them.

    Raises:
        Overloaded: too many ask at once; only before anything is yielded.
    """
    begun = False
    try:
        async with aclosing(paced(ask_live(question, deps=house.deps), heartbeat_s)) as events:
            async for event in events:
                begun = True
                yield HEARTBEAT if event is None else _sent(*write_event(event))
    except Overloaded as error:
        if not begun:
            raise
        yield _sent("error", {"error": str(error)})
    except Exception:
        logger.exception("a stream failed")
        yield _sent("error", {"error": "prediction failed"})


async def resumed(first: bytes, events: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Yield the first event, which was waited for, and then the others."""
    async with aclosing(events):
        yield first
        async for event in events:
            yield event


def _sent(name: str, values: object) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), orjson.dumps(values))
