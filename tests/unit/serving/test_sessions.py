"""The door to forget, with callers whose keys let them do different things."""

import httpx
import pytest
from fastapi import FastAPI
from tests.unit.agent.parts import Notebook

from agentic_rag.callers import Caller, Scope, caller
from agentic_rag.conversations.checkpoints import thread_of
from agentic_rag.conversations.conversations import Conversations
from agentic_rag.domain import Turn
from agentic_rag.glass.watch import Watch
from agentic_rag.serving import errors, sessions

SAID = (Turn(role="user", text="one"),)


class Lodge:
    """As much of a house as the door needs."""

    def __init__(self, **notebook: object) -> None:
        self.notebook = Notebook({thread_of("reception", "visit"): SAID}, **notebook)
        self.conversations = Conversations(self.notebook, 60)
        self.watch = Watch(keeper=None)


async def delete(lodge: Lodge, path: str, who: Caller, **headers: str) -> httpx.Response:
    app = FastAPI()
    app.include_router(sessions.router(lodge))
    errors.install(app)
    token = caller.set(who)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://door") as client:
        reply = await client.delete(path, headers=headers)
    caller.reset(token)
    return reply


ASKS = frozenset({Scope.ASK})
RECEPTION, STRANGER = Caller("reception", ASKS), Caller("stranger", ASKS)
OPERATOR = Caller("operator", frozenset(Scope))


@pytest.mark.parametrize(
    ("path", "who", "status", "is_left"),
    [
        ("/sessions/visit", RECEPTION, 204, False),
        ("/sessions/visit", STRANGER, 204, True),
        ("/sessions/other", STRANGER, 204, True),
        ("/sessions/visit?of=reception", STRANGER, 403, True),
        ("/sessions/visit?of=reception", OPERATOR, 204, False),
        ("/sessions/visit", OPERATOR, 204, True),
    ],
)
async def test_only_who_may_deletes_and_nobody_is_told_what_was_there(path, who, status, is_left):
    lodge = Lodge()

    reply = await delete(lodge, path, who)

    assert reply.status_code == status
    assert bool(lodge.notebook.kept) == is_left
    assert reply.content == b"" or status == 403


async def test_a_time_that_is_none_is_refused_by_name():
    reply = await delete(Lodge(), "/sessions/visit", RECEPTION, **{"x-request-timeout": "soon"})

    assert (reply.status_code, reply.json()["field"]) == (400, "X-Request-Timeout")


async def test_a_session_that_is_spoken_in_is_deleted_in_its_turn_or_not_at_all():
    lodge = Lodge()
    token = caller.set(RECEPTION)
    async with lodge.conversations.turn("visit"):
        reply = await delete(lodge, "/sessions/visit", RECEPTION, **{"x-request-timeout": "0.1"})
    caller.reset(token)

    assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
    assert lodge.notebook.kept
