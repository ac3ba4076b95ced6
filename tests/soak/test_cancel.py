"""A thousand callers hang up, over every door: the model is let go at once, and nothing is left."""

from typing import Any

import pytest
from tests.soak.test_soak import benchmark

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]

DOORS = ("v1", "v2", "gRPC", "/chat/stream")
HELD = ("connections", "threads", "tasks", "llm_inflight")


@pytest.fixture(scope="module")
def hung_up() -> dict[str, Any]:
    """What `benchmarks/cancel.py` saw of a thousand who hang up at random moments."""
    return benchmark("cancel.py", "--callers=1000")


@pytest.mark.parametrize("door", DOORS)
def test_no_model_writes_for_nobody(hung_up: dict[str, Any], door: str) -> None:
    seen = hung_up["doors"][door]

    assert seen["callers"] == 250
    assert seen["had the LLM"] > 100
    assert seen["never let go"] == 0


def test_the_model_is_let_go_within_a_tenth_of_a_second(hung_up: dict[str, Any]) -> None:
    assert hung_up["doors"]["all of the agent's"]["p95"] < 100


@pytest.mark.parametrize("what", HELD)
def test_nothing_is_left_of_a_thousand_callers(hung_up: dict[str, Any], what: str) -> None:
    assert hung_up["after"][what] <= hung_up["before"][what]
