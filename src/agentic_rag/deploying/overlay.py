"""An overlay, as `kubectl kustomize` builds it, and what of it is asked for. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from agentic_rag.errors import BadOverlay
from agentic_rag.yaml_files import read_documents

Object = dict[str, Any]
TEMPLATED = {"DaemonSet", "Deployment", "Job", "StatefulSet"}
DATA = {"PersistentVolumeClaim"}
_MODE = "serving.kserve.io/deploymentMode"


@dataclass(frozen=True, slots=True)
class Pod:
    """What will run: the pod's spec, or a predictor, which has the same fields.

    Attributes:
        replicas: how many there are at least, once it is awake.
    """

    title: str
    namespace: str
    owner: Object
    spec: Object
    replicas: int

    @property
    def containers(self) -> list[Object]:
        """All of them, those that only begin included; KServe's model is one."""
        return [*self.spec.get("initContainers", []), *self.running]

    @property
    def running(self) -> list[Object]:
        """Those that run side by side: what they ask for adds up."""
        model = self.spec.get("model")
        return [*self.spec.get("containers", []), *([model] if model else [])]

    @property
    def volumes(self) -> list[Object]:
        """What its containers may mount."""
        return list(self.spec.get("volumes", []))


@dataclass(frozen=True)
class Overlay:
    """All objects that are applied together."""

    objects: list[Object]

    def of(self, *kinds: str) -> list[Object]:
        """Return the objects of some kinds."""
        return [each for each in self.objects if each["kind"] in kinds]

    def makes(self, kind: str, namespace: str, name: str) -> bool:
        """Say whether an object is one of its own."""
        own = {(namespace_of(each), each["metadata"]["name"]) for each in self.of(kind)}
        return (namespace, name) in own

    def pods(self) -> Iterator[Pod]:
        """Yield what will run, of every object that makes pods."""
        for owner in self.objects:
            spec = owner.get("spec", {})
            if owner["kind"] == "InferenceService":
                predictor = spec["predictor"]
                yield _pod(owner, predictor, max(1, predictor.get("minReplicas", 1)))
            elif owner["kind"] in TEMPLATED:
                yield _pod(owner, spec["template"]["spec"], spec.get("replicas", 1))
            elif owner["kind"] == "CronJob":
                yield _pod(owner, spec["jobTemplate"]["spec"]["template"]["spec"], 1)
            elif owner["kind"] in {"ClusterServingRuntime", "ServingRuntime"}:
                yield _pod(owner, spec, 0)

    def claims(self) -> list[Object]:
        """Return its claims, those included that a set makes for its first replica."""
        made = [
            _claim(owner, each) for owner in self.of("StatefulSet") for each in _templates(owner)
        ]
        return [*self.of("PersistentVolumeClaim"), *made]


def read_overlay(text: str) -> Overlay:
    """Return what `kubectl kustomize` printed.

    Raises:
        BadOverlay: it is none.
    """
    try:
        objects = read_documents(text)
    except yaml.YAMLError:
        raise BadOverlay("the overlay is not YAML: build it by `kubectl kustomize`") from None
    for each in objects:
        if not _is_object(each):
            raise BadOverlay("the overlay has something that is no object of Kubernetes'")
    if not objects:
        raise BadOverlay("the overlay is empty: build it by `kubectl kustomize`")
    return Overlay(objects)


def _is_object(each: object) -> bool:
    return (
        isinstance(each, dict)
        and all(isinstance(each.get(key), str) for key in ("apiVersion", "kind"))
        and isinstance(each.get("metadata"), dict)
        and isinstance(each["metadata"].get("name"), str)
    )


def title(item: Object) -> str:
    """Return an object's kind and name, as people and kubectl write them."""
    return f"{item['kind'].lower()}/{item['metadata']['name']}"


def namespace_of(item: Object) -> str:
    """Return the namespace of an object; empty for one of the whole cluster."""
    return str(item["metadata"].get("namespace", ""))


def on_knative(service: Object) -> bool:
    """Say whether an InferenceService is served by Knative."""
    annotations = service["metadata"].get("annotations", {})
    return annotations.get(_MODE) in {"Knative", "Serverless"}


def _pod(owner: Object, spec: Object, replicas: int) -> Pod:
    return Pod(title(owner), namespace_of(owner), owner, spec, replicas)


def _templates(owner: Object) -> list[Object]:
    return list(owner["spec"].get("volumeClaimTemplates", []))


def _claim(owner: Object, template: Object) -> Object:
    name = f"{template['metadata']['name']}-{owner['metadata']['name']}-0"
    metadata = {"name": name, "namespace": namespace_of(owner)}
    return {**template, "kind": "PersistentVolumeClaim", "metadata": metadata}
