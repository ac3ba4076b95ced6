"""Patients in conversation with two servers on one database; one is killed now and then."""

import asyncio
import itertools
import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from tests.integration.servers import Agent, start_agent

from agentic_rag.conversations.checkpoints import thread_of
from agentic_rag.conversations.postgres import PostgresStore

TREATMENTS = ("Root Canal Therapy", "Scaling", "Dental Implant", "Teeth Whitening", "Extraction")
FOLLOW_UPS = (
    "And how long does it take?",
    "How many visits does it need?",
    "What aftercare is needed?",
    "And what does it cost?",
    "How long does that take?",
    "How many visits is that?",
    "What should I do after it?",
    "Is there something to avoid after it?",
    "And what is its price?",
)
_PATIENCE_S = 120.0


def conversation(treatment: str, turns: int) -> list[str]:
    """Return what a patient asks, each text once."""
    return [f"What does {treatment} cost?", *FOLLOW_UPS][:turns]


@dataclass
class Patient:
    """One conversation, and what came of it.

    Attributes:
        told: the answers' texts, each of which was acknowledged; None where its answer said that
            the session could not be used.
        repeated: turns that were asked again, for their server was gone.
    """

    session: str
    treatment: str
    told: list[str | None] = field(default_factory=list)
    repeated: int = 0

    async def talk(self, agents: Sequence[Agent], turns: int, pause_s: float) -> None:
        """Ask one question after the other, each of any server, until it is answered."""
        luck = random.Random(self.session)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
            for text in conversation(self.treatment, turns):
                async with asyncio.timeout(_PATIENCE_S):
                    await self._ask(http, luck, agents, text)
                await asyncio.sleep(luck.random() * 2 * pause_s)

    async def _ask(
        self,
        http: aiohttp.ClientSession,
        luck: random.Random,
        agents: Sequence[Agent],
        text: str,
    ) -> None:
        body = {"instances": [{"question": text, "session_id": self.session}]}
        while True:
            try:
                async with http.post(luck.choice(agents).v1, json=body) as reply:
                    if reply.status == 200:
                        (answer,) = (await reply.json())["predictions"]
                        is_kept = answer["degraded"] != "session_unavailable"
                        self.told.append(answer["answer"] if is_kept else None)
                        return
            except (aiohttp.ClientError, TimeoutError):
                self.repeated += 1
            await asyncio.sleep(0.1)


class Killer:
    """Kills one server after the other with SIGKILL, and puts another in its place."""

    def __init__(self, agents: list[Agent], every_s: float, folder: Path, **settings: str) -> None:
        self.kills = 0
        self._agents = agents
        self._every_s = every_s
        self._folder = folder
        self._settings = settings
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._kill)

    def __enter__(self) -> "Killer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _kill(self) -> None:
        while not self._stop.wait(self._every_s):
            at = self.kills % len(self._agents)
            self._agents[at].process.kill()
            self._agents[at].process.wait()
            another = start_agent(self._folder / f"{self.kills}", **self._settings)
            self.kills += 1
            self._agents[at] = another.wait_until_ready()  # until then nobody is sent there


async def all_talk(
    patients: Sequence[Patient], agents: Sequence[Agent], turns: int, pause_s: float
) -> None:
    """Let all patients talk at once."""
    async with asyncio.TaskGroup() as together:
        for each in patients:
            together.create_task(each.talk(agents, turns, pause_s))


async def kept(url: str, patients: Sequence[Patient]) -> list[list[tuple[str, str]]]:
    """Return for each patient what was asked and answered, as the database has it."""
    store = PostgresStore(url, ttl_s=3600)
    turns = [await store.read(thread_of("", each.session)) for each in patients]
    await store.close()
    return [
        [(asked.text, answered.text) for asked, answered in zip(each[::2], each[1::2], strict=True)]
        for each in turns
    ]


def lost(patient: Patient, in_store: Sequence[tuple[str, str]]) -> list[str]:
    """Return what was asked and answered and is not kept, in the order of asking."""
    asked = conversation(patient.treatment, len(patient.told))
    left = iter(in_store)
    return [
        text
        for text, answer in zip(asked, patient.told, strict=True)
        if answer is not None and (text, answer) not in left
    ]


async def undisturbed(agents: Sequence[Agent], turns: int) -> dict[str, Patient]:
    """Talk of each treatment while nobody is killed; where a turn is not kept, begin again."""
    alone = {}
    for each in TREATMENTS:
        for attempt in itertools.count():
            alone[each] = Patient(f"alone {each} {attempt}", each)
            await alone[each].talk(agents, turns, pause_s=0.0)
            if None not in alone[each].told:
                break
            assert attempt < 5, "the store is never there"
            await asyncio.sleep(3.0)
    return alone


def strange(patient: Patient, alone: Patient) -> list[str | None]:
    """Return the answers that one who talked alone did not get to the same.

    What comes behind a turn that was said not to be kept may lack what was asked there.
    """
    told = patient.told[: patient.told.index(None)] if None in patient.told else patient.told
    return [answer for answer, other in zip(told, alone.told, strict=False) if answer != other]
