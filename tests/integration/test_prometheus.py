"""A real Prometheus reads a running server; tests/soak has it count the series."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.dashboard import panels
from tests.fakes import ScriptedLlm
from tests.integration.prometheus import Job, Prometheus
from tests.integration.servers import HOST, START_LIMIT_S, Agent

from agentic_rag.adapters.shelf import Shelf
from agentic_rag.callers import Scope
from agentic_rag.inference.slot import Slot, Speaker
from agentic_rag.serving.keys.ring import new_key

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "metrics.md"
RULES = sorted((ROOT / "infra" / "components" / "monitoring").glob("rules-*.yaml"))
FAMILIES = re.findall(r"^\| `(agentic_rag_\w+)` \| (\w+)", PAGE.read_text("utf-8"), re.MULTILINE)
FEES = "What is the price range for Root Canal Therapy?"
IDLE_S, SLEEP_S = 1.0, 4.0
SAVED = "agentic_rag_llm_gpu_seconds_saved_total"
REPLY = "The price of Root Canal Therapy is INR 6,000 to 9,500. [1] It is free on Sundays. [1]"
KEYS = {name: new_key(name, scope) for name, scope in (("web", Scope.ASK), ("boss", Scope.ADMIN))}


@pytest.fixture(scope="module")
def llm() -> Iterator[ScriptedLlm]:
    with ScriptedLlm(reply=REPLY, loading=True) as model:  # it sleeps at first
        yield model


@pytest.fixture(scope="module")
def agent(
    start: Any, indexed: Path, llm: ScriptedLlm, tmp_path_factory: pytest.TempPathFactory
) -> Agent:
    """A server with keys; behind it an adapter's model, idle for a second before it sleeps."""
    adapters = tmp_path_factory.mktemp("adapters")
    live = Speaker(number=1, served_as=llm.model, digest="")
    Shelf(adapters / "clinic", b"key").set_slot(Slot(live=live))
    entries = ",".join(entry for _, entry in KEYS.values())
    model = {"LLM_BASE_URL": llm.base_url, "LLM_MODEL_NAME": llm.model, "LLM_IDLE_S": str(IDLE_S)}
    model |= {"ADAPTERS_FOLLOW": "true", "ADAPTERS_DIR": str(adapters)}
    return start(DATA_DIR=str(indexed), API_KEYS=entries, **model).wait_until_ready()


@pytest.fixture(scope="module")
def open_agent(start: Any) -> Agent:
    """A server that shows its metrics to anybody; it is asked once a day, and knows nothing."""
    nothing = {"CHROMA_HOST": HOST, "CHROMA_PORT": "9"}
    told = {"API_KEYS": KEYS["web"][1], "METRICS_OPEN": "true", "RATE_LIMIT": "1/day"}
    return start(**told, **nothing).wait_until_live()


@pytest.fixture(scope="module")
def prometheus(
    agent: Agent, open_agent: Agent, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    jobs = [
        Job(name="keyed", port=agent.http_port, key=KEYS["boss"][0]),
        Job(name="rag-agent", port=open_agent.http_port),  # as components/monitoring calls one
        Job(name="asker", port=agent.http_port, key=KEYS["web"][0]),
        Job(name="stranger", port=agent.http_port),
    ]
    server = Prometheus(tmp_path_factory.mktemp("prometheus"), jobs, RULES)
    yield server
    server.stop()


def chat(agent: Agent, question: str = FEES) -> Any:
    auth = {"Authorization": f"Bearer {KEYS['web'][0]}"}
    return httpx.post(f"{agent.base}/chat", json={"question": question}, headers=auth, timeout=60)


def test_it_is_let_in_with_an_operators_key_or_where_metrics_are_open(prometheus: Prometheus):
    prometheus.wait('sum(up{job=~"keyed|rag-agent"}) == 2')
    prometheus.wait('count(up{job=~"asker|stranger"}) == 2')

    for job in ("asker", "stranger"):
        assert prometheus.ask(f'max_over_time(up{{job="{job}"}}[1h])') == {job: 0}


def test_it_finds_every_metric_that_the_page_explains(
    prometheus: Prometheus, agent: Agent, open_agent: Agent, llm: ScriptedLlm
):
    asleep = chat(agent)
    llm.loading = False
    prometheus.wait('agentic_rag_llm_state{job="keyed", state="awake"} == 1')
    said = [chat(agent, text) for text in (FEES, "Who is king of France?", "I can't breathe")]
    refused = [chat(open_agent) for _ in range(2)][-1]
    prometheus.wait_for_scrapes()

    assert asleep.json()["generator"] == "extractive"
    outcomes = [each.json()["outcome"] for each in said]
    assert outcomes == ["answered", "declined", "emergency"]
    assert refused.status_code == 429
    names = [f"{name}_count" if kind == "histogram" else name for name, kind in FAMILIES]
    found = {name: prometheus.ask(f"max by (job) (max_over_time({name}[1h]))") for name in names}
    refusals = found.pop("agentic_rag_refused_total")
    assert [name for name, jobs in found.items() if "keyed" not in jobs] == []
    assert found["agentic_rag_index_info"]["keyed"] == 1
    assert found["agentic_rag_llm_wake_seconds_count"]["keyed"] == 1
    assert refusals == {"rag-agent": 1}


def until_it_writes(agent: Agent) -> None:
    """Ask until the model answers; it may have to wake."""
    end = time.monotonic() + START_LIMIT_S
    while not chat(agent).json()["generator"].startswith("vllm"):
        assert time.monotonic() < end, agent.log()
        time.sleep(0.2)


def saved(agent: Agent) -> float:
    auth = {"Authorization": f"Bearer {KEYS['boss'][0]}"}
    page = httpx.get(f"{agent.base}/metrics", headers=auth, timeout=60).text
    (line,) = [line for line in page.splitlines() if line.startswith(SAVED)]
    return float(line.rsplit(" ", 1)[1])


def test_what_sleeping_saves_is_estimated_as_the_page_says(agent: Agent, llm: ScriptedLlm):
    """`begun - (last_seen + LLM_IDLE_S)`, of which the test knows each within bounds."""
    llm.loading = False
    until_it_writes(agent)
    before, seen_from = saved(agent), time.monotonic()
    until_it_writes(agent)
    llm.loading, seen_until = True, time.monotonic()
    time.sleep(SLEEP_S)

    begun_from = time.monotonic()
    while saved(agent) == before:
        assert time.monotonic() < begun_from + START_LIMIT_S, agent.log()
        chat(agent)
    begun_until, gained = time.monotonic(), saved(agent) - before
    llm.loading = False
    until_it_writes(agent)

    assert begun_from - seen_until - IDLE_S <= gained <= begun_until - seen_from - IDLE_S
    assert saved(agent) == before + gained  # the same sleep is not counted twice


def test_every_panel_that_asks_for_the_agents_metrics_has_data(
    prometheus: Prometheus, agent: Agent, open_agent: Agent, llm: ScriptedLlm
):
    wanted = panels("agentic_rag") | panels("up{")
    end = time.monotonic() + START_LIMIT_S

    empty = wanted
    while empty and time.monotonic() < end:
        ask_of_all_kinds(agent, open_agent, llm)
        prometheus.wait_for_scrapes()
        empty = {name: query for name, query in wanted.items() if not prometheus.numbers(query)}

    assert empty == {}
    assert prometheus.sick_rules() == {}


def ask_of_all_kinds(agent: Agent, open_agent: Agent, llm: ScriptedLlm) -> None:
    """Have a model sleep and wake, and questions answered, declined, refused and urgent."""
    llm.loading = True
    for _ in range(3):
        chat(agent)
    llm.loading = False
    until_it_writes(agent)
    for text in ("Who is king of France?", "I can't breathe"):
        chat(agent, text)
    chat(open_agent)
