"""Ways in: whether the gateway is there that a route names."""

from collections.abc import Iterator

from agentic_rag.deploying.cluster import Cluster
from agentic_rag.deploying.overlay import Overlay, namespace_of, title
from agentic_rag.deploying.places import in_core
from agentic_rag.lines import Line

_GATEWAY = "/apis/gateway.networking.k8s.io/v1/namespaces/{}/gateways/{}"
_CLASS = "/apis/networking.k8s.io/v1/ingressclasses/{}"


def ways_in_lead_in(overlay: Overlay, cluster: Cluster) -> Iterator[Line]:
    """Yield whether what a route or an Ingress hangs on is there."""
    for route in overlay.of("HTTPRoute"):
        for parent in route["spec"].get("parentRefs", []):
            where = parent.get("namespace", namespace_of(route))
            there = cluster.read(_GATEWAY.format(where, parent["name"]))
            yield _line(f"gateway {where}/{parent['name']}", title(route), there=bool(there))
    for ingress in overlay.of("Ingress"):
        if name := ingress["spec"].get("ingressClassName"):
            there = cluster.read(_CLASS.format(name))
            yield _line(f"ingressclass {name}", title(ingress), there=bool(there))
    ways = overlay.of("HTTPRoute", "Ingress", "IngressRoute", "Route")
    for where in {namespace_of(each) for each in ways}:
        keys = cluster.read(in_core("secrets", where, "rag-agent-keys")) or {}
        if "API_KEYS" not in keys.get("data", {}):
            remedy = "agentic-rag keys new prints an entry for API_KEYS in rag-agent-keys"
            yield Line(
                "WARN", "keys", "none is set: whoever comes through a way in may ask", remedy
            )
    if any("clinic.example" in str(each["spec"]) for each in ways):
        remedy = "name your own in the overlay: nobody can look this one up"
        yield Line("WARN", "ways in", "are for the host of an example", remedy)


def _line(what: str, by: str, *, there: bool) -> Line:
    if there:
        return Line("PASS", what, "is there")
    remedy = "make it, or take another way in: infra/components"
    return Line("FAIL", what, f"is not there, and {by} hangs on it", remedy)
