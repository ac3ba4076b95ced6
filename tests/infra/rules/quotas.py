"""Quotas: a queue of Kueue has room for all that queue there at once, or they wait without end."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

from kubernetes.utils import parse_quantity
from tests.infra.manifests import Manifest, Pod, of_kind, pods, title

Faults = list[str]
QUEUE = "kueue.x-k8s.io/queue-name"


def quotas_cover_what_queues(manifests: list[Manifest]) -> Faults:
    faults = []
    for queue in of_kind(manifests, "LocalQueue"):
        quota = _quota(queue["spec"]["clusterQueue"], manifests)
        asked: dict[str, Decimal] = defaultdict(Decimal)
        for pod in pods(manifests):
            if _queue_of(pod) == queue["metadata"]["name"]:
                for what, amount in _asked(pod).items():
                    asked[what] += amount
        faults += [
            f"{title(queue)}: nominalQuota of {what}: {quota.get(what, 0)} is less than {amount}"
            for what, amount in sorted(asked.items())
            if amount > quota.get(what, 0)
        ]
    return faults


def _queue_of(pod: Pod) -> str | None:
    return pod.owner["metadata"].get("labels", {}).get(QUEUE) or pod.labels.get(QUEUE)


def _asked(pod: Pod) -> dict[str, Decimal]:
    most = pod.owner["spec"].get("parallelism", 1) * pod.spec.get("maxReplicas", 1)
    asked: dict[str, Decimal] = defaultdict(Decimal)
    for container in pod.containers:
        for what, amount in container.get("resources", {}).get("requests", {}).items():
            asked[what] += parse_quantity(amount) * most
    return asked


def _quota(name: str, manifests: list[Manifest]) -> dict[str, Any]:
    return {
        each["name"]: parse_quantity(each["nominalQuota"])
        for queue in of_kind(manifests, "ClusterQueue")
        if queue["metadata"]["name"] == name
        for group in queue["spec"]["resourceGroups"]
        for flavor in group["flavors"]
        for each in flavor["resources"]
    }
