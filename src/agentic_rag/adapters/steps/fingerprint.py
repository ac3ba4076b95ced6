"""Fingerprint: what a trained adapter answers is taken down, before it is registered."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import orjson

from agentic_rag.adapters.bench import Bench
from agentic_rag.adapters.files import FINGERPRINT, MOST_TOKENS
from agentic_rag.adapters.replica import Replica
from agentic_rag.adapters.steps.done import Done
from agentic_rag.adapters.versions import Known
from agentic_rag.errors import AdapterRefused, BadAdapter, NoSuchAdapter


async def fingerprint(
    bench: Bench, folder: Path, prompts: Sequence[str], *, max_tokens: int = 24
) -> Done:
    """Ask one replica, which sees the folder at the same path, and write `fingerprint.json`.

    Raises:
        AdapterRefused: no prompt is given, or one does not tell the adapter from its base model,
            or gets another answer each time.
        BadAdapter: the file cannot be written.
        ReplicaUnavailable, ReplicaRefused: as they are named.
    """
    if not prompts or not 1 <= max_tokens <= MOST_TOKENS:
        raise AdapterRefused("no-prompt", f"expected prompts, and 1 to {MOST_TOKENS} tokens")
    [replica, *_] = await bench.fleet.replicas()
    name = f"{bench.registry.name}-fingerprint"
    with suppress(NoSuchAdapter):  # as a run that was killed left it
        await replica.unload(name)
    await replica.load(name, folder)
    try:
        known = [await _known(replica, name, prompt, max_tokens) for prompt in prompts]
    finally:
        await replica.unload(name)
    text = orjson.dumps([asdict(each) for each in known], option=orjson.OPT_INDENT_2)
    try:
        await asyncio.to_thread((folder / FINGERPRINT).write_bytes, text)
    except OSError as error:
        raise BadAdapter(f"{FINGERPRINT}: cannot be written: {error.strerror}") from error
    details = {"prompts": len(known), "replica": str(replica)}
    return Done(step="fingerprint", name=bench.registry.name, details=details)


async def _known(replica: Replica, name: str, prompt: str, max_tokens: int) -> Known:
    base = (await replica.base()).name
    said = [
        (await replica.complete(model, prompt, max_tokens=max_tokens)).text
        for model in (name, name, base)
    ]
    if said[0] != said[1]:
        raise AdapterRefused("unsteady", f"{replica}: two answers to one prompt")
    if said[0] == said[2] or not said[0]:
        raise AdapterRefused("like-the-base", f"{replica}: the base model answers alike")
    return Known(prompt=prompt, text=said[0], max_tokens=max_tokens)
