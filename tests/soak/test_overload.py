"""Two minutes at four times what the server can do."""

import asyncio
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from tests.integration.conftest import StartAgent, first_ingest, indexed, start  # noqa: F401
from tests.integration.crowd import Reply, capacity, storm

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]

SECONDS = 120.0
WITHIN_S = 2.0
WANTED_S = 0.05
GROWTH = 1.05


@dataclass(frozen=True, slots=True)
class Stormed:
    """What came of it; memory as it was before and after, in bytes."""

    replies: list[Reply]
    rss: tuple[int, int]

    def seconds(self, *, status: int = 200, is_urgent: bool = False) -> list[float]:
        """Return how long those took that got a status, sorted."""
        told = (r for r in self.replies if r.status == status and r.is_urgent == is_urgent)
        return sorted(reply.seconds for reply in told)


@pytest.fixture(scope="module")
def stormed(start: StartAgent, indexed: Path) -> Stormed:  # noqa: F811  # the fixtures
    """A server that was asked four times what it can do."""
    agent = start(DATA_DIR=str(indexed)).wait_until_ready()
    can = asyncio.run(capacity(agent, seconds=10))
    server = psutil.Process(agent.pid)
    before = server.memory_info().rss
    replies = asyncio.run(storm(agent, rate=4 * can, seconds=SECONDS, within_s=WITHIN_S))
    made = Stormed(replies, (before, server.memory_info().rss))
    _show(can, made)
    return made


def _show(can: float, made: Stormed) -> None:
    lines = [f"\ncapacity {can:.0f}/s, {len(made.replies)} questions, rss {made.rss}"]
    for status, is_urgent in ((200, False), (503, False), (429, False), (200, True)):
        seconds = made.seconds(status=status, is_urgent=is_urgent)
        if len(seconds) > 1:
            p99 = statistics.quantiles(seconds, n=100)[98]
            told = f"p50 {statistics.median(seconds) * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms"
            most = f"max {seconds[-1] * 1000:.0f} ms"
            lines.append(f"{status} urgent={is_urgent}: {len(seconds)}, {told}, {most}")
    sys.stdout.write("\n".join(lines) + "\n")


def test_everybody_is_told_something(stormed: Stormed) -> None:
    assert {reply.status for reply in stormed.replies} <= {200, 429, 503}


def test_who_is_taken_on_is_answered_in_time(stormed: Stormed) -> None:
    taken = stormed.seconds()

    assert taken
    assert sum(seconds <= WITHIN_S for seconds in taken) >= 0.99 * len(taken)


def test_who_is_refused_is_told_at_once(stormed: Stormed) -> None:
    refused = sorted(stormed.seconds(status=429) + stormed.seconds(status=503))

    assert refused
    assert statistics.quantiles(refused, n=100)[98] < WANTED_S


def test_every_emergency_is_answered_at_once(stormed: Stormed) -> None:
    urgent = [reply for reply in stormed.replies if reply.is_urgent]

    assert {reply.outcome for reply in urgent} == {"emergency"}
    assert max(stormed.seconds(is_urgent=True)) < WANTED_S


def test_memory_stays_flat(stormed: Stormed) -> None:
    before, after = stormed.rss

    assert after < GROWTH * before
