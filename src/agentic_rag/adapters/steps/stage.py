"""Stage: a version that was smoked waits beside the live one, and may answer some sessions."""

from dataclasses import replace

from agentic_rag.adapters.aliases import Alias
from agentic_rag.adapters.bench import Bench
from agentic_rag.adapters.gates import Gate
from agentic_rag.adapters.judging import check_gate
from agentic_rag.adapters.shelf import speaker
from agentic_rag.adapters.steps.done import Done, done
from agentic_rag.adapters.versions import Reference
from agentic_rag.errors import AdapterRefused
from agentic_rag.inference.slot import Slot


async def stage(bench: Bench, reference: Reference, *, share: float = 0.0) -> Done:
    """Say that a version is staged.

    Args:
        bench: what to work with.
        reference: the version.
        share: of the sessions that it answers; more than none only behind the first gate.

    Raises:
        AdapterRefused: it was not smoked, or is to answer patients and may not.
        RegistryUnavailable: the registry is away.
    """
    if not 0 <= share <= 1:
        raise AdapterRefused("share", "expected 0 to 1")
    version = await bench.registry.resolve(reference)
    await check_gate(bench, version, Gate.SMOKE)
    if share:
        await check_gate(bench, version, Gate.EVALUATE)
    await bench.registry.point(Alias.STAGED, version.number)
    async with bench.shelf.held():
        slot = bench.shelf.slot() or Slot()
        staged = replace(slot, candidate=speaker(version), share=share)
        if staged != slot:
            bench.shelf.set_slot(staged)
    return done("stage", version, changed=staged != slot, details={"share": share})
