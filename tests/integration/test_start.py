"""A server starts light: with an export it needs no torch, and little memory."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from tests.integration.servers import Agent, environment, start_agent

RSS_LIMIT_MB = 450
HEAVY = {"torch", "transformers", "sentence_transformers", "langchain_openai", "openai", "onnx"}

SEARCH = """
import asyncio, json, sys
from agentic_rag.agent.ask import ask
from agentic_rag.bootstrap.house import build_house
from agentic_rag.domain import Question
from agentic_rag.settings import read_settings

async def main():
    house = build_house(read_settings())
    await house.library.open(settle=True)
    found = await house.library.search(["Does scaling hurt?"], k=3)
    answer = await ask(Question(text="Does scaling hurt?"), deps=house.deps)
    await house.close()
    print(json.dumps([len(found), answer.outcome, sorted(sys.modules)]))

asyncio.run(main())
"""

BEHIND_A_MODEL = """
import asyncio, json, sys
from agentic_rag.bootstrap.house import build_house
from agentic_rag.settings import read_settings

async def main():
    house = build_house(read_settings())
    await house.library.open()
    ready = sorted(sys.modules)
    await house.models.connect()
    await house.close()
    print(json.dumps([ready, sorted(sys.modules)]))

asyncio.run(main())
"""


def run(*command: str, **settings: str) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory, exported: Path) -> dict[str, str]:
    """The variables of a DATA_DIR with an export, and an index that was built with it."""
    data = tmp_path_factory.mktemp("light") / "data"
    settings = {"DATA_DIR": str(data), "EMBEDDING_DIR": str(exported)}
    run("-m", "agentic_rag", "ingest", **settings)
    return settings


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory, light: dict[str, str]):
    agent = start_agent(tmp_path_factory.mktemp("agent"), **light)
    yield agent.wait_until_ready()
    agent.stop()


def rss_mb(agent: Agent) -> float:
    status = Path(f"/proc/{agent.pid}/status").read_text("utf-8")
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


def test_a_house_with_an_export_answers_and_imports_nothing_heavy(light: dict[str, str]):
    found, outcome, modules = json.loads(run("-c", SEARCH, **light))

    assert (found, outcome) == (3, "answered")
    assert not HEAVY & set(modules)


def test_a_house_with_a_model_is_ready_before_its_client_is_imported(light: dict[str, str]):
    address = "http://127.0.0.1:9/v1"

    ready, connected = json.loads(run("-c", BEHIND_A_MODEL, **light, LLM_BASE_URL=address))

    assert not HEAVY & set(ready)
    assert {"langchain_openai", "openai"} <= set(connected)


def test_a_server_with_an_export_maps_no_torch_and_holds_little(agent: Agent):
    answer = httpx.post(agent.v1, json={"instances": ["Does scaling hurt?"]}, timeout=60)
    maps = Path(f"/proc/{agent.pid}/maps").read_text("utf-8")

    assert answer.json()["predictions"][0]["outcome"] == "answered"
    assert "onnxruntime" in maps
    assert "libtorch" not in maps
    assert rss_mb(agent) < RSS_LIMIT_MB


def test_the_export_is_made_once_and_a_second_run_says_so(light: dict[str, str]):
    said = run("-m", "agentic_rag", "export-embedder", **light)
    told = json.loads(run("-m", "agentic_rag", "export-embedder", "--json", **light))

    assert "Nothing to do" in said
    assert (told["changed"], told["index_is_stale"]) == (False, False)


def test_an_index_of_the_other_class_is_told_to_be_made_anew(light: dict[str, str]):
    said = run("-m", "agentic_rag", "export-embedder", **light, EMBEDDING_PRECISION="fp32")

    assert "agentic-rag ingest" in said


def test_a_damaged_export_is_one_line_with_the_remedy(
    light: dict[str, str], tmp_path: Path, exported: Path
):
    copy = shutil.copytree(exported, tmp_path / "embedder", copy_function=os.link)
    (graph,) = copy.glob("int8-*.onnx")
    graph.unlink()
    graph.write_bytes(b"half")

    done = subprocess.run(
        [sys.executable, "-m", "agentic_rag", "search", "scaling"],
        env=environment(**(light | {"EMBEDDING_DIR": str(copy)})),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert done.returncode == 1
    assert graph.name in done.stderr
    assert "agentic-rag export-embedder" in done.stderr
    assert "Traceback" not in done.stderr
