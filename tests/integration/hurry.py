"""Emergencies that come while many other callers wait for a model that never answers."""

import asyncio
import time
from dataclasses import dataclass

import httpx
from tests.fakes import ScriptedLlm
from tests.integration.doors import Answer
from tests.integration.facts import BLEEDING, SUNDAY
from tests.integration.servers import Agent

_PATIENCE_S = 90.0
_SETTLED_S = 3.0


@dataclass(frozen=True, slots=True)
class Hurried:
    """What came of the emergencies, as their caller saw it.

    Attributes:
        served_ms: what the server says that it took; `seen_ms` is the round trip.
        waiting: the others that were still in flight when the last emergency was answered.
    """

    answers: list[Answer]
    served_ms: list[float]
    seen_ms: list[float]
    waiting: int


async def hurry(agent: Agent, llm: ScriptedLlm, *, others: int, emergencies: int) -> Hurried:
    """Ask for help again and again while `others` are in flight."""
    room = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(limits=room, timeout=_PATIENCE_S) as client:
        crowd = [asyncio.create_task(_ask(client, agent, SUNDAY)) for _ in range(others)]
        try:
            await _arrival(llm, others)
            await _ask(client, agent, BLEEDING)  # a connection of its own
            asked = [await _ask(client, agent, BLEEDING) for _ in range(emergencies)]
            waiting = sum(not each.done() for each in crowd)
        finally:
            for each in crowd:
                each.cancel()
            await asyncio.gather(*crowd, return_exceptions=True)
    answers = [answer for answer, _ in asked]
    served = [answer["latency_seconds"] * 1000 for answer in answers]
    return Hurried(answers, served, [seconds * 1000 for _, seconds in asked], waiting)


async def _arrival(llm: ScriptedLlm, others: int) -> None:
    """Wait until all have come as far as they do: to the model, or to wait for a connection."""
    came, since = -1, time.monotonic()
    while came < others and time.monotonic() - since < _SETTLED_S:
        if len(llm.asked) > came:
            came, since = len(llm.asked), time.monotonic()
        await asyncio.sleep(0.05)


async def _ask(client: httpx.AsyncClient, agent: Agent, question: str) -> tuple[Answer, float]:
    start = time.perf_counter()
    reply = await client.post(agent.v1, json={"instances": [question]})
    seconds = time.perf_counter() - start
    reply.raise_for_status()
    (answer,) = reply.json()["predictions"]
    return answer, seconds
