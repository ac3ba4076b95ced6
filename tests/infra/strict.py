"""Strict validation: by the Python models of KServe and Kubernetes, and by the CRDs."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import kserve
import yaml
from jsonschema import Draft202012Validator
from kubernetes import client
from tests.infra.manifests import REPO, Manifest, title

CRDS = REPO.parent / "shared" / "data" / "crds"

MODELS = {
    "serving.kserve.io/v1beta1 InferenceService": "V1beta1InferenceService",
    "v1 Namespace": "V1Namespace",
    "v1 Secret": "V1Secret",
    "v1 Service": "V1Service",
    "v1 ServiceAccount": "V1ServiceAccount",
    "apps/v1 StatefulSet": "V1StatefulSet",
    "networking.k8s.io/v1 NetworkPolicy": "V1NetworkPolicy",
}
KUBERNETES_GROUPS = {"", "apps", "networking.k8s.io"}
RENAMED = {  # KServe's generator names a few Kubernetes types by their Go package
    "K8sIoApiAppsV1DeploymentStrategy": "V1DeploymentStrategy",
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


def accepted_by_the_models(manifests: list[Manifest]) -> list[str]:
    """Deserialise each manifest strictly."""
    faults = []
    for manifest in manifests:
        kind = f"{manifest.get('apiVersion')} {manifest.get('kind')}"
        if kind not in MODELS:
            faults.append(f"{title(manifest)}: no model for {kind}")
            continue
        try:
            deserialise(manifest, MODELS[kind], title(manifest))
        except RefusedError as refused:
            faults.append(str(refused))
    return faults


def accepted_by_the_crds(manifests: list[Manifest]) -> list[str]:
    """Hold each custom object against its CRD, refusing fields that the API server would prune."""
    faults = []
    for manifest in manifests:
        group, _, version = manifest["apiVersion"].rpartition("/")
        if group in KUBERNETES_GROUPS:
            continue
        validator = crd_validator(group, version, manifest["kind"])
        faults += [
            f"{title(manifest)}: {error.json_path}: {error.message}"
            for error in validator.iter_errors(manifest)
        ]
    return faults


@cache
def crd_validator(group: str, version: str, kind: str) -> Draft202012Validator:
    """Find the CRD of a kind and make its schema strict."""
    file = next(CRDS.glob(f"*/{group}_{kind.lower()}s.yaml"))
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    definition = yaml.load(file.read_text("utf-8"), Loader=loader)
    versions = {each["name"]: each for each in definition["spec"]["versions"] if each["served"]}
    return Draft202012Validator(closed(versions[version]["schema"]["openAPIV3Schema"]))


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
