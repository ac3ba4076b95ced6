"""Callers in great number: such as come whatever becomes of the others, and such as come again."""

import asyncio
import json
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import count
from multiprocessing import get_context

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
    http: aiohttp.ClientSession, url: str, question: str, within_s: float | None = None
) -> Reply:
    """Ask over v1."""
    headers = {"x-request-timeout": f"{within_s:g}"} if within_s else {}
    start, status, outcome, retry_after = time.perf_counter(), 0, "", ""
    try:
        body = {"instances": [question]}
        async with http.post(url, json=body, headers=headers) as reply:
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
    """Send so many questions a second, answered or not, and emergencies among them.

    Those come from a process of their own: what a crowd takes a loop, and its garbage, is no wait.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as elsewhere:
        loop = asyncio.get_running_loop()
        urgent = partial(_come_alone, agent.v1, BLEEDING, 1 / urgent_rate, seconds)
        pace = {"each_s": 2 / rate, "seconds": seconds, "within_s": within_s}
        async with session() as http:
            crowds = await asyncio.gather(
                _come(http, agent.v1, ROOT_CANAL, **pace),
                _come(http, agent.v1, SUNDAY, **pace),
                loop.run_in_executor(elsewhere, urgent),
            )
    return [reply for crowd in crowds for reply in crowd]


async def _come(
    http: aiohttp.ClientSession,
    url: str,
    question: str,
    *,
    each_s: float,
    seconds: float,
    within_s: float | None = None,
) -> list[Reply]:
    begin, coming = time.monotonic(), []
    for number in range(int(seconds / each_s)):
        await asyncio.sleep(begin + number * each_s - time.monotonic())
        coming.append(asyncio.create_task(ask(http, url, question, within_s)))
    return await asyncio.gather(*coming)


def _come_alone(url: str, question: str, each_s: float, seconds: float) -> list[Reply]:
    async def come() -> list[Reply]:
        async with session() as http:
            return await _come(http, url, question, each_s=each_s, seconds=seconds)

    return asyncio.run(come())


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
        told.append(await ask(http, agent.v1, (ROOT_CANAL, SUNDAY)[number % 2]))
    return told
