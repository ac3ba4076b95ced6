"""Words that schemas leave open: enumerations, and what the images in use know by name."""

import argparse
import contextlib
import io
import re
from collections.abc import Iterator
from typing import Any

from tests.infra.manifests import (
    Manifest,
    Pod,
    flag,
    namespace,
    of_kind,
    ours,
    pods,
    probes,
    servers,
    texts,
    title,
)
from tests.infra.rules.addresses import is_open
from typer.main import get_command

Faults = list[str]

ENUMERATIONS = {
    "accessModes": {"ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"},
    "clusterIP": {"None"},
    "concurrencyPolicy": {"Allow", "Forbid", "Replace"},
    "dnsPolicy": {"ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"},
    "fsGroupChangePolicy": {"Always", "OnRootMismatch"},
    "imagePullPolicy": {"Always", "IfNotPresent", "Never"},
    "medium": {"", "Memory"},
    "operator": {"DoesNotExist", "Equal", "Exists", "In", "NotIn"},
    "podManagementPolicy": {"OrderedReady", "Parallel"},
    "policyTypes": {"Egress", "Ingress"},
    "protocol": {"SCTP", "TCP", "UDP", "HTTP", "HTTPS", "TLS"},
    "pullPolicy": {"Always", "IfNotPresent", "Never"},
    "restartPolicy": {"Always", "Never", "OnFailure"},
}
SERVICE_TYPES = {"ClusterIP", "ExternalName", "LoadBalancer", "NodePort"}
MACROS = {"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"}
KNOWN = {  # part of an image's name -> variables, and paths that can be probed
    "vllm": (
        {
            "HF_HOME",
            "HF_HUB_OFFLINE",
            "HF_TOKEN",
            "HOME",
            "USER",
            "VLLM_ALLOW_RUNTIME_LORA_UPDATING",
            "VLLM_API_KEY",
            "VLLM_CACHE_ROOT",
            "VLLM_CPU_KVCACHE_SPACE",
            "VLLM_CPU_OMP_THREADS_BIND",
            "VLLM_LORA_RESOLVER_CACHE_DIR",
            "VLLM_NO_USAGE_STATS",
            "VLLM_PLUGINS",
            "VLLM_SERVER_DEV_MODE",
        },
        {"/health"},
    ),
    "/rag-agent": (set(), {"/v2/health/live", "/v2/models/rag-agent/ready"}),
    "chromadb/chroma": (set(), {"/api/v2/heartbeat"}),
    # before Chroma, and before vLLM
    "nginx": ({"NGINX_ENVSUBST_FILTER"}, {"/api/v2/heartbeat", "/health"}),
    "postgres": ({"PGDATA", "POSTGRES_DB", "POSTGRES_PASSWORD", "POSTGRES_USER"}, set()),
    "storage-initializer": ({"HF_HOME", "HF_TOKEN", "HOME"}, set()),
    "aws-cli": (
        {"AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_SECRET_ACCESS_KEY"},
        set(),
    ),
}
PORT_FLAGS = ("--port", "--http_port", "--grpc_port")


def enumerations_are_kept(manifests: list[Manifest]) -> Faults:
    faults = [
        f"{title(each)}: {field}: {word!r} is none of {sorted(ENUMERATIONS[field])}"
        for each in manifests
        for field, word in _words(each.get("spec", {}))
        if word not in ENUMERATIONS[field]
    ]
    for service in of_kind(manifests, "Service"):
        if service["spec"].get("type", "ClusterIP") not in SERVICE_TYPES:
            faults.append(f"{title(service)}: type: is none of {sorted(SERVICE_TYPES)}")
    for job in of_kind(manifests, "CronJob"):
        schedule = job["spec"]["schedule"]
        if schedule not in MACROS and not re.fullmatch(r"[\d*/,-]+( [\d*/,A-Z-]+){4}", schedule):
            faults.append(f"{title(job)}: schedule: {schedule!r} is no time")
    return faults


def _words(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, list):
        for each in value:
            yield from _words(each)
    elif isinstance(value, dict):
        for key, each in value.items():
            if key in ENUMERATIONS and not isinstance(each, dict):
                yield from ((key, word) for word in (each if isinstance(each, list) else [each]))
            else:
                yield from _words(each)


def every_variable_is_known_to_its_image(manifests: list[Manifest]) -> Faults:
    """The agent's are another rule's; what a script of ours reads is known, too."""
    return [
        f"{pod.title}: env {each['name']}: neither its image nor its script knows it"
        for pod in pods(manifests)
        for container in pod.every_container
        if "/rag-agent" not in container.get("image", "")
        for each in container.get("env", [])
        if each["name"] not in _known(container)[0] and not _is_read(each["name"], container, pod)
        if not _is_read_in_config(each["name"], pod, manifests)
    ]


def _known(container: dict[str, Any]) -> tuple[set[str], set[str]]:
    image = f"{container.get('image', '')} {container.get('runtime', '')}"
    found = [known for part, known in KNOWN.items() if part in image]
    return found[0] if found else (set(), set())


def _is_read(name: str, container: dict[str, Any], pod: Pod) -> bool:
    script = " ".join([*container.get("command", []), *container.get("args", [])])
    return bool(re.search(rf"\${{?{name}\b", script))


def _is_read_in_config(name: str, pod: Pod, manifests: list[Manifest]) -> bool:
    mounted = {each.get("configMap", {}).get("name") for each in pod.spec.get("volumes", [])}
    return any(
        re.search(rf"\b{name}\b", text)
        for config in of_kind(manifests, "ConfigMap")
        if config["metadata"]["name"] in mounted and namespace(config) == pod.namespace
        for text in texts(config["data"])
    )


def probes_ask_what_is_there(manifests: list[Manifest]) -> Faults:
    faults = []
    for probe in probes(manifests):
        paths = _known(probe.container)[1]
        path = probe.spec.get("httpGet", {}).get("path")
        if paths and path and path not in paths:
            faults.append(f"{probe.title}: {path} is none of {sorted(paths)}")
        port = probe.spec.get("tcpSocket", {}).get("port")
        if port and not is_open(probe.container, port):
            faults.append(f"{probe.title}: port {port} is not open")
    return faults


def servers_listen_where_their_ports_are(manifests: list[Manifest]) -> Faults:
    faults = []
    for pod in pods(manifests):
        for container in pod.containers:
            for name in PORT_FLAGS:
                port = flag(container, name)
                ports = {str(each["containerPort"]) for each in container.get("ports", [])}
                if port and ports and port not in ports:
                    faults.append(f"{pod.title}: args {name}: {port} is none of {sorted(ports)}")
    return faults


def the_server_knows_its_flags(manifests: list[Manifest]) -> Faults:
    """By KServe's own parser."""
    from kserve.model_server import parser

    faults = []
    for pod in servers(manifests):
        for container in pod.containers:
            if container.get("name") != "kserve-container":
                faults.append(f"{pod.title}: containers.name: KServe wants kserve-container")
            faults += [
                f"{pod.title}: args: the server does not take {word}"
                for word in _not_taken(parser, container.get("args", []))
            ]
    return faults


def _not_taken(parser: argparse.ArgumentParser, words: list[str]) -> list[str]:
    told = io.StringIO()
    with contextlib.redirect_stderr(told):
        try:
            return parser.parse_known_args(words)[1]
        except SystemExit:
            return [told.getvalue().strip().splitlines()[-1]]


def jobs_run_commands_that_exist(manifests: list[Manifest]) -> Faults:
    """Jobs, init containers and steps of workflows: the command line takes what each types."""
    return [
        f"{pod.title}: command: {fault}"
        for pod, container in ours(manifests)
        if container.get("command")
        for fault in _not_a_command([*container["command"], *container.get("args", [])])
    ]


def _not_a_command(words: list[str]) -> Iterator[str]:
    from agentic_rag.cli import app

    command: Any = get_command(app)
    program, *rest = words
    while hasattr(command, "commands") and rest:
        command, *rest = command.commands.get(rest[0]), *rest[1:]
    typed = " ".join(words[: len(words) - len(rest)])
    if program != "agentic-rag" or command is None:
        yield f"there is no {typed}"
        return
    options = {name: each for each in command.params for name in each.opts if name[0] == "-"}
    for word in (word for word in rest if word.startswith("-")):
        name, has_value, _ = word.partition("=")
        if name not in options:
            yield f"{typed} takes no {word}"
        elif options[name].is_flag == bool(has_value):
            yield f"{typed} {name}: is said by itself, or with =, as it needs a value"
    given = [word for word in rest if not word.startswith("-")]
    wanted = [each for each in command.params if each.param_type_name == "argument"]
    if not len([each for each in wanted if each.required]) <= len(given) <= len(wanted):
        yield f"{typed} takes {len(wanted)} words, and is given {given}"
