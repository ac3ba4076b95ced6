"""infra/scripts against a server whose model is a real vLLM, and against what is broken of it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.servers import AWAKE, Agent, start_agent
from tests.integration.tampering import tampered, words
from tests.scripts import Run, scripts_in
from tests.vllm.conftest import VllmServer

pytestmark = [pytest.mark.vllm, pytest.mark.soak]


@pytest.fixture(scope="module")
def agent(vllm_server: VllmServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    """The agent, in a process of its own, with that vLLM behind it."""
    started = start_agent(
        tmp_path_factory.mktemp("agent"),
        DATA_DIR=str(tmp_path_factory.getbasetemp() / "agent-on-vllm"),
        LLM_BASE_URL=vllm_server.base_url,
        LLM_MODEL_NAME=vllm_server.model,
        **AWAKE,
    )
    try:
        yield started.wait_until_ready()
    finally:
        started.stop()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return scripts_in(tmp_path)


def test_it_answers_every_question_at_every_door(run: Run, agent: Agent, vllm_server: VllmServer):
    before = vllm_server.metrics()["vllm:request_success_total"]

    done = run("smoke_e2e.sh", "--url", agent.base, "--grpc", agent.grpc, "--timeout", "200")

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("8 of 8 answers are right") == 6
    assert done.stdout.endswith(" 0 FAIL\n")
    # the model wrote, and what so small a one says is not proven: the documents' words are told
    assert vllm_server.metrics()["vllm:request_success_total"] >= before + 6
    assert re.search(
        r"WARN 3 runs: .* s; [1-9]\d*, [1-9]\d*, [1-9]\d* tokens; .*llm_rej", done.stdout
    )


def test_a_server_with_a_real_model_is_in_order(run: Run, agent: Agent):
    done = run("validate.sh", "--url", agent.base)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASS ready: " in done.stdout
    assert "the model is awake" in done.stdout  # it was asked before


def test_with_a_real_model_too_an_emergency_that_is_missed_fails_by_name(run: Run, agent: Agent):
    missed = words("/chat", (b'"outcome":"emergency"', b'"outcome":"answered"'))

    with tampered(agent.base, missed) as url:
        done = run("smoke_e2e.sh", "--url", url, "--door", "chat", "--timeout", "200")

    assert done.returncode == 1
    assert done.stdout.count("an emergency was not caught") == 2
