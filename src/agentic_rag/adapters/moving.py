"""Moving: another version speaks, in one step that is finished or taken back, whatever happens.

The slot is changed first, with a note of what is under way; the registry's alias `live` is the
point of no return. Whoever finds such a note goes by that alias: forward where it has moved,
back where it has not.
"""

from contextlib import suppress
from dataclasses import replace

from agentic_rag.adapters.aliases import Alias
from agentic_rag.adapters.bench import Bench
from agentic_rag.adapters.loading import check_fits, copy, load
from agentic_rag.adapters.shelf import speaker
from agentic_rag.adapters.smoking import smoke
from agentic_rag.adapters.versions import Version
from agentic_rag.errors import AdapterRefused, AgenticRagError
from agentic_rag.inference.slot import SLOT, Move, Slot, Speaker

PROMOTED = "agentic-rag.promoted"
"""The record of a version that it was let through, and by what."""


async def proven(bench: Bench, number: int | None) -> Version | None:
    """Return a version that was let through once; None for the base model.

    Raises:
        AdapterRefused: it never was: somebody has moved an alias by hand.
    """
    if number is None:
        return None
    version = await bench.registry.version(number)
    told = await bench.registry.read(number, PROMOTED)
    if told is None or (told["name"], told["digest"]) != (version.name, version.digest):
        raise AdapterRefused("moved-alias", f"{version.served_as} was never promoted")
    return version


def check_knows(slot: Slot, live: int | None) -> None:
    """See that a registry which names nobody live is not one that has lost who was.

    Raises:
        AdapterRefused: somebody is live here, and no move is under way.
    """
    if live is None and slot.live and slot.move is None:
        told = f"nobody is live there, and {slot.live.served_as} is here"
        raise AdapterRefused("lost-alias", f"{told}; if that is right, take {SLOT} away")


async def put_in_place(bench: Bench, version: Version) -> None:
    """Have every replica serve a version, and answer as it does."""
    await check_fits(bench, version)
    await copy(bench, version)
    await load(bench, version)
    await smoke(bench, version, requests=1)


async def move(bench: Bench, way: Move, to: Version | None) -> None:
    """Let another version speak, which every replica serves already.

    Raises:
        AgenticRagError: it did not come about; who spoke before speaks again.
    """
    slot = bench.shelf.slot() or Slot()
    try:
        bench.shelf.set_slot(replace(slot, live=way.to, move=way))
        if to:
            await smoke(bench, to, requests=1)
        await _commit(bench, way)
    except AgenticRagError:
        if not await _went_through(bench, slot, way):
            raise
        return
    await heal(bench)


async def heal(bench: Bench) -> bool:
    """See that who speaks is who the registry says, and that no move is left half done.

    Raises:
        RegistryUnavailable: it does not say.
        AdapterRefused: it names a version that was never let through.
    """
    held = await bench.registry.aliases()
    slot = bench.shelf.slot() or Slot()
    live = held.get(Alias.LIVE)
    if slot.move is None and _number(slot.live) == live:
        return False
    check_knows(slot, live)
    version = await proven(bench, live)
    if version:
        await put_in_place(bench, version)
    last = await _mended(bench, slot, live)
    now = speaker(version) if version else None
    candidate = None if slot.candidate == now else slot.candidate
    bench.shelf.set_slot(replace(slot, live=now, candidate=candidate, move=None, last=last))
    return True


async def _commit(bench: Bench, way: Move) -> None:
    """Tell the registry; the last call is the one that counts."""
    if way.kind == "promote" and way.of:
        await bench.registry.point(Alias.PREVIOUS, way.of.number, forced=True)
    # gates and transitions were looked at before anything moved
    await bench.registry.point(Alias.LIVE, _number(way.to), forced=True)


async def _went_through(bench: Bench, slot: Slot, way: Move) -> bool:
    """Let who spoke before speak again; tell whether the registry had the move nevertheless."""
    with suppress(AgenticRagError):  # a disk that is full leaves the slot as it is
        bench.shelf.set_slot(replace(slot, live=way.of, move=way))
    with suppress(AgenticRagError):  # whoever comes next does it
        await heal(bench)
        found = bench.shelf.slot()
        return found is not None and found.move is None and found.live == way.to
    return False


async def _mended(bench: Bench, slot: Slot, live: int | None) -> str:
    """Set `previous` as the move that was under way wants it; return the kind of the last one."""
    way = slot.move
    if way is None:
        return slot.last
    if live == _number(way.to):
        previous = _number(way.of) if way.kind == "promote" else None
        await bench.registry.point(Alias.PREVIOUS, previous, forced=True)
        return way.kind
    if way.kind == "promote":
        await bench.registry.point(Alias.PREVIOUS, way.older, forced=True)
    return slot.last


def _number(who: Speaker | None) -> int | None:
    return who.number if who else None
