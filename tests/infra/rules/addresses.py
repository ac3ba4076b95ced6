"""Addresses: behind each host and port that a manifest writes stands a Service, or an external."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.infra.manifests import (
    Manifest,
    Pod,
    agents,
    environment,
    externals,
    namespace,
    number,
    of_kind,
    pods,
    texts,
    title,
)
from tests.infra.rules.names import provided

Faults = list[str]

ADDRESS = re.compile(r"\b(?:https?|grpcs?|dns|postgres(?:ql)?|redis)://[^\s\"'<>,;]+")
INSIDE = re.compile(r"(?<![\w./@-])[\w.-]+\.svc(?:\.cluster\.local)?(?::\d+)?(?![\w.-])")
USUAL_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "postgres": 5432, "redis": 6379}
SMALL = {"get", "list", "watch", "endpointslices"}
RESULTS = {  # of Argo's executor, which tells what came of a step
    "apiGroups": ["argoproj.io"],
    "resources": ["workflowtaskresults"],
    "verbs": ["create", "patch"],
}
SELF = {"localhost", "127.0.0.1", "0.0.0.0", "::1"}


@dataclass(frozen=True)
class Address:
    """A host that `owner` would call, seen from its namespace."""

    owner: str
    namespace: str
    host: str
    port: int | None

    @property
    def is_whole(self) -> bool:
        """Whether nothing of it is filled in later."""
        return bool(re.fullmatch(r"[\w.-]+", self.host)) and self.host not in SELF


def every_host_is_somebodys(manifests: list[Manifest]) -> Faults:
    known = provided(manifests)
    rooms = {namespace(each) for each in manifests} | {room for _, room, _ in known}
    hosts = {each["name"]: set(each.get("keys") or []) for each in externals()}
    faults = []
    for each in addresses(manifests):
        if each.host in hosts:
            ports = set(map(str, hosts[each.host]))
        else:
            ports = known.get(("Service", *service_of(each, rooms)), set())
        if not ports:
            faults.append(f"{each.owner}: host {each.host}: no Service and no external has it")
        elif each.port and str(each.port) not in ports:
            faults.append(f"{each.owner}: host {each.host}: has {sorted(ports)}, not {each.port}")
    return faults


def service_of(address: Address, rooms: set[str]) -> tuple[str, str]:
    """Namespace and name: `name`, `name.namespace`, or `pod.name.namespace` of a headless one."""
    words = re.sub(r"\.svc(\.cluster\.local)?\.?$", "", address.host).split(".")
    if len(words) == 1:
        return address.namespace, words[0]
    return (words[-1], words[-2]) if words[-1] in rooms else ("", address.host)


def addresses(manifests: list[Manifest]) -> Iterator[Address]:
    for each in manifests:
        for text in texts(_what_calls(each)):
            for found in (*ADDRESS.findall(text), *(f"//{one}" for one in INSIDE.findall(text))):
                yield from _address(title(each), namespace(each), found)
    for pod in agents(manifests):
        for container in pod.containers:
            yield from _of_settings(pod, environment(container))


def _what_calls(manifest: Manifest) -> Any:
    """Its parts that something reads as an address; a note or a runbook's link calls nobody."""
    if manifest["kind"] == "ConfigMap":
        return [each for each in texts(manifest.get("data", {})) if ".svc" in each]
    return {} if manifest["kind"] == "PrometheusRule" else manifest.get("spec", {})


def _address(owner: str, room: str, written: str) -> Iterator[Address]:
    parts = urlsplit(written)
    host = parts.netloc.rpartition("@")[2].partition(":")[0]
    port = parts.netloc.rpartition("@")[2].partition(":")[2]
    at = int(port) if port.isdigit() else USUAL_PORTS.get(parts.scheme)
    address = Address(owner, room, host, at)
    if address.is_whole:
        yield address


def behind(address: Address, manifests: list[Manifest]) -> list[tuple[Pod, int]]:
    """The pods that an address leads to, each with its own port there."""
    room, name = service_of(address, {namespace(each) for each in manifests})
    ports = [
        (service["spec"].get("selector") or {"": ""}, port)
        for service in of_kind(manifests, "Service")
        if (namespace(service), service["metadata"]["name"]) == (room, name)
        for port in service["spec"]["ports"]
        if address.port in (None, port["port"])
    ]
    found = []
    for pod in pods(manifests):
        if pod.namespace != room or pod.ends:
            continue
        if name == f"{pod.owner['metadata']['name']}-predictor":
            found.append((pod, 8080))  # by the Service that KServe makes
        found += [
            (pod, port_of(pod, port.get("targetPort", port["port"])))
            for selector, port in ports
            if selector.items() <= pod.labels.items()
        ]
    return found


def port_of(pod: Pod, port: int | str) -> int:
    """The number of a pod's port; 0 where it has none of that name."""
    ports = [each for container in pod.containers for each in container.get("ports", [])]
    named = [each["containerPort"] for each in ports if each.get("name") == port]
    return port if isinstance(port, int) else [*named, 0][0]


def _of_settings(pod: Pod, variables: dict[str, str | None]) -> Iterator[Address]:
    if host := variables.get("CHROMA_HOST"):
        yield Address(pod.title, pod.namespace, host, number(variables.get("CHROMA_PORT") or 8000))
    for replica in (variables.get("LLM_REPLICAS") or "").split(","):
        where, _, rest = replica.strip().rpartition("://")
        if where == "kubernetes":
            room, _, name = rest.partition("/")
            yield Address(pod.title, pod.namespace, f"{name}.{room}", None)
        elif rest:
            yield from _address(pod.title, pod.namespace, f"//{rest}")


def services_lead_to_pods(manifests: list[Manifest]) -> Faults:
    faults = []
    for service in of_kind(manifests, "Service"):
        spec = service["spec"]
        if spec.get("type") == "ExternalName" or "selector" not in spec:
            continue
        behind = [
            pod
            for pod in pods(manifests)
            if spec["selector"].items() <= pod.labels.items()
            and pod.namespace == namespace(service)
            and not pod.ends
        ]
        for port in spec["ports"]:
            target = port.get("targetPort", port["port"])
            if not any(is_open(each, target) for pod in behind for each in pod.containers):
                faults.append(f"{title(service)}: targetPort {target}: no pod it selects opens it")
    return faults


def is_open(container: dict[str, Any], port: int | str) -> bool:
    if "modelFormat" in container and "ports" not in container:
        return port == 8080  # the runtime's
    return any(
        port in (each["containerPort"], each.get("name")) for each in container.get("ports", [])
    )


def replicas_can_be_found(manifests: list[Manifest]) -> Faults:
    """By DNS only behind a headless Service; by EndpointSlices only who may read them."""
    faults = []
    headless = {
        (namespace(each), each["metadata"]["name"])
        for each in of_kind(manifests, "Service")
        if each["spec"].get("clusterIP") == "None"
    }
    rooms = {namespace(each) for each in manifests}
    for pod in agents(manifests):
        said = {name: value for each in pod.containers for name, value in environment(each).items()}
        replicas = said.get("LLM_REPLICAS") or ""
        for address in _of_settings(pod, {"LLM_REPLICAS": replicas}):
            if replicas.startswith("dns://") and service_of(address, rooms) not in headless:
                faults.append(f"{pod.title}: env LLM_REPLICAS: {address.host} must be headless")
        if replicas.startswith("kubernetes://") and not _may_read_slices(pod, manifests):
            faults.append(f"{pod.title}: RoleBinding: it must list and watch endpointslices")
    return faults


def _may_read_slices(pod: Pod, manifests: list[Manifest]) -> bool:
    account = pod.spec.get("serviceAccountName")
    roles = {
        binding["roleRef"]["name"]
        for binding in of_kind(manifests, "RoleBinding")
        if namespace(binding) == pod.namespace
        and account in {each["name"] for each in binding.get("subjects", [])}
    }
    reading = [
        set(rule["verbs"])
        for role in of_kind(manifests, "Role")
        if role["metadata"]["name"] in roles and namespace(role) == pod.namespace
        for rule in role["rules"]
        if "endpointslices" in rule["resources"] and "discovery.k8s.io" in rule["apiGroups"]
    ]
    has_token = pod.spec.get("automountServiceAccountToken") is not False
    return has_token and any({"list", "watch"} <= verbs for verbs in reading)


def roles_are_small(manifests: list[Manifest]) -> Faults:
    """Nobody here has to change a cluster, or to read its Secrets."""
    return [
        f"{title(role)}: rules: {word} is more than anybody here needs"
        for role in of_kind(manifests, "Role", "ClusterRole")
        for rule in role["rules"]
        if rule != RESULTS
        for word in sorted({*rule["verbs"], *rule["resources"]} - SMALL)
    ]
