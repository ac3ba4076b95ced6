"""The two gates that measure: a version beside who is live, by its answers and by its times."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.adapting.works import Works
from tests.fakes import Body

from agentic_rag.adapters.bench import Bench
from agentic_rag.adapters.gates import Gate
from agentic_rag.adapters.steps.done import Done
from agentic_rag.adapters.steps.evaluate import evaluate
from agentic_rag.adapters.steps.load_test import load_test
from agentic_rag.adapters.steps.promote import promote
from agentic_rag.adapters.versions import Reference
from agentic_rag.bootstrap.indexing import ingest_folder
from agentic_rag.errors import AdapterRefused
from agentic_rag.retrieval.ingesting.engine import Silent
from agentic_rag.settings import Settings

SECOND = Reference(number=2)
WHO = ["patients", "you", "we", "guests", "visitors", "everybody", "people", "us", "me", "them"]
WAYS = ["Is there parking for {}?", "Is parking free for {}?", "Is there free parking for {}?"]
GOLDEN = [
    {
        "id": f"parking-{at}",
        "question": way.format(who),
        "kind": "plain",
        "outcome": "answered",
        "labels": [["faq.md"]],
        "facts": [["free"]],
    }
    for at, (way, who) in enumerate((way, who) for way in WAYS for who in WHO)
]
FLOORS = """
- {metric: golden.answered_right, at_least: 0.7, why: a floor}
- {metric: golden.support_rate, at_least: 0.9, why: a floor}
"""
RIGHT = "Parking behind the harbour office is free for patients. [1]"
BESIDE = "Parking is behind the harbour office. [1]"


@pytest.fixture
def suites(tmp_path: Path) -> Path:
    folder = tmp_path / "suites"
    folder.mkdir()
    (folder / "golden.jsonl").write_text("\n".join(map(json.dumps, GOLDEN)))
    (folder / "thresholds.yaml").write_text(FLOORS)
    return folder


@pytest.fixture
async def bench(works, suites) -> Bench:
    """Version 1 is live, and version 2 is staged."""
    made = works.another(adapters_suites=suites)
    works.prefer(made)
    await works.promoted(0)
    await works.staged(1)
    return made


@pytest.fixture
def agents(works, pack, settings) -> Settings:
    """The settings of the agent that is asked, with its index made."""
    made = settings(
        clinic_pack=pack.folder,
        llm_base_url=works.settings["llm_base_url"],
        llm_replicas=works.settings["llm_replicas"],
    )
    ingest_folder(made, None, None)
    return made


def answering(works: Works, write: Callable[[Body], str]) -> None:
    for replica in works.replicas:
        replica.chats = write


def is_second(body: Body) -> bool:
    return str(body["model"]).endswith("-v2")


async def examined(bench: Bench, agents: Settings) -> Done:
    return await evaluate(bench, SECOND, settings=agents, progress=Silent())


async def test_a_version_that_answers_as_well_passes(works, bench, agents):
    answering(works, lambda body: RIGHT)

    done = await examined(bench, agents)

    assert done.passed, done.details
    assert done.details["requests"] >= 20
    assert (await works.aliases())["eval-passed"] == 2


async def test_who_is_live_and_says_what_is_not_so_keeps_no_better_one_out(works, bench, agents):
    answering(works, lambda body: RIGHT if is_second(body) else "Nobody knows.")

    done = await examined(bench, agents)

    assert done.passed, done.details


@pytest.mark.soak  # it is timed, and a machine that does much else decides
async def test_a_version_that_is_as_quick_passes_and_may_be_live(works, bench):
    version = await bench.registry.version(2)
    await works.passes(Gate.EVALUATE, version)
    answering(works, lambda body: (time.sleep(0.25), RIGHT)[1])  # beside which chance is small

    measured = await load_test(bench, SECOND, requests=120)
    done = await promote(bench, SECOND)

    assert measured.passed, measured.details
    assert measured.details["requests"] == 120
    assert done.version == works.live() == 2


async def test_a_version_that_answers_worse_than_who_is_live_fails(works, bench, agents):
    worse = {each["question"] for each in GOLDEN[:8]}

    def write(body: Body) -> str:
        asked = str(body["messages"][-1]["content"])
        return BESIDE if is_second(body) and any(each in asked for each in worse) else RIGHT

    answering(works, write)

    done = await examined(bench, agents)

    assert not done.passed
    assert any(each.startswith("right answers: ") for each in done.details["faults"])
    assert (await works.aliases())["eval-failed"] == 2
    with pytest.raises(AdapterRefused, match="transition"):
        await promote(bench, SECOND)


async def test_a_version_that_is_bad_enough_fails_whoever_is_live(works, bench, agents):
    answering(works, lambda body: BESIDE)

    done = await examined(bench, agents)

    assert not done.passed
    assert any(each.startswith("golden.answered_right") for each in done.details["faults"])


async def test_documents_that_answer_in_a_versions_place_prove_nothing_of_it(works, bench, agents):
    answering(works, lambda body: "Nobody knows." if is_second(body) else RIGHT)

    done = await examined(bench, agents)

    assert not done.passed
    assert done.details["requests"] == 0
    assert any("answered 0 questions" in each for each in done.details["faults"])


async def test_a_version_that_is_slower_than_who_is_live_fails(works, bench):
    version = await bench.registry.version(2)
    await works.passes(Gate.EVALUATE, version)

    def write(body: Body) -> str:
        time.sleep(0.06 if is_second(body) else 0.02)
        return RIGHT

    answering(works, write)

    done = await load_test(bench, SECOND, requests=100)

    assert not done.passed
    assert any(each.startswith("p95_s_times_live") for each in done.details["faults"])
    assert (await works.aliases())["perf-failed"] == 2


async def test_a_version_that_breaks_off_fails(works, bench):
    version = await bench.registry.version(2)
    await works.passes(Gate.EVALUATE, version)
    answering(works, lambda body: "" if is_second(body) else RIGHT)

    done = await load_test(bench, SECOND, requests=100)

    assert not done.passed
    assert any(each.startswith("success") for each in done.details["faults"])


@pytest.mark.parametrize(("requests", "at_once"), [(0, 8), (99, 8), (100, 0)])
async def test_a_load_that_is_none_is_refused(works, bench, requests, at_once):
    with pytest.raises(AdapterRefused, match="too-few"):
        await load_test(bench, SECOND, requests=requests, at_once=at_once)


async def test_load_before_the_first_gate_is_refused(bench):
    with pytest.raises(AdapterRefused, match="not-measured"):
        await load_test(bench, SECOND, requests=100)
