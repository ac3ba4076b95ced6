"""The kubelet: a process of its own that asks "ready?" every 100 ms, until its input closes.

A probe is sent when it is due, whether or not the one before it has come back, so that a server
that stands still cannot hide it by delaying the questions.
"""

import argparse
import asyncio
import json
import sys
import time

import aiohttp

from servers import READY

_EVERY_S = 0.1


async def main() -> None:
    """Probe, then print the latencies in seconds and the count of failures, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    url = f"http://127.0.0.1:{parser.parse_args().port}{READY}"
    told_to_stop = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        probes = []
        due = time.monotonic()
        while not told_to_stop.done():
            probes.append(asyncio.create_task(_probe(session, url)))
            due += _EVERY_S
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        latencies = await asyncio.gather(*probes)
    kept = [latency for latency in latencies if latency is not None]
    print(json.dumps({"latencies": kept, "failed": len(latencies) - len(kept)}))


async def _probe(session: aiohttp.ClientSession, url: str) -> float | None:
    start = time.perf_counter()
    try:
        async with session.get(url) as reply:
            await reply.read()
    except (aiohttp.ClientError, TimeoutError):
        return None
    return time.perf_counter() - start if reply.ok else None


if __name__ == "__main__":
    asyncio.run(main())
