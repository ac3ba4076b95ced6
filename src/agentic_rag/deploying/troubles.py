"""Troubles: what keeps a pod from running, in its own words. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from agentic_rag.deploying.overlay import Object

HOPELESS = {"CreateContainerConfigError", "ErrImageNeverPull", "InvalidImageName"}
"""What no waiting mends."""

_NO_TROUBLE = {"ContainerCreating", "PodInitializing"}
_REMEDIES = {
    "CrashLoopBackOff": "kubectl -n {namespace} logs {pod} --all-containers --previous",
    "CreateContainerConfigError": "make the Secret or ConfigMap that it names",
    "ErrImagePull": "see the image's name, its registry, and imagePullSecrets",
    "ImagePullBackOff": "see the image's name, its registry, and imagePullSecrets",
    "InvalidImageName": "see the image's name",
    "OOMKilled": "give it more memory: see resources, and docs/models.md for an LLM",
    "Unschedulable": "a GPU, memory or a claim is missing: see docs/deploy.md",
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with a pod, and what to do about it."""

    reason: str
    told: str
    remedy: str


def troubles(pod: Object) -> Iterator[Trouble]:
    """Yield what is wrong with a pod, the most telling first."""
    status = pod.get("status", {})
    for each in (*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])):
        waiting = each.get("state", {}).get("waiting", {})
        ended = each.get("state", {}).get("terminated") or each.get("lastState", {}).get(
            "terminated"
        )
        if ended and ended.get("reason") == "OOMKilled" and not each.get("ready"):
            yield _trouble(pod, "OOMKilled", f"{each['name']} needs more memory than it may have")
        if (reason := waiting.get("reason")) and reason not in _NO_TROUBLE:
            yield _trouble(pod, reason, waiting.get("message", ""))
    for each in status.get("conditions", []):
        if each["type"] == "PodScheduled" and each["status"] == "False":
            yield _trouble(pod, each.get("reason", "Unschedulable"), each.get("message", ""))


def _trouble(pod: Object, reason: str, message: str) -> Trouble:
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    said = " ".join(message.split())[:200]
    remedy = _REMEDIES.get(reason, "kubectl -n {namespace} describe pod {pod}")
    return Trouble(
        reason=reason,
        told=f"pod {name}: {reason}{': ' if said else ''}{said}",
        remedy=remedy.format(pod=name, namespace=namespace),
    )
