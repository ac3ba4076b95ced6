"""Comparing: a version's golden answers beside those of who is live, case by case. Pure."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from agentic_rag.domain import Degraded
from agentic_rag.evaluation.golden import Told
from agentic_rag.evaluation.measures import share

_MOST_DEGRADED = 0.01
_EVEN = 0.5

Holds = Callable[[Told], bool]

KINDS: Mapping[str, tuple[Holds, Holds]] = {
    "right answers": (
        lambda told: told.case.outcome == "answered",
        lambda told: told.is_right,
    ),
    "support": (
        lambda told: bool(told.statements),
        lambda told: all(each.is_carried and not each.is_misnumbered for each in told.statements),
    ),
    "refusals": (
        lambda told: told.case.outcome == "declined",
        lambda told: told.ends_right,
    ),
    "emergencies": (
        lambda told: told.case.outcome == "emergency",
        lambda told: told.ends_right,
    ),
}
"""By name: which cases it is about, and what is good in them."""


def spoken(told: Iterable[Told], served_as: str) -> int:
    """Count the answers that a version wrote."""
    return sum(each.answer.generator == f"vllm/{served_as}" for each in told)


def losses(ours: Sequence[Told], theirs: Sequence[Told]) -> list[str]:
    """Say where a version is significantly worse than who is live.

    Of the cases that came out otherwise, as many should be won as lost. Where the whole 95%
    interval of those that were lost is above a half, chance does not explain it.
    """
    before = {each.case.id: each for each in theirs}
    pairs = [(each, before[each.case.id]) for each in ours if each.case.id in before]
    found = []
    for name, (is_about, is_good) in KINDS.items():
        about = [(a, b) for a, b in pairs if is_about(a) or is_about(b)]
        flips = [is_good(b) for a, b in about if is_good(a) != is_good(b)]
        for lost in share(name, flips):
            if (lost.low or 0.0) > _EVEN:
                found.append(f"{name}: {sum(flips)} lost, {len(flips) - sum(flips)} won")
    return found


def silences(told: Sequence[Told], served_as: str, *, but: Collection[Degraded] = ()) -> list[str]:
    """Say where something else answered in a version's place: that would prove nothing of it.

    Args:
        told: what came of the questions.
        served_as: the version.
        but: reasons that do not count.
    """
    degraded = sum(each.answer.degraded not in {None, *but} for each in told)
    if degraded > _MOST_DEGRADED * len(told):
        return [f"{served_as} was not there for {degraded} of {len(told)} questions"]
    return []


def shares(told: Sequence[Told]) -> dict[str, float]:
    """Return how much of each kind was good."""
    found = {}
    for name, (is_about, is_good) in KINDS.items():
        for measure in share(name, (is_good(each) for each in told if is_about(each))):
            found[name] = measure.value
    return found
