"""Loading: one version on the shelf and on every replica, beside whatever else is there."""

import asyncio
from collections.abc import Collection
from functools import partial
from pathlib import Path

from agentic_rag.adapters import files
from agentic_rag.adapters.bench import Bench
from agentic_rag.adapters.replica import Replica
from agentic_rag.adapters.versions import Version, served_as
from agentic_rag.errors import (
    AdapterRefused,
    AlreadyLoaded,
    BadAdapter,
    RegistryUnavailable,
)

_BLOCK = 65_536  # more than a file system has left over


async def check_fits(bench: Bench, version: Version) -> None:
    """See that every replica can take a version.

    Raises:
        AdapterRefused: its rank is too high, or a replica has another base model.
    """
    if version.rank > bench.most_rank:
        raise AdapterRefused(
            "rank",
            f"{version.served_as}: {version.rank} is over ADAPTERS_MAX_RANK={bench.most_rank}",
        )
    for replica, base in (await bench.fleet.each(Replica.base)).items():
        if version.base_model not in {base.name, base.root}:
            raise AdapterRefused(
                "other-base",
                f"{version.served_as} is of {version.base_model}; {replica} serves {base.name}",
            )


async def copy(bench: Bench, version: Version) -> bool:
    """Put a whole copy on the shelf; tell whether that was needed.

    Raises:
        BadAdapter: what came is not what was registered, or there is no room for it.
        RegistryUnavailable: it cannot be had.
    """
    if await asyncio.to_thread(bench.shelf.holds, version):
        return False
    part = bench.shelf.begun(version.number)
    for path, wanted in version.digests.items():
        if not await asyncio.to_thread(_is_there, part / path, wanted):
            await _fetch(bench, version, path, part)
    try:
        await asyncio.to_thread(bench.shelf.finish, version)
    except OSError as error:
        raise BadAdapter(f"{version.served_as}: cannot be kept: {error.strerror}") from error
    return True


async def load(bench: Bench, version: Version) -> list[str]:
    """Load a version on every replica that lacks it; return those.

    Raises:
        ReplicaUnavailable, ReplicaRefused: one of them cannot; the others have it.
    """
    path = bench.shelf.path(version.number)
    loaded = await bench.fleet.each(partial(_load, name=version.served_as, path=path))
    return [replica for replica, was_needed in loaded.items() if was_needed]


async def tidy(bench: Bench, kept: Collection[str]) -> None:
    """Unload our versions but some; a replica that cannot be told has them a while longer."""
    prefix = served_as(bench.registry.name, 0).removesuffix("0")

    async def drop(replica: Replica) -> None:
        for each in await replica.models():
            if each.base and each.name.startswith(prefix) and each.name not in kept:
                await replica.unload(each.name)

    await bench.fleet.tried(drop)


async def _load(replica: Replica, *, name: str, path: Path) -> bool:
    for each in await replica.models():
        if each.name == name and each.base is not None:
            if each.root == str(path):
                return False
            await replica.unload(name)  # it came from somewhere else
    try:
        await replica.load(name, path)
    except AlreadyLoaded:  # somebody was quicker, or it is a replica's own resolver
        return False
    return True


def _is_there(path: Path, wanted: str) -> bool:
    return path.is_file() and files.digest(path) == wanted


async def _fetch(bench: Bench, version: Version, path: str, part: Path) -> None:
    """Fetch a file; MLflow keeps to itself why one does not come, so a full disk is tried for."""
    try:
        await bench.registry.fetch(version, path, part)
    except RegistryUnavailable:
        try:
            await asyncio.to_thread(_try_to_write, part / path)
        except OSError as error:
            told = f"{version.served_as}: {path} cannot be written: {error.strerror}"
            raise BadAdapter(told) from error
        raise


def _try_to_write(path: Path) -> None:
    """Make a file larger, and throw it away."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(bytes(_BLOCK))
    path.unlink()
