"""Replicas by Kubernetes: the EndpointSlices of a service, listed once and then watched."""

import asyncio
import logging
import random
import ssl
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import orjson

from agentic_rag.inference.affinity.replicas import Replica

logger = logging.getLogger(__name__)

API = "https://kubernetes.default.svc"
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
WAIT_S = 1.0  # that requests wait for the first list

_WATCH_S = 60  # that one watch lasts; the server ends it
_TIMEOUT = httpx.Timeout(10.0, read=_WATCH_S + 15.0)  # who is silent for longer is gone
_BREATH_S, _FIRST_S, _LONGEST_S = 0.05, 0.5, 30.0

Slice = Mapping[str, Any]


class _Gone(Exception):  # noqa: N818  # never seen outside
    """The server has forgotten what came after the version that we know: list anew."""


class SliceReplicas:
    """Follows the EndpointSlices of one service, from when somebody first wants to know."""

    def __init__(
        self,
        namespace: str,
        service: str,
        port: str = "",
        *,
        api: str = API,
        account: Path = ACCOUNT,
    ) -> None:
        """Ask nobody yet.

        Args:
            namespace: of the service.
            service: its name.
            port: the replicas' own, by number or name; empty: the first.
            api: the API server.
            account: a folder with the pod's `token`, and `ca.crt`.
        """
        self._url = f"{api}/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
        self._service, self._port, self._account = service, port, account
        self._slices: dict[str, Slice] = {}
        self._version = ""
        self._known: tuple[Replica, ...] = ()
        self._following: asyncio.Task[None] | None = None
        self._listed = asyncio.Event()
        self._since = 0.0

    async def ready(self) -> Sequence[Replica]:
        """Return the endpoints that are ready."""
        if self._following is None:
            self._since = time.monotonic()
            self._following = asyncio.create_task(self._follow())
        if not self._listed.is_set() and (left_s := self._since + WAIT_S - time.monotonic()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._listed.wait()
        return self._known

    async def close(self) -> None:
        """Leave off following."""
        if self._following:
            self._following.cancel()
            await asyncio.wait({self._following})

    async def _follow(self) -> None:
        """List, and watch from there on; what fails is tried again, and the last list serves."""
        pause_s = _BREATH_S
        async with httpx.AsyncClient(
            verify=_authorities(self._account, self._url), timeout=_TIMEOUT, trust_env=False
        ) as client:
            while True:
                try:
                    await (self._watch(client) if self._version else self._list(client))
                    pause_s = _BREATH_S
                except _Gone:
                    self._version = ""
                except httpx.TransportError as error:  # what comes next is known: watch on
                    pause_s = _longer(pause_s, error)
                except (
                    httpx.HTTPError, OSError,
                    ValueError, LookupError, TypeError, AttributeError,  # no list of slices
                ) as error:  # fmt: skip
                    self._version = ""
                    pause_s = _longer(pause_s, error)
                await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))

    async def _list(self, client: httpx.AsyncClient) -> None:
        reply = await client.get(self._url, params=self._asked(), headers=self._key())
        reply.raise_for_status()
        told = reply.json()
        self._slices = {each["metadata"]["name"]: each for each in told["items"] or ()}
        self._learn(told["metadata"]["resourceVersion"])
        self._listed.set()

    async def _watch(self, client: httpx.AsyncClient) -> None:
        """Hear of every change, until the server ends it."""
        asked = self._asked() | {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(_WATCH_S),
            "resourceVersion": self._version,
        }
        async with client.stream("GET", self._url, params=asked, headers=self._key()) as reply:
            if reply.status_code == httpx.codes.GONE:
                raise _Gone
            reply.raise_for_status()
            async for line in reply.aiter_lines():
                if line.strip():
                    event = orjson.loads(line)
                    self._hear(event["type"], event["object"])

    def _hear(self, kind: str, told: Slice) -> None:
        if kind == "ERROR":
            if told.get("code") == httpx.codes.GONE:
                raise _Gone
            raise ValueError(f"the watch ended: {told.get('reason')}")
        name = told["metadata"].get("name", "")
        if kind == "DELETED":
            self._slices.pop(name, None)
        elif kind != "BOOKMARK":
            self._slices[name] = told
        self._learn(told["metadata"]["resourceVersion"])

    def _learn(self, version: str) -> None:
        self._version = version
        self._known = endpoints(self._slices.values(), self._port)

    def _asked(self) -> dict[str, str]:
        return {"labelSelector": f"kubernetes.io/service-name={self._service}"}

    def _key(self) -> dict[str, str]:
        """Read the token each time: Kubernetes writes a new one every hour."""
        token = (self._account / "token").read_text("ascii").strip()
        return {"authorization": f"Bearer {token}"}


def endpoints(slices: Iterable[Slice], port: str = "") -> tuple[Replica, ...]:
    """Return the endpoints that are ready; a pod with an address of each family is one of them."""
    by_pod: dict[str, Replica] = {}
    for each in sorted(slices, key=lambda told: str(told.get("addressType"))):  # IPv4 first
        number = _number(each.get("ports") or (), port)
        for endpoint in each.get("endpoints") or ():
            is_ready = (endpoint.get("conditions") or {}).get("ready") is not False  # null: it is
            if number and is_ready and endpoint.get("addresses"):
                address = endpoint["addresses"][0]  # of several, any serves
                pod = (endpoint.get("targetRef") or {}).get("uid") or address
                by_pod.setdefault(pod, Replica(address, number))
    return tuple(sorted(by_pod.values()))


def _number(ports: Sequence[Mapping[str, Any]], wanted: str) -> int | None:
    for each in ports:
        if wanted in {"", each.get("name"), str(each.get("port"))} and each.get("port"):
            return int(each["port"])
    return None


def _authorities(account: Path, url: str) -> ssl.SSLContext | bool:
    if not url.startswith("https://"):
        return False  # nothing to verify
    try:
        return ssl.create_default_context(cafile=account / "ca.crt")
    except OSError:  # not in a pod: the list will fail, and say so
        return ssl.create_default_context()


def _longer(pause_s: float, error: Exception) -> float:
    logger.warning("Kubernetes does not tell the replicas: %s", _told(error))
    return min(max(_FIRST_S, 2 * pause_s), _LONGEST_S)


def _told(error: Exception) -> str:
    status = error.response.status_code if isinstance(error, httpx.HTTPStatusError) else ""
    return f"{type(error).__name__} {status}".strip()
