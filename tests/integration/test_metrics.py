"""Metrics and logs: what an operator sees of a server, and what nobody does."""

import asyncio
import json
import re
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_plain
from tests.integration.doors import plain_v2
from tests.integration.servers import MODEL, Agent, until
from tests.integration.varied import KINDS, ask_variously

from agentic_rag.callers import Scope
from agentic_rag.serving.keys.ring import new_key

PAGE = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"
FEES = "How much is a filling?"
PLANTED = ("Zebedeeson", "98765 43210", "9876543210", "zebedee@example.org", "strawberry-shaped")
WORDS = f"My name is {PLANTED[0]}, call {PLANTED[1]} or {PLANTED[3]}. I have a {PLANTED[4]} mark. "
MOST_SERIES = 3000
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@pytest.fixture(scope="module")
def agent(start: Any, indexed: Path) -> Agent:
    """A server without keys that logs JSON."""
    return start(DATA_DIR=str(indexed), LOG_FORMAT="json").wait_until_ready()


def scraped(agent: Agent, accept: str = "text/plain") -> str:
    reply = httpx.get(f"{agent.base}/metrics", headers={"Accept": accept}, timeout=60)
    assert reply.status_code == 200
    return reply.text


def series(agent: Agent) -> set[str]:
    return {line.rsplit(" ", 1)[0] for line in scraped(agent).splitlines() if line[0] != "#"}


def figure(agent: Agent, name: str, **labels: str) -> float:
    samples = (each for family in read_plain(scraped(agent)) for each in family.samples)
    return sum(
        each.value
        for each in samples
        if each.name == name and labels.items() <= each.labels.items()
    )


def test_the_page_explains_each_metric_and_no_other(agent: Agent):
    told = set(re.findall(r"^\| `(agentic_rag_\w+)`", PAGE.read_text("utf-8"), re.MULTILINE))

    families = [each for each in read_plain(scraped(agent)) if each.name.startswith("agentic_rag")]
    there = {f"{each.name}_total" if each.type == "counter" else each.name for each in families}

    assert {name for name in there if not name.endswith("_created")} == told


def test_what_is_shown_is_as_prometheus_wants_it(agent: Agent):
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed (Debian: prometheus)")
    httpx.post(f"{agent.base}/chat", json={"question": FEES}, timeout=60)
    text = "\n".join(
        line
        for line in scraped(agent).splitlines()
        if line.startswith("agentic_rag_") or re.match(r"# (HELP|TYPE) agentic_rag_", line)
    )

    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text + "\n", capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")


def test_who_wants_openmetrics_gets_it(agent: Agent):
    families = {each.name for each in read_openmetrics(scraped(agent, OPENMETRICS))}

    assert {"agentic_rag_answers", "agentic_rag_step_seconds"} <= families


def test_answers_are_counted_by_what_became_of_them(agent: Agent):
    asked = {
        FEES: ("agentic_rag_answers_total", {"outcome": "answered", "rung": "extractive"}),
        "What is the capital of France?": ("agentic_rag_declines_total", {}),
        "I cannot breathe": ("agentic_rag_emergencies_total", {"category": "breathing"}),
    }

    for text, (name, labels) in asked.items():
        before = figure(agent, name, **labels)
        httpx.post(f"{agent.base}/chat", json={"question": text}, timeout=60)
        assert figure(agent, name, **labels) == before + 1, text
    assert figure(agent, "agentic_rag_citations_kept_total") > 0
    assert figure(agent, "agentic_rag_step_seconds_count", step="triage") >= 3
    assert figure(agent, "agentic_rag_index_info") == 1
    until(lambda: figure(agent, "agentic_rag_requests_total", door="/chat", status="200") >= 3)


def test_however_varied_requests_are_the_labels_are_few(agent: Agent):
    counted = figure(agent, "agentic_rag_requests_total")
    ask_variously(agent.base, [], range(2 * KINDS))
    until(lambda: figure(agent, "agentic_rag_requests_total") >= counted + 2 * KINDS)
    before = series(agent)

    statuses = ask_variously(agent.base, [], range(20 * KINDS))

    assert series(agent) - before == set()
    assert statuses >= {200, 400, 404, 405}
    assert max(statuses) < 500
    assert len(before) < MOST_SERIES


def test_nothing_that_a_patient_said_is_in_logs_metrics_or_errors(agent: Agent):
    key, _ = new_key("website", Scope.ASK)
    auth = {"Authorization": f"Bearer {key}", "X-Session-ID": PLANTED[3]}
    said = WORDS + FEES
    bodies = {
        f"/v1/models/{MODEL}:predict": {"instances": [said, {"question": said, "debug": True}]},
        "/chat": {"question": said},
        "/chat/stream": {"question": said},
        "/query": {"query": said},
        "/search": {"query": said},
        "/openai/v1/chat/completions": {
            "model": MODEL,
            "messages": [{"role": "user", "content": said}],
        },
        "/api/chat": {"messages": [{"role": "user", "content": said}]},
        "/feedback": {"request_id": "x", "rating": "up", "comment": said},
    }
    errors = []
    for path, body in bodies.items():
        httpx.post(agent.base + path, json=body, headers=auth, timeout=60)
        for bad in ({WORDS: WORDS}, {**body, "k": WORDS}, {**body, "temperature": WORDS}):
            reply = httpx.post(agent.base + path, json=bad, headers=auth, timeout=60)
            errors.append(reply.text if reply.status_code >= 400 else "")
    httpx.get(f"{agent.base}/dryrun", params={"question": said}, headers=auth, timeout=60)
    asyncio.run(plain_v2(agent, [said]))

    seen = {"log": agent.log(), "metrics": scraped(agent), "errors": "".join(errors)}
    planted = [*PLANTED, key]
    found = [(where, each) for where, text in seen.items() for each in planted if each in text]
    assert found == []


def test_a_request_is_one_event_that_programs_can_read(agent: Agent):
    name = f"event-{uuid.uuid4().hex}"
    headers = {"X-Request-ID": name, "X-Session-ID": "my-own-session"}
    httpx.post(f"{agent.base}/chat", json={"question": FEES}, headers=headers, timeout=60)

    def told() -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in agent.log().splitlines() if name in line]
        return [line for line in lines if line.get("event") == "request"]

    until(told)  # a reply may be here before its line is
    (event,) = told()
    assert (event["door"], event["status"], event["outcome"]) == ("/chat", "200", "answered")
    assert (event["generator"], event["degraded"], event["tokens"]) == ("extractive", "-", 0)
    assert event["request_id"] == name
    assert {"triage", "retrieve", "cite", "total"} <= set(event["steps"])
    assert re.fullmatch(r"[0-9a-f]{16}", event["session"])


def test_probes_are_not_told_of(agent: Agent):
    for path in ("/healthz", "/ready", "/metrics"):
        httpx.get(agent.base + path, timeout=60)

    assert not [line for line in agent.log().splitlines() if '"/healthz"' in line]
