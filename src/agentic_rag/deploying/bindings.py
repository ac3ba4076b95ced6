"""Bindings: the Secrets, ConfigMaps and claims that pods name, and whether a cluster has them."""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from agentic_rag.deploying.cluster import Cluster
from agentic_rag.deploying.overlay import Object, Overlay, Pod, namespace_of, title
from agentic_rag.deploying.places import in_core
from agentic_rag.lines import Line

_WORDS = {
    "Secret": "secrets",
    "ConfigMap": "configmaps",
    "PersistentVolumeClaim": "persistentvolumeclaims",
}
_PLACEHOLDER = re.compile(
    r"<[^>]*>|\.\.\.|change[-_ ]?me|replace[-_ ]?me|place[-_ ]?holder|\byour[-_ ]|x{4,}"
    r"|^\s*$|^(secret|password|token|key|todo|example|dummy|none|null)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Named:
    """One place where something is named."""

    kind: str
    namespace: str
    name: str
    key: str
    optional: bool
    by: str


@dataclass(slots=True)
class _Wish:
    """All that is wanted of one thing."""

    by: str
    keys: set[str] = field(default_factory=set)
    optional_keys: set[str] = field(default_factory=set)
    optional: bool = True


def secrets_and_claims_are_there(overlay: Overlay, cluster: Cluster) -> Iterator[Line]:
    """Yield whether everything that pods name, and the overlay does not make, is there."""
    wishes: dict[tuple[str, str, str], _Wish] = {}
    for each in named_by(overlay):
        at = (each.kind, each.namespace, each.name)
        if overlay.makes(*at) or (each.kind == "PersistentVolumeClaim" and _own(overlay, each)):
            continue
        wish = wishes.setdefault(at, _Wish(each.by))
        wish.optional = wish.optional and each.optional
        if each.key:
            (wish.optional_keys if each.optional else wish.keys).add(each.key)
    for (kind, namespace, name), wish in sorted(wishes.items(), key=lambda pair: pair[0]):
        there = cluster.read(in_core(_WORDS[kind], namespace, name))
        yield from _held(f"{kind.lower()}/{name}", kind, there, wish)


def named_by(overlay: Overlay) -> Iterator[Named]:
    """Yield what pods and ways in name."""
    for pod in overlay.pods():
        yield from _by_containers(pod)
        yield from _by_volumes(pod)
        for each in pod.spec.get("imagePullSecrets", []):
            yield Named("Secret", pod.namespace, each["name"], "", False, pod.title)
        if storage := pod.spec.get("model", {}).get("storage"):
            key = storage.get("key", "")
            yield Named("Secret", pod.namespace, "storage-config", key, False, pod.title)
    for way_in in overlay.of("Ingress", "IngressRoute"):
        tls = way_in["spec"].get("tls", [])
        for each in tls if isinstance(tls, list) else [tls]:
            if name := each.get("secretName"):
                by = title(way_in)
                yield Named("Secret", namespace_of(way_in), name, "tls.crt", False, by)


def _by_containers(pod: Pod) -> Iterator[Named]:
    for container in pod.containers:
        for variable in container.get("env", []):
            source = variable.get("valueFrom", {})
            for word, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
                if found := source.get(word):
                    yield _named(kind, pod, found, found["key"])
        for source in container.get("envFrom", []):
            for word, kind in (("secretRef", "Secret"), ("configMapRef", "ConfigMap")):
                if found := source.get(word):
                    yield _named(kind, pod, found, "")


def _by_volumes(pod: Pod) -> Iterator[Named]:
    for volume in pod.volumes:
        parts = volume.get("projected", {}).get("sources", [volume])
        for part in parts:
            if found := part.get("secret"):
                secret = {"name": found.get("secretName") or found.get("name"), **found}
                yield from _items("Secret", pod, secret)
            if found := part.get("configMap"):
                yield from _items("ConfigMap", pod, found)
        if found := volume.get("persistentVolumeClaim"):
            name = found["claimName"]
            yield Named("PersistentVolumeClaim", pod.namespace, name, "", False, pod.title)


def _items(kind: str, pod: Pod, source: Object) -> Iterator[Named]:
    for item in source.get("items") or [{"key": ""}]:
        yield _named(kind, pod, source, item["key"])


def _named(kind: str, pod: Pod, source: Object, key: str) -> Named:
    optional = bool(source.get("optional", False))
    return Named(kind, pod.namespace, source["name"], key, optional, pod.title)


def _own(overlay: Overlay, each: Named) -> bool:
    """Say whether a claim is one that a set of the overlay makes."""
    own = {(namespace_of(claim), claim["metadata"]["name"]) for claim in overlay.claims()}
    return (each.namespace, each.name) in own


def _held(what: str, kind: str, there: Object | None, wish: _Wish) -> Iterator[Line]:
    """Yield what is to be said of one thing, never a value of it."""
    if there is None:
        if not wish.optional:
            wanted = f", with {', '.join(sorted(wish.keys))}" if wish.keys else ""
            found = f"is not there, and {wish.by} waits for it"
            yield Line("FAIL", what, found, f"make it{wanted}: see infra/externals.yaml")
        return
    data = {**there.get("data", {}), **there.get("binaryData", {})}
    if missing := sorted(wish.keys - data.keys()):
        found = f"has no {', '.join(missing)}, and {wish.by} waits for it"
        yield Line("FAIL", what, found, "add the key: see infra/externals.yaml")
        return
    looked_at = sorted((wish.keys | wish.optional_keys) & data.keys())
    empty = [key for key in looked_at if kind == "Secret" and _is_placeholder(data[key])]
    if empty:
        found = f"{', '.join(empty)} holds a placeholder, and no secret"
        yield Line("FAIL", what, found, "put the real one in: see infra/kserve/secrets.yaml")
    else:
        yield Line("PASS", what, f"has {', '.join(looked_at)}" if looked_at else "is there")


def _is_placeholder(encoded: str) -> bool:
    try:
        return bool(_PLACEHOLDER.search(base64.b64decode(encoded).decode()))
    except ValueError:  # no text is none
        return False
