"""SIGTERM under load: not ready first, everything that was begun is finished, then the end."""

import asyncio
import json
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from tests.fakes import ScriptedLlm
from tests.integration.conftest import StartAgent
from tests.integration.facts import ROOT_CANAL
from tests.integration.leave import Left, leave
from tests.integration.servers import HOST, Agent
from tests.ports import free_port

END_LIMIT_S = 20
TIMES = 2


@pytest.fixture(scope="module")
def left(start: StartAgent, indexed) -> list[Left]:
    """Servers that were told to end while many asked."""
    return [asyncio.run(leave(start, DATA_DIR=str(indexed))) for _ in range(TIMES)]


def test_no_request_that_was_begun_is_lost(left: list[Left]):
    for each in left:
        assert each.lost == []
        assert each.answered > 0


def test_it_says_not_ready_while_it_answers_still(left: list[Left]):
    for each in left:
        assert each.answered_after_503 > 0


def test_it_ends_without_complaint(left: list[Left]):
    for each in left:
        assert each.code == 0
        assert "Traceback" not in each.log


@pytest.fixture
def hanging() -> Iterator[ScriptedLlm]:
    """A model that never comes to an end."""
    with ScriptedLlm(fault="hang") as llm:
        yield llm


def asked_and_told_to_end(agent: Agent, llm: ScriptedLlm, pool: ThreadPoolExecutor) -> None:
    """Have one question under way, and send SIGTERM."""
    pool.submit(httpx.post, agent.v1, json={"instances": [ROOT_CANAL]}, timeout=60)
    end = time.monotonic() + END_LIMIT_S
    while not llm.asked and time.monotonic() < end:
        time.sleep(0.01)
    agent.process.send_signal(signal.SIGTERM)


def test_a_second_sigterm_ends_it_now(start: StartAgent, indexed, hanging: ScriptedLlm):
    agent = start(DATA_DIR=str(indexed), LLM_BASE_URL=hanging.base_url, SHUTDOWN_NOTICE_S="50")
    agent.wait_until_ready()
    with ThreadPoolExecutor(1) as pool:
        asked_and_told_to_end(agent, hanging, pool)
        agent.wait_until_not_ready()

        agent.process.send_signal(signal.SIGTERM)

        agent.process.wait(END_LIMIT_S)


def test_the_end_of_the_grace_ends_it(start: StartAgent, indexed, hanging: ScriptedLlm):
    agent = start(DATA_DIR=str(indexed), LLM_BASE_URL=hanging.base_url, SHUTDOWN_GRACE_S="1")
    agent.wait_until_ready()
    with ThreadPoolExecutor(1) as pool:
        asked_and_told_to_end(agent, hanging, pool)

        agent.process.wait(END_LIMIT_S)


def test_a_stream_that_waits_for_a_model_ends_with_the_answer_that_there_is(
    start: StartAgent, indexed
):
    nobody = f"http://{HOST}:{free_port()}/v1"
    agent = start(DATA_DIR=str(indexed), LLM_BASE_URL=nobody).wait_until_ready()
    with httpx.stream(
        "POST", f"{agent.base}/chat/stream", json={"question": ROOT_CANAL}, timeout=60
    ) as reply:
        names, last = [], ""
        for line in reply.iter_lines():
            if line.startswith("event: "):
                names.append(line.removeprefix("event: "))
                if names[-1] == "provisional":
                    agent.process.send_signal(signal.SIGTERM)
            last = line or last

    assert names[-1] == "answer"
    assert json.loads(last.removeprefix("data: "))["degraded"] == "llm_cold"
    assert agent.process.wait(END_LIMIT_S) == 0


def test_it_does_not_listen_any_more_when_it_has_ended(start: StartAgent, indexed):
    agent = start(DATA_DIR=str(indexed)).wait_until_ready()

    agent.stop()

    for port in (agent.http_port, agent.grpc_port):
        with socket.socket() as caller, pytest.raises(ConnectionRefusedError):
            caller.connect((HOST, port))
