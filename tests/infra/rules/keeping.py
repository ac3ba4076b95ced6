"""What may not be written down: secrets; and what must be: exact versions, one place for each."""

import re
from collections.abc import Iterator

from tests.infra.manifests import (
    CLUSTER_WIDE,
    Manifest,
    environment,
    externals,
    namespace,
    of_kind,
    pods,
    texts,
    title,
)
from tests.infra.rules.names import references

Faults = list[str]

SECRET_NAME = re.compile(r"(KEY|TOKEN|PASSWORD|SECRET|CREDENTIALS?)$", re.IGNORECASE)
SECRET_VALUE = re.compile(
    r"\b(sk-[\w-]{16,}|hf_\w{16,}|gh[pousr]_\w{16,}|AKIA\w{12,}|eyJ[\w-]{20,})"
    r"|://[^/\s:@$]+:[^/\s:@$]+@"  # a password in an address
)


def everything_lives_in_a_namespace_we_make(manifests: list[Manifest]) -> Faults:
    known = {each["metadata"]["name"] for each in of_kind(manifests, "Namespace")}
    known |= {each["name"] for each in externals() if each["kind"] == "Namespace"}
    return [
        f"{title(each)}: metadata.namespace: {namespace(each)!r} is not among {sorted(known)}"
        for each in manifests
        if each["kind"] not in CLUSTER_WIDE and namespace(each) not in known
    ]


def no_object_is_written_twice(manifests: list[Manifest]) -> Faults:
    names = [f"{title(each)} in {namespace(each)}" for each in manifests]
    return [
        f"{name}: metadata.name: written twice; take one out"
        for name in sorted(set(names))
        if names.count(name) > 1
    ]


def the_namespace_has_a_security_level(manifests: list[Manifest]) -> Faults:
    prefix = "pod-security.kubernetes.io/"
    return [
        f"{title(each)}: label {prefix}{level}: say {' or '.join(sorted(wanted))}"
        for each in of_kind(manifests, "Namespace")
        for level, wanted in {
            "enforce": {"baseline", "restricted"},
            "warn": {"restricted"},
            "audit": {"restricted"},
        }.items()
        if each["metadata"].get("labels", {}).get(prefix + level) not in wanted
    ]


def images_are_pinned(manifests: list[Manifest]) -> Faults:
    faults = []
    for where, field, image in _images(manifests):
        version = image.rpartition("/")[2].partition(":")[2]
        if "@sha256:" not in image and version in {"", "latest"}:
            faults.append(f"{where}: {field}: {image or 'the runtime'!r} needs a version or digest")
    return faults


def each_image_has_one_version(manifests: list[Manifest]) -> Faults:
    """A job of yesterday's agent would make an index that today's does not read."""
    versions: dict[str, set[str]] = {}
    for _, _, image in _images(manifests):
        folder, _, last = image.rpartition("/")
        name, _, version = last.partition(":")
        versions.setdefault(f"{folder}/{name}", set()).add(version)
    return [
        f"image {image}: {sorted(found)}: say one version everywhere"
        for image, found in sorted(versions.items())
        if len(found) > 1
    ]


def _images(manifests: list[Manifest]) -> Iterator[tuple[str, str, str]]:
    for pod in pods(manifests):
        for container in pod.every_container:
            image, version = container.get("image", ""), container.get("runtimeVersion", "")
            yield pod.title, "image", f"{image.partition(':')[0]}:{version}" if version else image
        for volume in pod.spec.get("volumes", []):
            if "image" in volume:
                yield pod.title, f"volume {volume['name']}", volume["image"]["reference"]


def models_are_pinned(manifests: list[Manifest]) -> Faults:
    faults = []
    for pod in pods(manifests):
        model = pod.owner["spec"].get("model", {})  # an LLMInferenceService says it there
        uri = pod.containers[0].get("storageUri", "") or model.get("uri", "")
        scheme, _, rest = uri.partition("://")
        if scheme == "hf" and not re.search(r":[0-9a-f]{40}$", uri):
            faults.append(f"{pod.title}: storageUri: {uri} needs a revision of 40 hex digits")
        if scheme.startswith("oci") and not re.search(r"[:@][\w.:-]+$", rest.rpartition("/")[2]):
            faults.append(f"{pod.title}: storageUri: {uri} needs a tag or digest")
        if rest.endswith(":latest"):
            faults.append(f"{pod.title}: storageUri: {uri} is another tomorrow; name a version")
    return faults


def no_secret_is_in_git(manifests: list[Manifest]) -> Faults:
    """A Secret may not even hold placeholders: applied again, they overwrite the real one."""
    faults = []
    wanted = {each.name for each in references(manifests) if each.kind == "Secret"}
    for secret in of_kind(manifests, "Secret"):
        if secret.get("data") or secret.get("stringData"):
            faults.append(f"{title(secret)}: data: holds values; keep them out of git")
        if secret["metadata"]["name"] in wanted:
            faults.append(f"{title(secret)}: metadata.name: applying it touches the real one")
    for pod in pods(manifests):
        for container in pod.every_container:
            faults += [
                f"{pod.title}: env {name}: is written out; take it from a Secret"
                for name, value in environment(container).items()
                if value and SECRET_NAME.search(name)
            ]
    faults += [
        f"{title(manifest)}: {found[0][:6]}...: looks like a key; take it from a Secret"
        for manifest in manifests
        for value in texts(manifest)
        if (found := SECRET_VALUE.search(value))
    ]
    return faults


def no_secret_is_required(manifests: list[Manifest]) -> Faults:
    return [
        f"{each.owner}: {each.field}: {each.name} is not optional: the pod waits without end"
        for each in references(manifests)
        if each.kind == "Secret" and not each.optional
    ]
