"""A Kubernetes API server, as far as EndpointSlices of one namespace go, on a real socket.

Versions, lists, watches from a version on, bookmarks, `410 Gone` for what was compacted (as a
status before a watch begins, as an event in one that is under way), time-outs, and bearer tokens.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

PATH = "/apis/discovery.k8s.io/v1/namespaces/clinic/endpointslices"
SERVICE = "llm-server"
_REASONS = {200: "OK", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 410: "Gone"}
_OVER = (None, None)


def endpoint(address: str, *, ready: bool | None = True, uid: str = "") -> dict[str, Any]:
    """Return one endpoint of a slice."""
    made: dict[str, Any] = {"addresses": [address], "conditions": {"ready": ready}}
    return made | ({"targetRef": {"kind": "Pod", "uid": uid}} if uid else {})


@dataclass
class ApiServer:
    """One namespace.

    Attributes:
        token: that requests must bear.
        status: where not 200, what every request gets.
        ends: whether a watch ends at once, as one does whose time is up.
        listed: how many lists were asked for.
        watched: the version that each watch began at.
    """

    folder: Path
    token: str = "first-token"
    status: int = 200
    ends: bool = False
    listed: int = 0
    watched: list[str] = field(default_factory=list)

    async def __aenter__(self) -> "ApiServer":
        self._version, self._compacted, self._slices = 100, 100, {}
        self._history: list[tuple[int, dict[str, Any]]] = []
        self._watches: dict[asyncio.Queue[Any], str] = {}
        self._connections: set[asyncio.StreamWriter] = set()
        self.rotate(self.token)
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self, port: int = 0) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening, and reset what is under way."""
        self._server.close()
        for each in list(self._connections):
            each.transport.abort()
        await asyncio.sleep(0)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def rotate(self, token: str) -> None:
        """Take another token from now on, and write it where the pod finds it."""
        self.token = token
        (self.folder / "token").write_text(f"{token}\n")

    def put(self, name: str, *endpoints: Mapping[str, Any], **fields: Any) -> None:
        """Make a slice, or change it."""
        told = {
            "metadata": {"name": name, "labels": {"kubernetes.io/service-name": SERVICE}},
            "addressType": "IPv4",
            "ports": [{"name": "http1", "port": 8080, "protocol": "TCP"}],
            "endpoints": list(endpoints) or None,
        } | fields
        self._happen("MODIFIED" if name in self._slices else "ADDED", told)
        self._slices[name] = told

    def take_away(self, name: str) -> None:
        """Delete a slice."""
        self._happen("DELETED", self._slices.pop(name))

    def bookmark(self) -> None:
        """Tell watches how far they are."""
        self._version += 1
        told = {"metadata": {"resourceVersion": str(self._version)}}
        for each in self._watches:
            each.put_nowait({"type": "BOOKMARK", "object": told})

    def compact(self) -> None:
        """Forget what happened so far."""
        self._compacted, self._history = self._version, []

    def expire(self) -> None:
        """Forget, and tell those who watch."""
        self.compact()
        gone = {"kind": "Status", "code": 410, "reason": "Expired"}
        self.say(json.dumps({"type": "ERROR", "object": gone}))

    def say(self, line: str) -> None:
        """Send a line to all who watch."""
        for each in self._watches:
            each.put_nowait(line)

    @property
    def watching(self) -> int:
        return len(self._watches)

    def _happen(self, kind: str, told: dict[str, Any]) -> None:
        self._version += 1
        told["metadata"] = told["metadata"] | {"resourceVersion": str(self._version)}
        event = {"type": kind, "object": told}
        self._history.append((self._version, event))
        for each, wanted in self._watches.items():
            if _is_of(told, wanted):
                each.put_nowait(event)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                await self._answer(head, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._connections.discard(writer)
            writer.close()

    async def _answer(self, head: str, writer: asyncio.StreamWriter) -> None:
        asked = urlsplit(head.split()[1])
        query = {name: values[0] for name, values in parse_qs(asked.query).items()}
        selector = query.get("labelSelector", "")
        if f"authorization: bearer {self.token}\r\n" not in head.lower():
            await _send(writer, 401, {"kind": "Status", "code": 401})
        elif self.status != 200 or asked.path != PATH:
            code = 404 if self.status == 200 else self.status
            await _send(writer, code, {"kind": "Status", "code": code})
        elif query.get("watch") == "1":
            await self._watch(writer, query["resourceVersion"], selector)
        else:
            self.listed += 1
            items = [each for each in self._slices.values() if _is_of(each, selector)]
            version = {"resourceVersion": str(self._version)}
            await _send(writer, 200, {"kind": "List", "metadata": version, "items": items})

    async def _watch(self, writer: asyncio.StreamWriter, version: str, selector: str) -> None:
        self.watched.append(version)
        if int(version) < self._compacted:
            await _send(writer, 410, {"kind": "Status", "code": 410, "reason": "Expired"})
            return
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        events: asyncio.Queue[Any] = asyncio.Queue()
        for at, event in self._history:
            if at > int(version) and _is_of(event["object"], selector):
                events.put_nowait(event)
        if self.ends:
            events.put_nowait(_OVER)
        self._watches[events] = selector
        try:
            while (event := await events.get()) is not _OVER:
                line = (event if isinstance(event, str) else json.dumps(event)).encode() + b"\n"
                for part in (line[:7], line[7:]):  # as the network cuts them
                    writer.write(b"%x\r\n%s\r\n" % (len(part), part))
                    await writer.drain()
            writer.write(b"0\r\n\r\n")
        finally:
            del self._watches[events]


def _is_of(told: Mapping[str, Any], selector: str) -> bool:
    name, _, value = selector.partition("=")
    return bool(told["metadata"]["labels"].get(name) == value)


async def _send(writer: asyncio.StreamWriter, code: int, told: object) -> None:
    body = json.dumps(told).encode()
    head = f"HTTP/1.1 {code} {_REASONS.get(code, 'Error')}\r\ncontent-type: application/json\r\n"
    writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
    await writer.drain()
