"""Knative: whether it is set to take what the overlay asks of it."""

from collections.abc import Iterator

from agentic_rag.deploying.cluster import Cluster
from agentic_rag.deploying.overlay import Object, Overlay, Pod, on_knative, title
from agentic_rag.deploying.places import in_core
from agentic_rag.lines import Line

_FIELDS = {  # of a pod, and the flag without which Knative refuses them
    "affinity": "affinity",
    "dnsConfig": "dnsconfig",
    "dnsPolicy": "dnspolicy",
    "hostAliases": "hostaliases",
    "hostIPC": "hostipc",
    "hostNetwork": "hostnetwork",
    "hostPID": "hostpid",
    "initContainers": "init-containers",
    "nodeSelector": "nodeselector",
    "priorityClassName": "priorityclassname",
    "runtimeClassName": "runtimeclassname",
    "schedulerName": "schedulername",
    "securityContext": "securitycontext",
    "tolerations": "tolerations",
    "topologySpreadConstraints": "topologyspreadconstraints",
}
_VOLUMES = {
    "hostPath": "volumes-hostpath",
    "image": "volumes-image",
    "persistentVolumeClaim": "persistent-volume-claim",
}
_MOST_S = 600


def knative_takes_it(overlay: Overlay, cluster: Cluster) -> Iterator[Line]:
    """Yield what Knative's configuration forbids, or that it forbids nothing."""
    served = [each for each in overlay.of("InferenceService") if on_knative(each)]
    if not served:
        return
    faults = [
        *_flags(overlay, _config(cluster, "features")),
        *_limits(served, _config(cluster, "defaults")),
        *_sleep(served, _config(cluster, "autoscaler")),
    ]
    yield from faults
    if not faults:
        yield Line("PASS", "knative", "takes every field, every time-out, and zero replicas")


def flags_needed(pod: Pod) -> dict[str, str]:
    """Return the feature flags that a pod's fields need, each with the field."""
    needed = {f"kubernetes.podspec-{_FIELDS[each]}": each for each in pod.spec if each in _FIELDS}
    for volume in pod.volumes:
        for kind in _VOLUMES.keys() & volume.keys():
            needed[f"kubernetes.podspec-{_VOLUMES[kind]}"] = f"volume {volume['name']}"
            if kind == "persistentVolumeClaim" and not volume[kind].get("readOnly"):
                needed["kubernetes.podspec-persistent-volume-write"] = f"volume {volume['name']}"
    return needed


def _config(cluster: Cluster, name: str) -> dict[str, str]:
    there = cluster.read(in_core("configmaps", "knative-serving", f"config-{name}")) or {}
    return dict(there.get("data", {}))


def _flags(overlay: Overlay, features: dict[str, str]) -> Iterator[Line]:
    for pod in overlay.pods():
        if pod.owner["kind"] != "InferenceService" or not on_knative(pod.owner):
            continue
        for flag, field in sorted(flags_needed(pod).items()):
            if features.get(flag, "disabled").lower() != "enabled":
                found = f"{pod.title} has {field}, and {flag} is off"
                remedy = (
                    f"kubectl -n knative-serving edit configmap config-features: {flag}: enabled"
                )
                yield Line("FAIL", "knative", found, remedy)


def _limits(served: list[Object], defaults: dict[str, str]) -> Iterator[Line]:
    most = int(defaults.get("max-revision-timeout-seconds", _MOST_S))
    for service in served:
        wanted = service["spec"]["predictor"].get("timeout", 0)
        if wanted > most:
            found = f"{title(service)} may take {wanted} s, and Knative allows {most}"
            remedy = (
                "raise max-revision-timeout-seconds in ConfigMap knative-serving/config-defaults"
            )
            yield Line("FAIL", "knative", found, remedy)


def _sleep(served: list[Object], autoscaler: dict[str, str]) -> Iterator[Line]:
    asleep = [each for each in served if each["spec"]["predictor"].get("minReplicas") == 0]
    if asleep and autoscaler.get("enable-scale-to-zero", "true").lower() == "false":
        found = f"{title(asleep[0])} is to sleep at zero, and enable-scale-to-zero is false"
        remedy = "kubectl -n knative-serving edit configmap config-autoscaler"
        yield Line("WARN", "knative", found, remedy)
