"""A hundred switches under 32 callers: no error, no reply of two versions, and flat memory."""

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.integration.conftest import StartAgent, small_pack, start  # noqa: F401  # fixtures
from tests.integration.servers import Agent, Chroma
from tests.integration.switching import Crowd, Seen, make_pack, make_versions
from tests.ports import free_port

from agentic_rag.bootstrap.indexing import build_workshop
from agentic_rag.retrieval.ingesting.rollback import use
from agentic_rag.settings import Settings, read_settings

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3000)]

SWITCHES = 100
CALLERS = 32
SETTLED = 20  # switches after which memory is to be flat


@dataclass(frozen=True, slots=True)
class Soaked:
    """What a crowd saw of a hundred switches, and what they cost."""

    seen: Seen
    rss_mb: dict[int, float]
    files: dict[int, int]
    log: str
    seconds: float

    def figures(self) -> dict[str, Any]:
        return {
            "switches": SWITCHES,
            "callers": CALLERS,
            "seconds": round(self.seconds),
            "requests": self.seen.requests,
            "errors": sum(self.seen.errors.values()),
            "mixed": len(self.seen.mixed),
            "by_version": dict(self.seen.by_version),
            "slowest_s": round(self.seen.slowest_s, 2),
            "rss_mb": self.rss_mb,
            "files": self.files,
        }


@pytest.fixture(scope="module", params=["embedded", "server"])
def soaked(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    small_pack: Path,  # noqa: F811  # the fixture
    start: StartAgent,  # noqa: F811
) -> Iterator[Soaked]:
    """A crowd that asked a server while its index was switched, with Chroma in both its forms."""
    folder = tmp_path_factory.mktemp(f"soak-{request.param}")
    chroma = Chroma(folder / "chroma", free_port())
    variables = {
        "CLINIC_PACK": str(make_pack(small_pack, folder)),
        "DATA_DIR": str(folder / "data"),
        "INDEX_KEEP": "10",
    }
    if request.param == "server":
        chroma.start()
        variables |= chroma.settings
    settings = read_settings(
        _env_file=None, **{name.lower(): value for name, value in variables.items()}
    )
    try:
        names = make_versions(settings, 3)
        agent = start(**variables).wait_until_ready()
        yield asyncio.run(soak(agent, settings, names))
    finally:
        chroma.stop()


async def soak(agent: Agent, settings: Settings, names: list[str]) -> Soaked:
    process = psutil.Process(agent.pid)
    rss, files = {0: process.memory_info().rss / 1e6}, {0: process.num_fds()}
    begun = time.monotonic()
    async with Crowd(agent, CALLERS) as crowd:
        for turn in range(1, SWITCHES + 1):
            name = names[turn % len(names)]
            use(name, build_workshop(settings))
            await crowd.follows(name)
            if turn % SETTLED == 0:
                rss[turn] = round(process.memory_info().rss / 1e6)
                files[turn] = process.num_fds()
    soaked = Soaked(crowd.seen, rss, files, agent.log(), time.monotonic() - begun)
    print(json.dumps(soaked.figures()))  # noqa: T201  # shown by -s
    return soaked


def test_nobody_gets_an_error(soaked: Soaked) -> None:
    assert soaked.seen.requests > SWITCHES * CALLERS / 10
    assert soaked.seen.errors == {}
    assert "Traceback" not in soaked.log


def test_no_reply_is_of_two_versions(soaked: Soaked) -> None:
    assert (soaked.seen.mixed, soaked.seen.empty) == ([], [])
    assert soaked.seen.by_version.keys() == {1, 2, 3}


def test_versions_that_are_left_leave_nothing_behind(soaked: Soaked) -> None:
    assert soaked.rss_mb[SWITCHES] <= 1.1 * soaked.rss_mb[SETTLED]
    assert soaked.files[SWITCHES] <= soaked.files[SETTLED] + 2 * CALLERS
