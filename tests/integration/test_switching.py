"""A server whose index changes under it: it follows, mixes nothing, and refuses what is unfit."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.conftest import forget_settings
from tests.integration.conftest import StartAgent
from tests.integration.servers import Agent, environment
from tests.integration.switching import QUESTIONS, Crowd, make_pack, make_versions, versions_in

from agentic_rag.bootstrap.indexing import build_workshop
from agentic_rag.retrieval.ingesting.rollback import use
from agentic_rag.settings import Settings, read_settings

SWITCHES = 10
CALLERS = 8
FOLLOW_S = 30


@dataclass(frozen=True, slots=True)
class Clinic:
    """A server, its settings, and its versions: prices begin with the version's number."""

    agent: Agent
    settings: Settings
    names: list[str]

    def use(self, name: str) -> None:
        use(name, build_workshop(self.settings))

    def health(self) -> dict[str, Any]:
        return dict(httpx.get(f"{self.agent.base}/health", timeout=10).json())

    def until(self, condition: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Wait until /health is so, and return it."""
        end = time.monotonic() + FOLLOW_S
        while time.monotonic() < end:
            if condition(told := self.health()):
                return told
            time.sleep(0.1)
        raise AssertionError(f"not so within {FOLLOW_S} s: {told}")

    def follows(self, name: str) -> None:
        self.until(lambda told: told["index_version"] == name)

    def searched(self) -> set[int]:
        """Search for everything, and return the versions whose prices are told."""
        body = {"query": "what does it cost", "k": 100}
        reply = httpx.post(f"{self.agent.base}/search", json=body, timeout=30)
        assert reply.status_code == 200
        return versions_in(" ".join(hit["text"] for hit in reply.json()["hits"]))

    def run(self, *arguments: str) -> dict[str, Any]:
        """Run a command beside the server."""
        done = subprocess.run(
            [sys.executable, "-m", "agentic_rag", *arguments, "--json"],
            env=environment(
                DATA_DIR=str(self.settings.data_dir), CLINIC_PACK=str(self.settings.clinic_pack)
            ),
            cwd=self.settings.data_dir.parent,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def clinic(
    small_pack: Path, tmp_path_factory: pytest.TempPathFactory, start: StartAgent
) -> Iterator[Clinic]:
    folder = tmp_path_factory.mktemp("switching")
    with pytest.MonkeyPatch.context() as monkeypatch:
        forget_settings(monkeypatch)
        monkeypatch.chdir(folder)
        settings = read_settings(
            clinic_pack=make_pack(small_pack, folder), data_dir=folder / "data", index_keep=10
        )
    names = make_versions(settings, 3)
    agent = start(CLINIC_PACK=str(settings.clinic_pack), DATA_DIR=str(settings.data_dir))
    yield Clinic(agent.wait_until_ready(), settings, names)


@contextmanager
def changed(path: Path, content: bytes) -> Iterator[None]:
    """Have a file hold something else for a while."""
    whole = path.read_bytes()
    path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(whole)


@pytest.mark.timeout(400)
async def test_ten_switches_under_eight_callers_bring_no_error_and_mix_nothing(clinic: Clinic):
    async with Crowd(clinic.agent, CALLERS) as crowd:
        for turn in range(1, SWITCHES + 1):
            name = clinic.names[turn % len(clinic.names)]
            clinic.use(name)
            await crowd.follows(name)

    assert crowd.seen.errors == {}
    assert (crowd.seen.mixed, crowd.seen.empty) == ([], [])
    assert crowd.seen.by_version.keys() == {1, 2, 3}
    assert "Traceback" not in clinic.agent.log()


def test_a_command_beside_the_server_moves_it_by_the_beginning_of_a_name(clinic: Clinic):
    said = clinic.run("index", "use", clinic.names[1][:8])

    clinic.follows(clinic.names[1])
    listed = clinic.run("index", "list")["versions"]
    assert said == {"version": clinic.names[1]}
    assert clinic.searched() == {2}
    assert {each["name"] for each in listed if each["live"]} == {clinic.names[1]}
    assert {each["name"] for each in listed} == set(clinic.names)


def test_the_trace_of_an_answer_names_the_version_that_it_is_from(clinic: Clinic):
    clinic.use(clinic.names[2])
    clinic.follows(clinic.names[2])

    body = {"instances": [{"question": QUESTIONS[0], "debug": True}]}
    (answer,) = httpx.post(clinic.agent.v1, json=body, timeout=60).json()["predictions"]

    (step,) = [step for step in answer["trace"] if step["step"] == "retrieve"]
    assert step["index"] == clinic.names[2]
    assert versions_in(answer["answer"]) == {3}


@pytest.mark.parametrize("part", ["manifest.json", "passages.jsonl", "vectors.npy"])
def test_a_version_that_is_damaged_is_refused_and_told_while_the_old_one_answers(
    part: str, clinic: Clinic
):
    clinic.use(clinic.names[0])
    clinic.follows(clinic.names[0])
    shelf = build_workshop(clinic.settings).shelf
    with changed(shelf.place(clinic.names[1]).folder / part, b"{}"):
        shelf.switch(clinic.names[1])
        told = clinic.until(lambda told: told["refused"])
        ready, found = clinic.agent.readiness(), clinic.searched()
    clinic.use(clinic.names[1])
    clinic.follows(clinic.names[1])

    assert (told["status"], told["index_version"]) == ("degraded", clinic.names[0])
    assert told["refused"]["version"] == clinic.names[1]
    assert str(clinic.settings.data_dir) not in str(told)
    assert (ready.ready, ready.model_ready, found) == (200, 200, {1})
    assert clinic.health()["refused"] is None
    clinic.agent.log_with(f"not moving to index version {clinic.names[1]}")


def test_a_pointer_to_nothing_is_refused_and_told(clinic: Clinic):
    clinic.use(clinic.names[0])
    clinic.follows(clinic.names[0])
    (clinic.settings.data_dir / "index" / "current").write_text("no-such-version", "utf-8")

    told = clinic.until(lambda told: told["refused"])

    assert told["refused"]["version"] == "no-such-version"
    assert clinic.searched() == {1}
    clinic.use(clinic.names[0])
    clinic.until(lambda told: told["refused"] is None)


def test_a_second_server_on_the_same_data_follows_too(clinic: Clinic, start: StartAgent):
    clinic.use(clinic.names[0])
    settings = clinic.settings
    agent = start(CLINIC_PACK=str(settings.clinic_pack), DATA_DIR=str(settings.data_dir))
    second = Clinic(agent.wait_until_ready(), settings, clinic.names)

    clinic.use(clinic.names[1])

    clinic.follows(clinic.names[1])
    second.follows(clinic.names[1])
    assert clinic.searched() == second.searched() == {2}


def test_old_versions_may_be_pruned_beside_the_server_and_made_again(clinic: Clinic):
    clinic.use(clinic.names[0])
    clinic.follows(clinic.names[0])

    removed = clinic.run("index", "prune", "--keep", "0")["removed"]
    made = clinic.run("ingest")["version"]
    clinic.follows(made)

    assert clinic.names[0] not in removed
    assert clinic.searched() == {3}  # the documents as they were written last
