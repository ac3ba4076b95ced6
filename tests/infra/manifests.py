"""The manifests of infra/, read as kubectl reads them, and the parts that rules ask for."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Any

import yaml

REPO = Path(__file__).resolve().parents[2]
INFRA = REPO / "infra"
PLAIN = ("k8s", "kserve", "chroma")  # folders that are applied as they are, without Kustomize
OVERLAYS = sorted(file.parent.name for file in INFRA.glob("overlays/*/kustomization.yaml"))
CLUSTER_WIDE = {
    "ClusterQueue",
    "ClusterRole",
    "ClusterRoleBinding",
    "ClusterServingRuntime",
    "ClusterStorageContainer",
    "Namespace",
    "PriorityClass",
    "ResourceFlavor",
}
TEMPLATED = {"DaemonSet", "Deployment", "Job", "StatefulSet"}

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
    files = sorted(path for folder in PLAIN for path in (INFRA / folder).rglob("*.yaml"))
    written = [manifest for file in files for manifest in read_text(file.read_text("utf-8"))]
    return [each for each in written if each.get("kind") != "Kustomization"]


def build(folder: Path) -> list[Manifest]:
    """Build a folder as `kubectl apply -k` would."""
    built = subprocess.run(
        ["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=False
    )
    if built.returncode:
        raise ValueError(f"{folder.name}: {built.stderr.strip()}")
    return read_text(built.stdout)


def components_that_nothing_takes() -> list[str]:
    """Those in no overlay, and in no other component: what an operator may add."""
    folders = {file.parent for file in INFRA.glob("components/**/kustomization.yaml")}
    taken = {each for name in OVERLAYS for each in _made_of(INFRA / "overlays" / name)}
    taken |= {each for folder in folders for each in _made_of(folder) - {folder}}
    return sorted(str(each.relative_to(INFRA / "components")) for each in folders - taken)


def _made_of(folder: Path) -> set[Path]:
    file = folder / "kustomization.yaml"
    if not file.exists():
        return set()
    written = yaml.safe_load(file.read_text("utf-8"))
    below = [*written.get("resources", []), *written.get("components", [])]
    return {folder}.union(*(_made_of((folder / each).resolve()) for each in below))


@cache
def externals() -> list[dict[str, Any]]:
    """What an operator has to bring: no object of ours provides it."""
    file = INFRA / "externals.yaml"
    return yaml.safe_load(file.read_text("utf-8")) if file.exists() else []


def title(manifest: Manifest) -> str:
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def namespace(manifest: Manifest) -> str:
    return manifest["metadata"].get("namespace", "")


def of_kind(manifests: list[Manifest], *kinds: str) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest["kind"] in kinds]


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

    `by_runtime` says that a KServe runtime that is none of ours brings the image and the rest of
    the container; `ends`, that it is a job's.
    """

    title: str
    owner: Manifest
    spec: dict[str, Any]
    containers: list[dict[str, Any]]
    by_runtime: bool
    labels: dict[str, str]

    @property
    def namespace(self) -> str:
        return namespace(self.owner)

    @property
    def ends(self) -> bool:
        return self.owner["kind"] in {"CronJob", "Job", "WorkflowTemplate"}

    @property
    def every_container(self) -> list[dict[str, Any]]:
        return [*self.spec.get("initContainers", []), *self.containers]


def pods(manifests: list[Manifest]) -> Iterator[Pod]:
    for owner in manifests:
        if owner["kind"] == "InferenceService":
            yield _predictor(owner, manifests)
        elif owner["kind"] == "LLMInferenceService":  # its pod is laid over one of KServe's
            spec, labels = owner["spec"]["template"], owner["metadata"].get("labels", {})
            yield Pod(title(owner), owner, spec, spec["containers"], True, labels)
        elif owner["kind"] in TEMPLATED | {"CronJob"}:
            spec = owner["spec"]
            whole = spec["jobTemplate"]["spec"] if owner["kind"] == "CronJob" else spec
            labels = whole["template"].get("metadata", {}).get("labels", {})
            spec = whole["template"]["spec"]
            yield Pod(title(owner), owner, spec, spec["containers"], False, labels)
        elif owner["kind"] == "WorkflowTemplate":
            yield from _steps(owner)


def _steps(owner: Manifest) -> Iterator[Pod]:
    """The pods of a workflow, without what Argo adds; a template has a pod's own fields."""
    for template in owner["spec"]["templates"]:
        if containers := template.get("containerSet", {}).get("containers"):
            patch = yaml.safe_load(template.get("podSpecPatch", "{}"))
            labels = template.get("metadata", {}).get("labels", {})
            name = f"{title(owner)}/{template['name']}"
            yield Pod(name, owner, {**template, **patch}, containers, False, labels)


def _predictor(service: Manifest, manifests: list[Manifest]) -> Pod:
    """The pod that KServe makes, with the labels that it adds."""
    predictor, name = service["spec"]["predictor"], service["metadata"]["name"]
    added = {"serving.kserve.io/inferenceservice": name, "component": "predictor"}
    if is_knative(service):
        added["serving.knative.dev/service"] = f"{name}-predictor"
    else:
        added["app"] = f"isvc.{name}-predictor"
    labels = {**service["metadata"].get("labels", {}), **predictor.get("labels", {}), **added}
    if "model" not in predictor:
        return Pod(title(service), service, predictor, predictor["containers"], False, labels)
    runtime = runtime_of(predictor["model"], manifests)
    below = runtime["spec"] if runtime else {"containers": [{}]}
    spec = _laid_over(below, predictor, ("volumes",))
    lists = ("args", "env", "volumeMounts")
    container = _laid_over(below["containers"][0], predictor["model"], lists)
    containers = [container, *below["containers"][1:], *predictor.get("containers", [])]
    return Pod(title(service), service, spec, containers, runtime is None, labels)


def runtime_of(model: dict[str, Any], manifests: list[Manifest]) -> Manifest | None:
    """The runtime of a model, where it is one of ours."""
    ours = of_kind(manifests, "ServingRuntime", "ClusterServingRuntime")
    return next((each for each in ours if each["metadata"]["name"] == model.get("runtime")), None)


def _laid_over(runtime: dict[str, Any], above: dict[str, Any], lists: tuple[str, ...]) -> Any:
    """A part of a runtime under that of a predictor, as KServe merges them: lists are added to."""
    added = {key: [*runtime.get(key, []), *above.get(key, [])] for key in lists}
    return {**runtime, **above, **{key: value for key, value in added.items() if value}}


@dataclass(frozen=True)
class Probe:
    """One probe of one container; `name` is its field, `spec` what stands there."""

    pod: Pod
    container: dict[str, Any]
    name: str
    spec: dict[str, Any]

    @property
    def title(self) -> str:
        return f"{self.pod.title}: {self.name}"


def probes(manifests: list[Manifest]) -> Iterator[Probe]:
    for pod in pods(manifests):
        for container in pod.every_container:
            for name in ("startupProbe", "readinessProbe", "livenessProbe"):
                if name in container:
                    yield Probe(pod, container, name, container[name])


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


def ours(manifests: list[Manifest]) -> Iterator[tuple[Pod, dict[str, Any]]]:
    """The containers of this project's image, with the pods that they are in."""
    for pod in pods(manifests):
        for container in pod.every_container:
            if "/rag-agent" in container.get("image", ""):
                yield pod, container


def servers(manifests: list[Manifest]) -> list[Pod]:
    """The agents that answer, and not those that fill an index or show a page."""
    return [pod for pod in agents(manifests) if pod.owner["kind"] == "InferenceService"]


def flag(container: dict[str, Any], name: str) -> str | None:
    """The value of `--name=value` or `--name value` among a container's words; the last counts."""
    words = [*container.get("command", []), *container.get("args", [])]
    found = [word.partition("=")[2] for word in words if word.startswith(f"{name}=")]
    after = [words[n + 1] for n, word in enumerate(words[:-1]) if word == name]
    return [*found, *after][-1] if found or after else None


def flags(container: dict[str, Any], name: str) -> list[str]:
    """All values of a flag that takes several; of a flag said twice, those that were said last."""
    words = [*container.get("command", []), *container.get("args", [])]
    found: list[str] = []
    for n, word in enumerate(words):
        if word.startswith(f"{name}="):
            found = [word.partition("=")[2]]
        elif word == name:
            found = list(takewhile(lambda each: not each.startswith("--"), words[n + 1 :]))
    return found


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from texts(each)


def number(written: Any) -> int:
    """What is written, as a number; -1 for what is none, which no rule takes for right."""
    return int(written) if str(written).isdigit() else -1
