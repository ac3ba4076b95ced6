"""Loading two models alike, turn by turn, and what their times say. The judging is pure."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from agentic_rag.adapters.replica import Replica, Streamed
from agentic_rag.adapters.suites import LIMITS
from agentic_rag.errors import AgenticRagError

ROUNDS = 6
_MOST_TOKENS = 64


@dataclass
class Side:
    """What one model did under load.

    Attributes:
        seconds: that its turns took, together.
        failed: requests without a whole answer.
    """

    model: str
    streamed: list[Streamed] = field(default_factory=list)
    seconds: float = 0.0
    failed: int = 0

    @property
    def requests(self) -> int:
        """Count all that were made."""
        return len(self.streamed) + self.failed

    def figures(self) -> dict[str, float]:
        """Return times, rate and success; of no answer at all, as bad as can be."""
        if not self.streamed:
            return {"p95_s": np.inf, "ttft_p95_s": np.inf, "requests_per_s": 0.0, "success": 0.0}
        whole = [each.seconds for each in self.streamed]
        first = [each.first_s for each in self.streamed]
        return {
            "p95_s": float(np.percentile(whole, 95)),
            "ttft_p95_s": float(np.percentile(first, 95)),
            "requests_per_s": len(self.streamed) / self.seconds,
            "success": len(self.streamed) / self.requests,
        }


async def drive(
    replicas: Sequence[Replica],
    sides: tuple[Side, Side],
    questions: Sequence[str],
    *,
    requests: int,
    at_once: int,
) -> None:
    """Ask two models the same questions, so many of each, in turns.

    Turns are short, and who begins changes, so that a machine which warms up or is shared with
    others favours nobody.
    """
    for turn in range(ROUNDS):
        share = [questions[at % len(questions)] for at in range(turn, requests, ROUNDS)]
        for side in sides if turn % 2 == 0 else sides[::-1]:
            await _one_turn(replicas, side, share, at_once)


async def _one_turn(
    replicas: Sequence[Replica], side: Side, questions: Sequence[str], at_once: int
) -> None:
    places = asyncio.Semaphore(at_once)

    async def ask(at: int, question: str) -> None:
        messages = [{"role": "user", "content": question}]
        async with places:
            try:
                replica = replicas[at % len(replicas)]
                side.streamed.append(
                    await replica.stream(side.model, messages, max_tokens=_MOST_TOKENS)
                )
            except AgenticRagError:
                side.failed += 1

    start = time.perf_counter()
    await asyncio.gather(*(ask(at, question) for at, question in enumerate(questions)))
    side.seconds += time.perf_counter() - start


def missed(ours: Mapping[str, float], theirs: Mapping[str, float]) -> list[str]:
    """Say which limits a model does not keep to, by itself and beside who is live.

    >>> good = {"p95_s": 1.0, "ttft_p95_s": 0.2, "requests_per_s": 9.0, "success": 1.0}
    >>> missed(good, good), missed(good | {"p95_s": 1.2}, good)
    ([], ['p95_s_times_live: 1.2, wanted at most 1.15'])
    """
    faults = []
    for name, limit in LIMITS.items():
        metric = name.removesuffix("_times_live")
        found = ours[metric]
        if metric != name:
            found = found / theirs[metric] if theirs[metric] else np.inf
        at_least = metric in {"requests_per_s", "success"}
        if not (found >= limit if at_least else found <= limit):
            wanted = "at least" if at_least else "at most"
            faults.append(f"{name}: {found:.4g}, wanted {wanted} {limit:g}")
    return faults
