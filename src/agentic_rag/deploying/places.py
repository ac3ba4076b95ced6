"""Places: the paths of the API at which things are. Pure, but for what a cluster serves."""

from agentic_rag.deploying.cluster import Cluster
from agentic_rag.deploying.overlay import Object, namespace_of

DEPLOYMENTS = "/apis/apps/v1/namespaces/{}/deployments/{}"


def group_path(api_version: str) -> str:
    """Return where the kinds of a version are listed.

    >>> group_path("v1"), group_path("batch/v1")
    ('/api/v1', '/apis/batch/v1')
    """
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def in_core(kind: str, namespace: str, name: str) -> str:
    """Return where an object of the core API is.

    >>> in_core("secrets", "clinic", "keys")
    '/api/v1/namespaces/clinic/secrets/keys'
    """
    return f"/api/v1/namespaces/{namespace}/{kind}/{name}"


class Places:
    """Where a cluster has objects: it is asked once for the kinds of each version."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._plurals: dict[str, dict[str, str] | None] = {}

    def plural(self, api_version: str, kind: str) -> str | None:
        """Return the word for many of a kind; None where the cluster does not serve it."""
        if api_version not in self._plurals:
            listed = self._cluster.read(group_path(api_version))
            self._plurals[api_version] = listed and {
                each["kind"]: each["name"]
                for each in listed.get("resources", [])
                if "/" not in each["name"]
            }
        return (self._plurals[api_version] or {}).get(kind)

    def read(self, item: Object) -> Object | None:
        """Return an object as the cluster has it."""
        plural = self.plural(item["apiVersion"], item["kind"])
        if plural is None:
            return None
        inside = f"/namespaces/{namespace_of(item)}" if namespace_of(item) else ""
        name = item["metadata"]["name"]
        return self._cluster.read(f"{group_path(item['apiVersion'])}{inside}/{plural}/{name}")
