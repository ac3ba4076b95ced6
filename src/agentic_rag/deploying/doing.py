"""Doing: applies an overlay, and takes it away again but for what it has kept for people."""

import json
import re
from collections import Counter
from collections.abc import Iterator

from agentic_rag.deploying.cluster import Cluster
from agentic_rag.deploying.overlay import DATA, Object, Overlay, namespace_of
from agentic_rag.deploying.places import Places
from agentic_rag.deploying.progress import standing_of
from agentic_rag.errors import ClusterUnavailable
from agentic_rag.lines import Line

_CLAIMS = "/api/v1/namespaces/{}/persistentvolumeclaims"


def put(overlay: Overlay, cluster: Cluster) -> Iterator[Line]:
    """Apply all objects; where the namespace is there, the API server is asked first."""
    text = _text(overlay.objects)
    try:
        if all(cluster.read(f"/api/v1/namespaces/{name}") for name in _namespaces(overlay)):
            if ended := _ended_jobs(overlay, cluster):
                cluster.delete(_text(ended))
            cluster.apply(text, dry_run=True)
        done = Counter(line.rpartition(" ")[2] for line in cluster.apply(text))
    except ClusterUnavailable as error:
        remedy = "see the overlay; what was taken before that stays"
        yield Line("FAIL", "apply", str(error), remedy)
        return
    counts = ", ".join(f"{count} {word}" for word, count in sorted(done.items()))
    yield Line("PASS", "apply", counts)


def take_away(overlay: Overlay, cluster: Cluster, *, with_data: bool) -> Iterator[Line]:
    """Delete all objects but the namespace, and claims unless these are to go, too."""
    try:
        yield from _take(overlay, cluster, with_data=with_data)
    except ClusterUnavailable as error:
        yield Line("FAIL", "delete", str(error), "see that the cluster runs, then do it again")


def _take(overlay: Overlay, cluster: Cluster, *, with_data: bool) -> Iterator[Line]:
    places, kept = Places(cluster), DATA | {"Namespace"}
    going = [
        each
        for each in reversed(overlay.objects)
        if each["kind"] not in kept and places.plural(each["apiVersion"], each["kind"])
    ]
    claims = _claims(overlay, cluster)
    done = cluster.delete(_text([*going, *(claims if with_data else [])]))
    yield Line("PASS", "delete", f"{len(done)} deleted")
    if claims and not with_data:
        names = ", ".join(each["metadata"]["name"] for each in claims)
        yield Line("PASS", "kept", f"claims {names}", "--with-data deletes them")
    for name in sorted(_namespaces(overlay)):
        remedy = f"kubectl delete namespace {name}, if nothing else is in it"
        yield Line("PASS", "kept", f"namespace {name}, and the Secrets in it", remedy)


def _ended_jobs(overlay: Overlay, cluster: Cluster) -> list[Object]:
    """Return the jobs that have ended: a job cannot be changed, and each does what is missing."""
    places = Places(cluster)
    there = [(each, places.read(each)) for each in overlay.of("Job")]
    return [each for each, job in there if job and standing_of(job).stands is not None]


def _claims(overlay: Overlay, cluster: Cluster) -> list[Object]:
    """Return the overlay's claims that are there, of every replica of its sets."""
    wanted = {
        (namespace_of(each), re.sub(r"-0$", "", each["metadata"]["name"])): each
        for each in overlay.claims()
    }
    found = []
    for namespace in sorted({namespace for namespace, _ in wanted}):
        listed = cluster.read(_CLAIMS.format(namespace)) or {}
        for claim in listed.get("items", []):
            name = claim["metadata"]["name"]
            if {(namespace, name), (namespace, re.sub(r"-\d+$", "", name))} & wanted.keys():
                metadata = {"name": name, "namespace": namespace}
                kind = {"apiVersion": "v1", "kind": "PersistentVolumeClaim"}
                found.append({**kind, "metadata": metadata})
    return found


def _namespaces(overlay: Overlay) -> set[str]:
    return {namespace_of(each) for each in overlay.objects} - {""}


def _text(objects: list[Object]) -> str:
    return "".join(f"---\n{json.dumps(each)}\n" for each in objects)
