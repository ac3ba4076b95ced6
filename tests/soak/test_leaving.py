"""SIGTERM under load, 20 times: no accepted request is lost."""

import asyncio
from pathlib import Path

import pytest
from tests.integration.conftest import StartAgent, first_ingest, indexed, start  # noqa: F401
from tests.integration.leave import leave

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]

TIMES = 20


def test_no_request_that_was_begun_is_lost_when_a_server_is_told_to_end(
    start: StartAgent,  # noqa: F811  # the fixtures
    indexed: Path,  # noqa: F811
) -> None:
    for _ in range(TIMES):
        left = asyncio.run(leave(start, DATA_DIR=str(indexed)))

        assert left.lost == []
        assert left.code == 0
        assert "Traceback" not in left.log
