"""The proofs that take minutes: what 32 callers and 10,000 questions do to the server."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.soak

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SETTLED = 1_000


@pytest.fixture(scope="module")
def crowded() -> dict[str, Any]:
    """What `benchmarks/serving.py` saw of a minute with 32 callers."""
    report = benchmark("serving.py", "--no-baseline", "--seconds=60", "--callers=32")
    return report["rag-agent"]


@pytest.mark.timeout(900)
def test_a_minute_with_32_callers_brings_no_error(crowded: dict[str, Any]) -> None:
    assert crowded["requests"] > 0
    assert crowded["error_kinds"] == {}


@pytest.mark.timeout(900)
def test_a_question_has_the_same_answer_for_every_caller_in_the_crowd(
    crowded: dict[str, Any],
) -> None:
    assert crowded["outcomes"].keys() == {"answered", "declined", "emergency"}
    assert crowded["changed"] == 0


@pytest.mark.timeout(900)
def test_the_readiness_probe_answers_within_100_ms_while_32_callers_ask(
    crowded: dict[str, Any],
) -> None:
    assert crowded["probes_failed"] == 0
    assert crowded["probes"] > 0
    assert crowded["probe_p99_ms"] < 100


@pytest.mark.timeout(3600)
def test_memory_stays_flat_over_10_000_questions_that_are_all_new() -> None:
    report = benchmark("memory.py", "--requests=10000")

    rss = {asked: megabytes for asked, megabytes, _ in report["samples"]}
    assert report["errors"] == {}
    assert rss[10_000] <= 1.05 * rss[SETTLED]


def benchmark(script: str, *options: str) -> dict[str, Any]:
    """Run a script of `benchmarks/` and return its report."""
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / script), "--json", *options],
        stdout=subprocess.PIPE,
        check=False,  # memory.py tells by its exit code what the test asserts
    )
    report: dict[str, Any] = json.loads(done.stdout)
    return report
