"""Room: whether nodes are big enough, GPUs are there, and claims will be bound."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction

from agentic_rag.deploying.cluster import Cluster
from agentic_rag.deploying.overlay import Object, Overlay, Pod, namespace_of
from agentic_rag.deploying.places import in_core
from agentic_rag.errors import ClusterForbids
from agentic_rag.lines import Line

Amounts = dict[str, Fraction]

_UNITS = {
    **{
        unit: Fraction(1024) ** (n + 1)
        for n, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"))
    },
    **{unit: Fraction(1000) ** (n + 1) for n, unit in enumerate(("k", "M", "G", "T", "P", "E"))},
    "m": Fraction(1, 1000),
}
_BYTES = {"memory", "ephemeral-storage"}
_DEFAULT = "storageclass.kubernetes.io/is-default-class"
_ONE_NODE_ONLY = ("local-path", "ebs.csi", "pd.csi", "disk.csi", "cinder.csi", "no-provisioner")


def amount(written: str | int | float) -> Fraction:
    """Return a quantity as Kubernetes writes it.

    >>> amount("500m"), amount("1Gi"), amount(2)
    (Fraction(1, 2), Fraction(1073741824, 1), Fraction(2, 1))
    """
    text = str(written)
    for unit, factor in _UNITS.items():
        if text.endswith(unit):
            return Fraction(text.removesuffix(unit)) * factor
    return Fraction(text)


def nodes_have_room(overlay: Overlay, cluster: Cluster) -> Iterator[Line]:
    """Yield whether each pod fits on a node, and whether GPUs are there, and free."""
    listed = cluster.read("/api/v1/nodes") or {}
    nodes = [each for each in listed.get("items", []) if _takes_pods(each)]
    if not nodes:
        yield Line("FAIL", "nodes", "none is ready and takes pods", "kubectl get nodes")
        return
    sizes = [
        {word: amount(written) for word, written in node["status"]["allocatable"].items()}
        for node in nodes
    ]
    too_big = False
    for pod in overlay.pods():
        wanted = _wanted(pod)
        if wanted and not any(_covers(size, wanted) for size in sizes):
            too_big = True
            found = f"{pod.title} asks for {_told(wanted)}: no node has that"
            yield Line("FAIL", "nodes", found, _remedy(wanted))
    if not too_big:
        yield Line("PASS", "nodes", f"{len(nodes)} ready; every pod fits on one, were it empty")
    yield from _gpus(overlay, cluster, nodes)


def _gpus(overlay: Overlay, cluster: Cluster, nodes: list[Object]) -> Iterator[Line]:
    wanted: Counter[str] = Counter()
    for pod in overlay.pods():
        for word, asked in _wanted(pod).items():
            wanted[word] += int(asked) * pod.replicas
    for word, count in sorted(wanted.items()):
        if not _is_gpu(word):
            continue
        there = sum(int(node["status"]["allocatable"].get(word, 0)) for node in nodes)
        if there < count:
            found = f"{count} wanted, {there} there"
            yield Line("FAIL", word, found, f"{_remedy([word])}; or fewer replicas")
            continue
        try:
            taken = _taken(word, overlay, cluster)
        except ClusterForbids:
            yield Line("WARN", word, f"{count} of {there}; who has them cannot be seen")
            continue
        if there - taken < count:
            found = f"{count} wanted, {there} there, {taken} taken by others"
            yield Line("WARN", word, found, "the pod stays Pending until one is free")
        else:
            yield Line("PASS", word, f"{count} wanted, {there - taken} free")


def _taken(word: str, overlay: Overlay, cluster: Cluster) -> int:
    """Count the GPUs that pods have which are not the overlay's own."""
    own = {namespace_of(each) for each in overlay.of("InferenceService")}
    running = cluster.read("/api/v1/pods?fieldSelector=status.phase%3DRunning") or {}
    others = [
        each
        for each in running.get("items", [])
        if each["metadata"]["namespace"] not in own
        or each["metadata"].get("labels", {}).get("app.kubernetes.io/part-of") != "agentic-rag"
    ]
    return sum(
        int(container.get("resources", {}).get("requests", {}).get(word, 0))
        for each in others
        for container in each["spec"]["containers"]
    )


def claims_will_be_bound(overlay: Overlay, cluster: Cluster) -> Iterator[Line]:
    """Yield whether there is storage for each claim that is not bound already."""
    listed = cluster.read("/apis/storage.k8s.io/v1/storageclasses") or {}
    classes = {each["metadata"]["name"]: each for each in listed.get("items", [])}
    for claim in overlay.claims():
        name, spec = claim["metadata"]["name"], claim["spec"]
        there = cluster.read(in_core("persistentvolumeclaims", namespace_of(claim), name))
        if there and there["status"].get("phase") == "Bound":
            yield Line("PASS", f"claim {name}", "is bound")
        else:
            yield _storage(f"claim {name}", spec, classes)


def _storage(what: str, spec: Object, classes: Mapping[str, Object]) -> Line:
    wanted = spec.get("storageClassName") or next(filter(_is_default, classes.values()), None)
    if wanted is None:
        remedy = "mark one as the default, or name one in the claim: kubectl get storageclass"
        return Line("FAIL", what, "names no StorageClass, and none is the default", remedy)
    found = wanted if isinstance(wanted, dict) else classes.get(wanted)
    if found is None:
        there = ", ".join(sorted(classes)) or "none"
        return Line("FAIL", what, f"no StorageClass {wanted}", f"there is {there}")
    name, by = found["metadata"]["name"], found.get("provisioner", "")
    if "ReadWriteMany" in spec["accessModes"] and any(word in by for word in _ONE_NODE_ONLY):
        remedy = "name a class of NFS, CephFS, EFS, Filestore or Azure Files in the claim"
        return Line("FAIL", what, f"asks for ReadWriteMany, which {name} ({by}) has not", remedy)
    return Line("PASS", what, f"of {name}")


def _is_default(each: Object) -> bool:
    return bool(each["metadata"].get("annotations", {}).get(_DEFAULT) == "true")


def _takes_pods(node: Object) -> bool:
    conditions = node["status"].get("conditions", [])
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    return ready and not node.get("spec", {}).get("unschedulable", False)


def _wanted(pod: Pod) -> Amounts:
    """Add up what a pod's containers ask for: the scheduler goes by nothing else."""
    total: Amounts = {}
    for container in pod.running:
        for word, written in container.get("resources", {}).get("requests", {}).items():
            total[word] = total.get(word, Fraction(0)) + amount(written)
    return total


def _covers(size: Amounts, wanted: Amounts) -> bool:
    return all(size.get(word, Fraction(0)) >= count for word, count in wanted.items())


def _is_gpu(word: str) -> bool:
    return word.rpartition("/")[2].startswith("gpu")


def _told(wanted: Amounts) -> str:
    return ", ".join(f"{word} {_short(word, count)}" for word, count in sorted(wanted.items()))


def _short(word: str, count: Fraction) -> str:
    value = float(count)
    return f"{value / 2**30:.1f}Gi" if word in _BYTES else f"{value:g}"


def _remedy(words: Iterable[str]) -> str:
    if any(map(_is_gpu, words)):
        return "add a GPU node with its device plugin: kubectl describe nodes, under Allocatable"
    return "add a bigger node, or ask for less"
