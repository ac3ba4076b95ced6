"""Smoke: what every replica serves as a version is that version, and quick enough."""

from dataclasses import asdict

from agentic_rag.adapters.aliases import Alias
from agentic_rag.adapters.bench import Bench
from agentic_rag.adapters.gates import Gate, Result, bound, stamp
from agentic_rag.adapters.smoking import MOST_S
from agentic_rag.adapters.smoking import smoke as smoke_all
from agentic_rag.adapters.steps.done import Done, done
from agentic_rag.adapters.versions import Reference


async def smoke(
    bench: Bench, reference: Reference, *, requests: int = 6, most_s: float = MOST_S
) -> Done:
    """Ask each replica so many known prompts, and write down how that went.

    Raises:
        AdapterRefused: an answer is not the registered one, or is late.
        RegistryUnavailable, ReplicaUnavailable, ReplicaRefused: as they are named.
    """
    version = await bench.registry.resolve(reference)
    smoked = await smoke_all(bench, version, requests=requests, most_s=most_s)
    held = await bench.registry.aliases()
    result = Result(
        **bound(Gate.SMOKE, version),
        suite=bench.suites.digest(Gate.SMOKE, version),
        against=held.get(Alias.LIVE),
        passed=True,
        requests=sum(each.requests for each in smoked.values()),
        at=stamp(bench.now()),
        figures={"slowest_s": max(each.slowest_s for each in smoked.values())},
    )
    await bench.registry.write(version.number, Gate.SMOKE, result.as_record())
    details = {replica: asdict(each) for replica, each in smoked.items()}
    return done("smoke", version, details=details)
