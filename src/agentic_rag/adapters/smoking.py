"""Smoking out: does what answers on a replica have the fingerprint of the version it should be?"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice

from agentic_rag.adapters.bench import Bench
from agentic_rag.adapters.replica import Replica
from agentic_rag.adapters.versions import Known, Version
from agentic_rag.errors import AdapterRefused

MOST_S = 10.0  # that one known answer may take


@dataclass(frozen=True, slots=True, kw_only=True)
class Smoked:
    """What came of a replica: how many answers were as they should be, and the slowest."""

    requests: int
    slowest_s: float


async def smoke(
    bench: Bench, version: Version, *, requests: int, most_s: float = MOST_S
) -> dict[str, Smoked]:
    """Ask every replica the known prompts, so many in all.

    Raises:
        AdapterRefused: no request is wanted; an answer is the base model's, or not the registered
            one, or too slow.
        ReplicaUnavailable, ReplicaRefused: one does not answer.
    """
    if requests < 1:
        raise AdapterRefused("no-requests", "smoke: expected one request or more")
    return await bench.fleet.each(
        partial(smoke_one, version=version, requests=requests, most_s=most_s)
    )


async def smoke_one(
    replica: Replica, *, version: Version, requests: int = 1, most_s: float = MOST_S
) -> Smoked:
    """Do `smoke` to one replica."""
    known = list(islice(cycle(version.fingerprint), requests))
    await _check_differs(replica, version.fingerprint[: len(known)])
    times = [await _asked(replica, version, each, most_s) for each in known]
    return Smoked(requests=len(times), slowest_s=max(times))


async def _check_differs(replica: Replica, known: Sequence[Known]) -> None:
    """See that the fingerprint tells the adapter from its base model."""
    base = (await replica.base()).name
    for each in known:
        said = await replica.complete(base, each.prompt, max_tokens=each.max_tokens)
        if said.text == each.text:
            raise AdapterRefused("like-the-base", f"{replica}: the base model answers alike")


async def _asked(replica: Replica, version: Version, known: Known, most_s: float) -> float:
    said = await replica.complete(version.served_as, known.prompt, max_tokens=known.max_tokens)
    if said.text != known.text:
        raise AdapterRefused(
            "wrong-weights", f"{replica}: what answers as {version.served_as} is something else"
        )
    if said.seconds > most_s:
        raise AdapterRefused("slow", f"{replica}: took {said.seconds:.1f} s, over {most_s:g} s")
    return said.seconds
