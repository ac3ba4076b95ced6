"""Callers of /search: a process of their own that prints the latencies and the labels, as JSON."""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import aiohttp


async def run(port: int, callers: int, k: int, queries: list[str]) -> dict[str, Any]:
    """Ask every query once; returns `hits` by query, `latencies` in seconds, and `errors`."""
    outcome: dict[str, Any] = {"hits": {}, "latencies": [], "errors": 0}
    waiting = iter(queries)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
        url = f"http://127.0.0.1:{port}/search"
        await asyncio.gather(*(_ask_all(session, url, k, waiting, outcome) for _ in range(callers)))
    return outcome


async def _ask_all(
    session: aiohttp.ClientSession,
    url: str,
    k: int,
    waiting: Iterator[str],
    outcome: dict[str, Any],
) -> None:
    for query in waiting:
        start = time.perf_counter()
        async with session.post(url, json={"query": query, "k": k}) as reply:
            body = await reply.json()
        outcome["latencies"].append(time.perf_counter() - start)
        if "hits" not in body:
            outcome["errors"] += 1
            continue
        outcome["hits"][query] = [hit["meta"]["label"] for hit in body["hits"]]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--callers", type=int, default=8)
    parser.add_argument("--k", type=int, default=10)
    options = parser.parse_args()
    asked = json.load(sys.stdin)  # the queries
    print(json.dumps(asyncio.run(run(options.port, options.callers, options.k, asked))))
