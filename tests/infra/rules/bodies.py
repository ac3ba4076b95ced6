"""Pods: what `restricted` asks of them, what they may write, and how much they take."""

from collections.abc import Iterator
from typing import Any

from kubernetes.utils import parse_quantity
from tests.infra.manifests import (
    Manifest,
    Pod,
    environment,
    flag,
    is_knative,
    namespace,
    of_kind,
    pods,
    title,
)

Faults = list[str]
Container = dict[str, Any]

VOLUMES = {  # `image` since Kubernetes 1.33
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
}
SECCOMP = {"RuntimeDefault", "Localhost"}
SELINUX = {"", "container_engine_t", "container_init_t", "container_kvm_t", "container_t"}


def pods_are_restricted(manifests: list[Manifest]) -> Faults:
    """The Pod Security Standard `restricted`, as of Kubernetes 1.33.

    And a number of a user, for the image may be root's; OpenShift gives each namespace its own.
    """
    numbered = any(".openshift.io/" in each["apiVersion"] for each in manifests)
    faults = []
    for pod in pods(manifests):
        faults += [f"{pod.title}: {fault}" for fault in _pod_faults(pod.spec)]
        for container in pod.every_container:
            name = container.get("name", "kserve-container")
            faults += [
                f"{pod.title}: container {name}: {fault}" for fault in _faults(container, pod.spec)
            ]
            user = {**pod.spec.get("securityContext", {}), **container.get("securityContext", {})}
            if not numbered and "runAsUser" not in user:
                faults.append(f"{pod.title}: container {name}: securityContext.runAsUser: say one")
    return faults


def _pod_faults(spec: dict[str, Any]) -> Iterator[str]:
    context = spec.get("securityContext", {})
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(field):
            yield f"{field}: shares the host; take it out"
    for volume in spec.get("volumes", []):
        for kind in volume.keys() - VOLUMES - {"name"}:
            yield f"volume {volume['name']}: {kind} is not allowed; use a claim"
    for sysctl in context.get("sysctls", []):
        if sysctl["name"] not in SYSCTLS:
            yield f"securityContext.sysctls: {sysctl['name']} is unsafe; take it out"
    yield from _context_faults(context)


def _context_faults(context: dict[str, Any]) -> Iterator[str]:
    """What is forbidden both to a pod and to a container."""
    linux = context.get("seLinuxOptions", {})
    if linux.get("type", "") not in SELINUX or linux.get("user") or linux.get("role"):
        yield "securityContext.seLinuxOptions: only a container's type may be set"
    if context.get("appArmorProfile", {}).get("type", "RuntimeDefault") == "Unconfined":
        yield "securityContext.appArmorProfile: must not be Unconfined"
    if context.get("seccompProfile", {}).get("type", "RuntimeDefault") not in SECCOMP:
        yield "securityContext.seccompProfile: say RuntimeDefault"
    if context.get("windowsOptions", {}).get("hostProcess"):
        yield "securityContext.windowsOptions.hostProcess: take it out"
    if context.get("runAsUser") == 0:
        yield "securityContext.runAsUser: must not be 0"
    if context.get("runAsNonRoot") is False:
        yield "securityContext.runAsNonRoot: must not be false"


def _faults(container: Container, spec: dict[str, Any]) -> Iterator[str]:
    own = container.get("securityContext", {})
    both = {**spec.get("securityContext", {}), **own}
    capabilities = own.get("capabilities", {})
    expected = {
        "allowPrivilegeEscalation: say false": own.get("allowPrivilegeEscalation") is False,
        "capabilities.drop: say ALL": "ALL" in capabilities.get("drop", []),
        "capabilities.add: at most NET_BIND_SERVICE": set(capabilities.get("add", []))
        <= {"NET_BIND_SERVICE"},
        "privileged: take it out": not own.get("privileged"),
        "procMount: say Default": own.get("procMount", "Default") == "Default",
        "runAsNonRoot: say true": both.get("runAsNonRoot") is True,
        "seccompProfile: say RuntimeDefault": both.get("seccompProfile", {}).get("type") in SECCOMP,
    }
    yield from (f"securityContext.{what}" for what, holds in expected.items() if not holds)
    yield from _context_faults(own)
    if any(port.get("hostPort") for port in container.get("ports", [])):
        yield "ports.hostPort: take it out"


def roots_are_read_only(manifests: list[Manifest]) -> Faults:
    """But a runtime's: caches of compiled kernels have no one place."""
    return [
        f"{pod.title}: securityContext.readOnlyRootFilesystem: say true"
        for pod in pods(manifests)
        for container in pod.every_container
        if "modelFormat" not in container and "vllm" not in container.get("image", "")
        if container.get("securityContext", {}).get("readOnlyRootFilesystem") is not True
    ]


def what_is_written_has_a_volume(manifests: list[Manifest]) -> Faults:
    faults = []
    for pod in pods(manifests):
        claims = pod.owner["spec"].get("volumeClaimTemplates", [])
        volumes = {each["name"] for each in pod.spec.get("volumes", [])}
        volumes |= {each["metadata"]["name"] for each in claims}
        for container in pod.every_container:
            mounts = {each["mountPath"]: each["name"] for each in container.get("volumeMounts", [])}
            faults += [
                f"{pod.title}: volumeMounts: there is no volume {name}"
                for name in sorted(set(mounts.values()) - volumes)
            ]
            faults += [
                f"{pod.title}: volumeMounts: {place} is written to; mount a volume there"
                for place in _written(container)
                if not any(f"{place}/".startswith(f"{mount}/") for mount in mounts)
            ]
    return faults


def _written(container: Container) -> Iterator[str]:
    said = environment(container)
    yield from filter(None, (said.get("DATA_DIR"), said.get("PGDATA"), flag(container, "--path")))
    if "/rag-agent" in container.get("image", "") or "chromadb" in container.get("image", ""):
        yield "/tmp"


def resources_are_bounded(manifests: list[Manifest]) -> Faults:
    faults = []
    for pod in pods(manifests):
        for container in pod.every_container:
            resources = container.get("resources", {})
            requests, limits = resources.get("requests", {}), resources.get("limits", {})
            for field, amounts in (("requests", requests), ("limits", limits)):
                missing = {"cpu", "memory"} - set(amounts)
                faults += [f"{pod.title}: {field}: no {what} is said" for what in sorted(missing)]
            if requests.get("nvidia.com/gpu") != limits.get("nvidia.com/gpu"):
                faults.append(f"{pod.title}: nvidia.com/gpu: request what you limit")
            faults += [
                f"{pod.title}: requests.{what}: is more than its limit"
                for what in requests.keys() & limits.keys()
                if _amount(requests[what]) > _amount(limits[what])
            ]
    return faults


def amounts_can_be_read(manifests: list[Manifest]) -> Faults:
    claims = [
        (title(owner), claim["spec"]["resources"]["requests"]["storage"])
        for owner in of_kind(manifests, "PersistentVolumeClaim", "StatefulSet")
        for claim in owner["spec"].get("volumeClaimTemplates", [owner])
        if "resources" in claim["spec"]
    ]
    return [
        f"{where}: storage: {each!r} is no quantity" for where, each in claims if _amount(each) < 0
    ] + [
        f"{pod.title}: {field}: {amount!r} is no quantity"
        for pod in pods(manifests)
        for field, amount in _amounts(pod)
        if _amount(amount) < 0
    ]


def _amounts(pod: Pod) -> Iterator[tuple[str, Any]]:
    for container in pod.every_container:
        for bounds in ("requests", "limits"):
            for what, amount in container.get("resources", {}).get(bounds, {}).items():
                yield f"{bounds}.{what}", amount
    for volume in pod.spec.get("volumes", []):
        yield f"volume {volume['name']}", (volume.get("emptyDir") or {}).get("sizeLimit", 0)


def _amount(written: Any) -> Any:
    try:
        return parse_quantity(written)
    except ValueError:
        return -1


def tokens_are_mounted_where_they_serve(manifests: list[Manifest]) -> Faults:
    """The API server's token, in a pod whose account may do nothing there, serves a thief alone."""
    bound = {
        (each.get("namespace", namespace(binding)), each["name"])
        for binding in of_kind(manifests, "RoleBinding", "ClusterRoleBinding")
        for each in binding.get("subjects", [])
    }
    mute = {
        (namespace(each), each["metadata"]["name"])
        for each in of_kind(manifests, "ServiceAccount")
        if each.get("automountServiceAccountToken") is False
    }
    faults = []
    for pod in pods(manifests):
        account = (pod.namespace, pod.spec.get("serviceAccountName", "default"))
        mounted = pod.spec.get("automountServiceAccountToken", account not in mute)
        if mounted and account not in bound:
            faults.append(f"{pod.title}: automountServiceAccountToken: say false")
    return faults


def scratch_is_bounded(manifests: list[Manifest]) -> Faults:
    return [
        f"{pod.title}: volume {volume['name']}: an emptyDir needs a sizeLimit"
        for pod in pods(manifests)
        for volume in pod.spec.get("volumes", [])
        if "emptyDir" in volume and not (volume["emptyDir"] or {}).get("sizeLimit")
    ]


def services_do_not_become_settings(manifests: list[Manifest]) -> Faults:
    """A Service named chroma would set CHROMA_PORT=tcp://... in every pod beside it."""
    return [
        f"{pod.title}: enableServiceLinks: say false"
        for pod in pods(manifests)
        if not (pod.owner["kind"] == "InferenceService" and is_knative(pod.owner))
        and pod.spec.get("enableServiceLinks") is not False
    ]


def jobs_come_to_an_end(manifests: list[Manifest]) -> Faults:
    faults = []
    for pod in pods(manifests):
        if pod.owner["kind"] not in {"CronJob", "Job"}:
            continue
        spec = pod.owner["spec"]
        whole = spec["jobTemplate"]["spec"] if pod.owner["kind"] == "CronJob" else spec
        if "backoffLimit" not in whole:
            faults.append(f"{pod.title}: backoffLimit: say how often it may fail")
        if "activeDeadlineSeconds" not in whole:
            faults.append(f"{pod.title}: activeDeadlineSeconds: say how long it may take")
        if pod.owner["kind"] == "CronJob" and spec.get("concurrencyPolicy") != "Forbid":
            faults.append(f"{pod.title}: concurrencyPolicy: say Forbid; two would write one index")
    return faults
