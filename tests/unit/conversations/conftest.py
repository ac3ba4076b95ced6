"""Stores to keep conversations in, and what is said in them."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.postgres import Postgres

from agentic_rag.conversations.conversations import Conversations
from agentic_rag.conversations.postgres import PostgresStore
from agentic_rag.conversations.sqlite import SqliteStore
from agentic_rag.conversations.store import Store
from agentic_rag.domain import Turn

Open = Callable[..., Conversations]


def said(text: str) -> tuple[Turn, Turn]:
    return Turn(role="user", text=text), Turn(role="assistant", text=f"About {text}")


def soon(seconds: float) -> float:
    return time.monotonic() + seconds


async def told(talks: Conversations, session_id: str) -> list[str]:
    """Return what is remembered of a user's words."""
    async with talks.turn(session_id) as talk:
        assert talk.is_whole
        return [turn.text for turn in talk.history if turn.role == "user"]


async def back(talks: Conversations, session_id: str) -> None:
    """Wait until what is kept can be told again."""
    async with asyncio.timeout(30):
        while True:
            async with talks.turn(session_id) as talk:
                if talk.is_whole:
                    return
            await asyncio.sleep(0.1)


async def say(talks: Conversations, session_id: str, text: str) -> None:
    async with talks.turn(session_id) as talk:
        assert await talk.remember(*said(text))


@pytest.fixture(params=["sqlite", "postgres"])
def make_store(request: Any, tmp_path: Path) -> Callable[[float], Store]:
    """Make one store after another over the same place, as servers that share it do."""
    if request.param == "sqlite":
        return lambda ttl_s: SqliteStore(tmp_path / "sessions" / "sessions.sqlite", ttl_s)
    server: Postgres = request.getfixturevalue("postgres")
    server.ask("DROP SCHEMA public CASCADE")
    server.ask("CREATE SCHEMA public")
    return lambda ttl_s: PostgresStore(server.url, ttl_s)


@pytest.fixture
async def open_talks(make_store: Callable[[float], Store]) -> AsyncIterator[Open]:
    """Open conversations over the same place; all are closed at the end."""
    opened: list[Conversations] = []

    def open_another(ttl_s: float = 60.0) -> Conversations:
        opened.append(Conversations(make_store(ttl_s), ttl_s))
        return opened[-1]

    yield open_another
    for each in opened:
        await each.close()


@pytest.fixture
async def talks(open_talks: Open) -> Conversations:
    """Conversations with nothing said, begun as a server begins them."""
    begun = open_talks()
    await begun.store.sweep()
    return begun
