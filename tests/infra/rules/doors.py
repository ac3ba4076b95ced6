"""Ways in: they let the public doors through and nothing else, and let streams flow."""

import re
from collections.abc import Iterator
from typing import Any

from tests.infra.manifests import Manifest, namespace, number, of_kind, servers, title
from tests.infra.rules.addresses import is_open

Faults = list[str]

PRIVATE = ("/metrics", "/v2/repository/models/rag-agent/unload", "/answers/1", "/docs")
PUBLIC = ("/v1/models/rag-agent:predict", "/openai/v1/chat/completions", "/chat/stream")


def only_public_doors_are_let_through(manifests: list[Manifest]) -> Faults:
    agents = {f"{each.owner['metadata']['name']}-predictor" for each in servers(manifests)}
    faults = []
    for way in of_kind(manifests, *BEHIND):
        matchers = [match for name, match in _ways(way) if name in agents]
        faults += [
            f"{title(way)}: path: lets {door} through; name the public doors"
            for door in PRIVATE
            if any(re.match(match, door) for match in matchers)
        ]
    everything = [
        m for way in of_kind(manifests, *BEHIND) for name, m in _ways(way) if name in agents
    ]
    if everything:
        faults += [
            f"ways in: path: none lets {door} through"
            for door in PUBLIC
            if not any(re.match(match, door) for match in everything)
        ]
    return faults


def _ways(way: Manifest) -> Iterator[tuple[str, str]]:
    """The Service behind each path, and the path as a pattern of what it lets through."""
    return BEHIND[way["kind"]](way["spec"])


def _behind_ingress(spec: Any) -> Iterator[tuple[str, str]]:
    for rule in spec["rules"]:
        for path in rule["http"]["paths"]:
            yield path["backend"]["service"]["name"], _pattern(path["pathType"], path["path"])


def _behind_http_route(spec: Any) -> Iterator[tuple[str, str]]:
    for rule in spec["rules"]:
        for match in rule.get("matches") or [{}]:
            path = match.get("path", {})
            pattern = _pattern(path.get("type", "PathPrefix"), path.get("value", "/"))
            yield from ((backend["name"], pattern) for backend in rule.get("backendRefs", []))


def _behind_route(spec: Any) -> Iterator[tuple[str, str]]:
    yield spec["to"]["name"], _pattern("Prefix", spec.get("path", "/"))


def _behind_ingress_route(spec: Any) -> Iterator[tuple[str, str]]:
    for rule in spec["routes"]:
        yield from ((service["name"], _traefik(rule["match"])) for service in rule["services"])


BEHIND = {
    "HTTPRoute": _behind_http_route,
    "Ingress": _behind_ingress,
    "IngressRoute": _behind_ingress_route,
    "Route": _behind_route,
}


def _pattern(kind: str, path: str) -> str:
    if kind in {"RegularExpression", "ImplementationSpecific"}:
        return path
    whole = re.escape(path.rstrip("/"))
    return f"{whole}/?$" if kind == "Exact" else rf"{whole}(/|$)"


def _traefik(match: str) -> str:
    paths = re.findall(r"(PathPrefix|PathRegexp|Path)\(`([^`]*)`", match)
    kinds = {"Path": "Exact", "PathRegexp": "RegularExpression", "PathPrefix": "Prefix"}
    found = []
    for kind, path in paths:
        # Traefik's prefix is one of letters, not of segments.
        found.append(re.escape(path) if kind == "PathPrefix" else _pattern(kinds[kind], path))
    return "|".join(f"(?:{each})" for each in found) if found else ""


def streams_flow(manifests: list[Manifest]) -> Faults:
    """No way in cuts an answer that its agent still gives, or holds back what it has."""
    longest = max((each.spec.get("timeout", 60) for each in servers(manifests)), default=60)
    return [
        f"{title(way)}: {fault}, the agent may take {longest} s"
        for way in of_kind(manifests, *BEHIND)
        for fault in PATIENCE.get(way["kind"], _no_fault)(way, longest)
    ]


def _of_nginx(way: Manifest, longest: int) -> Iterator[str]:
    notes, prefix = way["metadata"].get("annotations", {}), "nginx.ingress.kubernetes.io/"
    if way["spec"].get("ingressClassName") != "nginx":
        return
    if notes.get(f"{prefix}proxy-buffering") != "off":
        yield "annotation proxy-buffering: say off; streams flow, and"
    for note in ("proxy-read-timeout", "proxy-send-timeout"):
        if number(notes.get(prefix + note, 60)) < longest:
            yield f"annotation {note}: say more"


def _of_openshift(way: Manifest, longest: int) -> Iterator[str]:
    note = way["metadata"].get("annotations", {}).get("haproxy.router.openshift.io/timeout", "30s")
    if _seconds(note) < longest:
        yield "annotation haproxy.router.openshift.io/timeout: say more"


def _of_gateway_api(way: Manifest, longest: int) -> Iterator[str]:
    for rule in way["spec"]["rules"]:
        limit = _seconds(rule.get("timeouts", {}).get("request", "15s"))
        if 0 < limit < longest:
            yield "timeouts.request: say more, or 0s"


def _no_fault(*_: object) -> tuple[()]:
    return ()


PATIENCE = {"Ingress": _of_nginx, "Route": _of_openshift, "HTTPRoute": _of_gateway_api}


def _seconds(duration: str) -> int:
    units = {"h": 3600, "m": 60, "s": 1}
    return sum(int(n) * units[unit] for n, unit in re.findall(r"(\d+)([hms])", duration))


def the_llm_is_reached_by_few(manifests: list[Manifest]) -> Faults:
    """vLLM takes adapters from whoever reaches it: no way in leads to it from outside."""
    llms = {
        f"{each['metadata']['name']}-predictor" for each in of_kind(manifests, "InferenceService")
    }
    llms -= {f"{each.owner['metadata']['name']}-predictor" for each in servers(manifests)}
    return [
        f"{title(way)} in {namespace(way)}: backend: {name} must not be reached from outside"
        for way in of_kind(manifests, *BEHIND)
        for name, _ in _ways(way)
        if name in llms
    ]


def routes_name_a_pods_port(manifests: list[Manifest]) -> Faults:
    """OpenShift's Route means by a number the port of the pod, not that of the Service."""
    behind = {f"{each.owner['metadata']['name']}-predictor": each for each in servers(manifests)}
    return [
        f"{title(way)}: port.targetPort: {port} is not open in the pod"
        for way in of_kind(manifests, "Route")
        for port in [way["spec"].get("port", {}).get("targetPort")]
        if isinstance(port, int) and way["spec"]["to"]["name"] in behind
        if not is_open(behind[way["spec"]["to"]["name"]].containers[0], port)
    ]
