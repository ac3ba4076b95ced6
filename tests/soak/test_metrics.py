"""The proof that takes minutes: ten thousand varied requests leave Prometheus as few series."""

from pathlib import Path

import pytest
from tests.integration.conftest import StartAgent, first_ingest, indexed, start  # noqa: F401  # fixtures
from tests.integration.prometheus import Job, Prometheus
from tests.integration.varied import KINDS, ask_variously

from agentic_rag.callers import Scope
from agentic_rag.serving.keys.ring import new_key

pytestmark = pytest.mark.soak
REQUESTS = 10_000
MOST_SERIES = 3000


@pytest.mark.timeout(900)
def test_ten_thousand_varied_requests_add_no_series(
    start: StartAgent,  # noqa: F811
    indexed: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    (ask, asks), (boss, administers) = new_key("web", Scope.ASK), new_key("boss", Scope.ADMIN)
    agent = start(DATA_DIR=str(indexed), API_KEYS=f"{asks},{administers}").wait_until_ready()
    prometheus = Prometheus(tmp_path, [Job(name="agent", port=agent.http_port, key=boss)])
    try:
        prometheus.wait("up == 1")
        ask_variously(agent.base, [ask, boss], range(4 * KINDS))
        prometheus.wait_for_scrapes()
        before = prometheus.series("agent")

        statuses = ask_variously(agent.base, [ask, boss], range(REQUESTS))
        prometheus.wait_for_scrapes()

        assert [each for each in prometheus.series("agent") if each not in before] == []
        assert len(before) < MOST_SERIES
        assert not {status for status in statuses if status >= 500}
    finally:
        prometheus.stop()
