"""Callers in great number: such as come whatever becomes of the others, and such as come again."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

import aiohttp
from tests.integration.facts import BLEEDING, ROOT_CANAL, SUNDAY
from tests.integration.servers import Agent

PATIENCE = aiohttp.ClientTimeout(total=90)


@dataclass(frozen=True, slots=True)
class Reply:
    """What one caller got.

    Attributes:
        status: of HTTP; 0 where the connection broke.
        outcome: of the answer, where there is one.
    """

    status: int
    seconds: float
    is_urgent: bool
    outcome: str
    retry_after: str


def session() -> aiohttp.ClientSession:
    """Return a session with as many connections as are wanted."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=PATIENCE)


async def ask(
    http: aiohttp.ClientSession, agent: Agent, question: str, within_s: float | None = None
) -> Reply:
    """Ask over v1."""
    headers = {"x-request-timeout": f"{within_s:g}"} if within_s else {}
    start, status, outcome, retry_after = time.perf_counter(), 0, "", ""
    try:
        body = {"instances": [question]}
        async with http.post(agent.v1, json=body, headers=headers) as reply:
            content = await reply.read()
            retry_after = reply.headers.get("retry-after", "")
            if reply.status == 200:
                outcome = json.loads(content)["predictions"][0]["outcome"]
            status = reply.status
    except (aiohttp.ClientError, TimeoutError):
        pass
    seconds = time.perf_counter() - start
    return Reply(status, seconds, question == BLEEDING, outcome, retry_after)


async def storm(
    agent: Agent, *, rate: float, seconds: float, within_s: float, urgent_rate: float = 5.0
) -> list[Reply]:
    """Send so many questions a second, answered or not, and emergencies among them."""
    async with session() as http:

        async def come(question: str, each_s: float, time_s: float | None) -> list[Reply]:
            begin, coming = time.monotonic(), []
            for number in range(int(seconds / each_s)):
                await asyncio.sleep(begin + number * each_s - time.monotonic())
                coming.append(asyncio.create_task(ask(http, agent, question, time_s)))
            return await asyncio.gather(*coming)

        crowds = await asyncio.gather(
            come(ROOT_CANAL, 2 / rate, within_s),
            come(SUNDAY, 2 / rate, within_s),
            come(BLEEDING, 1 / urgent_rate, None),
        )
    return [reply for crowd in crowds for reply in crowd]


async def capacity(agent: Agent, *, seconds: float, callers: int = 16) -> float:
    """Return how many questions a second are answered, each caller asking one at a time."""
    end = time.monotonic() + seconds
    async with session() as http:
        replies = await asyncio.gather(
            *(ask_until(http, agent, lambda: time.monotonic() > end) for _ in range(callers))
        )
    return sum(len(each) for each in replies) / seconds


async def ask_until(
    http: aiohttp.ClientSession, agent: Agent, is_over: Callable[[], bool]
) -> list[Reply]:
    """Be one caller, who asks and asks again."""
    told: list[Reply] = []
    for number in count():
        if is_over():
            break
        told.append(await ask(http, agent, (ROOT_CANAL, SUNDAY)[number % 2]))
    return told
