"""Progress: how far an overlay has come, until all of it stands or something cannot."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from agentic_rag.deploying.cluster import Cluster
from agentic_rag.deploying.overlay import Object, Overlay, namespace_of, title
from agentic_rag.deploying.places import Places
from agentic_rag.deploying.troubles import HOPELESS, Trouble, troubles
from agentic_rag.errors import ClusterUnavailable
from agentic_rag.lines import Line

AWAITED = ("Job", "StatefulSet", "Deployment", "InferenceService")
_POLL_S = 5.0
_PODS = "/api/v1/namespaces/{}/pods?labelSelector=app.kubernetes.io%2Fpart-of%3Dagentic-rag"
_NAME = "app.kubernetes.io/name"

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Standing:
    """How far one object has come; `stands` is None while it may still."""

    stands: bool | None
    told: str
    remedy: str = ""


def settle(
    overlay: Overlay, cluster: Cluster, *, limit_s: float, tell: Tell, poll_s: float = _POLL_S
) -> Iterator[Line]:
    """Yield how each object ends up; tells of what changes meanwhile."""
    watch = _Watch(overlay.of(*AWAITED), cluster, tell)
    while not watch.look() and watch.waited_s() < limit_s:
        time.sleep(poll_s)
    yield from watch.lines()


class _Watch:
    """What is waited for, and how far each has come."""

    def __init__(self, awaited: list[Object], cluster: Cluster, tell: Tell) -> None:
        self._awaited = awaited
        self._cluster, self._places = cluster, Places(cluster)
        self._tell = tell
        self._begun = time.monotonic()
        self._now: dict[str, Standing] = {}

    def waited_s(self) -> float:
        return time.monotonic() - self._begun

    def look(self) -> bool:
        """Look at everything; say whether there is nothing left to wait for."""
        for item in self._awaited:
            before, now = self._now.get(title(item)), self._look(item)
            if before is None or before.told != now.told:
                self._tell(f"{self.waited_s():5.0f} s  {title(item)}: {now.told}")
            self._now[title(item)] = now
        return self._has_failed() or all(each.stands for each in self._now.values())

    def lines(self) -> Iterator[Line]:
        """Yield a line for each; where one cannot come to stand, the others are not blamed."""
        for item in self._awaited:
            now = self._now[title(item)]
            remedy = now.remedy or f"kubectl -n {namespace_of(item)} describe {title(item)}"
            if now.stands:
                yield Line("PASS", title(item), now.told)
            elif now.stands is None and self._has_failed():
                yield Line("WARN", title(item), f"was not waited for: {now.told}", remedy)
            else:
                late = f", after {self.waited_s():.0f} s" if now.stands is None else ""
                yield Line("FAIL", title(item), f"{now.told}{late}", remedy)

    def _has_failed(self) -> bool:
        return any(each.stands is False for each in self._now.values())

    def _look(self, item: Object) -> Standing:
        known = self._now.get(title(item))
        if known and known.stands and item["kind"] == "Job":
            return known  # some time after its end it is cleared away
        try:
            return _look(item, self._places, self._cluster)
        except ClusterUnavailable as error:
            return Standing(None, f"not known: {error}")


def _look(item: Object, places: Places, cluster: Cluster) -> Standing:
    there = places.read(item)
    if there is None:
        return Standing(None, "is not there")
    standing = standing_of(there)
    if standing.stands:
        return standing
    for trouble in _troubles(item, cluster):
        stands = False if trouble.reason in HOPELESS else standing.stands
        return Standing(stands, trouble.told, trouble.remedy)
    return standing


def _troubles(item: Object, cluster: Cluster) -> Iterator[Trouble]:
    listed = cluster.read(_PODS.format(namespace_of(item))) or {}
    for pod in listed.get("items", []):
        if pod["metadata"].get("labels", {}).get(_NAME) == item["metadata"]["name"]:
            yield from troubles(pod)


def standing_of(there: Object) -> Standing:
    """Return how far an object says that it has come."""
    seen = there.get("status", {}).get("observedGeneration")
    if seen is not None and seen < there["metadata"].get("generation", 0):
        return Standing(None, "is not yet looked at by its controller")
    if there["kind"] == "Job":
        return _job(there)
    if there["kind"] == "InferenceService":
        return _service(there)
    wanted = there["spec"].get("replicas", 1)
    ready = there.get("status", {}).get("readyReplicas", 0)
    return Standing(ready >= wanted or None, f"{ready} of {wanted} ready")


def _job(job: Object) -> Standing:
    conditions = _conditions(job)
    if conditions.get("Complete", {}).get("status") == "True":
        return Standing(True, "complete")
    if (failed := conditions.get("Failed", {})).get("status") == "True":
        name = job["metadata"]["name"]
        told = f"failed: {failed.get('message') or failed.get('reason', 'no reason is told')}"
        remedy = f"kubectl -n {namespace_of(job)} logs job/{name}; then delete it, and deploy again"
        return Standing(False, told, remedy)
    if job["spec"].get("suspend"):
        remedy = "kubectl get workloads: has its queue room?"
        return Standing(None, "is suspended, as by a queue without room", remedy)
    return Standing(None, "runs")


def _service(service: Object) -> Standing:
    conditions = _conditions(service)
    if conditions.get("Ready", {}).get("status") == "True":
        return Standing(True, "ready")
    waiting = [each for name, each in conditions.items() if each.get("status") != "True"]
    told = next((m for each in waiting if (m := each.get("message") or each.get("reason"))), "")
    return Standing(None, f"not ready{': ' if told else ''}{' '.join(str(told).split())[:300]}")


def _conditions(item: Object) -> dict[str, Object]:
    return {each["type"]: each for each in item.get("status", {}).get("conditions", [])}
