"""Register: files become a version, and the candidate."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from agentic_rag.adapters.aliases import Alias
from agentic_rag.adapters.bench import Bench
from agentic_rag.adapters.files import describe
from agentic_rag.adapters.steps.done import Done, done


async def register(bench: Bench, folder: Path, lineage: Mapping[str, str] | None = None) -> Done:
    """Register a folder; the same files are the same version, however often.

    Raises:
        BadAdapter: a file is missing or wrong; names it.
        RegistryUnavailable: the registry is away.
    """
    described = await asyncio.to_thread(describe, folder)
    version = await bench.registry.register(folder, described, lineage or {})
    await bench.registry.point(Alias.CANDIDATE, version.number)
    return done(
        "register", version, details={"base_model": version.base_model, "rank": version.rank}
    )
