"""Strict validation: by Kubernetes' schemas, the CRDs, and KServe's Python models."""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import kserve
import kubernetes_validate
import yaml
from jsonschema import Draft202012Validator
from kubernetes import client
from referencing import Registry, Resource
from tests.infra import cel
from tests.infra.manifests import REPO, Manifest, title

CRDS = REPO.parent / "shared" / "data" / "crds"

HERE = Path(__file__).parent / "schemas"  # of kinds whose CRDs are not at hand
KUBERNETES = (
    Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema" / "v1.33.0-local-strict"
)
MODELS = {
    "serving.kserve.io/v1beta1 InferenceService": "V1beta1InferenceService",
    "serving.kserve.io/v1alpha1 ServingRuntime": "V1alpha1ServingRuntime",
}
RENAMED = {  # KServe's generator names a few types in one way and refers to them in another
    "K8sIoApiAppsV1DeploymentStrategy": "V1DeploymentStrategy",
    "V1beta1ModelStorageSpec": "V1beta1StorageSpec",
    "K8sIoApiAutoscalingV2HorizontalPodAutoscalerBehavior": "V2HorizontalPodAutoscalerBehavior",
}
SCALARS = {
    "bool": (bool,),
    "bytes": (str,),
    "float": (float, int),
    "int": (int,),
    "str": (str,),
    "ResourceQuantity": (str, int),
    "V1beta1MetricQuantity": (str, int),
}
UNTYPED = {"object", "datetime"}


class RefusedError(ValueError):
    """The manifest is not what the model takes."""


def deserialise(value: Any, type_name: str, where: str) -> Any:
    """Make a model of a manifest; unlike the clients' own deserialisers, lose and coerce nothing.

    Raises:
        RefusedError: an unknown field, a wrong type, or a value that the model itself refuses.
    """
    if type_name in UNTYPED:
        return value
    if type_name in SCALARS:
        return _expect(value, SCALARS[type_name], where)
    if many := re.fullmatch(r"list\[(.+)\]", type_name, re.IGNORECASE):
        items = enumerate(_expect(value, (list,), where))
        return [deserialise(item, many[1], f"{where}[{n}]") for n, item in items]
    if table := re.fullmatch(r"dict[\[(]str, (.+)[\])]", type_name, re.IGNORECASE):
        pairs = _expect(value, (dict,), where).items()
        return {
            _expect(key, (str,), where): deserialise(item, table[1], f"{where}.{key}")
            for key, item in pairs
        }
    return _model(_expect(value, (dict,), where), type_name, where)


def _expect(value: Any, types: tuple[type, ...], where: str) -> Any:
    if isinstance(value, types) and not (isinstance(value, bool) and bool not in types):
        return value
    wanted = " or ".join(each.__name__ for each in types)
    raise RefusedError(f"{where}: expected {wanted}, got {value!r}")


def _model(value: dict[str, Any], type_name: str, where: str) -> Any:
    name = RENAMED.get(type_name, type_name)
    model = getattr(kserve, name, None) or getattr(client, name)
    attributes = {written: attribute for attribute, written in model.attribute_map.items()}
    if unknown := set(value) - set(attributes):
        raise RefusedError(f"{where}: unknown field {', '.join(sorted(map(str, unknown)))}")
    parts = {
        attributes[key]: deserialise(item, model.openapi_types[attributes[key]], f"{where}.{key}")
        for key, item in value.items()
    }
    try:
        return model(**parts)
    except ValueError as error:  # pydantic's ValidationError is one
        raise RefusedError(f"{where}: {error}") from error


def accepted_by_kserves_models(manifests: list[Manifest]) -> list[str]:
    """Deserialise each of KServe's objects strictly."""
    faults = []
    for manifest in manifests:
        model = MODELS.get(f"{manifest['apiVersion']} {manifest['kind']}")
        try:
            if model:
                deserialise(manifest, model, title(manifest))
        except RefusedError as refused:
            faults.append(str(refused))
    return faults


def accepted_by_the_schemas(manifests: list[Manifest]) -> list[str]:
    """Hold each object against its strict schema, and its metadata against Kubernetes'."""
    faults = []
    for manifest in manifests:
        validator = schema_of(manifest["apiVersion"], manifest["kind"])
        if validator is None:
            faults.append(f"{title(manifest)}: kind: no schema knows {manifest['apiVersion']}")
            continue
        errors = [*validator.iter_errors(manifest), *metadata().iter_errors(manifest["metadata"])]
        faults += [f"{title(manifest)}: {error.json_path}: {error.message}" for error in errors]
        faults += [f"{title(manifest)}: {where}: is null" for where in _nulls(manifest)]
    return faults


def accepted_by_the_rules_of_crds(manifests: list[Manifest]) -> list[str]:
    """Evaluate x-kubernetes-validations, as the API server would at creation."""
    faults = []
    for manifest in manifests:
        schema = crd_schema(manifest["apiVersion"], manifest["kind"])
        if schema:
            faults += [f"{title(manifest)}: {fault}" for fault in cel.complaints(schema, manifest)]
    return faults


def _nulls(value: Any, where: str = "$") -> Iterator[str]:
    """Kubernetes' schemas let null stand for anything; a manifest that says it says nothing."""
    if value is None:
        yield where
    elif isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _nulls(each, f"{where}.{key}")


@cache
def schema_of(api_version: str, kind: str) -> Draft202012Validator | None:
    group, _, version = api_version.rpartition("/")
    short = "-".join(filter(None, (kind.lower(), group.partition(".")[0], version)))
    core = KUBERNETES / f"{short}.json"
    if core.is_file():
        schema = json.loads(core.read_text("utf-8"))
        return Draft202012Validator(schema, registry=_definitions())
    definition = crd_schema(api_version, kind)
    return Draft202012Validator(closed(definition)) if definition else None


@cache
def metadata() -> Draft202012Validator:
    name = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
    reference = {"$ref": f"https://kubernetes.io/api/_definitions.json#/$defs/{name}"}
    return Draft202012Validator(reference, registry=_definitions())


@cache
def _definitions() -> Registry:
    file = KUBERNETES / "_definitions.json"
    return Registry().with_resource(
        "https://kubernetes.io/api/_definitions.json",
        Resource.from_contents(json.loads(file.read_text("utf-8"))),
    )


@cache
def crd_schema(api_version: str, kind: str) -> dict[str, Any] | None:
    """The schema of a kind, as its CRD has it."""
    group, _, version = api_version.rpartition("/")
    for definition in _definitions_of(group, kind):
        for each in definition["spec"]["versions"]:
            if each["name"] == version and each["served"]:
                return each["schema"]["openAPIV3Schema"]
    return None


def _definitions_of(group: str, kind: str) -> Iterator[dict[str, Any]]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    for file in sorted((*CRDS.glob("*/*.yaml"), *HERE.glob("*.yaml"))):
        if kind.lower() not in file.name:
            continue
        for each in yaml.load_all(file.read_text("utf-8"), Loader=loader):
            if each["spec"]["group"] == group and each["spec"]["names"]["kind"] == kind:
                yield each


def closed(schema: Any, name: str = "") -> Any:
    """Return an OpenAPI schema with every object closed to fields that it does not name.

    Left open: maps, what the CRD says to preserve, and `metadata`, which the CRD leaves to the
    API server (and which the Python models check here).
    """
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: closed(value) for key, value in schema.items() if key != "properties"}
    if schema.get("type") == "object" and not (
        "additionalProperties" in schema
        or schema.get("x-kubernetes-preserve-unknown-fields")
        or name == "metadata"
    ):
        result["additionalProperties"] = False
    if "properties" in schema:
        result["properties"] = {
            key: closed(each, key) for key, each in schema["properties"].items()
        }
    return result


def crds_are_here() -> bool:
    return Path(CRDS).is_dir()


RULES = (accepted_by_the_schemas, accepted_by_kserves_models, accepted_by_the_rules_of_crds)
