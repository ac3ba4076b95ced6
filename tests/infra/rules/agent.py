"""The agent: it takes its settings, is ready when its model is, and finds its LLM."""

from urllib.parse import urlsplit

from pydantic import ValidationError
from tests.infra.manifests import (
    Manifest,
    Pod,
    environment,
    flag,
    flags,
    is_knative,
    namespace,
    of_kind,
    ours,
    pods,
    probes,
    servers,
)
from tests.infra.rules.addresses import Address, behind, is_open
from tests.infra.rules.selectors import matches, selected

Faults = list[str]

SERVER_GRACE_S = 32  # SHUTDOWN_NOTICE_S and SHUTDOWN_GRACE_S, as shipped
VERDICT_S = {"startupProbe": 900, "readinessProbe": 60, "livenessProbe": 120}


def every_variable_is_a_setting(manifests: list[Manifest]) -> Faults:
    from agentic_rag.settings import Settings

    known = {name.upper() for name in Settings.model_fields}
    faults = []
    for pod, container in ours(manifests):
        taken = set(environment(container)) | _from_maps(container, pod, manifests)
        faults += [
            f"{pod.title}: env {name}: is no setting of the agent; see .env.example"
            for name in sorted(taken - known)
        ]
    return faults


def _from_maps(container: Manifest, pod: Pod, manifests: list[Manifest]) -> set[str]:
    called = {
        each["configMapRef"]["name"]
        for each in container.get("envFrom", [])
        if "configMapRef" in each
    }
    maps = [each for each in of_kind(manifests, "ConfigMap") if namespace(each) == pod.namespace]
    return {key for each in maps if each["metadata"]["name"] in called for key in each["data"]}


def every_value_is_one_that_its_setting_takes(manifests: list[Manifest]) -> Faults:
    from agentic_rag.settings import Settings

    faults = []
    for pod, container in ours(manifests):
        given = {name.lower(): value for name, value in environment(container).items() if value}
        try:
            Settings(_env_file=None, **given)
        except ValidationError as error:
            faults += [
                f"{pod.title}: env {'.'.join(map(str, each['loc'])).upper()}: {each['msg']}"
                for each in error.errors()
            ]
    return faults


def the_agent_calls_an_llm(manifests: list[Manifest]) -> Faults:
    """By its Service, and under a name that it serves."""
    faults = []
    for pod in servers(manifests):
        variables = variables_of(pod)
        address = variables.get("LLM_BASE_URL") or ""
        behind = llms_behind(address, pod, manifests)
        served = {name for each in behind for name in served_names(each)}
        if not behind:
            faults.append(f"{pod.title}: env LLM_BASE_URL: no LLM is behind {address!r}")
        elif variables.get("LLM_MODEL_NAME") not in served:
            faults.append(
                f"{pod.title}: env LLM_MODEL_NAME: {sorted(served)} is served, not"
                f" {variables.get('LLM_MODEL_NAME')!r}"
            )
        if not address.endswith("/v1"):
            faults.append(f"{pod.title}: env LLM_BASE_URL: {address!r} must end in /v1")
    return faults


def variables_of(pod: Pod) -> dict[str, str | None]:
    return {name: value for each in pod.containers for name, value in environment(each).items()}


def llms_behind(url: str, caller: Pod, manifests: list[Manifest]) -> list[Pod]:
    address = Address(caller.title, caller.namespace, urlsplit(url).hostname or "", None)
    return [pod for pod, _ in behind(address, manifests)]


def served_names(llm: Pod) -> list[str]:
    """The runtime serves under the InferenceService's name unless the arguments say otherwise."""
    own = llm.owner["metadata"]["name"]
    given = flags(llm.containers[0], "--served-model-name") or [own]
    return [name.replace("{{.Name}}", own) for name in given]


def probes_can_fail(manifests: list[Manifest]) -> Faults:
    """A probe on a path that answers 200 whatever happens, or on no path, proves nothing."""
    deaf = {"", "/", "/metrics", "/v2", "/v2/health/ready"}
    faults = [
        f"{pod.title}: readinessProbe: there is none; a bare port proves nothing"
        for pod in pods(manifests)
        if not pod.ends
        for container in pod.containers
        if "readinessProbe" not in container and _is_called(container)
    ]
    for probe in probes(manifests):
        asked = probe.spec.get("httpGet")
        if asked and asked.get("path", "") in deaf:
            faults.append(f"{probe.title}: {asked.get('path')!r} is 200 even when ill")
        elif asked and not is_open(probe.container, asked["port"]):
            faults.append(f"{probe.title}: port {asked['port']} is not open")
        elif probe.name != "livenessProbe" and "tcpSocket" in probe.spec:
            faults.append(f"{probe.title}: an open port proves nothing; ask a path")
    return faults


def _is_called(container: Manifest) -> bool:
    """Whether anybody could be sent to it: it opens a port, or its runtime does."""
    return "ports" in container or "modelFormat" in container


def probes_come_to_a_verdict(manifests: list[Manifest]) -> Faults:
    """What is ill is known to be in time; what starts slowly may, but not for ever."""
    faults = []
    for probe in probes(manifests):
        most = VERDICT_S[probe.name]
        patience = probe.spec.get("periodSeconds", 10) * probe.spec.get("failureThreshold", 3)
        if patience > most or probe.spec.get("timeoutSeconds", 1) > 10:
            faults.append(f"{probe.title}: a verdict after {patience} s; say {most}")
    return faults


def the_agent_is_ready_when_its_model_is(manifests: list[Manifest]) -> Faults:
    faults = []
    for pod in servers(manifests):
        for container in pod.containers:
            name = flag(container, "--model_name")
            for probe, path in (
                ("readinessProbe", f"/v2/models/{name}/ready"),
                ("livenessProbe", "/v2/health/live"),
            ):
                if container.get(probe, {}).get("httpGet", {}).get("path") != path:
                    faults.append(f"{pod.title}: {probe}: must ask {path}")
            if name != pod.owner["metadata"]["name"]:
                faults.append(f"{pod.title}: --model_name={name}: its address names another")
    return faults


def a_pod_ends_after_its_answers(manifests: list[Manifest]) -> Faults:
    faults = []
    for pod in servers(manifests):
        if is_knative(pod.owner):
            continue  # the queue-proxy lets requests end, for as long as `timeout`
        stops = [
            each.get("lifecycle", {}).get("preStop", {}).get("sleep") for each in pod.containers
        ]
        needed = SERVER_GRACE_S + sum(each["seconds"] for each in stops if each)
        if None in stops:
            faults.append(f"{pod.title}: lifecycle.preStop: sleep until the endpoints forget it")
        if pod.spec.get("terminationGracePeriodSeconds", 30) <= needed:
            faults.append(f"{pod.title}: terminationGracePeriodSeconds: must be over {needed}")
    return faults


def the_agent_waits_for_a_wake_up(manifests: list[Manifest]) -> Faults:
    """A wake-up may take as long as the LLM's own start may; an answer, as its door leaves it."""
    faults = []
    for pod in servers(manifests):
        variables = variables_of(pod)
        limit = float(variables.get("LLM_WAKE_LIMIT_S") or 900)
        slow = [
            each.spec.get("timeout", 0)
            for each in llms_behind(variables.get("LLM_BASE_URL") or "", pod, manifests)
            if each.spec.get("minReplicas") == 0
        ]
        if slow and limit < max(slow):
            faults.append(
                f"{pod.title}: env LLM_WAKE_LIMIT_S: {limit} s is under the LLM's {max(slow)}"
            )
        if pod.spec.get("timeout", 60) < float(variables.get("REQUEST_TIMEOUT_S") or 60):
            faults.append(f"{pod.title}: timeout: is shorter than REQUEST_TIMEOUT_S")
    return faults


def chroma_is_one_and_locked(manifests: list[Manifest]) -> Faults:
    """No second server on its data; no caller but the agent, for it asks nobody who they are."""
    everyone = list(pods(manifests))
    faults = []
    for pod in everyone:
        if pod.ends or not any(
            "chromadb/chroma" in each.get("image", "") for each in pod.containers
        ):
            continue
        if pod.owner["spec"].get("replicas") != 1:
            faults.append(f"{pod.title}: replicas: must be 1; two break the data")
        callers = [
            peer.get("podSelector", {})
            for policy in of_kind(manifests, "NetworkPolicy")
            if pod in selected(everyone, policy["spec"]["podSelector"], namespace(policy))
            for rule in policy["spec"].get("ingress", [])
            for peer in rule.get("from", [{}])
        ]
        if not callers or {} in callers:
            faults.append(f"{pod.title}: NetworkPolicy ingress.from: everybody may call it")
        for agent in servers(manifests):
            if not any(matches(caller, agent.labels) for caller in callers):
                faults.append(
                    f"{pod.title}: NetworkPolicy ingress.from: {agent.title} may not call"
                )
    return faults
