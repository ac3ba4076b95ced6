"""Promote: a version that came through its gates is live, everywhere, in one step."""

from typing import Any

from agentic_rag.adapters.aliases import Alias
from agentic_rag.adapters.bench import Bench
from agentic_rag.adapters.gates import Gate, stamp
from agentic_rag.adapters.judging import check_gate, check_way
from agentic_rag.adapters.loading import tidy
from agentic_rag.adapters.moving import PROMOTED, heal, move, put_in_place
from agentic_rag.adapters.shelf import speaker
from agentic_rag.adapters.steps.done import Done, done
from agentic_rag.adapters.versions import Reference, Version
from agentic_rag.errors import AdapterRefused
from agentic_rag.inference.slot import Move, Slot


async def promote(bench: Bench, reference: Reference, *, forced_for: str | None = None) -> Done:
    """Make a version the live one; what fails leaves who was live, live.

    Args:
        bench: what to work with.
        reference: the version.
        forced_for: the reason to pass over the gates, which is written down; None: do not.

    Raises:
        AdapterRefused: a gate does not let it through; says which, and why.
        AgenticRagError: something on the way failed.
    """
    if forced_for is not None and not forced_for.strip():
        raise AdapterRefused("no-reason", "to pass over the gates needs a reason")
    version = await bench.registry.resolve(reference)
    async with bench.shelf.held():
        await heal(bench)
        slot = bench.shelf.slot() or Slot()
        if slot.live == speaker(version):
            await put_in_place(bench, version)
            return done("promote", version, changed=False)
        record = await _let_through(bench, version, forced_for)
        await put_in_place(bench, version)
        await bench.registry.write(version.number, PROMOTED, record)
        older = (await bench.registry.aliases()).get(Alias.PREVIOUS)
        way = Move(kind="promote", to=speaker(version), of=slot.live, older=older)
        await move(bench, way, version)
        candidate = (bench.shelf.slot() or Slot()).candidate
        kept = (way.to, way.of, candidate)
        await tidy(bench, [each.served_as for each in kept if each])
    details = {"before": slot.live.number if slot.live else None, "forced_for": forced_for}
    return done("promote", version, details=details)


async def _let_through(bench: Bench, version: Version, forced_for: str | None) -> dict[str, Any]:
    """Return what to write down of how it came through."""
    if forced_for is None:
        await check_way(bench, Alias.LIVE, version)
        for gate in Gate:
            await check_gate(bench, version, gate)
    return {
        "name": version.name,
        "digest": version.digest,
        "at": stamp(bench.now()),
        "forced_for": forced_for,
    }
