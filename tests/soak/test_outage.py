"""A database that was away for long is used again soon after it is back."""

import asyncio
import time

import pytest
from tests.postgres import Postgres
from tests.unit.conversations.conftest import back, say

from agentic_rag.conversations.conversations import Conversations
from agentic_rag.conversations.postgres import PostgresStore

pytestmark = pytest.mark.soak

_AWAY_S = 40
_SOON_S = 6  # the rest that a lost store is given, thrice


@pytest.mark.timeout(120)
async def test_a_database_that_was_away_for_long_is_used_again_soon():
    database = Postgres().start()
    talks = Conversations(PostgresStore(database.url, 60.0), 60.0)
    try:
        await say(talks, "visit", "one")
        database.stop()
        end = time.monotonic() + _AWAY_S
        while time.monotonic() < end:
            async with talks.turn("visit") as talk:
                assert not talk.is_whole
            await asyncio.sleep(0.2)

        database.start()
        since = time.monotonic()
        await back(talks, "visit")

        assert time.monotonic() - since < _SOON_S
    finally:
        await talks.close()
        database.remove()
