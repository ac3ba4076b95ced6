"""The real servers that the tests of this folder share; a start costs seconds, so there are few."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.conftest import made_once
from tests.integration.doors import Answer
from tests.integration.facts import MUST_SHOW
from tests.integration.servers import Agent, Chroma, environment, start_agent
from tests.ports import free_port

from agentic_rag.clinic.profile import SHIPPED_PACK

SMALL_PACK = ("faq.md", "policies/emergency.md", "policies/appointments.md")
collect_ignore = ["triton_grpc.py"]  # its import clashes with kserve's, even for doctests
StartAgent = Callable[..., Agent]


@pytest.fixture(scope="session")
def first_ingest(
    tmp_path_factory: pytest.TempPathFactory, shared: Path, exported: Path
) -> tuple[Path, dict[str, Any]]:
    """A DATA_DIR filled by `agentic-rag ingest --json`, and what that printed.

    With an export, by which a server starts in a third of the time. Servers and commands may read
    it; nothing may ingest other documents into it.
    """

    def make(folder: Path) -> None:
        shutil.copytree(exported, folder / "data" / "embedder", copy_function=os.link)
        done = subprocess.run(
            [sys.executable, "-m", "agentic_rag", "ingest", "--json"],
            cwd=folder,
            env=environment(DATA_DIR=str(folder / "data")),
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        (folder / "told.json").write_text(done.stdout, "utf-8")

    made = made_once(shared / "first-ingest", make)
    folder = shutil.copytree(made, tmp_path_factory.mktemp("indexed"), dirs_exist_ok=True)
    return folder / "data", json.loads((folder / "told.json").read_text("utf-8"))


@pytest.fixture(scope="session")
def indexed(first_ingest: tuple[Path, dict[str, Any]]) -> Path:
    """A DATA_DIR that holds the index of the shipped clinic, embedded."""
    return first_ingest[0]


@pytest.fixture(scope="session")
def small_pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped clinic with three of its documents, which take a second to index."""
    pack = tmp_path_factory.mktemp("small-pack")
    shutil.copy(SHIPPED_PACK / "clinic.yaml", pack)
    for doc_id in SMALL_PACK:
        copy = pack / "documents" / doc_id
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(SHIPPED_PACK / "documents" / doc_id, copy)
    return pack


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartAgent]:
    """Start a server with the caller's variables; when the module ends, all are stopped."""
    started: list[Agent] = []

    def start_another(**settings: Any) -> Agent:
        started.append(start_agent(tmp_path_factory.mktemp("agent"), **settings))
        return started[-1]

    yield start_another
    for agent in started:
        agent.process.terminate()  # does nothing to one that has ended
    for agent in started:
        agent.stop()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, indexed: Path) -> Iterator[Agent]:
    """The server that most tests ask: the shipped clinic, embedded, with no LLM."""
    agent = start_agent(tmp_path_factory.mktemp("server"), DATA_DIR=str(indexed))
    try:
        yield agent.wait_until_ready()
    finally:
        agent.stop()


@pytest.fixture(scope="session")
def reference(server: Agent) -> list[Answer]:
    """The answers to the must-show questions, as plain HTTP over v1 gives them."""
    questions = [case.question for case in MUST_SHOW]
    reply = httpx.post(server.v1, json={"instances": questions}, timeout=60)
    assert reply.status_code == 200, reply.text
    return list(reply.json()["predictions"])


@pytest.fixture(scope="module")
def chroma(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chroma]:
    """A real Chroma server, not yet started."""
    server = Chroma(tmp_path_factory.mktemp("chroma") / "data", free_port())
    yield server
    server.stop()


@pytest.fixture(scope="module")
def chroma_server(chroma: Chroma) -> Chroma:
    """A real Chroma server that runs."""
    chroma.start()
    return chroma
