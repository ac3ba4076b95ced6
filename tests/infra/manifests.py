"""The manifests of infra/, read as kubectl reads them, and the parts that rules ask for."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

REPO = Path(__file__).resolve().parents[2]
INFRA = REPO / "infra"
BASE = ("k8s", "kserve", "chroma")  # whole objects; overlays hold patches and are no objects

Manifest = dict[str, Any]


class NoDuplicates(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """Refuses a key written twice, of which YAML would silently keep the last."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if twice := {key for key in keys if keys.count(key) > 1}:
            raise yaml.constructor.ConstructorError(
                None, None, f"written twice: {', '.join(map(str, twice))}", node.start_mark
            )
        return super().construct_mapping(node, deep)


def read_text(text: str) -> list[Manifest]:
    documents = yaml.load_all(text, Loader=NoDuplicates)
    return [document for document in documents if document is not None]


def read_manifests() -> list[Manifest]:
    files = sorted(path for folder in BASE for path in (INFRA / folder).rglob("*.yaml"))
    return [manifest for file in files for manifest in read_text(file.read_text("utf-8"))]


def title(manifest: Manifest) -> str:
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def annotations(manifest: Manifest) -> dict[str, str]:
    """All annotations that reach the pod: of the object and of its predictor."""
    predictor = manifest.get("spec", {}).get("predictor", {})
    return {**manifest["metadata"].get("annotations", {}), **predictor.get("annotations", {})}


def is_knative(service: Manifest) -> bool:
    mode = annotations(service).get("serving.kserve.io/deploymentMode")
    return mode in {"Knative", "Serverless"}


@dataclass(frozen=True)
class Pod:
    """What runs: `spec` is a pod spec, or a predictor, which has the same fields.

    `by_runtime` says that a KServe runtime brings the image and the rest of the container.
    """

    title: str
    owner: Manifest
    spec: dict[str, Any]
    containers: list[dict[str, Any]]
    by_runtime: bool
    labels: dict[str, str]


def pods(manifests: list[Manifest]) -> Iterator[Pod]:
    for service in of_kind(manifests, "InferenceService"):
        spec = service["spec"]["predictor"]
        containers = spec["containers"] if "containers" in spec else [spec["model"]]
        labels = {**service["metadata"].get("labels", {}), **spec.get("labels", {})}
        yield Pod(title(service), service, spec, containers, "model" in spec, labels)
    for owner in of_kind(manifests, "StatefulSet"):
        template = owner["spec"]["template"]
        labels = template["metadata"]["labels"]
        spec = template["spec"]
        yield Pod(title(owner), owner, spec, spec["containers"], False, labels)


def environment(container: dict[str, Any]) -> dict[str, str | None]:
    """The variables of a container; None for one that comes from somewhere else."""
    return {variable["name"]: variable.get("value") for variable in container.get("env", [])}


def agents(manifests: list[Manifest]) -> list[Pod]:
    """The pods that run this project's image."""
    return [
        pod
        for pod in pods(manifests)
        if any("/rag-agent" in container.get("image", "") for container in pod.containers)
    ]
