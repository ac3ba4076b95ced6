"""Ready: a replica is well, and serves what the slot says is live; what was never told is not.

A slot that cannot be read any more, its storage being away, is taken as it was last read: so do the
agents, and what is loaded answers on. After a restart nothing was read, and nobody is ready.

A probe of vLLM's container, so it asks for nothing but the standard library.
"""

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.request import ProxyHandler, Request, build_opener

TIMEOUT_S = 4.0
NOT_TOLD = (OSError, ValueError, LookupError, TypeError)


def live(slot: Path, last: Path) -> str | None:
    """Return the adapter that is live; None where the base model is.

    Raises:
        OSError, ValueError, LookupError, TypeError: the slot does not say, and never did.
    """
    try:
        who = json.loads(slot.read_bytes())["record"]["live"]
        name: str | None = who["served_as"] if who else None
    except NOT_TOLD:
        if not last.exists():
            raise
        told: str | None = json.loads(last.read_bytes())
        return told
    last.write_text(json.dumps(name), "utf-8")
    return name


def served(url: str, key: str) -> set[str]:
    """Return the models that a replica lists, which is well.

    Raises:
        OSError, ValueError, LookupError, TypeError: it is not, or does not answer as vLLM does.
    """
    _ask(f"{url}/health", key)
    return {each["id"] for each in json.loads(_ask(f"{url}/v1/models", key))["data"]}


def _ask(url: str, key: str) -> bytes:
    request = Request(url, headers={"Authorization": f"Bearer {key}"} if key else {})
    # a proxy in the environment is not for the loopback
    with build_opener(ProxyHandler({})).open(request, timeout=TIMEOUT_S) as reply:
        body: bytes = reply.read()
        return body


def main(words: list[str], environment: Mapping[str, str]) -> int:
    """Say why a replica is not ready; return what the probe ends with."""
    slot, url = words
    try:
        name = live(Path(slot), Path(tempfile.gettempdir(), "live.json"))
        found = served(url, environment.get("VLLM_API_KEY", ""))
    except NOT_TOLD as error:
        print(f"not ready: {error}")
        return 1
    if name and name not in found:
        print(f"not ready: {name} is live, and not served here")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
