"""Images: whether nodes can get each, and whether it is the same one tomorrow."""

from collections.abc import Iterator

from agentic_rag.deploying.cluster import Cluster
from agentic_rag.deploying.overlay import Overlay
from agentic_rag.lines import Line

_NOBODYS = (".example", ".invalid", ".test", "example.com", "example.org", "example.net")


def images_can_be_had(overlay: Overlay, cluster: Cluster) -> Iterator[Line]:
    """Yield what is wrong with an image, or that nothing is."""
    found = sorted(set(images_of(overlay)))
    faults = [line for image in found if (line := _fault(image, cluster))]
    yield from faults
    if not faults:
        yield Line("PASS", "images", f"{len(found)}: each named by its digest, or on every node")


def images_of(overlay: Overlay) -> Iterator[str]:
    """Yield every image that is named, those mounted as volumes included."""
    for pod in overlay.pods():
        yield from (each["image"] for each in pod.containers if each.get("image"))
        yield from (each["image"]["reference"] for each in pod.volumes if "image" in each)


def _fault(image: str, cluster: Cluster) -> Line | None:
    what = f"image {image}"
    if image.partition("/")[0].partition(":")[0].endswith(_NOBODYS):
        if _is_on_every_node(image, cluster):
            return None
        remedy = "push yours, and name it in the overlay: kustomize edit set image"
        return Line("FAIL", what, "is of a registry that is nobody's, and on no node", remedy)
    if "@sha256:" in image:
        return None
    version = image.rpartition("/")[2].partition(":")[2]
    if version in {"", "latest"}:
        return Line("FAIL", what, "is another one tomorrow", "name a version, or its digest")
    return Line("WARN", what, "is named by a tag, which may be moved", "name its digest")


def _is_on_every_node(image: str, cluster: Cluster) -> bool:
    """Say whether somebody has loaded it, as `kind load` does."""
    nodes = (cluster.read("/api/v1/nodes") or {}).get("items", [])
    held = [
        {name for each in node["status"].get("images", []) for name in each.get("names") or []}
        for node in nodes
    ]
    return bool(held) and all(image in names for names in held)
