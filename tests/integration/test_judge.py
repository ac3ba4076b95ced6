"""The judge is judged: a broken agent fails the gate, in the figure that names its fault."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.integration.judged.agents import AGENTS, Broken

from agentic_rag.bootstrap.house import House
from agentic_rag.evaluation.examine import Plan, Report, Tried, prepare, try_cases
from agentic_rag.evaluation.proof import Shelf
from agentic_rag.evaluation.subject import Subject
from agentic_rag.evaluation.suite import Room
from agentic_rag.retrieval.ingesting.engine import Silent

SUITES = Path(__file__).with_name("judged")


@pytest.fixture(scope="module")
def plan(house: House) -> Plan:
    """A case or two of each kind, and the shipped thresholds.

    What is wanted of an interval's end is left out, because few cases have a wide one; so is time.
    """
    read = prepare(house.settings, ["all"], suites=SUITES)
    wanted = [t for t in read.thresholds if t.bound == "value" and "_ms" not in t.metric]
    return replace(read, thresholds=wanted)


@pytest.fixture(scope="module")
def honest(house: House) -> Subject:
    """The agent as it is; what it was asked before it answers from memory."""
    subject = Subject.of(house.deps)
    remembered = {
        name: remembering(getattr(subject, name)) for name in ("answer", "ends", "search")
    }
    return replace(subject, **remembered)


def remembering(door: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    told: dict[tuple[object, ...], object] = {}

    async def ask(*asked: object) -> object:
        if asked not in told:
            told[asked] = await door(*asked)
        return told[asked]

    return ask


@pytest.fixture(scope="module")
def shelf(house: House) -> Shelf:
    return Shelf.of(house.clinic.documents)


@pytest.fixture
def examined(plan: Plan, shelf: Shelf) -> Callable[..., object]:
    async def run(subject: Subject) -> Report:
        tried = Tried()
        await try_cases(plan.suites, Room(subject=subject, shelf=shelf), tried, Silent())
        return tried.report(plan)

    return run


async def test_the_agent_as_it_is_passes(honest, examined):
    report = await examined(honest)

    assert [(each.threshold.metric, each.found) for each in report.missed] == []
    assert [v.threshold.metric for v in report.verdicts if v.found is None] == []


@pytest.mark.parametrize("broken", AGENTS, ids=lambda each: each.does)
async def test_an_agent_that(broken: Broken, honest, house, shelf, examined):
    report = await examined(broken.make(honest, house.deps, shelf))

    assert not report.passed
    assert set(broken.missed) <= {each.threshold.metric for each in report.missed}
