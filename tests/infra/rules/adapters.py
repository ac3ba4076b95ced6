"""Adapters: vLLM has what is live before it is ready, and few can load anything into it."""

import re
from collections.abc import Iterator
from typing import Any

from tests.infra.manifests import (
    Manifest,
    Pod,
    environment,
    flag,
    namespace,
    of_kind,
    ours,
    servers,
    texts,
)
from tests.infra.rules.agent import served_names, variables_of
from tests.infra.rules.selectors import selected
from tests.infra.rules.vllm import flags_of, llms

Faults = list[str]
Container = dict[str, Any]

LABEL = {"agentic-rag/adapters": "true"}  # of who works on adapters
LOADING = "VLLM_ALLOW_RUNTIME_LORA_UPDATING"
RESOLVER = "VLLM_LORA_RESOLVER_CACHE_DIR"
ANSWERS = {"/v1/chat/completions", "/v1/completions", "/v1/models", "/health", "/metrics"}
LOCATION = re.compile(r"location\s+(=?)\s*(\S+)\s*\{([^}]*)\}")


def what_is_live_is_served_before_it_is_ready(manifests: list[Manifest]) -> Faults:
    """Restored first, from where vLLM reads it; and ready by the slot, not by being up."""
    faults = []
    for pod in _with_adapters(manifests):
        restoring = [
            each for each in pod.spec.get("initContainers", []) if "restore" in _words(each)
        ]
        if not restoring:
            faults.append(f"{pod.title}: initContainers: `agentic-rag adapters restore` is none")
        for container in restoring:
            faults += _of_the_shelf(pod, container)
    return faults


def _of_the_shelf(pod: Pod, restoring: Container) -> Iterator[str]:
    said, llm = environment(restoring), pod.containers[0]
    shelf = f"{said.get('ADAPTERS_DIR')}/{said.get('ADAPTERS_NAME')}"
    words = " ".join(_words(llm))
    if f"{shelf}/lora-modules" not in words or "--lora-modules" not in words:
        yield f"{pod.title}: command: --lora-modules is not what stands in {shelf}/lora-modules"
    asked = llm.get("readinessProbe", {}).get("exec", {}).get("command", [])
    if f"{shelf}/slot.json" not in asked:
        yield f"{pod.title}: readinessProbe: does not go by {shelf}/slot.json"
    if _mount(llm, said.get("ADAPTERS_DIR")) != _mount(restoring, said.get("ADAPTERS_DIR")):
        yield f"{pod.title}: volumeMounts: vLLM does not see what was restored"


def who_works_on_adapters_sees_the_same(manifests: list[Manifest]) -> Faults:
    """One name, one folder, one claim, for the agents too; and the rank that vLLM takes."""
    faults = []
    ranks = {flag(pod.containers[0], "--max-lora-rank") for pod in _with_adapters(manifests)}
    seen: dict[tuple[str | None, ...], str] = {}
    for pod, container in ours(manifests):
        said, works = environment(container), "adapters" in _words(container)
        if not works and "ADAPTERS_DIR" not in said:
            continue
        folder = said.get("ADAPTERS_DIR")
        claim = _claim(pod, _mount(container, folder))
        seen.setdefault((said.get("ADAPTERS_NAME"), folder, claim), pod.title)
        if claim is None:
            faults.append(f"{pod.title}: volumeMounts: no claim is at {folder}")
        if works and ranks and said.get("ADAPTERS_MAX_RANK") not in ranks:
            faults.append(
                f"{pod.title}: env ADAPTERS_MAX_RANK: vLLM's is {sorted(map(str, ranks))}"
            )
    if len(seen) > 1:
        faults.append(f"{', '.join(seen.values())}: ADAPTERS_NAME, _DIR or the claim: are not one")
    return faults


def agents_answer_as_who_is_live(manifests: list[Manifest]) -> Faults:
    """Where vLLM has adapters, an agent that does not follow the slot asks the base model."""
    return [
        f"{pod.title}: env ADAPTERS_FOLLOW: say true, else nobody hears who is live"
        for pod in servers(manifests)
        if _with_adapters(manifests)
        if variables_of(pod).get("ADAPTERS_FOLLOW") != "true"
    ]


def adapters_find_their_base_model(manifests: list[Manifest]) -> Faults:
    """By its name on the hub, the first that it is served under: adapters were trained on that."""
    faults = []
    for pod in _with_adapters(manifests):
        uri = pod.containers[0].get("storageUri", "")
        name = re.fullmatch(r"hf://([^:]+)(:.*)?", uri)
        if name and served_names(pod)[0] != name[1]:
            faults.append(f"{pod.title}: args --served-model-name: must begin with {name[1]}")
    return faults


def only_what_was_proven_is_loaded(manifests: list[Manifest]) -> Faults:
    """A resolver loads what a caller's `model` names, half a copy included, past every gate."""
    return [
        f"{pod.title}: env {RESOLVER}: callers would load what they name; take it out"
        for pod in llms(manifests)
        if RESOLVER in environment(pod.containers[0])
    ]


def the_adapter_api_is_reached_by_few(manifests: list[Manifest]) -> Faults:
    """vLLM's own port, on which adapters are loaded: by who works on them, and nobody else."""
    faults = []
    for pod in _with_adapters(manifests):
        if LOADING not in environment(pod.containers[0]):
            continue
        port = int(flag(pod.containers[0], "--port") or 8080)
        guards = [
            policy
            for policy in of_kind(manifests, "NetworkPolicy")
            if "Ingress" in policy["spec"].get("policyTypes", ["Ingress"])
            and selected([pod], policy["spec"].get("podSelector", {}), namespace(policy))
        ]
        if not guards:
            faults.append(f"{pod.title}: no NetworkPolicy: everybody may load adapters")
        faults += [
            f"{pod.title}: {policy['metadata']['name']}: lets others than {LABEL} to port {port}"
            for policy in guards
            for rule in policy["spec"].get("ingress", [])
            if _opens(rule, port) and not _few(rule)
        ]
    return faults


def _opens(rule: dict[str, Any], port: int) -> bool:
    return "ports" not in rule or any(each.get("port") == port for each in rule["ports"])


def _few(rule: dict[str, Any]) -> bool:
    return bool(rule.get("from")) and all(
        set(peer) == {"podSelector"}
        and LABEL.items() <= peer["podSelector"].get("matchLabels", {}).items()
        for peer in rule["from"]
    )


def the_door_lets_nothing_but_answers_through(manifests: list[Manifest]) -> Faults:
    """nginx before vLLM: exact paths, passed on as they are written, and nothing for the rest."""
    faults = []
    for pod in _with_adapters(manifests):
        mounted = {each.get("configMap", {}).get("name") for each in pod.spec.get("volumes", [])}
        for config in of_kind(manifests, "ConfigMap"):
            if config["metadata"]["name"] in mounted:
                found = [e for text in texts(config["data"]) for e in LOCATION.findall(text)]
                name = f"ConfigMap/{config['metadata']['name']}"
                faults += [f"{name}: {fault}" for each in found for fault in _through(*each)]
    return faults


def _through(exact: str, path: str, body: str) -> Iterator[str]:
    passed = re.search(r"proxy_pass\s+(\S+);", body)
    if passed is None:
        return
    if not exact or path not in ANSWERS:
        yield f"location {path}: lets through what is no answer"
    elif passed[1].partition("//")[2].partition("/")[2] != path.removeprefix("/"):
        yield f"location {path}: is passed on as {passed[1]}"


def _with_adapters(manifests: list[Manifest]) -> list[Pod]:
    return [pod for pod in llms(manifests) if "--enable-lora" in dict(flags_of(pod))]


def _words(container: Container) -> list[str]:
    return [*container.get("command", []), *container.get("args", [])]


def _mount(container: Container, folder: str | None) -> str | None:
    mounts = container.get("volumeMounts", [])
    return next((each["name"] for each in mounts if each["mountPath"] == folder), None)


def _claim(pod: Pod, volume: str | None) -> str | None:
    for each in pod.spec.get("volumes", []):
        if each["name"] == volume and "persistentVolumeClaim" in each:
            name: str = each["persistentVolumeClaim"]["claimName"]
            return name
    return None
