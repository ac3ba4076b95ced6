"""Judging: looks up what came of a gate, and whether it lets a version through now."""

from agentic_rag.adapters.aliases import Alias
from agentic_rag.adapters.bench import Bench
from agentic_rag.adapters.gates import Gate, Wanted, check_result
from agentic_rag.adapters.suites import suite_of
from agentic_rag.adapters.versions import Version


async def check_gate(bench: Bench, version: Version, gate: Gate) -> None:
    """See that a version came through a gate, and that this still holds.

    Raises:
        AdapterRefused: it did not, or it does not; says why.
        RegistryUnavailable: the registry is away.
    """
    told = await bench.registry.read(version.number, gate)
    held = await bench.registry.aliases()
    wanted = Wanted(
        gate=gate,
        version=version,
        suite=suite_of(gate, version),
        against=held.get(Alias.LIVE),
        now=bench.now(),
        most_age=bench.most_age,
    )
    check_result(told, wanted)
