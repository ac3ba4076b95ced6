"""Labels: whatever selects, selects something; and by a port that is there."""

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

from tests.infra.manifests import (
    Manifest,
    Pod,
    annotations,
    externals,
    is_knative,
    namespace,
    number,
    of_kind,
    pods,
    title,
)
from tests.infra.rules.addresses import is_open

Faults = list[str]
Selector = dict[str, Any]

QUEUE_PROXY = {8012, 8013, 8022, 8112, 9090, 9091}  # stands before the container in Knative mode


def every_selector_finds_pods(manifests: list[Manifest]) -> Faults:
    everyone = list(pods(manifests))
    return [
        f"{title(owner)}: {field}: no pod has the labels {selector}"
        for owner in manifests
        for field, selector in _selectors(owner)
        if not selected(everyone, selector, namespace(owner))
    ]


def selected(everyone: list[Pod], selector: Selector, room: str) -> list[Pod]:
    return [pod for pod in everyone if pod.namespace == room and matches(selector, pod.labels)]


def matches(selector: Selector, labels: dict[str, str]) -> bool:
    if not selector.get("matchLabels", {}).items() <= labels.items():
        return False
    return all(_fits(each, labels) for each in selector.get("matchExpressions", []))


def _fits(expression: dict[str, Any], labels: dict[str, str]) -> bool:
    key, values = expression["key"], expression.get("values", [])
    return {
        "In": labels.get(key) in values,
        "NotIn": labels.get(key) not in values,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }.get(expression["operator"], False)


def _selectors(owner: Manifest) -> Iterator[tuple[str, Selector]]:
    kind, spec = owner["kind"], owner.get("spec", {})
    if kind == "Service" and "selector" in spec:
        yield "selector", {"matchLabels": spec["selector"]}
    if kind in {"PodDisruptionBudget", "PodMonitor", "Deployment", "StatefulSet", "DaemonSet"}:
        yield "selector", spec["selector"]
    if kind == "NetworkPolicy":
        yield "podSelector", spec.get("podSelector", {})
        for peer in _peers(owner):
            if "podSelector" in peer and "namespaceSelector" not in peer:
                yield "podSelector of a peer", peer["podSelector"]


def owners_select_their_own_pods(manifests: list[Manifest]) -> Faults:
    return [
        f"{title(owner)}: selector: does not select its own template's labels"
        for owner in of_kind(manifests, "DaemonSet", "Deployment", "StatefulSet")
        if not matches(owner["spec"]["selector"], owner["spec"]["template"]["metadata"]["labels"])
    ]


def policies_name_open_ports(manifests: list[Manifest]) -> Faults:
    everyone = list(pods(manifests))
    faults = []
    for policy in of_kind(manifests, "NetworkPolicy"):
        spec, room = policy["spec"], namespace(policy)
        guarded = selected(everyone, spec.get("podSelector", {}), room)
        for rule in spec.get("ingress", []):
            faults += _closed(policy, "ingress", rule, guarded)
        for rule in spec.get("egress", []):
            peers = [each for each in rule.get("to", []) if "namespaceSelector" not in each]
            called = [
                pod
                for peer in peers
                if "podSelector" in peer
                for pod in selected(everyone, peer["podSelector"], room)
            ]
            faults += _closed(policy, "egress", rule, called) if called else []
    return faults


def _closed(policy: Manifest, way: str, rule: dict[str, Any], reached: list[Pod]) -> Faults:
    return [
        f"{title(policy)}: {way}: port {port['port']}: none of the pods has it open"
        for port in rule.get("ports", [])
        if not any(_opens(pod, port["port"]) for pod in reached)
    ]


def _opens(pod: Pod, port: int | str) -> bool:
    if pod.owner["kind"] == "InferenceService" and is_knative(pod.owner) and port in QUEUE_PROXY:
        return True
    return any(is_open(each, port) for each in pod.containers)


def other_namespaces_are_known(manifests: list[Manifest]) -> Faults:
    """A peer by its namespace's name: one of ours, or one that is told of."""
    known = {each["metadata"]["name"] for each in of_kind(manifests, "Namespace")}
    known |= {each["name"] for each in externals() if each["kind"] == "Namespace"}
    faults = []
    for policy in of_kind(manifests, "NetworkPolicy"):
        for peer in _peers(policy):
            faults += [
                f"{title(policy)}: namespaceSelector: {key}={name} is neither ours nor told of"
                for key, name in _named(peer.get("namespaceSelector", {}))
                if key != "kubernetes.io/metadata.name" or name not in known
            ]
            if not _is_network(peer.get("ipBlock", {}).get("cidr", "0.0.0.0/0")):
                faults.append(f"{title(policy)}: ipBlock.cidr: is no network")
    return faults


def _peers(policy: Manifest) -> Iterator[dict[str, Any]]:
    for way, peers in (("ingress", "from"), ("egress", "to")):
        for rule in policy["spec"].get(way, []):
            yield from rule.get(peers, [])


def _named(selector: Selector) -> Iterator[tuple[str, str]]:
    yield from selector.get("matchLabels", {}).items()
    for each in selector.get("matchExpressions", []):
        yield from ((each["key"], value) for value in each.get("values", []))


def _is_network(cidr: str) -> bool:
    try:
        return "/" in cidr and bool(ip_network(cidr))
    except ValueError:
        return False


def prometheus_finds_the_metrics(manifests: list[Manifest]) -> Faults:
    """By the annotations of an InferenceService, or by monitors."""
    faults = []
    everyone = list(pods(manifests))
    for pod in everyone:
        if pod.owner["kind"] == "InferenceService":
            faults += _annotation_faults(pod)
    for monitor in of_kind(manifests, "PodMonitor"):
        seen = selected(everyone, monitor["spec"]["selector"], namespace(monitor))
        for endpoint in monitor["spec"]["podMetricsEndpoints"]:
            port = endpoint.get("port") or endpoint.get("portNumber")
            if not any(_opens(pod, port) for pod in seen):
                faults.append(f"{title(monitor)}: port {port}: no pod it selects has it")
            if endpoint.get("path", "/metrics") != "/metrics":
                faults.append(f"{title(monitor)}: path: metrics are at /metrics")
    for monitor in of_kind(manifests, "ServiceMonitor"):
        faults += _service_monitor_faults(monitor, manifests)
    return faults


def _service_monitor_faults(monitor: Manifest, manifests: list[Manifest]) -> Faults:
    services = [
        each
        for each in of_kind(manifests, "Service")
        if matches(monitor["spec"]["selector"], each["metadata"].get("labels", {}))
    ]
    names = {port.get("name") for each in services for port in each["spec"]["ports"]}
    if not services:
        return [f"{title(monitor)}: selector: no Service has these labels"]
    return [
        f"{title(monitor)}: port {endpoint.get('port')}: no Service it selects has it"
        for endpoint in monitor["spec"]["endpoints"]
        if endpoint.get("port") not in names
    ]


def _annotation_faults(pod: Pod) -> Faults:
    notes = annotations(pod.owner)
    faults = []
    if "serving.kserve.io/enable-prometheus-scraping" in notes:
        faults.append(f"{pod.title}: annotation enable-prometheus-scraping: turns the port to 9091")
    scraped = (notes.get("prometheus.io/scrape"), notes.get("prometheus.io/path"))
    port = number(notes.get("prometheus.io/port", 0))
    found = any(is_open(each, port) for each in pod.containers)
    if scraped != ("true", "/metrics") or not found:
        faults.append(f"{pod.title}: annotations prometheus.io/*: do not lead to its metrics")
    return faults
