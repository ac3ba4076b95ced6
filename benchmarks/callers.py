"""The callers: a process of their own that asks a server and prints what came of it, as JSON."""

import argparse
import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import count
from typing import Any

import aiohttp

from questions import ASKED, unique

_PATIENCE = aiohttp.ClientTimeout(total=60)
_STRIDE = 7  # each caller begins elsewhere in the list


@dataclass(slots=True)
class Outcome:
    """What came of one load.

    Attributes:
        latencies: of each request that was answered, in seconds.
        errors: how often each kind of failure was seen.
        outcomes: how often the agent answered, declined or escalated.
        changed: answers to a question that differ from the first answer to it.
    """

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    errors: dict[str, int] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=dict)
    changed: int = 0


class Crowd:
    """Callers who each ask, wait for the answer and ask again."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.outcome = Outcome()
        self._session = session
        self._url = url
        self._heard: dict[str, str] = {}

    async def ask_all(self, questions: Iterator[str], until: float) -> None:
        """Be one caller, until the questions or the time run out."""
        for question in questions:
            if time.monotonic() >= until:
                return
            await self._ask(question)

    async def _ask(self, question: str) -> None:
        start = time.perf_counter()
        try:
            async with self._session.post(self._url, json={"instances": [question]}) as reply:
                body = await reply.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            _count(self.outcome.errors, type(error).__name__)
            return
        self.outcome.latencies.append(time.perf_counter() - start)
        if reply.status != aiohttp.http.HTTPStatus.OK:
            _count(self.outcome.errors, f"HTTP {reply.status}")
            return
        self._read(question, json.loads(body)["predictions"][0])

    def _read(self, question: str, prediction: Any) -> None:  # noqa: ANN401  # JSON
        answer = prediction
        if isinstance(prediction, dict):
            answer = prediction["answer"]
            _count(self.outcome.outcomes, prediction["outcome"])
            if prediction["degraded"]:
                _count(self.outcome.errors, prediction["degraded"])
        self.outcome.changed += self._heard.setdefault(question, answer) != answer


def _count(kinds: dict[str, int], kind: str) -> None:
    kinds[kind] = kinds.get(kind, 0) + 1


async def run(options: argparse.Namespace) -> Outcome:
    """Let the callers ask."""
    url = f"http://127.0.0.1:{options.port}/v1/models/rag-agent:predict"
    connections = aiohttp.TCPConnector(limit=options.callers)
    start = time.monotonic()
    auth = {"Authorization": f"Bearer {options.key}"} if options.key else {}
    async with aiohttp.ClientSession(
        connector=connections, timeout=_PATIENCE, headers=auth
    ) as session:
        crowd = Crowd(session, url)
        questions = _questions(options)
        await asyncio.gather(
            *(crowd.ask_all(questions[at], start + options.seconds) for at in range(len(questions)))
        )
    crowd.outcome.seconds = time.monotonic() - start
    return crowd.outcome


def _questions(options: argparse.Namespace) -> list[Iterator[str]]:
    """Return what each caller asks: `--count` unique questions together, else the list for ever."""
    if options.count:
        shared = (unique(options.first + number) for number in range(options.count))
        return [shared] * options.callers
    return [_in_turn(caller * _STRIDE) for caller in range(options.callers)]


def _in_turn(begin: int) -> Iterator[str]:
    return (ASKED[turn % len(ASKED)] for turn in count(begin))


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--callers", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=3600.0, help="stop asking after this")
    parser.add_argument("--count", type=int, default=0, help="ask so many unique questions")
    parser.add_argument("--first", type=int, default=0, help="number of the first unique question")
    parser.add_argument("--key", default="", help="bearer token to show")
    return parser.parse_args()


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(run(read_options())))))
