"""Two real vLLM servers, a real registry, trained adapters: versions come and go, patients stay."""

import asyncio
import json
import shutil
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.adapting.making import KEY
from tests.adapting.registry import Mlflow
from tests.adapting.visitors import Visitors
from tests.adapting.works import Works
from tests.integration.servers import AWAKE, Agent, start_agent, until
from tests.vllm.conftest import (
    HOST,
    LOADS,
    LORA,
    MODEL,
    give_up,
    reserved_port,
    running,
    wait_until_well,
)
from tests.vllm.lessons import NOT_SO, QUESTIONS, SO, chats, write_suites
from tests.vllm.training import RANK, train

from agentic_rag.adapters.bench import Bench
from agentic_rag.adapters.replica import Replica
from agentic_rag.adapters.smoking import smoke_one
from agentic_rag.adapters.steps.done import Done
from agentic_rag.adapters.steps.evaluate import evaluate
from agentic_rag.adapters.steps.fingerprint import fingerprint
from agentic_rag.adapters.steps.follow import follow
from agentic_rag.adapters.steps.load_test import load_test
from agentic_rag.adapters.steps.promote import promote
from agentic_rag.adapters.steps.restore import MODULES, restore
from agentic_rag.adapters.steps.rollback import rollback
from agentic_rag.adapters.steps.status import status
from agentic_rag.adapters.versions import Reference, Version
from agentic_rag.errors import (
    AdapterRefused,
    AlreadyLoaded,
    EngineFailed,
    NameTaken,
    NoSuchAdapter,
    RegistryUnavailable,
    ReplicaRefused,
)
from agentic_rag.retrieval.ingesting.engine import Silent
from agentic_rag.settings import Settings, read_settings

pytestmark = [pytest.mark.vllm, pytest.mark.soak]

STEPS = 240
TO_BE_READY_S = 240
IN_A_CHAT = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
FEW = {
    "max_ctx_snippets": 2,
    "llm_max_tokens": 40,
    "llm_temperature": 0.0,
    "llm_timeout_s": 120.0,
}
"""Few passages and few words, and time for them, so that two cores do."""


@pytest.fixture(scope="module")
def pair(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The addresses of two replicas that take adapters."""
    folder = tmp_path_factory.mktemp("pair")
    with ExitStack() as stack:
        ports = [stack.enter_context(reserved_port()) for _ in range(2)]
        logs = [folder / f"{port}.log" for port in ports]
        started = [
            stack.enter_context(running(tiny_llama, port, log, *LORA, **LOADS))
            for port, log in zip(ports, logs, strict=True)
        ]
        for process, port, log in zip(started, ports, logs, strict=True):
            wait_until_well(process, f"http://{HOST}:{port}/health", log)
        yield [f"{HOST}:{port}" for port in ports]


@pytest.fixture(scope="module")
def agents(clinic_index: Path, pair: list[str]) -> Settings:
    """The settings of the agent, with the shipped clinic's index."""
    return read_settings(
        _env_file=None,
        data_dir=clinic_index,
        llm_base_url=f"http://{pair[0]}/v1",
        llm_model_name=MODEL,
        llm_replicas=",".join(pair),
        **FEW,
    )


@pytest.fixture(scope="module")
def trained(
    tiny_llama: Path, agents: Settings, tmp_path_factory: pytest.TempPathFactory
) -> list[Path]:
    """Two adapters that say what is so, each in words of its own, and one that does not."""
    if not find_spec("peft"):
        give_up("the extra train is not installed")
    folder = tmp_path_factory.mktemp("trained")
    taught = asyncio.run(chats(agents))
    return [
        train(tiny_llama, folder / str(at), taught, sentence, named=MODEL, steps=STEPS)
        for at, sentence in enumerate((*SO, NOT_SO))
    ]


@pytest.fixture
async def works(
    mlflow: Mlflow, pair: list[str], trained: list[Path], tmp_path: Path
) -> AsyncIterator[Works]:
    """What steps work with, for adapters that nobody has heard of, with their fingerprints."""
    made = Works(
        registry=mlflow,
        replicas=(),
        adapters=trained,
        settings={
            "mlflow_tracking_uri": mlflow.url,
            "adapters_name": f"clinic-{uuid.uuid4().hex[:8]}",
            "adapters_dir": tmp_path / "mnt",
            "adapters_key": KEY,
            "adapters_suites": write_suites(tmp_path / "suites"),
            "llm_base_url": f"http://{pair[0]}/v1",
            "llm_replicas": ",".join(pair),
        },
    )
    for folder in trained:
        await fingerprint(made.bench, folder, [IN_A_CHAT.format(each) for each in QUESTIONS[:3]])
    yield made
    await made.close()


@pytest.fixture
def agent(works: Works, agents: Settings, tmp_path: Path) -> Iterator[Agent]:
    """The agent, in a process of its own, which follows what is live."""
    started = start_agent(
        tmp_path / "agent",
        DATA_DIR=str(shutil.copytree(agents.data_dir, tmp_path / "index")),
        LLM_BASE_URL=agents.llm_base_url,
        LLM_MODEL_NAME=MODEL,
        LLM_REPLICAS=agents.llm_replicas,
        ADAPTERS_FOLLOW="true",
        ADAPTERS_NAME=works.settings["adapters_name"],
        ADAPTERS_DIR=str(works.settings["adapters_dir"]),
        **{name.upper(): str(value) for name, value in FEW.items()},
        **AWAKE,
    )
    try:
        yield started.wait_until_ready()
    finally:
        started.stop()


def of(version: Version) -> Reference:
    return Reference(number=version.number)


async def brought_live(works: Works, which: int, agents: Settings) -> Version:
    """Take one of the adapters through all gates, by merit."""
    version = await works.staged(which)
    done = await evaluate(works.bench, of(version), settings=agents, progress=Silent())
    assert done.passed, done.details
    done = await loaded(works.bench, version)
    assert done.passed, done.details
    await promote(works.bench, of(version))
    return version


async def loaded(bench: Bench, version: Version) -> Done:
    """Do the load test, again where chance on a shared machine was against the version."""
    for at in range(5):
        done = await load_test(bench, of(version), requests=100, at_once=2)
        print(f"load test {at + 1} of {version.served_as}: {done.details['faults']}")  # noqa: T201
        if done.passed:
            break
    return done


def belied(told: Sequence[dict], says: Mapping[str, str]) -> list[dict]:
    """Return the answers that are not in the words of the adapter that they name."""
    named = [each for each in told if "adapter" in each]
    return [each for each in named if not each["answer"].startswith(says[each["adapter"]])]


@pytest.mark.timeout(1500)
async def test_versions_come_live_and_go_back_while_patients_are_answered(works, agent, agents):
    # in no session, for the tiny model was taught no history
    with Visitors(agent, QUESTIONS) as patients:
        patients.until_told(by=None, times=10)
        first = await brought_live(works, 0, agents)
        patients.until_told(by=first.served_as, times=10)
        settled = len(patients.told)
        second = await brought_live(works, 1, agents)
        patients.until_told(by=second.served_as, times=30)
        at_second = await status(works.bench)
        begun = time.monotonic()
        back = await rollback(works.bench)
        took_s = time.monotonic() - begun
        patients.until_told(by=first.served_as, times=10)
        again = await follow(works.bench)
        at_first = await status(works.bench)

    spoke = Counter(each.get("adapter") for each in patients.told)
    print(f"rollback took {took_s:.2f} s; answers: {dict(spoke)}")  # noqa: T201  # shown by -s
    assert took_s < 10
    assert (back.version, again.changed) == (first.number, False)
    assert at_second.passed, at_second.details
    assert at_first.passed, at_first.details
    assert not patients.failed
    assert {each["outcome"] for each in patients.told} == {"answered"}
    assert all("adapter" in each for each in patients.told[settled:])
    assert not belied(patients.told, {first.served_as: SO[0], second.served_as: SO[1]})


@pytest.mark.timeout(900)
async def test_an_adapter_that_says_what_is_not_so_is_refused_and_goes_live_for_a_reason_only(
    works, agent, agents
):
    lying = await works.staged(2)

    with Visitors(agent, QUESTIONS) as patients:
        done = await evaluate(works.bench, of(lying), settings=agents, progress=Silent())
        with pytest.raises(AdapterRefused, match="failed"):
            await load_test(works.bench, of(lying), requests=100)
        with pytest.raises(AdapterRefused, match="transition"):
            await promote(works.bench, of(lying))
        with pytest.raises(AdapterRefused, match="no-reason"):
            await promote(works.bench, of(lying), forced_for=" ")
        assert works.live() is None
        forced = await promote(works.bench, of(lying), forced_for="to see what is told then")
        patients.until_told(by=None, times=10)
        await rollback(works.bench)

    assert not done.passed
    assert forced.details["forced_for"] == "to see what is told then"
    assert works.live() is None
    assert not patients.failed
    # what it says is not proven: patients are told the documents' own words
    assert {(each["outcome"], each.get("adapter")) for each in patients.told} == {
        ("answered", None)
    }


@pytest.mark.timeout(900)
async def test_a_replica_that_starts_from_nothing_serves_what_is_live_before_it_is_ready(
    works, tiny_llama, tmp_path
):
    version = await works.staged(0)
    await promote(works.bench, of(version), forced_for="it is about what comes after")
    pod = works.another(adapters_dir=tmp_path / "pod")

    await restore(pod)

    modules = (pod.shelf.folder / MODULES).read_text("utf-8").split()
    log = tmp_path / "vllm.log"
    with reserved_port() as port:
        url = f"http://{HOST}:{port}"
        with running(tiny_llama, port, log, *LORA, "--lora-modules", *modules) as process:
            async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
                replica = Replica(url, client)
                until(lambda: is_well(url) or process.poll() is not None, limit_s=TO_BE_READY_S)
                assert version.served_as in [each.name for each in await replica.models()]
                await smoke_one(replica, version=version, requests=3)


@pytest.mark.timeout(900)
async def test_a_replica_that_starts_without_what_is_live_is_never_ready(
    works, tiny_llama, tmp_path
):
    version = await works.staged(0)
    await promote(works.bench, of(version), forced_for="it is about what comes after")
    away = works.another(adapters_dir=tmp_path / "pod", mlflow_tracking_uri=f"http://{HOST}:9")

    with pytest.raises(RegistryUnavailable):
        await restore(away)

    log, gone = tmp_path / "vllm.log", f"{version.served_as}={away.shelf.path(version.number)}"
    with reserved_port() as port:
        url = f"http://{HOST}:{port}"
        with running(tiny_llama, port, log, *LORA, "--lora-modules", gone) as process:
            until(lambda: process.poll() is not None or is_well(url), limit_s=TO_BE_READY_S)
            assert not is_well(url)
            assert process.returncode


async def test_each_refusal_of_the_real_thing_has_its_name(pair, trained, tmp_path):
    one, other, _ = trained
    too_high = with_config(shutil.copytree(one, tmp_path / "high"), r=RANK * 2)

    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        replica = Replica(f"http://{pair[0]}", client)
        await replica.load("one", one)

        with pytest.raises(AlreadyLoaded):
            await replica.load("one", one)
        with pytest.raises(NameTaken):
            await replica.load(MODEL, one)
        with pytest.raises(NoSuchAdapter):
            await replica.load("two", tmp_path / "nowhere")
        with pytest.raises(ReplicaRefused):
            await replica.load("", one)
        with pytest.raises((EngineFailed, ReplicaRefused)):
            await replica.load("high", too_high)
        await replica.load("one", other, in_place=True)
        served = {each.name: each.root for each in await replica.models()}
        assert served["one"] == str(other)
        await replica.unload("one")
        with pytest.raises(NoSuchAdapter):
            await replica.unload("one")
        with pytest.raises(NoSuchAdapter):
            await replica.complete("one", "Hi", max_tokens=1)


def with_config(folder: Path, **other: Any) -> Path:
    """Say other things of an adapter than are so; returns its folder."""
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | other))
    return folder


def is_well(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"{url}/health", timeout=5, trust_env=False).is_success
    return False
