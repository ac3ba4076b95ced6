"""What KServe's two modes and the autoscalers take, and what only seems to work."""

import re
from collections.abc import Iterator

from tests.infra.manifests import (
    Manifest,
    Pod,
    annotations,
    is_knative,
    namespace,
    of_kind,
    pods,
    runtime_of,
    title,
)

Faults = list[str]

MODE = "serving.kserve.io/deploymentMode"
AUTOSCALER = "serving.kserve.io/autoscalerClass"
FORMAT_OF_RUNTIME = {"kserve-vllmserver": {"vLLM"}, "kserve-huggingfaceserver": {"huggingface"}}
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
KNATIVE_FLAGGED_VOLUMES = {"image", "persistentVolumeClaim"}
STANDARD_ONLY = {"deploymentStrategy", "terminationGracePeriodSeconds"}
KNATIVE_MAX_TIMEOUT_S = 600  # max-revision-timeout-seconds, as shipped
COLD_START_S = 300  # what a small model may take with image, download and loading


def the_deployment_mode_is_said(manifests: list[Manifest]) -> Faults:
    return [
        f"{title(each)}: annotation {MODE}: say Standard or Knative, the shipped default varies"
        for each in of_kind(manifests, "InferenceService")
        if annotations(each).get(MODE) not in {"Standard", "Knative"}
    ]


def the_model_format_is_the_runtimes(manifests: list[Manifest]) -> Faults:
    faults = []
    for service in of_kind(manifests, "InferenceService"):
        model = service["spec"]["predictor"].get("model")
        if model is None:
            continue
        ours = runtime_of(model, manifests)
        taken = {each["name"] for each in ours["spec"]["supportedModelFormats"]} if ours else set()
        taken |= FORMAT_OF_RUNTIME.get(model.get("runtime", ""), set())
        if model["modelFormat"]["name"] not in taken:
            faults.append(
                f"{title(service)}: model.modelFormat.name: runtime {model.get('runtime')} takes"
                f" {sorted(taken)}, exactly so, not {model['modelFormat']['name']!r}"
            )
    return faults


def knative_has_one_port(manifests: list[Manifest]) -> Faults:
    faults = []
    for pod in _on_knative(manifests):
        ports = [port for container in pod.containers for port in container.get("ports", [])]
        names = {port.get("name", "") for port in ports}
        if len(ports) > 1 or not names <= {"", "http1", "h2c"}:
            faults.append(f"{pod.title}: ports: Knative takes one port, named http1 or h2c")
    return faults


def knative_gets_no_flagged_field(manifests: list[Manifest]) -> Faults:
    faults = []
    for pod in _on_knative(manifests):
        flagged = sorted(KNATIVE_FLAGGED & set(pod.spec))
        flagged += [
            f"volumes: {volume['name']}: {kind}"
            for volume in pod.spec.get("volumes", [])
            for kind in sorted(KNATIVE_FLAGGED_VOLUMES & set(volume))
        ]
        faults += [f"{pod.title}: {each}: Knative needs a feature flag for it" for each in flagged]
        faults += [
            f"{pod.title}: {each}: only Standard mode takes it; Knative goes by timeout"
            for each in sorted(STANDARD_ONLY & set(pod.spec))
        ]
    return faults


def replicas_are_set_by_fields(manifests: list[Manifest]) -> Faults:
    faults = []
    for service in of_kind(manifests, "InferenceService"):
        predictor = service["spec"]["predictor"]
        keys = [key for key in annotations(service) if re.search("(min|max)-?scale", key, re.I)]
        faults += [
            f"{title(service)}: annotation {key}: KServe drops it; use minReplicas, maxReplicas"
            for key in keys
        ]
        if {"minReplicas", "maxReplicas"} - set(predictor):
            faults.append(f"{title(service)}: predictor: say both minReplicas and maxReplicas")
        elif predictor["minReplicas"] > predictor["maxReplicas"]:
            faults.append(f"{title(service)}: minReplicas: is more than maxReplicas")
    return faults


def replicas_are_spread(manifests: list[Manifest]) -> Faults:
    """A node that ends should not end all of what is there twice; Knative takes no such field."""
    return [
        f"{pod.title}: topologySpreadConstraints: its replicas may all be on one node"
        for pod in pods(manifests)
        if pod.owner["kind"] == "InferenceService" and not is_knative(pod.owner)
        if pod.spec.get("minReplicas", 1) > 1
        if not any(
            each["labelSelector"]["matchLabels"].items() <= pod.labels.items()
            for each in pod.spec.get("topologySpreadConstraints", [])
        )
    ]


def each_mode_has_its_own_annotations(manifests: list[Manifest]) -> Faults:
    faults = []
    for service in of_kind(manifests, "InferenceService"):
        notes = annotations(service)
        if is_knative(service) and AUTOSCALER in notes:
            faults.append(f"{title(service)}: annotation {AUTOSCALER}: only Standard mode reads it")
        faults += [
            f"{title(service)}: annotation {key}: means nothing outside Knative mode"
            for key in notes
            if not is_knative(service) and ".knative.dev/" in key
        ]
    return faults


def what_sleeps_can_be_woken(manifests: list[Manifest]) -> Faults:
    """In Standard mode nothing holds a request for a pod that is not there: only KEDA wakes it."""
    faults = []
    for service in of_kind(manifests, "InferenceService"):
        least = service["spec"]["predictor"].get("minReplicas", 1)
        kind = annotations(service).get(AUTOSCALER, "hpa")
        if is_knative(service) or least > 0:
            continue
        if kind not in {"keda", "external"}:
            faults.append(
                f"{title(service)}: minReplicas: 0 in Standard mode needs KEDA, not {kind}"
            )
        elif kind == "external" and not _scalers_of(service, manifests):
            faults.append(f"{title(service)}: annotation {AUTOSCALER}: no ScaledObject scales it")
    return faults


def each_has_one_autoscaler(manifests: list[Manifest]) -> Faults:
    faults = []
    for service in of_kind(manifests, "InferenceService"):
        scalers = [title(each) for each in _scalers_of(service, manifests)]
        if scalers and is_knative(service):
            faults.append(f"{scalers[0]}: scaleTargetRef: Knative scales {title(service)} itself")
        elif scalers and annotations(service).get(AUTOSCALER) not in {"external", "none"}:
            faults.append(f"{title(service)}: annotation {AUTOSCALER}: external, for {scalers[0]}")
        if len(scalers) > 1:
            faults.append(f"{title(service)}: {scalers}: two scale one; take one of them out")
    return faults


def _scalers_of(service: Manifest, manifests: list[Manifest]) -> list[Manifest]:
    deployment = f"{service['metadata']['name']}-predictor"
    return [
        each
        for each in of_kind(manifests, "ScaledObject", "HorizontalPodAutoscaler")
        if each["spec"]["scaleTargetRef"]["name"] == deployment
        and namespace(each) == namespace(service)
    ]


def scalers_have_room(manifests: list[Manifest]) -> Faults:
    faults = []
    for scaler in of_kind(manifests, "ScaledObject", "HorizontalPodAutoscaler"):
        spec, kind = scaler["spec"], scaler["kind"]
        suffix = "ReplicaCount" if kind == "ScaledObject" else "Replicas"
        least, most = spec.get(f"min{suffix}", 0), spec.get(f"max{suffix}", 100)
        if not least <= most or most < 1:
            faults.append(
                f"{title(scaler)}: max{suffix}: must be 1 or more, and not below the least"
            )
        if kind == "HorizontalPodAutoscaler" and spec.get("minReplicas", 1) < 1:
            faults.append(f"{title(scaler)}: minReplicas: an HPA cannot wake what is at 0; say 1")
        if spec.get("cooldownPeriod", 300) < COLD_START_S:
            faults.append(f"{title(scaler)}: cooldownPeriod: shorter than a cold start; say 600")
    return faults


def a_sleeper_is_given_time_to_wake(manifests: list[Manifest]) -> Faults:
    faults = []
    for service in of_kind(manifests, "InferenceService"):
        predictor = service["spec"]["predictor"]
        if predictor.get("minReplicas") != 0:
            continue
        most = KNATIVE_MAX_TIMEOUT_S if is_knative(service) else 3600
        if not COLD_START_S <= predictor.get("timeout", 0) <= most:
            faults.append(
                f"{title(service)}: timeout: a cold start takes {COLD_START_S} s, {most} s is the"
                f" most; not {predictor.get('timeout')}"
            )
        if is_knative(service):
            faults += [f"{title(service)}: annotation {each}" for each in _sleep_faults(service)]
    return faults


def _sleep_faults(service: Manifest) -> Iterator[str]:
    notes, prefix = annotations(service), "autoscaling.knative.dev/"
    for key in (f"{prefix}scale-to-zero-pod-retention-period", f"{prefix}scale-down-delay"):
        if not 0 < _seconds(notes.get(key, "")) <= 3600:
            yield f"{key}: say more than 0 and at most 1h"
    if _seconds(notes.get("serving.knative.dev/progress-deadline", "")) <= KNATIVE_MAX_TIMEOUT_S:
        yield "serving.knative.dev/progress-deadline: more than the default 600s, for a slow start"


def _seconds(duration: str) -> int:
    units = {"h": 3600, "m": 60, "s": 1}
    if not re.fullmatch(r"(\d+[hms])+", duration):
        return -1
    return sum(int(n) * units[unit] for n, unit in re.findall(r"(\d+)([hms])", duration))


def _on_knative(manifests: list[Manifest]) -> list[Pod]:
    return [
        pod
        for pod in pods(manifests)
        if pod.owner["kind"] == "InferenceService" and is_knative(pod.owner)
    ]
