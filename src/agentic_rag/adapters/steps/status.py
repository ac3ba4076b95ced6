"""Status: what answers where, by its digest, beside what is said of it."""

import asyncio
from dataclasses import asdict
from functools import partial
from typing import Any

from agentic_rag.adapters.aliases import Alias
from agentic_rag.adapters.bench import Bench
from agentic_rag.adapters.replica import Replica
from agentic_rag.adapters.smoking import smoke_one
from agentic_rag.adapters.steps.done import Done
from agentic_rag.adapters.versions import Version
from agentic_rag.errors import AdapterRefused, AgenticRagError
from agentic_rag.inference.slot import Slot


async def status(bench: Bench) -> Done:
    """Ask everything, and change nothing; `passed` where all that is said is so.

    What does not answer is told, and not taken for empty.
    """
    slot = bench.shelf.slot() or Slot()
    try:
        held = await bench.registry.aliases()
        aliases: dict[str, int] | str = {alias.value: number for alias, number in held.items()}
    except AgenticRagError as error:
        aliases = f"not known: {error}"
    versions = await _versions(bench, slot)
    replicas = await bench.fleet.tried(partial(_look, versions=versions))
    seen = {
        name: found if isinstance(found, dict) else f"not known: {found}"
        for name, found in replicas.items()
    }
    live = slot.live.digest if slot.live else None
    return Done(
        step="status",
        name=bench.registry.name,
        version=slot.live.number if slot.live else None,
        digest=live,
        passed=slot.move is None and _agree(aliases, slot) and _all_show(seen, slot),
        changed=False,
        details={"slot": asdict(slot), "aliases": aliases, "replicas": seen},
    )


async def _versions(bench: Bench, slot: Slot) -> list[Version]:
    """Return what the slot names, as far as it is here."""
    found = []
    for who in filter(None, (slot.live, slot.candidate)):
        try:
            found.append(await asyncio.to_thread(bench.shelf.check, who.number))
        except AgenticRagError:
            continue
    return found


async def _look(replica: Replica, *, versions: list[Version]) -> dict[str, Any]:
    """Return the digest that each adapter on a replica shows by its fingerprint."""
    served = {each.name for each in await replica.models() if each.base}
    shown: dict[str, str | None] = dict.fromkeys(sorted(served))
    for version in versions:
        if version.served_as in served:
            try:
                await smoke_one(replica, version=version)
                shown[version.served_as] = version.digest
            except AdapterRefused as error:
                shown[version.served_as] = f"not {version.digest[:12]}: {error}"
    return shown


def _agree(aliases: dict[str, int] | str, slot: Slot) -> bool:
    if isinstance(aliases, str):
        return False
    return aliases.get(Alias.LIVE) == (slot.live.number if slot.live else None)


def _all_show(seen: dict[str, Any], slot: Slot) -> bool:
    if slot.live is None:
        return True
    live = slot.live
    return all(
        isinstance(shown, dict) and shown.get(live.served_as) == live.digest
        for shown in seen.values()
    )
