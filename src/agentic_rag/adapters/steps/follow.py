"""Follow: replicas have what the slot names, and the slot what the registry says, as time goes."""

import asyncio
import logging

from agentic_rag.adapters.bench import Bench
from agentic_rag.adapters.loading import copy, load
from agentic_rag.adapters.moving import heal
from agentic_rag.adapters.smoking import smoke
from agentic_rag.adapters.steps.done import Done
from agentic_rag.adapters.versions import Version
from agentic_rag.errors import AgenticRagError, BadAdapter, RegistryUnavailable
from agentic_rag.inference.slot import Slot

logger = logging.getLogger(__name__)


async def follow(bench: Bench) -> Done:
    """Look once, and mend what is other than it should be.

    Raises:
        AgenticRagError: something cannot be mended now.
    """
    async with bench.shelf.held(wait_s=0.0):
        try:
            healed, away = await heal(bench), ""
        except RegistryUnavailable as error:  # what is here is good until it says otherwise
            healed, away = False, str(error)
        loaded = await _load_all(bench)
    slot = bench.shelf.slot() or Slot()
    return Done(
        step="follow",
        name=bench.registry.name,
        version=slot.live.number if slot.live else None,
        digest=slot.live.digest if slot.live else None,
        changed=healed or bool(loaded),
        details={"healed": healed, "loaded_on": loaded, "registry": away or "answers"},
    )


async def follow_on(bench: Bench, *, every_s: float) -> Done:
    """Look again and again, until cancelled; what cannot be mended now is tried again.

    Somebody else at work is no trouble: the next look comes.
    """
    while True:
        try:
            done = await follow(bench)
            if done.changed:
                logger.info("adapters mended details=%s", dict(done.details))
        except AgenticRagError as error:
            logger.warning("adapters are not as they should be: %s", error)
        await asyncio.sleep(every_s)


async def _load_all(bench: Bench) -> dict[str, list[str]]:
    """Load what the slot names on replicas that lack it; return those, by what they lacked."""
    slot = bench.shelf.slot() or Slot()
    loaded = {}
    for who in filter(None, (slot.live, slot.candidate)):
        version = await _whole(bench, who.number)
        if lacked := await load(bench, version):
            await smoke(bench, version, requests=1)
            loaded[who.served_as] = lacked
    return loaded


async def _whole(bench: Bench, number: int) -> Version:
    """Return a version of which a whole copy is on the shelf, fetched anew where none was."""
    try:
        return await asyncio.to_thread(bench.shelf.check, number)
    except BadAdapter:
        version = await bench.registry.version(number)
        await copy(bench, version)
        return version
