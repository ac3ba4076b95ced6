"""Callers in great number: such as come whatever becomes of the others, and such as come again."""

import asyncio
import gc
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

    The crowd and the emergencies are a process each: what a crowd takes a loop is no wait for them.
    """
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as elsewhere:
        crowd = partial(_come, agent.v1, (ROOT_CANAL, SUNDAY), rate, seconds, within_s)
        urgent = partial(_come, agent.v1, (BLEEDING,), urgent_rate, seconds)
        told = await asyncio.gather(
            loop.run_in_executor(elsewhere, crowd), loop.run_in_executor(elsewhere, urgent)
        )
    return [reply for each in told for reply in each]


def _come(
    url: str, questions: tuple[str, ...], rate: float, seconds: float, within_s: float | None = None
) -> list[Reply]:
    # a collection of the crowd's garbage lets none of them ask for a fifth of a second, and then
    # all at once: no crowd comes so
    gc.disable()

    async def come() -> list[Reply]:
        begin = time.monotonic()
        async with session() as http, asyncio.TaskGroup() as all_of_them:
            coming = []
            for number in range(int(rate * seconds)):
                await asyncio.sleep(begin + number / rate - time.monotonic())
                question = questions[number % len(questions)]
                coming.append(all_of_them.create_task(ask(http, url, question, within_s)))
        return [each.result() for each in coming]

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
