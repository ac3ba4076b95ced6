"""Served: whether a cluster has what the overlay's objects are made for, and in which version."""

import json
import re
from collections.abc import Iterator

from agentic_rag.deploying.cluster import Cluster
from agentic_rag.deploying.overlay import Object, Overlay, namespace_of, on_knative, title
from agentic_rag.deploying.places import DEPLOYMENTS, Places, in_core
from agentic_rag.lines import Line

Version = tuple[int, ...]

_LEAST, _LEAST_FOR_IMAGES = (1, 30), (1, 33)
_AUTOSCALER = "serving.kserve.io/autoscalerClass"
_CONTROLLERS = {  # where its own installation puts each, and the least version
    "KServe": ("kserve", "kserve-controller-manager", (0, 20)),
    "Knative Serving": ("knative-serving", "controller", (1, 19)),
    "KEDA": ("keda", "keda-operator", (2, 15)),
}


def kubernetes_is_new_enough(overlay: Overlay, cluster: Cluster) -> Iterator[Line]:
    """Yield whether the cluster's own version will do."""
    told = (cluster.read("/version") or {}).get("gitVersion", "")
    images = any("image" in volume for pod in overlay.pods() for volume in pod.volumes)
    least = _LEAST_FOR_IMAGES if images else _LEAST
    if _version(told) < least:
        why = ", for images are mounted as volumes" if images else ""
        remedy = "upgrade it" + (", or add components/modelcar" if images else "")
        found = f"is {told or 'of no version'}; {_dotted(least)} is needed{why}"
        yield Line("FAIL", "kubernetes", found, remedy)
    else:
        yield Line("PASS", "kubernetes", told)


def kinds_are_served(overlay: Overlay, cluster: Cluster) -> Iterator[Line]:
    """Yield the kinds that the cluster does not know in the version that is asked for."""
    places, missing = Places(cluster), []
    wanted = {(each["apiVersion"], each["kind"]) for each in overlay.objects}
    for version, kind in sorted(wanted | set(_made_by_kserve(overlay))):
        if places.plural(version, kind) is None:
            missing.append(kind)
            remedy = f"install what brings {version}, or leave its component out"
            yield Line("FAIL", f"kind {kind}", f"{version} is not served", remedy)
    if not missing:
        yield Line("PASS", "kinds", f"{len(wanted)}, each in its version")


def _made_by_kserve(overlay: Overlay) -> Iterator[tuple[str, str]]:
    for service in overlay.of("InferenceService"):
        if on_knative(service):
            yield "serving.knative.dev/v1", "Service"
        scaler = service["metadata"].get("annotations", {}).get(_AUTOSCALER)
        if scaler == "keda":
            yield "keda.sh/v1alpha1", "ScaledObject"
        if scaler == "hpa":  # which asks the metrics server
            yield "metrics.k8s.io/v1beta1", "PodMetrics"


def controllers_are_new_enough(overlay: Overlay, cluster: Cluster) -> Iterator[Line]:
    """Yield the version of each controller that has to act on the objects."""
    kinds = {"InferenceService", *(kind for _, kind in _made_by_kserve(overlay))}
    wanted = {"KServe": "InferenceService", "Knative Serving": "Service", "KEDA": "ScaledObject"}
    for name, kind in wanted.items():
        if overlay.of("InferenceService") and kind in kinds:
            yield _controller(name, cluster)


def _controller(name: str, cluster: Cluster) -> Line:
    namespace, deployment, least = _CONTROLLERS[name]
    there = cluster.read(DEPLOYMENTS.format(namespace, deployment))
    if there is None:
        found = f"no {deployment} in {namespace}: its version cannot be told"
        return Line("WARN", name, found, f"see that it is {_dotted(least)} or later")
    told = _told_version(there)
    if _version(told) < least:
        found = f"is {told or 'of no version'}; {_dotted(least)} or later is needed"
        return Line("FAIL", name, found, "upgrade it")
    available = there.get("status", {}).get("availableReplicas", 0)
    if not available:
        remedy = f"kubectl -n {namespace} describe deployment {deployment}"
        return Line("FAIL", name, "is installed, and does not run", remedy)
    return Line("PASS", name, told)


def _told_version(deployment: Object) -> str:
    label = deployment["metadata"].get("labels", {}).get("app.kubernetes.io/version", "")
    if _version(label):
        return str(label)
    image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    return str(image.partition("@")[0].rpartition("/")[2].partition(":")[2])


def runtimes_are_there(overlay: Overlay, cluster: Cluster) -> Iterator[Line]:
    """Yield whether each runtime that a model names is there, and takes the model's format."""
    path = "/apis/serving.kserve.io/v1alpha1/clusterservingruntimes/"
    for service in overlay.of("InferenceService"):
        model = service["spec"]["predictor"].get("model", {})
        name = model.get("runtime")
        if not name or overlay.makes("ServingRuntime", namespace_of(service), name):
            continue
        there, what = cluster.read(path + name), f"runtime {name}"
        if there is None:
            remedy = "KServe brings it from 0.20 on: install its runtimes"
            yield Line("FAIL", what, f"is not there, and {title(service)} names it", remedy)
            continue
        taken = [each["name"] for each in there["spec"].get("supportedModelFormats", [])]
        if there["spec"].get("disabled"):
            yield Line("FAIL", what, "is disabled", f"kubectl edit clusterservingruntime {name}")
        elif model["modelFormat"]["name"] not in taken:
            found = f"takes {', '.join(taken)}, and not {model['modelFormat']['name']}"
            yield Line("FAIL", what, found, "its case counts: see predictor.model.modelFormat")
        else:
            yield Line("PASS", what, "is there")


def modelcars_are_on(overlay: Overlay, cluster: Cluster) -> Iterator[Line]:
    """Yield whether KServe may run models as images beside the server, where one is asked to."""
    uris = [pod.spec.get("model", {}).get("storageUri", "") for pod in overlay.pods()]
    if not any(uri.startswith("oci://") for uri in uris):
        return
    config = cluster.read(in_core("configmaps", "kserve", "inferenceservice-config")) or {}
    storage = json.loads(config.get("data", {}).get("storageInitializer", "{}"))
    if storage.get("enableModelcar"):
        yield Line("PASS", "modelcar", "is on")
    else:
        remedy = "set enableModelcar in ConfigMap kserve/inferenceservice-config"
        yield Line("FAIL", "modelcar", "is off, and the model is an image", remedy)


def _version(written: str) -> Version:
    """Return the numbers that a version begins with.

    >>> _version("v1.33.1+k3s1"), _version("main")
    ((1, 33, 1), ())
    """
    found = re.match(r"v?(\d+(?:\.\d+)+)", written)
    return tuple(map(int, found[1].split("."))) if found else ()


def _dotted(version: Version) -> str:
    return ".".join(map(str, version))
