"""Judging: looks up what came of a gate, and whether it lets a version through now."""

from agentic_rag.adapters.aliases import Alias, check_transition
from agentic_rag.adapters.bench import Bench
from agentic_rag.adapters.gates import Gate, Wanted, check_result
from agentic_rag.adapters.versions import Version, served_as


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
        suite=bench.suites.digest(gate, version),
        against=held.get(Alias.LIVE),
        now=bench.now(),
        most_age=bench.most_age,
    )
    check_result(told, wanted)


async def check_way(bench: Bench, alias: Alias, version: Version) -> None:
    """See that a version may have an alias, before work is done for it.

    Raises:
        AdapterRefused: it did not come the way there.
    """
    held = await bench.registry.aliases()
    check_transition(alias, [each for each, of in held.items() if of == version.number])


async def speaks_now(bench: Bench) -> tuple[int | None, str]:
    """Return who is live, by number and by the name that replicas serve it by.

    Where nobody is, it is the base model.

    Raises:
        RegistryUnavailable, ReplicaUnavailable: they do not say.
    """
    live = (await bench.registry.aliases()).get(Alias.LIVE)
    if live is not None:
        return live, served_as(bench.registry.name, live)
    [first, *_] = await bench.fleet.replicas()
    return None, (await first.base()).name
