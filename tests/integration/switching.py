"""A crowd that asks a server while its index goes from version to version, and what it saw."""

import asyncio
import re
import shutil
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from tests.integration.servers import Agent

from agentic_rag.bootstrap.indexing import build_workshop, ingest_folder
from agentic_rag.retrieval.ingesting.rollback import use
from agentic_rag.settings import Settings

THINGS = ("scaling", "whitening", "a crown", "a filling", "a bridge", "an implant")
QUESTIONS = (
    "What does scaling cost and what does whitening cost?",
    "What does a crown cost and what does a bridge cost?",
)
FOLLOW_LIMIT_S = 120


def price(version: int, thing: int) -> int:
    """Return what a thing costs in a version: 1003, say, tells version 1 and thing 3."""
    return 1000 * version + thing


def write_documents(pack: Path, version: int) -> None:
    """Write the pack's documents so that every sentence tells which version it is of."""
    for at, thing in enumerate(THINGS):
        costs = f"INR {price(version, at)}"
        (pack / "documents" / f"{thing.split()[-1]}.md").write_text(
            f"# {thing.title()}\n\n## Price\n\nThe price of {thing} is {costs}.\n\n"
            f"## Cost\n\nWhat does {thing} cost? It costs {costs}.\n",
            "utf-8",
        )


def make_versions(settings: Settings, count: int) -> list[str]:
    """Ingest the pack `count` times, each time with other prices; the first is live in the end."""
    assert settings.clinic_pack
    names = []
    for version in range(1, count + 1):
        write_documents(settings.clinic_pack, version)
        names.append(ingest_folder(settings, None, None).version)
    use(names[0], build_workshop(settings))
    return names


def make_pack(small_pack: Path, folder: Path) -> Path:
    """Copy a small clinic, whose only other document is what an emergency is answered with."""
    pack = folder / "priced-pack"
    (pack / "documents" / "policies").mkdir(parents=True)
    shutil.copy(small_pack / "clinic.yaml", pack)
    shutil.copy(small_pack / "documents/policies/emergency.md", pack / "documents/policies")
    return pack


def versions_in(text: str) -> set[int]:
    """Return the versions whose prices are told."""
    return {int(number) // 1000 for number in re.findall(r"INR (\d{4})\b", text)}


@dataclass
class Seen:
    """What the crowd saw.

    Attributes:
        mixed: replies that tell prices of more than one version.
        empty: replies that tell none.
        by_version: replies of each version.
        slowest_s: the longest that anybody waited.
    """

    requests: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    mixed: list[Any] = field(default_factory=list)
    empty: list[Any] = field(default_factory=list)
    by_version: Counter[int] = field(default_factory=Counter)
    slowest_s: float = 0.0

    def note(self, told: set[int], reply: Any) -> None:
        self.requests += 1
        if len(told) > 1:
            self.mixed.append(reply)
        elif told:
            self.by_version.update(told)
        else:
            self.empty.append(reply)


@dataclass
class Crowd:
    """Callers that ask without a pause until they are told to stop."""

    agent: Agent
    callers: int
    seen: Seen = field(default_factory=Seen)

    async def __aenter__(self) -> "Crowd":
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        self._client = httpx.AsyncClient(timeout=60, limits=limits)
        self._over = asyncio.Event()
        self._tasks = [asyncio.create_task(self._call(at)) for at in range(self.callers)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over.set()
        await asyncio.gather(*self._tasks)
        await self._client.aclose()

    async def health(self) -> dict[str, Any]:
        return dict((await self._client.get(f"{self.agent.base}/health")).json())

    async def follows(self, name: str) -> None:
        """Wait until the server answers from the version of that name."""
        end = time.monotonic() + FOLLOW_LIMIT_S
        while time.monotonic() < end:
            if (await self.health())["index_version"] == name:
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"does not follow to {name}: {await self.health()}")

    async def _call(self, at: int) -> None:
        asks: Sequence[Callable[[], Awaitable[None]]] = (self._search, self._predict)
        while not self._over.is_set():
            start = time.monotonic()
            try:
                await asks[at % 2]()
            except (httpx.HTTPError, ValueError, LookupError) as error:
                self.seen.errors[f"{type(error).__name__}: {str(error)[:200]}"] += 1
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._over.wait(), 0.1)
            self.seen.slowest_s = max(self.seen.slowest_s, time.monotonic() - start)
            at += 1

    async def _search(self) -> None:
        body = {"query": "what does it cost", "k": 100}
        reply = await self._client.post(f"{self.agent.base}/search", json=body)
        reply.raise_for_status()
        hits = reply.json()["hits"]
        self.seen.note(versions_in(" ".join(hit["text"] for hit in hits)), hits)

    async def _predict(self) -> None:
        reply = await self._client.post(self.agent.v1, json={"instances": list(QUESTIONS)})
        reply.raise_for_status()
        answers = reply.json()["predictions"]
        for answer in answers:
            if answer["outcome"] != "answered" or answer["degraded"]:
                raise ValueError(f"{answer['outcome']}, {answer['degraded']}")
        self.seen.note(versions_in(" ".join(answer["answer"] for answer in answers)), answers)
