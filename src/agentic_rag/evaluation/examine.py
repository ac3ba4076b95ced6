"""Runs suites: opens each clinic pack that their cases name, tries the cases, counts."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentic_rag.bootstrap.house import build_house
from agentic_rag.bootstrap.indexing import ingest_folder
from agentic_rag.clinic.profile import SHIPPED_PACK
from agentic_rag.errors import BadSuite
from agentic_rag.evaluation.cases import SHIPPED_SUITES, Case, SuiteName, read_suite
from agentic_rag.evaluation.gate import (
    SHIPPED_THRESHOLDS,
    Threshold,
    Verdict,
    judge,
    read_thresholds,
)
from agentic_rag.evaluation.golden import GOLDEN
from agentic_rag.evaluation.measures import Measure
from agentic_rag.evaluation.proof import Shelf
from agentic_rag.evaluation.retrieval import RETRIEVAL
from agentic_rag.evaluation.subject import Subject
from agentic_rag.evaluation.suite import AnySuite, Fault, Room
from agentic_rag.evaluation.support import SUPPORT
from agentic_rag.evaluation.triage import TRIAGE
from agentic_rag.retrieval.ingesting.engine import Progress
from agentic_rag.retrieval.ingesting.freshness import Drift
from agentic_rag.settings import Settings

SUITES: Mapping[SuiteName, AnySuite] = {
    each.name: each for each in (TRIAGE, SUPPORT, GOLDEN, RETRIEVAL)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be examined.

    Attributes:
        settings: of the agent; a case that names no pack is asked of theirs.
        suites: cases by the name of their suite.
        clinic: a pack's folder that is to be asked in place of the settings' own.
        folder: where `packs/` lies, with the packs that the cases name.
        thresholds: what is wanted.
    """

    settings: Settings
    clinic: Path | None
    suites: Mapping[SuiteName, Sequence[Case]]
    folder: Path
    thresholds: Sequence[Threshold]


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What came of a suite."""

    suite: SuiteName
    cases: int
    seconds: float
    measures: tuple[Measure, ...]
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What came of all suites, beside what is wanted."""

    findings: tuple[Findings, ...]
    verdicts: tuple[Verdict, ...]

    @property
    def missed(self) -> tuple[Verdict, ...]:
        """Return what is wanted and not reached."""
        return tuple(each for each in self.verdicts if each.is_missed)

    @property
    def passed(self) -> bool:
        """Tell whether all that is wanted is reached."""
        return not self.missed


def prepare(
    settings: Settings,
    names: Sequence[str],
    *,
    suites: Path | None = None,
    pack: str | None = None,
    wanted: Path | None = None,
) -> Plan:
    """Read suites and thresholds; "all" names every suite that there is.

    Args:
        settings: of the agent.
        names: of suites.
        suites: their folder; by default the pack's own, where one is named that has some.
        pack: a pack's name, to try only the cases that name it; or its folder, to try all.
        wanted: file of thresholds.

    Raises:
        BadSuite: names the file, the line, the field and what was expected.
    """
    clinic = Path(pack) if pack and (Path(pack) / "clinic.yaml").is_file() else None
    if clinic:
        own, pack = clinic / "suites", None
        suites = suites or (own if own.is_dir() else None)
    folder = suites or SHIPPED_SUITES
    known = read_thresholds(wanted or SHIPPED_THRESHOLDS, _somebody_knows)
    cases = {
        name: [
            case
            for case in read_suite(folder / f"{name}.jsonl", SUITES[name].case)
            if pack in (None, case.pack)
        ]
        for name in _chosen(names, folder)
    }
    if not any(cases.values()):
        raise BadSuite(f"{folder}: no case of {', '.join(names)} names the pack {pack}")
    return Plan(
        settings=settings,
        clinic=clinic,
        suites={name: found for name, found in cases.items() if found},
        folder=folder,
        thresholds=[each for each in known if each.metric.partition(".")[0] in cases],
    )


def _chosen(names: Sequence[str], folder: Path) -> list[SuiteName]:
    """Return the suites that are named, or every one that the folder holds."""
    unknown = [name for name in names if name not in (*SUITES, "all")]
    if unknown:
        raise BadSuite(f"--suite {unknown[0]}: expected one of {', '.join(SUITES)} or all")
    if "all" not in names:
        return [name for name in SUITES if name in names]
    found = [name for name in SUITES if (folder / f"{name}.jsonl").is_file()]
    if not found:
        raise BadSuite(f"{folder}: holds no suite; expected {', '.join(SUITES)}, each a .jsonl")
    return found


def _somebody_knows(metric: str) -> bool:
    return any(suite.knows(metric) for suite in SUITES.values())


Hear = Callable[[SuiteName, object], None]


def _nobody(name: SuiteName, seen: object) -> None:
    """Hear nothing."""


async def examine(plan: Plan, progress: Progress, hear: Hear = _nobody) -> Report:
    """Try every case, and tell `hear` what came of each.

    Raises:
        BadSuite: a case names a pack that is nowhere.
        BadPack, RetrievalUnavailable: as when the server starts.
    """
    packs = {case.pack for cases in plan.suites.values() for case in cases}
    homes = {pack: _settings_for(pack, plan) for pack in packs}
    tried = Tried(hear)
    for pack, home in sorted(homes.items(), key=lambda item: item[0] or ""):
        mine = _of_pack(plan, pack)
        needs_index = any(SUITES[name].needs_index for name in mine)
        async with _opened(home, plan, needs_index=needs_index) as (room, drift):
            if drift:
                progress.note(
                    f"{home.data_dir}: the index does not hold its pack as it is: {drift}"
                )
            await try_cases(mine, room, tried, progress)
    return tried.report(plan)


class Tried:
    """Gathers what came of each suite's cases, pack by pack."""

    def __init__(self, hear: Hear = _nobody) -> None:
        self._hear = hear
        self._seen: dict[SuiteName, list[Any]] = {}
        self._seconds: dict[SuiteName, float] = {}

    def add(self, name: SuiteName, seen: object, seconds: float) -> None:
        """Keep what came of a case."""
        self._hear(name, seen)
        self._seen.setdefault(name, []).append(seen)
        self._seconds[name] = self._seconds.get(name, 0.0) + seconds

    def report(self, plan: Plan) -> Report:
        """Count."""
        findings = tuple(self._findings(name) for name in SUITES if name in self._seen)
        measures = [measure for each in findings for measure in each.measures]
        return Report(findings, judge(measures, plan.thresholds))

    def _findings(self, name: SuiteName) -> Findings:
        suite, seen = SUITES[name], self._seen[name]
        return Findings(
            suite=name,
            cases=len(seen),
            seconds=self._seconds[name],
            measures=tuple(suite.measure(seen)),
            faults=tuple(fault for each in seen if (fault := suite.fault(each))),
        )


async def try_cases(
    suites: Mapping[SuiteName, Sequence[Case]], room: Room, tried: Tried, progress: Progress
) -> None:
    """Try the cases of some suites on one agent, one after another: times are to be comparable."""
    for name, cases in suites.items():
        advance = progress.start(name, len(cases))
        for case in cases:
            start = time.perf_counter()
            seen = await SUITES[name].attempt(case, room)
            tried.add(name, seen, time.perf_counter() - start)
            advance(1)
            await asyncio.sleep(0)  # rules alone never wait, and the bar wants to be drawn


def _of_pack(plan: Plan, pack: str | None) -> dict[SuiteName, list[Case]]:
    suites = {
        name: [case for case in cases if case.pack == pack] for name, cases in plan.suites.items()
    }
    return {name: cases for name, cases in suites.items() if cases}


def _settings_for(pack: str | None, plan: Plan) -> Settings:
    """Return the settings for a pack; any but the settings' own has an index of its own."""
    settings, found = plan.settings, _find(pack, plan)
    if found is None or found.resolve() == (settings.clinic_pack or SHIPPED_PACK).resolve():
        return settings
    home = {
        "clinic_pack": found,
        "data_dir": settings.data_dir / "evaluation" / found.resolve().name,
        "embedding_dir": settings.embedding_dir or settings.data_dir / "embedder",
        "chroma_host": "",
    }
    return settings.model_copy(update=home)


def _find(pack: str | None, plan: Plan) -> Path | None:
    """Return the folder of a pack; None for the one that is set."""
    if pack is None or (plan.clinic and plan.clinic.resolve().name == pack):
        return plan.clinic
    places = (plan.folder / "packs", SHIPPED_SUITES / "packs", SHIPPED_PACK.parent)
    for place in places:
        if (place / pack).is_dir():
            return place / pack
    raise BadSuite(f"{plan.folder / 'packs' / pack}: there is no such pack, and cases name it")


@asynccontextmanager
async def _opened(
    home: Settings, plan: Plan, *, needs_index: bool
) -> AsyncIterator[tuple[Room, Drift | None]]:
    if needs_index and home is not plan.settings:
        await asyncio.to_thread(ingest_folder, home, None, None)
    house = build_house(home)
    try:
        if needs_index:
            await house.library.open()
        room = Room(subject=Subject.of(house.deps), shelf=Shelf.of(house.clinic.documents))
        yield room, house.drift() if needs_index else None
    finally:
        await house.close()
