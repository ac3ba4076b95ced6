"""Requests of which no two are alike: other paths, models, names, keys, headers and methods."""

import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
from tests.integration.servers import MODEL

_FEES = "How much is a filling?"
_URGENT = "I cannot breathe"
_THREADS = 8
Call = tuple[str, str, Any]


def _calls(name: str) -> list[Call]:
    """Return one request of each kind, which somebody made up of a name."""
    named = {name: name}
    said = {"question": f"{_URGENT} {name}", "session_id": name}
    return [
        ("GET", f"/{name}", None),
        ("HEAD", f"/{name}", None),
        ("OPTIONS", f"/{name}", None),
        (name[:8].upper(), "/chat", None),
        (name[:8].upper(), f"/{name}", None),
        ("PATCH", "/chat", named),
        ("HEAD", "/healthz", None),
        ("OPTIONS", "/chat", None),
        ("GET", f"/ready?{name}={name}", None),
        ("POST", "/chat", named),
        ("POST", "/chat", said),
        ("POST", f"/v1/models/{MODEL}:predict", {"instances": [said], **named}),
        ("POST", f"/v1/models/{MODEL}:predict", {"instances": [said]}),
        ("POST", f"/v1/models/{name}:predict", {"instances": [_FEES]}),
        ("GET", f"/v1/models/{name}", None),
        ("POST", f"/v2/models/{name}/infer", {"inputs": []}),
        ("POST", f"/v2/models/{MODEL}/versions/{name}/infer", {"inputs": []}),
        ("GET", f"/v2/models/{name}/versions/{name}/ready", None),
        ("POST", f"/v2/repository/models/{name}/load", named),
        ("GET", f"/answers/{name}", None),
        ("GET", f"/answers/{name}/receipt", None),
        ("DELETE", f"/sessions/{name}", None),
        ("DELETE", f"/sessions/{name}/{name}?of={name}", None),
        ("POST", "/feedback", {"request_id": name, "rating": "up"}),
        ("POST", "/openai/v1/chat/completions", {"model": name, "messages": []}),
        ("POST", "/v1/completions", {"model": name, "prompt": name}),
        ("GET", f"/openai/v1/models/{name}", None),
        ("POST", "/api/chat", {"messages": [{"role": name, "content": name}]}),
        ("GET", f"/dryrun?k={name}&{name}=1", None),
        ("GET", f"/metrics/{name}%0A{{x=%22y%22}}", None),
        ("GET", f"/metrics?name[]={name}", None),
        ("POST", "/search", {"query": name, "k": name}),
    ]


KINDS = len(_calls("any"))


def ask_variously(base: str, keys: Iterable[str], numbers: Iterable[int]) -> set[int]:
    """Make the requests of some numbers, several at once; return the statuses.

    Some come with a key of `keys`, some with one that somebody made up, and some with none.
    """
    held = [*keys]
    with httpx.Client(base_url=base, timeout=120) as client, ThreadPoolExecutor(_THREADS) as pool:
        return {*pool.map(_asker(client, held), numbers)}


def _asker(client: httpx.Client, keys: list[str]) -> Callable[[int], int]:
    def ask(number: int) -> int:
        name = uuid.uuid4().hex
        method, path, body = _calls(name)[number % KINDS]
        bearers = [*keys, name, None]
        bearer = bearers[number // KINDS % len(bearers)]
        headers = {
            "X-Request-ID": name, "X-Session-ID": name, "User-Agent": name, f"X-{name}": name,
            "traceparent": f"00-{name}-{name[:16]}-01", "Accept-Language": name,
        }  # fmt: skip
        if bearer:
            headers["Authorization"] = f"Bearer {bearer}"
        return client.request(method, path, json=body, headers=headers).status_code

    return ask
