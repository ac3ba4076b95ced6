"""What no schema can say of the manifests: each rule returns its complaints."""

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from tests.infra.manifests import (
    Manifest,
    agents,
    annotations,
    environment,
    is_knative,
    of_kind,
    pods,
    title,
)

Faults = list[str]
Rule = Callable[[list[Manifest]], Faults]

FORMAT_OF_RUNTIME = {"kserve-vllmserver": "vLLM", "kserve-huggingfaceserver": "huggingface"}
KNATIVE_FLAGGED = {  # fields that Knative refuses unless a feature flag is on
    "affinity",
    "dnsConfig",
    "dnsPolicy",
    "hostAliases",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "initContainers",
    "nodeSelector",
    "priorityClassName",
    "runtimeClassName",
    "schedulerName",
    "securityContext",
    "tolerations",
    "topologySpreadConstraints",
}
KNATIVE_MAX_TIMEOUT_S = 600  # max-revision-timeout-seconds, as shipped
COLD_START_S = 300  # what a small model may take with image, download and loading
SERVER_GRACE_S = 30  # uvicorn finishes what it has begun within this
DEAF_PATHS = {"", "/", "/metrics", "/v2", "/v2/health/ready"}  # 200 whatever the model's state
SECRET_NAME = re.compile(r"(KEY|TOKEN|PASSWORD|SECRET|CREDENTIALS?)$", re.IGNORECASE)
SECRET_VALUE = re.compile(
    r"\b(sk-[\w-]{16,}|hf_\w{16,}|gh[pousr]_\w{16,}|AKIA\w{12,}|eyJ[\w-]{20,})"
)


def everything_lives_in_a_namespace_we_make(manifests: list[Manifest]) -> Faults:
    known = {each["metadata"]["name"] for each in of_kind(manifests, "Namespace")}
    return [
        f"{title(each)}: namespace {each['metadata'].get('namespace')} is not among {known}"
        for each in manifests
        if each["kind"] != "Namespace" and each["metadata"].get("namespace") not in known
    ]


def no_object_is_written_twice(manifests: list[Manifest]) -> Faults:
    names = [title(each) for each in manifests]
    return [f"{name}: written twice" for name in sorted(set(names)) if names.count(name) > 1]


def the_namespace_has_a_security_level(manifests: list[Manifest]) -> Faults:
    prefix = "pod-security.kubernetes.io/"
    return [
        f"{title(each)}: {prefix}{level} is not {' or '.join(sorted(wanted))}"
        for each in of_kind(manifests, "Namespace")
        for level, wanted in {
            "enforce": {"baseline", "restricted"},
            "warn": {"restricted"},
            "audit": {"restricted"},
        }.items()
        if each["metadata"].get("labels", {}).get(prefix + level) not in wanted
    ]


def the_deployment_mode_is_said(manifests: list[Manifest]) -> Faults:
    key = "serving.kserve.io/deploymentMode"
    return [
        f"{title(each)}: {key} is not Standard or Knative"
        for each in of_kind(manifests, "InferenceService")
        if annotations(each).get(key) not in {"Standard", "Knative"}
    ]


def the_model_format_is_the_runtimes(manifests: list[Manifest]) -> Faults:
    models = _models(manifests)
    return [
        f"{where}: format {model['modelFormat']['name']!r} is not of runtime {model.get('runtime')}"
        for where, model in models
        if FORMAT_OF_RUNTIME.get(model.get("runtime", "")) != model["modelFormat"]["name"]
    ]


def knative_has_one_port(manifests: list[Manifest]) -> Faults:
    faults = []
    for pod in pods(manifests):
        ports = [port for container in pod.containers for port in container.get("ports", [])]
        if is_knative(pod.owner) and (
            len(ports) > 1
            or any(port.get("name", "") not in {"", "http1", "h2c"} for port in ports)
        ):
            faults.append(f"{pod.title}: Knative takes one port, named http1 or h2c")
    return faults


def knative_gets_no_flagged_field(manifests: list[Manifest]) -> Faults:
    faults = []
    for pod in pods(manifests):
        if is_knative(pod.owner):
            flagged = sorted(KNATIVE_FLAGGED & set(pod.spec))
            claims = [
                each for each in pod.spec.get("volumes", []) if "persistentVolumeClaim" in each
            ]
            faults += [f"{pod.title}: {field} needs a feature flag of Knative" for field in flagged]
            faults += [f"{pod.title}: a volume claim needs a feature flag" for _ in claims]
    return faults


def replicas_are_set_by_fields(manifests: list[Manifest]) -> Faults:
    faults = []
    for service in of_kind(manifests, "InferenceService"):
        keys = [key for key in annotations(service) if re.search("(min|max)-?scale", key, re.I)]
        faults += [
            f"{title(service)}: KServe drops {key}; use minReplicas, maxReplicas" for key in keys
        ]
        if {"minReplicas", "maxReplicas"} - set(service["spec"]["predictor"]):
            faults.append(f"{title(service)}: minReplicas and maxReplicas are not both said")
    return faults


def only_knative_has_knative_annotations(manifests: list[Manifest]) -> Faults:
    return [
        f"{title(service)}: {key} means nothing outside Knative mode"
        for service in of_kind(manifests, "InferenceService")
        if not is_knative(service)
        for key in annotations(service)
        if ".knative.dev/" in key
    ]


def only_knative_sleeps(manifests: list[Manifest]) -> Faults:
    return [
        f"{title(service)}: at zero replicas nothing would wake it in Standard mode"
        for service in of_kind(manifests, "InferenceService")
        if not is_knative(service) and service["spec"]["predictor"].get("minReplicas", 1) < 1
    ]


def a_sleeper_is_given_time_to_wake(manifests: list[Manifest]) -> Faults:
    faults = []
    for service in of_kind(manifests, "InferenceService"):
        predictor = service["spec"]["predictor"]
        if not is_knative(service) or predictor.get("minReplicas") != 0:
            continue
        timeout = predictor.get("timeout", 0)
        if not COLD_START_S <= timeout <= KNATIVE_MAX_TIMEOUT_S:
            faults.append(
                f"{title(service)}: timeout {timeout} is outside the cold start and the most"
            )
        faults += [f"{title(service)}: {fault}" for fault in _sleep_faults(annotations(service))]
    return faults


def _sleep_faults(notes: dict[str, str]) -> Iterator[str]:
    prefix = "autoscaling.knative.dev/"
    for key in (f"{prefix}scale-to-zero-pod-retention-period", f"{prefix}scale-down-delay"):
        if not 0 < _seconds(notes.get(key, "")) <= 3600:
            yield f"{key} is not between 0 and 1h"
    if _seconds(notes.get("serving.knative.dev/progress-deadline", "")) <= KNATIVE_MAX_TIMEOUT_S:
        yield "progress-deadline leaves no more than the default for a slow start"


def _seconds(duration: str) -> int:
    units = {"h": 3600, "m": 60, "s": 1}
    if not re.fullmatch(r"(\d+[hms])+", duration):
        return -1
    return sum(int(n) * units[unit] for n, unit in re.findall(r"(\d+)([hms])", duration))


def images_and_models_are_pinned(manifests: list[Manifest]) -> Faults:
    faults = []
    for pod in pods(manifests):
        for container in pod.containers:
            image = container.get("image")
            tag = image.rpartition("/")[2].partition(":")[2] if image else ""
            version = tag or container.get("runtimeVersion", "")
            if "@sha256:" not in (image or "") and version.partition("@")[0] in {"", "latest"}:
                faults.append(f"{pod.title}: image {image or '(of the runtime)'} is not pinned")
    for where, model in _models(manifests):
        uri = model.get("storageUri", "")
        if uri.startswith("hf://") and not re.search(r":[0-9a-f]{40}$", uri):
            faults.append(f"{where}: {uri} is not pinned to a revision")
    return faults


def no_secret_is_in_git(manifests: list[Manifest]) -> Faults:
    """A Secret may not even hold placeholders: applied again, they overwrite the real one."""
    faults = []
    wanted = {name for _, name, _ in secret_references(manifests)}
    for secret in of_kind(manifests, "Secret"):
        if secret.get("data") or secret.get("stringData"):
            faults.append(f"{title(secret)}: holds values")
        if secret["metadata"]["name"] in wanted:
            faults.append(f"{title(secret)}: applying it touches the real one of that name")
    for pod in pods(manifests):
        for container in pod.containers:
            faults += [
                f"{pod.title}: {name} is written out"
                for name, value in environment(container).items()
                if value and SECRET_NAME.search(name)
            ]
    faults += [
        f"{title(manifest)}: {value[:6]}... looks like a key"
        for manifest in manifests
        for value in _texts(manifest)
        if SECRET_VALUE.search(value)
    ]
    return faults


def no_secret_is_required(manifests: list[Manifest]) -> Faults:
    return [
        f"{where}: {name} is not optional, so the pod waits for it without end"
        for where, name, optional in secret_references(manifests)
        if not optional
    ]


def secret_references(manifests: list[Manifest]) -> list[tuple[str, str, bool]]:
    """Who refers to which Secret, and whether he can do without."""
    found = [
        (title(account), each["name"], True)
        for account in of_kind(manifests, "ServiceAccount")
        for each in account.get("secrets", [])
    ]
    for pod in pods(manifests):
        for container in pod.containers:
            sources = [each.get("valueFrom", {}) for each in container.get("env", [])]
            references = [each["secretKeyRef"] for each in sources if "secretKeyRef" in each]
            references += [
                each["secretRef"] for each in container.get("envFrom", []) if "secretRef" in each
            ]
            found += [(pod.title, each["name"], each.get("optional", False)) for each in references]
    return found


def service_accounts_exist(manifests: list[Manifest]) -> Faults:
    accounts = {each["metadata"]["name"] for each in of_kind(manifests, "ServiceAccount")}
    return [
        f"{pod.title}: there is no ServiceAccount {pod.spec['serviceAccountName']}"
        for pod in pods(manifests)
        if pod.spec.get("serviceAccountName", next(iter(accounts))) not in accounts
    ]


def the_agent_calls_an_llm_that_exists(manifests: list[Manifest]) -> Faults:
    faults = []
    for pod in agents(manifests):
        address = _agent_environment(pod.containers).get("LLM_BASE_URL") or ""
        url = urlsplit(address)
        if _llm_behind(manifests, url.hostname) is None:
            faults.append(f"{pod.title}: no InferenceService is behind {address!r}")
        if (url.scheme, url.port or 80, url.path) != ("http", 80, "/v1"):
            faults.append(f"{pod.title}: {address!r} is not http://<host>/v1 on port 80")
    return faults


def the_agent_asks_for_the_served_model(manifests: list[Manifest]) -> Faults:
    faults = []
    for pod in agents(manifests):
        variables = _agent_environment(pod.containers)
        llm = _llm_behind(manifests, urlsplit(variables.get("LLM_BASE_URL") or "").hostname)
        served = _served_names(llm) if llm else []
        if variables.get("LLM_MODEL_NAME") not in served:
            faults.append(f"{pod.title}: LLM_MODEL_NAME is not one of {served}")
    return faults


def _llm_behind(manifests: list[Manifest], host: str | None) -> Manifest | None:
    for service in of_kind(manifests, "InferenceService"):
        meta = service["metadata"]
        if host == f"{meta['name']}-predictor.{meta['namespace']}.svc.cluster.local":
            return service
    return None


def _served_names(llm: Manifest) -> list[str]:
    """The runtime serves under the InferenceService's name unless the arguments say otherwise."""
    given = _flag(llm["spec"]["predictor"].get("model", {}), "--served-model-name")
    return [given or llm["metadata"]["name"]]


def the_chroma_host_exists(manifests: list[Manifest]) -> Faults:
    """Where the agent uses a Chroma server at all."""
    known = {
        (
            f"{each['metadata']['name']}.{each['metadata']['namespace']}.svc.cluster.local",
            port["port"],
        )
        for each in of_kind(manifests, "Service")
        for port in each["spec"]["ports"]
    }
    faults = []
    for pod in agents(manifests):
        variables = _agent_environment(pod.containers)
        host, port = variables.get("CHROMA_HOST"), int(variables.get("CHROMA_PORT") or 8000)
        if host and (host, port) not in known:
            faults.append(f"{pod.title}: no Service is at {host}:{port}")
    return faults


def probes_can_fail(manifests: list[Manifest]) -> Faults:
    """A probe on a path that answers 200 whatever happens, or on no path, proves nothing."""
    faults = []
    for pod in pods(manifests):
        for container in pod.containers:
            wanted = ["readinessProbe"] if pod.by_runtime else ["readinessProbe", "livenessProbe"]
            faults += [f"{pod.title}: no {name}" for name in wanted if name not in container]
            for name in ("startupProbe", "readinessProbe", "livenessProbe"):
                probe = container.get(name)
                if probe and probe.get("httpGet", {}).get("path", "") in DEAF_PATHS:
                    faults.append(f"{pod.title}: {name} cannot fail")
                elif probe and not _port_is_open(container, probe["httpGet"]["port"]):
                    faults.append(f"{pod.title}: {name} asks a port that the container has not")
    return faults


def the_agent_is_ready_when_its_model_is(manifests: list[Manifest]) -> Faults:
    faults = []
    for pod in agents(manifests):
        for container in pod.containers:
            name = _flag(container, "--model_name")
            paths = [
                container.get(probe, {}).get("httpGet", {}).get("path")
                for probe in ("readinessProbe", "livenessProbe")
            ]
            if paths != [f"/v2/models/{name}/ready", "/v2/health/live"]:
                faults.append(f"{pod.title}: {paths} are not the paths of model {name}")
            if name != pod.owner["metadata"]["name"]:
                faults.append(f"{pod.title}: serves model {name}, which its address does not name")
    return faults


def _port_is_open(container: dict[str, Any], port: int | str) -> bool:
    if "modelFormat" in container:
        return port == 8080  # the runtime's
    return any(port in (each["containerPort"], each.get("name")) for each in container["ports"])


def pods_are_restricted(manifests: list[Manifest]) -> Faults:
    """The Pod Security Standard `restricted`; a runtime's image may keep its root user."""
    faults = []
    for pod in pods(manifests):
        for container in pod.containers:
            context = {
                **pod.spec.get("securityContext", {}),
                **container.get("securityContext", {}),
            }
            expected = {
                "allowPrivilegeEscalation is false": context.get("allowPrivilegeEscalation")
                is False,
                "capabilities drop ALL": context.get("capabilities", {}).get("drop") == ["ALL"],
                "no capability is added": not context.get("capabilities", {}).get("add"),
                "seccomp is RuntimeDefault": context.get("seccompProfile", {}).get("type")
                == "RuntimeDefault",
                "it is not privileged": not context.get("privileged"),
                "runAsNonRoot": pod.by_runtime or context.get("runAsNonRoot") is True,
                "runAsUser is a number above 0": pod.by_runtime or context.get("runAsUser", 0) > 0,
            }
            faults += [
                f"{pod.title}: not so: {what}" for what, holds in expected.items() if not holds
            ]
        shared = [name for name in ("hostNetwork", "hostPID", "hostIPC") if pod.spec.get(name)]
        shared += [each["name"] for each in pod.spec.get("volumes", []) if "hostPath" in each]
        faults += [f"{pod.title}: {name} shares the host" for name in shared]
    return faults


def roots_are_read_only(manifests: list[Manifest]) -> Faults:
    return [
        f"{pod.title}: its root can be written to"
        for pod in pods(manifests)
        for container in pod.containers
        if not pod.by_runtime
        and container.get("securityContext", {}).get("readOnlyRootFilesystem") is not True
    ]


def what_is_written_has_a_volume(manifests: list[Manifest]) -> Faults:
    faults = []
    for pod in pods(manifests):
        claims = pod.owner["spec"].get("volumeClaimTemplates", [])
        volumes = {each["name"] for each in pod.spec.get("volumes", [])}
        volumes |= {each["metadata"]["name"] for each in claims}
        for container in pod.containers:
            mounts = {each["mountPath"]: each["name"] for each in container.get("volumeMounts", [])}
            dangling = set(mounts.values()) - volumes
            faults += [f"{pod.title}: there is no volume {name}" for name in sorted(dangling)]
            args = container.get("args", [])
            places = [environment(container).get("DATA_DIR")]
            places += [args[n + 1] for n, arg in enumerate(args[:-1]) if arg == "--path"]
            places += [] if pod.by_runtime else ["/tmp"]
            faults += [
                f"{pod.title}: {place} is no volume"
                for place in places
                if place and place not in mounts
            ]
    return faults


def resources_are_bounded(manifests: list[Manifest]) -> Faults:
    faults = []
    for pod in pods(manifests):
        for container in pod.containers:
            resources = container.get("resources", {})
            for bound in ("requests", "limits"):
                missing = {"cpu", "memory"} - set(resources.get(bound, {}))
                faults += [f"{pod.title}: no {what} in {bound}" for what in sorted(missing)]
            gpus = {str(resources.get(bound, {}).get("nvidia.com/gpu")) for bound in resources}
            if len(gpus) > 1:
                faults.append(f"{pod.title}: GPUs requested and limited differ")
    return faults


def prometheus_finds_the_metrics(manifests: list[Manifest]) -> Faults:
    faults = []
    for pod in pods(manifests):
        if pod.owner["kind"] != "InferenceService":
            continue
        notes = annotations(pod.owner)
        if "serving.kserve.io/enable-prometheus-scraping" in notes:
            faults.append(f"{pod.title}: enable-prometheus-scraping turns the port into 9091")
        scraped = (notes.get("prometheus.io/scrape"), notes.get("prometheus.io/path"))
        port = int(notes.get("prometheus.io/port", 0))
        if scraped != ("true", "/metrics") or not _port_is_open(pod.containers[0], port):
            faults.append(f"{pod.title}: the prometheus.io annotations do not lead to its metrics")
    return faults


def services_do_not_become_settings(manifests: list[Manifest]) -> Faults:
    """A Service named chroma would set CHROMA_PORT=tcp://... in every pod beside it."""
    return [
        f"{pod.title}: enableServiceLinks is not false"
        for pod in pods(manifests)
        if not is_knative(pod.owner) and pod.spec.get("enableServiceLinks") is not False
    ]


def a_pod_ends_after_its_answers(manifests: list[Manifest]) -> Faults:
    faults = []
    for pod in agents(manifests):
        for container in pod.containers:
            stop = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {})
            needed = SERVER_GRACE_S + stop.get("seconds", 0)
            if not stop or pod.spec.get("terminationGracePeriodSeconds", 30) <= needed:
                faults.append(f"{pod.title}: is killed before it has finished, or stops too soon")
    return faults


def services_lead_to_pods(manifests: list[Manifest]) -> Faults:
    faults = []
    for service in of_kind(manifests, "Service"):
        selector = service["spec"]["selector"]
        behind = [pod for pod in pods(manifests) if selector.items() <= pod.labels.items()]
        targets = [port.get("targetPort", port["port"]) for port in service["spec"]["ports"]]
        for target in targets:
            if not any(_port_is_open(each, target) for pod in behind for each in pod.containers):
                faults.append(f"{title(service)}: nothing is behind port {target}")
    names = {each["metadata"]["name"] for each in of_kind(manifests, "Service")}
    for owner in of_kind(manifests, "StatefulSet"):
        if owner["spec"]["serviceName"] not in names:
            faults.append(f"{title(owner)}: there is no Service {owner['spec']['serviceName']}")
        labels = owner["spec"]["template"]["metadata"]["labels"]
        if not owner["spec"]["selector"]["matchLabels"].items() <= labels.items():
            faults.append(f"{title(owner)}: does not select its own pods")
    return faults


def chroma_is_one_and_locked(manifests: list[Manifest]) -> Faults:
    """No second server on its data; no caller but the agent, for it asks nobody who they are."""
    faults = []
    for pod in pods(manifests):
        if not any("chroma" in each.get("image", "") for each in pod.containers):
            continue
        if pod.owner["spec"].get("replicas") != 1:
            faults.append(f"{pod.title}: must be one replica")
        callers = [
            peer["podSelector"]["matchLabels"]
            for policy in of_kind(manifests, "NetworkPolicy")
            if policy["spec"]["podSelector"].get("matchLabels", {}).items() <= pod.labels.items()
            for rule in policy["spec"].get("ingress", [])
            for peer in rule.get("from", [{"podSelector": {"matchLabels": {}}}])
        ]
        if not callers or {} in callers:
            faults.append(f"{pod.title}: everybody may call it")
        for agent in agents(manifests):
            if not any(caller.items() <= agent.labels.items() for caller in callers):
                faults.append(f"{pod.title}: {agent.title} may not call it")
    return faults


def _models(manifests: list[Manifest]) -> list[tuple[str, dict[str, Any]]]:
    return [(pod.title, pod.spec["model"]) for pod in pods(manifests) if pod.by_runtime]


def _agent_environment(containers: list[dict[str, Any]]) -> dict[str, str | None]:
    return {name: value for each in containers for name, value in environment(each).items()}


def _flag(container: dict[str, Any], name: str) -> str | None:
    found = [
        arg.partition("=")[2] for arg in container.get("args", []) if arg.startswith(f"{name}=")
    ]
    return found[-1] if found else None


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)


RULES: tuple[Rule, ...] = (
    everything_lives_in_a_namespace_we_make,
    no_object_is_written_twice,
    the_namespace_has_a_security_level,
    the_deployment_mode_is_said,
    the_model_format_is_the_runtimes,
    knative_has_one_port,
    knative_gets_no_flagged_field,
    replicas_are_set_by_fields,
    only_knative_has_knative_annotations,
    only_knative_sleeps,
    a_sleeper_is_given_time_to_wake,
    images_and_models_are_pinned,
    no_secret_is_in_git,
    no_secret_is_required,
    service_accounts_exist,
    the_agent_calls_an_llm_that_exists,
    the_agent_asks_for_the_served_model,
    the_chroma_host_exists,
    probes_can_fail,
    the_agent_is_ready_when_its_model_is,
    pods_are_restricted,
    roots_are_read_only,
    what_is_written_has_a_volume,
    resources_are_bounded,
    prometheus_finds_the_metrics,
    services_do_not_become_settings,
    a_pod_ends_after_its_answers,
    services_lead_to_pods,
    chroma_is_one_and_locked,
)
