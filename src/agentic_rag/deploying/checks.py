"""The checks before anything is applied, in their order; they change nothing."""

from collections.abc import Callable, Iterator

from agentic_rag.deploying.bindings import secrets_and_claims_are_there
from agentic_rag.deploying.cluster import Cluster
from agentic_rag.deploying.images import images_can_be_had
from agentic_rag.deploying.knative import knative_takes_it
from agentic_rag.deploying.overlay import Overlay
from agentic_rag.deploying.room import claims_will_be_bound, nodes_have_room
from agentic_rag.deploying.served import (
    controllers_are_new_enough,
    kinds_are_served,
    kubernetes_is_new_enough,
    modelcars_are_on,
    runtimes_are_there,
)
from agentic_rag.deploying.ways_in import ways_in_lead_in
from agentic_rag.errors import ClusterForbids, ClusterUnavailable
from agentic_rag.lines import Line

Check = Callable[[Overlay, Cluster], Iterator[Line]]

_ODD = (LookupError, TypeError, ValueError, AttributeError)  # of what is not shaped as it should be

CHECKS: tuple[Check, ...] = (
    kubernetes_is_new_enough,
    kinds_are_served,
    controllers_are_new_enough,
    runtimes_are_there,
    modelcars_are_on,
    knative_takes_it,
    nodes_have_room,
    claims_will_be_bound,
    secrets_and_claims_are_there,
    images_can_be_had,
    ways_in_lead_in,
)


def look(overlay: Overlay, cluster: Cluster) -> Iterator[Line]:
    """Yield whether a cluster can take an overlay; ends where it does not answer."""
    for check in CHECKS:
        what = check.__name__.replace("_", " ")
        try:
            yield from check(overlay, cluster)
        except ClusterForbids as error:
            yield Line("WARN", what, f"cannot be looked at: {error}", "ask as somebody who may")
        except ClusterUnavailable as error:
            remedy = "see `kubectl config current-context`, and whether the cluster runs"
            yield Line("FAIL", "cluster", f"does not answer: {error}", remedy)
            return
        except _ODD as error:
            found = f"an object is not as expected: {type(error).__name__} {error}"
            yield Line("FAIL", what, found, "see the overlay, and what the cluster has")
