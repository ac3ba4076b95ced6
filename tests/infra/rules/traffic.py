"""Traffic: the network policies let through whoever has to call, and everybody to the DNS."""

from typing import Any

from tests.infra.manifests import Manifest, Pod, is_knative, namespace, of_kind, pods
from tests.infra.rules.addresses import addresses, behind, port_of
from tests.infra.rules.selectors import matches, selected

Faults = list[str]
HTTPS, DNS = 443, 53
DNS_CACHE = "169.254.20.10/32"  # of each node, where there is one: in no namespace


def callers_are_let_through(manifests: list[Manifest]) -> Faults:
    """But to Knative's pods, which are called by its activator."""
    callers = {pod.title: pod for pod in pods(manifests)}
    faults = []
    for address in addresses(manifests):
        caller = callers.get(address.owner)
        for callee, port in behind(address, manifests) if caller else ():
            if callee.owner["kind"] == "InferenceService" and is_knative(callee.owner):
                continue
            if not _lets(manifests, caller, callee, port, "egress"):
                faults.append(f"{caller.title}: egress: no policy lets it call {callee.title}")
            if not _lets(manifests, callee, caller, port, "ingress"):
                faults.append(f"{callee.title}: ingress: no policy lets {caller.title} call it")
    return faults


def _lets(manifests: list[Manifest], guarded: Pod, other: Pod, port: int, way: str) -> bool:
    """Whether the policies of `guarded` let traffic from or to `other` through."""
    reached = other if way == "egress" else guarded
    rules = _rules(manifests, guarded, way)
    return rules is None or any(
        _peer_is_meant(rule, other, way) and _port_is_meant(rule, port, reached) for rule in rules
    )


def _rules(manifests: list[Manifest], pod: Pod, way: str) -> list[dict[str, Any]] | None:
    """The rules of all policies that guard a pod in one direction; None: nothing guards it."""
    guards = [
        policy["spec"]
        for policy in of_kind(manifests, "NetworkPolicy")
        if way.capitalize() in policy["spec"].get("policyTypes", ["Ingress"])
        and selected([pod], policy["spec"].get("podSelector", {}), namespace(policy))
    ]
    return [rule for spec in guards for rule in spec.get(way, [])] if guards else None


def _peer_is_meant(rule: dict[str, Any], other: Pod, way: str) -> bool:
    peers = rule.get("to" if way == "egress" else "from")
    return peers is None or any(
        "ipBlock" not in peer
        and matches(peer.get("podSelector", {}), other.labels)
        and matches(
            peer.get("namespaceSelector", {}), {"kubernetes.io/metadata.name": other.namespace}
        )
        for peer in peers
    )


def _port_is_meant(rule: dict[str, Any], port: int, reached: Pod) -> bool:
    ports = [each["port"] for each in rule.get("ports", []) if "port" in each]
    return not ports or any(each == port or port_of(reached, each) == port for each in ports)


def guarded_pods_find_the_dns(manifests: list[Manifest]) -> Faults:
    return [
        f"{pod.title}: egress: no NetworkPolicy lets it ask the DNS, port {DNS}"
        for pod in pods(manifests)
        for rules in [_rules(manifests, pod, "egress")]
        if rules is not None and not any(_names(rule, DNS) and _meets_dns(rule) for rule in rules)
    ]


def _meets_dns(rule: dict[str, Any]) -> bool:
    """Whether a rule leads to the DNS wherever it is: in a namespace, and on the node."""
    peers = rule.get("to")
    cached = any(peer.get("ipBlock", {}).get("cidr") == DNS_CACHE for peer in peers or [])
    return peers is None or (cached and any("namespaceSelector" in peer for peer in peers))


def who_counts_is_let_in(manifests: list[Manifest]) -> Faults:
    """OpenShift's Prometheus is not where everybody else's is."""
    where = "openshift-user-workload-monitoring" if of_kind(manifests, "Route") else "monitoring"
    return [
        f"{pod.title}: ingress: no policy lets Prometheus in, which is in {where}"
        for pod in pods(manifests)
        if pod.owner["kind"] == "InferenceService"
        for rules in [_rules(manifests, pod, "ingress")]
        if rules is not None and not any(_lets_namespace_in(rule, where) for rule in rules)
    ]


def _lets_namespace_in(rule: dict[str, Any], name: str) -> bool:
    labels = {"kubernetes.io/metadata.name": name}
    return "from" not in rule or any(
        "namespaceSelector" in peer and matches(peer["namespaceSelector"], labels)
        for peer in rule["from"]
    )


def what_is_fetched_can_be_fetched(manifests: list[Manifest]) -> Faults:
    """A model of the hub is downloaded by the pod itself, before vLLM starts."""
    return [
        f"{pod.title}: egress: no NetworkPolicy lets it reach the hub, port {HTTPS}"
        for pod in pods(manifests)
        if pod.containers[0].get("storageUri", "").startswith(("hf://", "https://"))
        for rules in [_rules(manifests, pod, "egress")]
        if rules is not None
        and not any(_names(rule, HTTPS) and _leads_outside(rule) for rule in rules)
    ]


def _names(rule: dict[str, Any], port: int) -> bool:
    return "ports" not in rule or any(each.get("port") == port for each in rule["ports"])


def _leads_outside(rule: dict[str, Any]) -> bool:
    return "to" not in rule or any("ipBlock" in peer for peer in rule["to"])
