"""The proof that takes minutes: a stranger who tries everything that our document allows."""

from pathlib import Path

import pytest
from tests.integration.conftest import StartAgent, first_ingest, indexed, start  # noqa: F401  # fixtures
from tests.integration.strangers import complaints

pytestmark = pytest.mark.soak


@pytest.mark.timeout(900)
def test_five_minutes_of_a_stranger_bring_no_surprise(
    start: StartAgent,  # noqa: F811
    indexed: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    agent = start(DATA_DIR=str(indexed)).wait_until_ready()

    told = complaints(f"{agent.base}/openapi.json", agent.base, tmp_path, seconds=300)

    assert told == ""
    assert "Traceback" not in agent.log()
