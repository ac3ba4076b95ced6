"""Names: what one object calls by name, another provides, or an operator is told to bring."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.infra.manifests import (
    CLUSTER_WIDE,
    Manifest,
    Pod,
    externals,
    is_knative,
    namespace,
    of_kind,
    pods,
    title,
)

Faults = list[str]
Provided = dict[tuple[str, str, str], set[str]]

NAMESPACE = "kubeflow-user"  # of an external that names none
FOREIGN = CLUSTER_WIDE | {"GatewayClass", "IngressClass", "RuntimeClass", "StorageClass"}
CLAIM = "PersistentVolumeClaim"


@dataclass(frozen=True)
class Reference:
    """That `owner` calls, in `field`, an object by its name, and maybe a key or a port of it."""

    owner: str
    field: str
    kind: str
    namespace: str
    name: str
    key: str = ""
    optional: bool = False


def every_name_leads_somewhere(manifests: list[Manifest]) -> Faults:
    known = provided(manifests)
    faults = []
    for each in references(manifests):
        keys = known.get((each.kind, each.namespace, each.name))
        if keys is None:
            faults.append(f"{each.owner}: {each.field}: there is no {each.kind} {each.name}")
        elif each.key and each.key not in keys:
            have = ", ".join(sorted(keys)) or "nothing"
            faults.append(
                f"{each.owner}: {each.field}: {each.kind} {each.name} has {have}, not {each.key}"
            )
    return faults


def provided(manifests: list[Manifest]) -> Provided:
    """All that may be called by name, with its keys: objects, what KServe makes, externals."""
    known: Provided = {}
    for kind, room, name, keys in (*_own(manifests), *_implied(manifests), *_external()):
        known.setdefault((kind, "" if kind in FOREIGN else room, name), set()).update(keys)
    return known


def _own(manifests: list[Manifest]) -> Iterator[tuple[str, str, str, set[str]]]:
    for each in manifests:
        ports = each.get("spec", {}).get("ports", []) if each["kind"] == "Service" else []
        keys = {str(port[key]) for port in ports for key in ("name", "port") if key in port}
        keys |= set(each.get("data", {})) | set(each.get("stringData", {}))
        keys |= {template["name"] for template in _templates(each)}
        yield each["kind"], namespace(each), each["metadata"]["name"], keys


def _implied(manifests: list[Manifest]) -> Iterator[tuple[str, str, str, set[str]]]:
    for service in of_kind(manifests, "InferenceService"):
        room, name = namespace(service), service["metadata"]["name"]
        containers = service["spec"]["predictor"].get("containers", [{}])
        further = [str(port["containerPort"]) for port in containers[0].get("ports", [])[1:]]
        yield "Service", room, f"{name}-predictor", {"80", *further}
        if is_knative(service):
            yield "Service", room, name, {"80"}
        else:
            yield "Deployment", room, f"{name}-predictor", set()
    for owner in of_kind(manifests, "StatefulSet"):
        for claim in owner["spec"].get("volumeClaimTemplates", []):
            for n in range(owner["spec"].get("replicas", 1)):
                name = f"{claim['metadata']['name']}-{owner['metadata']['name']}-{n}"
                yield CLAIM, namespace(owner), name, set()
    for each in of_kind(manifests, "Namespace"):
        yield "ServiceAccount", each["metadata"]["name"], "default", set()


def _external() -> Iterator[tuple[str, str, str, set[str]]]:
    for each in externals():
        room, _, name = each["name"].rpartition("/")
        if each["kind"] == "Service" and not room:
            name, _, room = name.partition(".")
        yield each["kind"], room or NAMESPACE, name, set(map(str, each.get("keys") or []))


def references(manifests: list[Manifest]) -> Iterator[Reference]:
    for pod in pods(manifests):
        for field, kind, name, *more in _of_pod(pod):
            yield _reference(pod.title, pod.namespace, field, kind, name, *more)
    for each in manifests:
        for field, kind, name, *more in CALLS.get(each["kind"], _nothing)(each):
            yield _reference(title(each), namespace(each), field, kind, name, *more)
        if queue := each["metadata"].get("labels", {}).get("kueue.x-k8s.io/queue-name"):
            yield _reference(title(each), namespace(each), "queue-name", "LocalQueue", queue)


def _reference(owner: str, room: str, *call: Any) -> Reference:
    field, kind, name, *more = call
    there, _, name = name.rpartition("/")
    return Reference(owner, field, kind, "" if kind in FOREIGN else there or room, name, *more)


Calls = Iterable[tuple[Any, ...]]  # field, kind, [namespace/]name, key, optional


def _of_pod(pod: Pod) -> Calls:
    spec = pod.spec
    yield "serviceAccountName", "ServiceAccount", spec.get("serviceAccountName", "default")
    for pull in spec.get("imagePullSecrets", []):
        yield "imagePullSecrets", "Secret", pull["name"]
    for field, kind in (
        ("priorityClassName", "PriorityClass"),
        ("runtimeClassName", "RuntimeClass"),
    ):
        if field in spec:
            yield field, kind, spec[field]
    for volume in spec.get("volumes", []):
        yield from _of_volume(volume)
    for container in pod.every_container:
        yield from _of_environment(container)
        yield from _of_model(container)


def _of_model(model: dict[str, Any]) -> Calls:
    if model.get("storage"):
        yield "model.storage", "Secret", "storage-config", model["storage"].get("key", "")
    if model.get("storageUri", "").startswith("pvc://"):
        yield "storageUri", CLAIM, model["storageUri"].split("/")[2]
    if model.get("runtime"):
        ours = "image" in model  # laid over a runtime of ours
        yield (
            "model.runtime",
            "ServingRuntime" if ours else "ClusterServingRuntime",
            model["runtime"],
        )


def _of_volume(volume: dict[str, Any]) -> Calls:
    field = f"volume {volume['name']}"
    sources = [volume, *volume.get("projected", {}).get("sources", [])]
    for source in sources:
        if "persistentVolumeClaim" in source:
            yield field, CLAIM, source["persistentVolumeClaim"]["claimName"]
        for key, kind, word in (
            ("configMap", "ConfigMap", "name"),
            ("secret", "Secret", "secretName"),
        ):
            if key in source:
                called = source[key]
                name, optional = called.get(word) or called["name"], called.get("optional", False)
                for item in called.get("items") or [{}]:
                    yield field, kind, name, item.get("key", ""), optional


def _of_environment(container: dict[str, Any]) -> Calls:
    kinds = {"configMapKeyRef": "ConfigMap", "secretKeyRef": "Secret"}
    kinds |= {"configMapRef": "ConfigMap", "secretRef": "Secret"}
    calls = [
        (f"env {each['name']}", each.get("valueFrom", {})) for each in container.get("env", [])
    ]
    calls += [("envFrom", each) for each in container.get("envFrom", [])]
    for field, call in calls:
        for key in kinds.keys() & call.keys():
            called = call[key]
            optional = called.get("optional", False)
            yield field, kinds[key], called["name"], called.get("key", ""), optional


def _of_account(account: Manifest) -> Calls:
    for field in ("secrets", "imagePullSecrets"):
        for secret in account.get(field, []):
            yield field, "Secret", secret["name"], "", True


def _of_ingress(ingress: Manifest) -> Calls:
    spec = ingress["spec"]
    yield "ingressClassName", "IngressClass", spec.get("ingressClassName", "(none)")
    for tls in spec.get("tls", []):
        yield "tls", "Secret", tls["secretName"]
    paths = [path for rule in spec.get("rules", []) for path in rule["http"]["paths"]]
    for backend in [spec.get("defaultBackend"), *[path["backend"] for path in paths]]:
        if backend and "service" in backend:
            port = backend["service"]["port"]
            name = backend["service"]["name"]
            yield "backend.service", "Service", name, str(port.get("name") or port.get("number"))


def _of_http_route(route: Manifest) -> Calls:
    for parent in route["spec"].get("parentRefs", []):
        room = parent.get("namespace", namespace(route))
        yield "parentRefs", parent.get("kind", "Gateway"), f"{room}/{parent['name']}"
    for rule in route["spec"].get("rules", []):
        for backend in rule.get("backendRefs", []):
            room = backend.get("namespace", namespace(route))
            kind = backend.get("kind", "Service")
            yield "backendRefs", kind, f"{room}/{backend['name']}", str(backend.get("port", ""))


def _of_gateway(gateway: Manifest) -> Calls:
    yield "gatewayClassName", "GatewayClass", gateway["spec"]["gatewayClassName"]
    for listener in gateway["spec"]["listeners"]:
        for secret in listener.get("tls", {}).get("certificateRefs", []):
            yield f"listener {listener['name']}", "Secret", secret["name"]


def _of_openshift_route(route: Manifest) -> Calls:
    spec = route["spec"]
    port = spec.get("port", {}).get("targetPort", "")
    port = port if isinstance(port, str) else ""  # a number is the pod's: see doors
    for target in [spec["to"], *spec.get("alternateBackends", [])]:
        yield "to", target["kind"], target["name"], port


def _of_ingress_route(route: Manifest) -> Calls:
    if secret := route["spec"].get("tls", {}).get("secretName"):
        yield "tls.secretName", "Secret", secret
    for rule in route["spec"]["routes"]:
        for middleware in rule.get("middlewares", []):
            yield "middlewares", "Middleware", middleware["name"]
        for service in rule["services"]:
            yield "services", service.get("kind", "Service"), service["name"], str(service["port"])
            if transport := service.get("serversTransport"):
                yield "serversTransport", "ServersTransport", transport


def _of_scaler(scaler: Manifest) -> Calls:
    target = scaler["spec"]["scaleTargetRef"]
    yield "scaleTargetRef", target.get("kind", "Deployment"), target["name"]
    for trigger in scaler["spec"].get("triggers", []):
        if login := trigger.get("authenticationRef"):
            yield "authenticationRef", login.get("kind", "TriggerAuthentication"), login["name"]


def _of_trigger_authentication(login: Manifest) -> Calls:
    for target in login["spec"].get("secretTargetRef", []):
        yield "secretTargetRef", "Secret", target["name"], target["key"]


def _of_binding(binding: Manifest) -> Calls:
    yield "roleRef", binding["roleRef"]["kind"], binding["roleRef"]["name"]
    for subject in binding.get("subjects", []):
        if subject["kind"] == "ServiceAccount":
            room = subject.get("namespace", namespace(binding))
            yield "subjects", "ServiceAccount", f"{room}/{subject['name']}"


def _of_stateful_set(owner: Manifest) -> Calls:
    yield "serviceName", "Service", owner["spec"]["serviceName"]
    for claim in owner["spec"].get("volumeClaimTemplates", []):
        yield from _of_claim(claim)


def _of_claim(claim: Manifest) -> Calls:
    if name := claim["spec"].get("storageClassName"):
        yield "storageClassName", "StorageClass", name


def _of_inference_service(service: Manifest) -> Calls:
    metrics = service["spec"]["predictor"].get("autoScaling", {}).get("metrics", [])
    for metric in metrics:
        login = metric.get("external", {}).get("authenticationRef", {}).get("authenticationRef", {})
        if login:
            yield "autoScaling", login.get("kind", "TriggerAuthentication"), login["name"]


def _of_queue(queue: Manifest) -> Calls:
    yield "clusterQueue", "ClusterQueue", queue["spec"]["clusterQueue"]


def _of_cluster_queue(queue: Manifest) -> Calls:
    for group in queue["spec"].get("resourceGroups", []):
        for flavor in group["flavors"]:
            yield "flavors", "ResourceFlavor", flavor["name"]


def _of_monitor(monitor: Manifest) -> Calls:
    spec = monitor["spec"]
    for endpoint in spec.get("endpoints") or spec.get("podMetricsEndpoints") or []:
        if secret := endpoint.get("authorization", {}).get("credentials"):
            optional = secret.get("optional", False)
            yield "authorization", "Secret", secret["name"], secret["key"], optional


def _of_workflow(workflow: Manifest) -> Calls:
    spec = workflow["spec"]
    own = workflow["metadata"]["name"]
    for field in spec.keys() & {"entrypoint", "onExit"}:
        yield field, "WorkflowTemplate", own, spec[field]
    if account := spec.get("serviceAccountName"):
        yield "serviceAccountName", "ServiceAccount", account
    for template in _templates(workflow):
        for step in (step for group in template.get("steps", []) for step in group):
            there = step.get("templateRef", {"name": own, "template": step.get("template", "")})
            yield f"step {step['name']}", "WorkflowTemplate", there["name"], there["template"]


def _templates(each: Manifest) -> list[dict[str, Any]]:
    return each["spec"]["templates"] if each["kind"] == "WorkflowTemplate" else []


def _nothing(_: Manifest) -> Calls:
    return ()


CALLS: dict[str, Callable[[Manifest], Calls]] = {
    "ClusterQueue": _of_cluster_queue,
    "ClusterRoleBinding": _of_binding,
    "Gateway": _of_gateway,
    "HTTPRoute": _of_http_route,
    "HorizontalPodAutoscaler": _of_scaler,
    "InferenceService": _of_inference_service,
    "Ingress": _of_ingress,
    "IngressRoute": _of_ingress_route,
    "LocalQueue": _of_queue,
    CLAIM: _of_claim,
    "PodMonitor": _of_monitor,
    "RoleBinding": _of_binding,
    "Route": _of_openshift_route,
    "ScaledObject": _of_scaler,
    "ServiceAccount": _of_account,
    "ServiceMonitor": _of_monitor,
    "StatefulSet": _of_stateful_set,
    "TriggerAuthentication": _of_trigger_authentication,
    "WorkflowTemplate": _of_workflow,
}
