"""Load: a version is copied, and loaded on every replica beside what is live."""

from agentic_rag.adapters import loading
from agentic_rag.adapters.bench import Bench
from agentic_rag.adapters.steps.done import Done, done
from agentic_rag.adapters.versions import Reference


async def load(bench: Bench, reference: Reference) -> Done:
    """Load a version under its own name; nobody is sent to it.

    Raises:
        AdapterRefused: it is of another base model, or its rank is too high.
        BadAdapter: what was copied is not what was registered, or there is no room.
        RegistryUnavailable, ReplicaUnavailable, ReplicaRefused: as they are named.
    """
    version = await bench.registry.resolve(reference)
    async with bench.shelf.held():
        await loading.check_fits(bench, version)
        copied = await loading.copy(bench, version)
        loaded = await loading.load(bench, version)
    details = {"served_as": version.served_as, "copied": copied, "loaded_on": loaded}
    return done("load", version, changed=copied or bool(loaded), details=details)
