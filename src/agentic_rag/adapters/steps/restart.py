"""Restart: the replicas are started anew, one after another, and serve what is live."""

import asyncio
from functools import partial

from agentic_rag.adapters.bench import Bench
from agentic_rag.adapters.replica import Replica
from agentic_rag.adapters.smoking import smoke
from agentic_rag.adapters.steps.done import Done
from agentic_rag.deploying.cluster import Rollout
from agentic_rag.inference.slot import Slot


async def restart(
    bench: Bench, rollout: Rollout, *, workload: str, namespace: str, limit_s: float = 1800.0
) -> Done:
    """Start the pods of a workload anew, and see that each replica answers as what is live.

    Their init container runs `restore` first, so that none is ready before.

    Raises:
        AdapterRefused: a replica came back with something else.
        ClusterUnavailable: the cluster refuses, or is not done within the limit.
        ReplicaUnavailable: a replica did not come back.
    """
    await asyncio.to_thread(rollout.restart, workload, namespace, limit_s=limit_s)
    slot = bench.shelf.slot() or Slot()
    if slot.live:
        name = slot.live.served_as
        await bench.fleet.each(partial(Replica.wait_until, name=name, limit_s=limit_s))
        await smoke(bench, bench.shelf.check(slot.live.number), requests=1)
    replicas = [str(each) for each in await bench.fleet.replicas()]
    return Done(
        step="restart",
        name=bench.registry.name,
        version=slot.live.number if slot.live else None,
        digest=slot.live.digest if slot.live else None,
        details={"replicas": replicas},
    )
