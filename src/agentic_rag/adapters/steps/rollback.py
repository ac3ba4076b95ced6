"""Rollback: who was live before is live again."""

from agentic_rag.adapters.aliases import Alias
from agentic_rag.adapters.bench import Bench
from agentic_rag.adapters.moving import heal, move, proven, put_in_place
from agentic_rag.adapters.shelf import speaker
from agentic_rag.adapters.steps.done import Done
from agentic_rag.errors import AdapterRefused
from agentic_rag.inference.slot import Move, Slot


async def rollback(bench: Bench) -> Done:
    """Go back to the version before, or to the base model where there was none.

    Done twice it is done once: whoever wants to go further back promotes a version.

    Raises:
        AdapterRefused: nothing is live.
        AgenticRagError: something on the way failed; who was live still is.
    """
    async with bench.shelf.held():
        await heal(bench)
        slot = bench.shelf.slot() or Slot()
        if slot.last == "rollback":
            return _done(bench, slot, None)
        if slot.live is None:
            raise AdapterRefused("nothing-live", "there is nothing to go back from")
        previous = (await bench.registry.aliases()).get(Alias.PREVIOUS)
        version = await proven(bench, previous)
        if version:
            await put_in_place(bench, version)
        to = speaker(version) if version else None
        await move(bench, Move(kind="rollback", to=to, of=slot.live, older=previous), version)
        return _done(bench, bench.shelf.slot() or Slot(), slot.live.number)


def _done(bench: Bench, slot: Slot, gone: int | None) -> Done:
    return Done(
        step="rollback",
        name=bench.registry.name,
        version=slot.live.number if slot.live else None,
        digest=slot.live.digest if slot.live else None,
        changed=gone is not None,
        details={"gone": gone},
    )
