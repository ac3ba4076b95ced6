"""The door that streams, and a server before a model that sleeps: what every caller is told."""

import json
import time
from collections.abc import Iterator

import httpx
import pytest
from tests.fakes import ScriptedLlm
from tests.integration.doors import PROTOCOLS
from tests.integration.facts import ROOT_CANAL, SWOLLEN, essence
from tests.integration.servers import AWAKE, Agent, until
from tests.sleeping.activator import Activator
from tests.sleeping.server import command

REPLY = "The price of Root Canal Therapy is INR 6,000 to 9,500. [1] It is free on Sundays. [1]"
PROVEN = "The price of Root Canal Therapy is INR 6,000 to 9,500. [1]"
Told = list[tuple[str, dict]]


def listen(agent: Agent, body: object, **headers: str) -> Told:
    told: Told = []
    with httpx.stream(
        "POST", f"{agent.base}/chat/stream", json=body, headers=headers, timeout=60
    ) as reply:
        assert reply.status_code == 200, reply.read()
        assert reply.headers["content-type"].startswith("text/event-stream")
        told += events_of(reply.iter_lines())
    return told


def events_of(lines: Iterator[str]) -> Iterator[tuple[str, dict]]:
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def of(name: str, told: Told) -> list[dict]:
    return [values for each, values in told if each == name]


def gauge(agent: Agent) -> float:
    page = httpx.get(f"{agent.base}/metrics", timeout=10).text
    lines = [li for li in page.splitlines() if li.startswith("agentic_rag_llm_inflight{")]
    return sum(float(line.split()[-1]) for line in lines)


@pytest.fixture(scope="module")
def service() -> Iterator[Activator]:
    """A model at zero replicas, which takes two seconds to start."""
    with Activator(command(start_s=2.0, ms_per_token=20, reply=REPLY)) as sleeping:
        yield sleeping


@pytest.fixture(scope="module")
def agent(start, indexed, service) -> Agent:
    """A server before it."""
    return start(DATA_DIR=str(indexed), LLM_BASE_URL=service.base_url).wait_until_ready()


@pytest.fixture
def asleep(agent: Agent, service: Activator) -> Activator:
    """The model, asleep, and nobody who wakes it; the server finds that out when it asks."""
    until(lambda: llm_state(agent) != "waking")
    service.stop_server()
    return service


def llm_state(agent: Agent) -> str:
    return str(httpx.get(f"{agent.base}/health", timeout=60).json()["llm"]["state"])


def test_without_a_model_the_steps_and_the_answer_are_told(server: Agent):
    told = listen(server, {"question": ROOT_CANAL})
    otherwise = httpx.post(server.v1, json={"instances": [ROOT_CANAL]}, timeout=60).json()

    names = [name for name, _ in told]
    assert names == ["step"] * (len(told) - 1) + ["answer"]
    assert essence(told[-1][1]) == essence(otherwise["predictions"][0])


def test_an_emergency_is_told_at_once(agent: Agent, asleep: Activator):
    asked = len(asleep.seen)

    told = listen(agent, {"question": SWOLLEN})

    assert told[-1][1]["outcome"] == "emergency"
    assert len(asleep.seen) == asked


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_every_door_answers_from_the_documents_while_the_model_sleeps(
    protocol: str, agent: Agent, asleep: Activator
):
    (answer,) = await PROTOCOLS[protocol](agent, [ROOT_CANAL])

    assert (answer["generator"], answer["degraded"]) == ("extractive", "llm_cold")
    assert answer["eta_seconds"] > 0
    assert "6,000" in answer["answer"]


@pytest.mark.parametrize("path", ["v1", "v2"])
def test_a_cold_answer_over_rest_says_when_to_ask_again(path, agent: Agent, asleep: Activator):
    body = {"instances": [ROOT_CANAL, SWOLLEN]}
    if path == "v2":
        tensor = {"name": "question", "shape": [1], "datatype": "BYTES", "data": [ROOT_CANAL]}
        body = {"inputs": [tensor]}

    reply = httpx.post(getattr(agent, path), json=body, timeout=60)

    assert reply.status_code == 200
    assert int(reply.headers["retry-after"]) > 0


def test_an_answer_that_is_as_good_as_any_says_nothing_of_later(server: Agent):
    reply = httpx.post(server.v1, json={"instances": [ROOT_CANAL]}, timeout=60)

    assert "retry-after" not in reply.headers


def test_who_stays_gets_the_documents_first_and_the_model_when_it_is_awake(
    agent: Agent, asleep: Activator
):
    starts = len(asleep.starts)

    told = listen(agent, {"question": ROOT_CANAL})

    (provisional,) = of("provisional", told)
    assert (provisional["generator"], provisional["degraded"]) == ("extractive", "llm_cold")
    assert "waking" in {status["state"] for status in of("status", told)}
    assert [sentence["text"] for sentence in of("sentence", told)] == [PROVEN]
    name, answer = told[-1]
    assert (name, answer["generator"], answer["degraded"]) == ("answer", "vllm/llm-server", None)
    assert len(asleep.starts) == starts + 1


def test_health_says_what_the_model_is_doing(agent: Agent, asleep: Activator):
    httpx.post(f"{agent.base}/chat", json={"question": ROOT_CANAL}, timeout=60)

    told = httpx.get(f"{agent.base}/health", timeout=10).json()["llm"]

    assert told["state"] in {"asleep", "waking", "awake"}
    assert set(told) == {"state", "eta_seconds"}


def test_who_waits_over_v1_gets_the_model(agent: Agent, asleep: Activator):
    body = {"instances": [ROOT_CANAL], "parameters": {"when_cold": "wait", "timeout_seconds": 30}}

    answer = httpx.post(agent.v1, json=body, timeout=60).json()["predictions"][0]

    assert (answer["generator"], answer["degraded"]) == ("vllm/llm-server", None)
    assert gauge(agent) == 0


def test_who_waits_no_longer_than_the_header_says_gets_the_documents(
    agent: Agent, asleep: Activator
):
    body = {"instances": [{"question": ROOT_CANAL, "when_cold": "wait"}]}
    start = time.monotonic()

    reply = httpx.post(agent.v1, json=body, headers={"X-Request-Timeout": "1.7"}, timeout=60)

    assert time.monotonic() - start < 10
    assert reply.json()["predictions"][0]["degraded"] == "llm_cold"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"question": ""}, "question"),
        ({}, "question"),
        ({"question": "Why?", "when_cold": "never"}, "when_cold"),
        ({"question": "Why?", "timeout_seconds": 0}, "timeout_seconds"),
        ([], "body"),
    ],
    ids=str,
)
def test_a_bad_question_is_refused_by_its_field_before_anything_is_told(agent, body, field):
    reply = httpx.post(f"{agent.base}/chat/stream", json=body, timeout=30)

    assert (reply.status_code, field in reply.json()["field"]) == (400, True)


@pytest.mark.parametrize("path", ["/chat/stream", "/v1/models/rag-agent:predict"])
def test_a_time_that_makes_no_sense_is_refused_by_its_header(agent: Agent, path: str):
    body = {"question": "Why?"} if "chat" in path else {"instances": ["Why?"]}

    reply = httpx.post(
        f"{agent.base}{path}", json=body, headers={"X-Request-Timeout": "soon"}, timeout=30
    )

    assert (reply.status_code, reply.json()["field"]) == (400, "X-Request-Timeout")


@pytest.mark.parametrize("timeout_s", ["30", "5"], ids=["cut off", "too slow"])
def test_a_stream_that_dies_half_way_is_replaced_by_the_documents_own_answer(
    timeout_s, start, indexed
):
    long = f"{PROVEN} " + "It is said to be so by everybody who knows about it. " * 8
    script = {"fault": "cut"} if timeout_s == "30" else {"token_s": 0.1}
    with ScriptedLlm(reply=long, **script) as llm:
        agent = start(
            DATA_DIR=str(indexed),
            LLM_BASE_URL=llm.base_url,
            LLM_TIMEOUT_S=timeout_s,
            **AWAKE,
        ).wait_until_ready()
        told = listen(agent, {"question": ROOT_CANAL})
        otherwise = httpx.post(agent.v1, json={"instances": [ROOT_CANAL]}, timeout=60).json()

    assert [(s["index"], s["text"]) for s in of("sentence", told)] == [(0, PROVEN)]
    name, answer = told[-1]
    assert (name, answer["generator"]) == ("answer", "extractive")
    assert answer["degraded"] == "llm_unavailable"
    assert answer["answer"] == otherwise["predictions"][0]["answer"]
    assert "6,000" in answer["answer"]


def test_a_listener_who_goes_away_stops_the_model(start, indexed):
    with ScriptedLlm(reply=REPLY * 20, token_s=0.05) as llm:
        agent = start(
            DATA_DIR=str(indexed),
            LLM_BASE_URL=llm.base_url,
            **AWAKE,
        ).wait_until_ready()
        with httpx.stream(
            "POST", f"{agent.base}/chat/stream", json={"question": ROOT_CANAL}, timeout=60
        ) as reply:
            next(v for name, v in events_of(reply.iter_lines()) if name == "sentence")
        gone = time.monotonic()
        while not llm.aborted:
            assert time.monotonic() - gone < 5
            time.sleep(0.005)

        assert llm.aborted[0] - gone < 5
        assert gauge(agent) == 0
