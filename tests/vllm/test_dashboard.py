"""The dashboard and the alerts ask for metrics that a real vLLM has."""

import time
from pathlib import Path

import httpx
import pytest
from tests.dashboard import panels
from tests.integration.prometheus import Job, Prometheus

pytestmark = [pytest.mark.vllm, pytest.mark.soak]

RULES = Path(__file__).parents[2] / "infra" / "components" / "monitoring" / "rules-llm.yaml"
LIMIT_S = 120


@pytest.fixture
def prometheus(vllm_server, tmp_path):
    port = httpx.URL(vllm_server.base_url).port
    server = Prometheus(tmp_path, [Job(name="llm-server", port=port)], [RULES])
    yield server
    server.stop()


def test_every_panel_that_asks_for_vllms_metrics_has_data(prometheus, vllm_server):
    wanted = panels("vllm:")
    end = time.monotonic() + LIMIT_S

    prometheus.wait('up{job="llm-server"} == 1')
    empty = wanted
    while empty and time.monotonic() < end:
        write_something(vllm_server)
        prometheus.wait_for_scrapes()
        empty = {name: query for name, query in wanted.items() if not prometheus.numbers(query)}

    assert empty == {}
    assert prometheus.sick_rules() == {}


def write_something(server):
    asked = {"model": server.model, "max_tokens": 8, "ignore_eos": True}
    said = [{"role": "user", "content": "Do you take cards, and is there parking? " * 8}]
    url = f"{server.base_url}/chat/completions"
    httpx.post(url, json=asked | {"messages": said}, timeout=120).raise_for_status()
