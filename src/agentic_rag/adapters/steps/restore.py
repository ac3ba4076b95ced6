"""Restore: what is live is on the shelf again, whole, before a replica starts."""

import asyncio
from pathlib import Path

from agentic_rag.adapters.aliases import Alias
from agentic_rag.adapters.bench import Bench
from agentic_rag.adapters.loading import copy
from agentic_rag.adapters.moving import check_knows, proven
from agentic_rag.adapters.shelf import speaker
from agentic_rag.adapters.steps.done import Done
from agentic_rag.adapters.versions import Version
from agentic_rag.errors import BadAdapter, RegistryUnavailable
from agentic_rag.inference.slot import Slot

MODULES = "lora-modules"
"""A file of `name=path`, one to a line: what vLLM's `--lora-modules` is given."""


async def restore(bench: Bench) -> Done:
    """Put what is live and what is staged on the shelf, and write down where it is.

    A replica that is started with the file that this writes serves them before it is ready. Where
    nothing was ever promoted there is nothing to do.

    Raises:
        RegistryUnavailable: it is away, and no whole copy of what was live is here.
        BadAdapter, AdapterRefused: what is here, or there, is not what was registered.
    """
    async with bench.shelf.held(wait_s=60.0):
        try:
            live, others = await _by_registry(bench)
            came_from = "registry"
        except RegistryUnavailable as away:
            live, others = await asyncio.to_thread(_by_shelf, bench, away)
            came_from = "shelf"
        versions = [*([live] if live else []), *others]
        if bench.shelf.slot() is None:
            bench.shelf.set_slot(Slot(live=speaker(live) if live else None))
        lines = [f"{each.served_as}={bench.shelf.path(each.number)}\n" for each in versions]
        _write(bench.shelf.folder / MODULES, "".join(lines))
    return Done(
        step="restore",
        name=bench.registry.name,
        version=live.number if live else None,
        digest=live.digest if live else None,
        details={"from": came_from, "served_as": [each.served_as for each in versions]},
    )


async def _by_registry(bench: Bench) -> tuple[Version | None, list[Version]]:
    held = await bench.registry.aliases()
    check_knows(bench.shelf.slot() or Slot(), held.get(Alias.LIVE))
    live = await proven(bench, held.get(Alias.LIVE))
    staged = held.get(Alias.STAGED)
    others = [] if staged is None else [await bench.registry.version(staged)]
    others = [each for each in others if each != live]
    for each in (*([live] if live else []), *others):
        await copy(bench, each)
    return live, others


def _by_shelf(bench: Bench, away: RegistryUnavailable) -> tuple[Version | None, list[Version]]:
    """Return what the slot names, where all of it is here."""
    slot = bench.shelf.slot()
    if slot is None:  # for all that is known here, something is live
        raise away
    way = slot.move
    # of a move that was not finished, either end may have to speak
    named = [slot.live, way.of if way else None, way.to if way else None, slot.candidate]
    numbers = dict.fromkeys(each.number for each in named if each)
    try:
        versions = {number: bench.shelf.check(number) for number in numbers}
    except BadAdapter as error:
        raise RegistryUnavailable(f"{away}; and here {error}") from error
    live = versions.pop(slot.live.number) if slot.live else None
    return live, list(versions.values())


def _write(path: Path, text: str) -> None:
    try:
        part = path.with_name(f".{path.name}.part")
        part.write_text(text, "utf-8")
        part.replace(path)
    except OSError as error:
        raise BadAdapter(f"{path.name}: cannot be written: {error.strerror}") from error
