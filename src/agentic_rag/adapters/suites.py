"""Suites: a digest of what each gate asks and wants, so that a result of another is told apart."""

import hashlib
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import orjson

from agentic_rag.adapters.gates import Gate
from agentic_rag.adapters.versions import Version
from agentic_rag.evaluation.cases import SHIPPED_SUITES

LOAD_LIMITS = {
    "p95_s": 8.0,
    "p95_times_live": 1.15,
    "ttft_p95_s": 2.0,
    "ttft_p95_times_live": 1.15,
    "requests_per_s": 2.0,
    "requests_per_s_times_live": 0.85,
    "success": 0.99,
}
"""What a version has to keep to under load: success and rates at least, times at most."""


_THRESHOLDS = SHIPPED_SUITES.with_name("thresholds.yaml")


def smoke_suite(version: Version) -> str:
    """Return the digest of a version's own known prompts."""
    return _digest([orjson.dumps([asdict(each) for each in version.fingerprint])])


def evaluation_suite(suites: Path = SHIPPED_SUITES, limits: Path = _THRESHOLDS) -> str:
    """Return the digest of the evaluation's cases and thresholds."""
    cases = sorted(path for path in suites.rglob("*") if path.is_file())
    parts = [part for path in cases for part in (path.name.encode(), path.read_bytes())]
    return _digest([*parts, limits.read_bytes()])


def load_suite() -> str:
    """Return the digest of what the load test wants."""
    return _digest([orjson.dumps(LOAD_LIMITS)])


def suite_of(gate: Gate, version: Version) -> str:
    """Return the digest of what a gate asks here and now."""
    if gate is Gate.SMOKE:
        return smoke_suite(version)
    return evaluation_suite() if gate is Gate.EVALUATE else load_suite()


def _digest(parts: Iterable[bytes]) -> str:
    found = hashlib.sha256()
    for part in parts:
        found.update(b"%d\n" % len(part))
        found.update(part)
    return found.hexdigest()
