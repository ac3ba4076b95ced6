"""Aliases: what is said of a version, and what has to be true before it may be said. Pure.

    register      stage        evaluate            load-test             promote
    ───────→ candidate → staged ─┬→ eval-passed ─┬→ perf-passed ──────────→ live ⇄ previous
                                 └→ eval-failed  └→ perf-failed                rollback

A version keeps what was said of it until the opposite is found, or it is said of another one.
"""

from collections.abc import Collection
from enum import StrEnum

from agentic_rag.errors import AdapterRefused


class Alias(StrEnum):
    """The aliases; each belongs to one version at most."""

    CANDIDATE = "candidate"
    STAGED = "staged"
    EVAL_PASSED = "eval-passed"
    EVAL_FAILED = "eval-failed"
    PERF_PASSED = "perf-passed"
    PERF_FAILED = "perf-failed"
    LIVE = "live"
    PREVIOUS = "previous"


# any one of these sets of aliases makes the way free
_NEEDS: dict[Alias, tuple[frozenset[Alias], ...]] = {
    Alias.CANDIDATE: (frozenset(),),
    Alias.STAGED: (frozenset({Alias.CANDIDATE}),),
    Alias.EVAL_PASSED: (frozenset({Alias.STAGED}),),
    Alias.EVAL_FAILED: (frozenset({Alias.STAGED}),),
    Alias.PERF_PASSED: (frozenset({Alias.EVAL_PASSED}),),
    Alias.PERF_FAILED: (frozenset({Alias.EVAL_PASSED}),),
    Alias.LIVE: (
        frozenset({Alias.EVAL_PASSED, Alias.PERF_PASSED}),
        frozenset({Alias.PREVIOUS}),
    ),
    Alias.PREVIOUS: (frozenset({Alias.LIVE}),),
}

OPPOSITE = {
    Alias.EVAL_PASSED: Alias.EVAL_FAILED,
    Alias.EVAL_FAILED: Alias.EVAL_PASSED,
    Alias.PERF_PASSED: Alias.PERF_FAILED,
    Alias.PERF_FAILED: Alias.PERF_PASSED,
}
"""What is taken back from a version when an alias is given to it."""


def check_transition(alias: Alias, has: Collection[Alias]) -> None:
    """See that a version with some aliases may have another.

    Raises:
        AdapterRefused: the way there leads by others.
    """
    if alias in has or any(needed <= set(has) for needed in _NEEDS[alias]):
        return
    ways = " or ".join(" and ".join(sorted(needed)) for needed in _NEEDS[alias])
    raise AdapterRefused("transition", f"{alias} needs {ways}; it is {_told(has)}")


def _told(has: Collection[Alias]) -> str:
    return ", ".join(sorted(has)) or "none of all"
