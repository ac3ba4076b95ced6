"""A cluster of objects in memory: read by path as an API server has them, or served as one.

It schedules nothing: what becomes of an object is said by `becomes`.
"""

import copy
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from agentic_rag.deploying.overlay import title
from agentic_rag.errors import ClusterForbids, ClusterUnavailable
from agentic_rag.yaml_files import read_documents, read_yaml

Object = dict[str, Any]
WORLD = Path(__file__).with_name("cluster.yaml")

READY: dict[str, Any] = {"conditions": [{"type": "Ready", "status": "True"}]}
COMPLETE: dict[str, Any] = {"conditions": [{"type": "Complete", "status": "True"}]}


@dataclass
class World:
    """What is on a cluster, and what becomes of what is put there."""

    kinds: dict[str, list[Object]]
    version: str
    objects: dict[str, Object]
    becomes: dict[str, Object] = field(default_factory=dict)
    forbidden: set[str] = field(default_factory=set)
    writes: list[str] = field(default_factory=list)
    down: bool = False

    def read(self, path: str) -> Object | None:
        """See `agentic_rag.deploying.cluster.Cluster`."""
        if self.down:
            raise ClusterUnavailable("The connection to the server was refused")
        bare = urlsplit(path).path
        if any(word in bare for word in self.forbidden):
            raise ClusterForbids(f'Error from server (Forbidden): User "dev" cannot get "{bare}"')
        if bare == "/version":
            return {"major": "1", "minor": "33", "gitVersion": self.version}
        group = bare.removeprefix("/apis/").removeprefix("/api/")
        if group in self.kinds:
            head = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group}
            return {**head, "resources": self.kinds[group]}
        return copy.deepcopy(self.objects.get(bare)) or self._listed(bare)

    def apply(self, text: str, *, dry_run: bool = False) -> list[str]:
        """See `agentic_rag.deploying.cluster.Cluster`."""
        return [self.put(each, dry_run=dry_run) for each in read_documents(text)]

    def delete(self, text: str) -> list[str]:
        """See `agentic_rag.deploying.cluster.Cluster`."""
        given = [each for each in read_documents(text) if self.take(self.path_of(each))]
        return [f'{title(each)} "{each["metadata"]["name"]}" deleted' for each in given]

    def put(self, item: Object, *, dry_run: bool = False) -> str:
        """Keep an object; return the line that kubectl would print."""
        path = self.path_of(item)
        known = "configured" if path in self.objects else "created"
        if not dry_run:
            self.writes.append(title(item))
            status = self.becomes.get(title(item), _well(item))
            self.objects[path] = copy.deepcopy(item) | ({"status": status} if status else {})
        return f"{title(item)} {known}"

    def take(self, path: str) -> Object | None:
        """Let go of what is at a path."""
        return self.objects.pop(path, None)

    def path_of(self, item: Object) -> str:
        """Return where an object is."""
        version, name = item["apiVersion"], item["metadata"]["name"]
        kind = next(e for e in self.kinds[version] if e["kind"] == item["kind"])
        root = "/apis/" if "/" in version else "/api/"
        inside = f"/namespaces/{item['metadata']['namespace']}" if kind["namespaced"] else ""
        return f"{root}{version}{inside}/{kind['name']}/{name}"

    def _listed(self, path: str) -> Object | None:
        """Return what stands below a collection, in one namespace or in all."""
        head, _, plural = path.rpartition("/")
        known = [e for kinds in self.kinds.values() for e in kinds if e["name"] == plural]
        if not known:
            return None
        anywhere = "/namespaces/" not in path
        items = [
            copy.deepcopy(each)
            for at, each in self.objects.items()
            if at.rpartition("/")[0] == path
            or (anywhere and at.startswith(f"{head}/namespaces/") and at.split("/")[-2] == plural)
        ]
        return {"kind": f"{known[0]['kind']}List", "apiVersion": "v1", "items": items}


def _well(item: Object) -> Object | None:
    if item["kind"] == "InferenceService":
        return READY
    if item["kind"] == "Job":
        return COMPLETE
    if item["kind"] in {"StatefulSet", "Deployment"}:
        return {"readyReplicas": item["spec"].get("replicas", 1)}
    if item["kind"] == "PersistentVolumeClaim":
        return {"phase": "Bound"}
    return None


def read_world() -> World:
    """Return a cluster on which all overlays can be put: cluster.yaml, which says how it is."""
    written = read_yaml(WORLD)
    kinds = {
        version: [
            {"name": plural, "kind": kind, "namespaced": kind not in written["cluster-wide"]}
            | {"singularName": "", "verbs": ["get", "list", "create", "patch", "delete"]}
            for kind, plural in served.items()
        ]
        for version, served in written["kinds"].items()
    }
    world = World(kinds=kinds, version=written["version"], objects={})
    world.objects = {world.path_of(each): each for each in written["objects"]}
    return world


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, world: World) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.world = world


class _Handler(BaseHTTPRequestHandler):
    """As much of the API as kubectl asks of it."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # a reply is one packet: in two, the second waits for the first's receipt
    server: _Server

    def do_GET(self) -> None:
        """Tell what is there, or what could be."""
        world, path = self.server.world, urlsplit(self.path).path
        if path == "/api":
            return self._say(200, {"kind": "APIVersions", "versions": ["v1"]})
        if path == "/apis":
            return self._say(200, {"kind": "APIGroupList", "groups": _groups(world)})
        if path.startswith("/openapi/v3"):
            return self._say(200, _openapi(world, path))
        return self._answer(lambda: world.read(self.path))

    def do_POST(self) -> None:
        """Keep something new."""
        item = self._body()
        self._answer(lambda: (self._put(item), item)[1], 201)

    def do_PATCH(self) -> None:
        """Change what is there."""
        there = self.server.world.read(self.path) or {}
        item = _merged(there, self._body())
        self._answer(lambda: (self._put(item), item)[1])

    def do_DELETE(self) -> None:
        """Let something go."""
        path = urlsplit(self.path).path
        self._body()  # how to delete: at once and all, here
        self._answer(lambda: self.server.world.take(path))

    def _put(self, item: Object) -> None:
        self.server.world.put(item, dry_run="dryRun=All" in self.path)

    def _body(self) -> Object:
        return dict(json.loads(self.rfile.read(int(self.headers["content-length"] or 0)) or "{}"))

    def _answer(self, work: Any, status: int = 200) -> None:
        try:
            found = work()
        except ClusterForbids as error:
            return self._say(403, _status(403, "Forbidden", str(error)))
        if found is None:
            return self._say(404, _status(404, "NotFound", f"{self.path} not found"))
        return self._say(status, found)

    def _say(self, status: int, told: Object) -> None:
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _status(code: int, reason: str, message: str) -> Object:
    head = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    return {**head, "code": code, "reason": reason, "message": message}


def _groups(world: World) -> list[Object]:
    names: dict[str, list[Object]] = {}
    for version in world.kinds:
        if "/" in version:
            told = {"groupVersion": version, "version": version.rpartition("/")[2]}
            names.setdefault(version.partition("/")[0], []).append(told)
    return [{"name": n, "versions": v, "preferredVersion": v[0]} for n, v in names.items()]


def _openapi(world: World, path: str) -> Object:
    """Say of every kind that the server itself looks at its fields."""
    if path == "/openapi/v3":
        urls = {_root(v): {"serverRelativeURL": f"/openapi/v3/{_root(v)}"} for v in world.kinds}
        return {"paths": urls}
    version = path.removeprefix("/openapi/v3/").partition("/")[2]
    group, _, number = version.rpartition("/")
    paths = {}
    for each in world.kinds.get(version, []):
        gvk = {"group": group, "version": number, "kind": each["kind"]}
        asked = [{"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}]
        operation = {"x-kubernetes-group-version-kind": gvk, "parameters": asked, "responses": {}}
        paths[f"/{_root(version)}/{each['name']}"] = {"patch": operation}
    return {"openapi": "3.0.0", "info": {"title": "", "version": ""}, "paths": paths}


def _root(version: str) -> str:
    return f"apis/{version}" if "/" in version else f"api/{version}"


def _merged(there: Any, change: Any) -> Any:
    if not (isinstance(there, dict) and isinstance(change, dict)):
        return change
    merged = {**there, **{k: _merged(there.get(k), v) for k, v in change.items()}}
    return {key: value for key, value in merged.items() if value is not None}


@contextmanager
def served(world: World, folder: Path) -> Iterator[Path]:
    """Serve a cluster; lends the kubeconfig that leads to it."""
    server = _Server(world)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    at = {"server": f"http://127.0.0.1:{server.server_port}"}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "lab", "cluster": at}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": ""}}],
        "current-context": "lab",
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(config), "utf-8")
    try:
        yield path
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
