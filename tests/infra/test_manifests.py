"""The manifests hold together, and each check is shown to catch the fault that it is for."""

import copy
import re
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import pytest
import yaml
from tests.infra import rules, strict
from tests.infra.manifests import (
    INFRA,
    agents,
    environment,
    of_kind,
    pods,
    read_manifests,
    read_text,
    title,
)

AGENT = "InferenceService/rag-agent"
LLM = "InferenceService/llm-server"
CHROMA = "StatefulSet/chroma"
PREDICTOR = "spec.predictor"
CONTAINER = "spec.predictor.containers.0"
MODEL = "spec.predictor.model"
MODE = ("metadata", "annotations", "serving.kserve.io/deploymentMode")
NOTES = ("spec", "predictor", "annotations")
GONE = object()

needs_the_crds = pytest.mark.skipif(
    not strict.crds_are_here(), reason="no CRDs at ../shared/data/crds"
)


@dataclass(frozen=True)
class Planted:
    """A fault: what is changed in which manifest, and the rule that must complain of it.

    A path is written with dots, or as a tuple where a key has dots of its own.
    """

    sentence: str
    rule: rules.Rule
    where: str
    changes: dict[str | tuple[str, ...], Any]

    def plant(self, manifests: list[dict[str, Any]]) -> None:
        target = next(each for each in manifests if title(each) == self.where)
        for path, value in self.changes.items():
            change(target, path.split(".") if isinstance(path, str) else list(path), value)


def change(target: Any, path: list[str], value: Any) -> None:
    *way, last = [int(step) if step.isdigit() else step for step in path]
    for step in way:
        target = target[step] if isinstance(step, int) else target.setdefault(step, {})
    if value is GONE:
        del target[last]
    elif last == "+":
        target.append(value)
    else:
        target[last] = value


UNACCEPTABLE = (
    (
        "timeoutSeconds in place of timeout",
        AGENT,
        {f"{PREDICTOR}.timeoutSeconds": 300, f"{PREDICTOR}.timeout": GONE},
    ),
    ("an unknown field of the predictor", AGENT, {f"{PREDICTOR}.replicas": 2}),
    ("an unknown field deep inside", AGENT, {f"{CONTAINER}.readinessProbe.httpGet.url": "/"}),
    ("a field in snake case", AGENT, {f"{PREDICTOR}.min_replicas": 1}),
    ("a number as text", AGENT, {f"{PREDICTOR}.minReplicas": "1"}),
    ("a text as a number", AGENT, {f"{CONTAINER}.env.0.value": 8000}),
    ("a truth value for a number", AGENT, {f"{PREDICTOR}.timeout": True}),
    ("a map in place of a list", AGENT, {f"{CONTAINER}.args": {"--workers": "1"}}),
    ("an annotation that is no text", LLM, {(*NOTES, "prometheus.io/scrape"): True}),
    ("a container without its name", AGENT, {f"{CONTAINER}.name": GONE}),
    ("a field that only other runtimes have", LLM, {f"{MODEL}.modelName": "llm"}),
)
UNACCEPTABLE_TO_THE_CRD = (
    ("a scale metric that does not exist", AGENT, {f"{PREDICTOR}.scaleMetric": "gpu"}),
    ("an amount that cannot be read", AGENT, {f"{CONTAINER}.resources.limits.memory": "4 GB"}),
)
UNACCEPTABLE_TO_KUBERNETES = (
    ("an unknown field of a set", CHROMA, {"spec.replica": 1}),
    ("an unknown field of its pod", CHROMA, {"spec.template.spec.enableServiceLink": False}),
    ("a number as text", CHROMA, {"spec.replicas": "1"}),
    ("a set without its Service", CHROMA, {"spec.serviceName": GONE, "spec.selector": GONE}),
    ("an unknown field of a Service", "Service/chroma", {"spec.ports.0.containerPort": 8000}),
    ("an unknown field of an account", "ServiceAccount/llm-server", {"secret": "llm-hub-token"}),
    ("an unknown field of a policy", "NetworkPolicy/chroma", {"spec.ingress.0.form": []}),
    ("a kind that nobody knows", CHROMA, {"kind": "StatefulSets"}),
)
UNWISE = (
    Planted(
        "an object in no namespace of ours",
        rules.everything_lives_in_a_namespace_we_make,
        "Service/chroma",
        {"metadata.namespace": "default"},
    ),
    Planted(
        "an object written twice",
        rules.no_object_is_written_twice,
        "ServiceAccount/rag-agent",
        {"metadata.name": "llm-server"},
    ),
    Planted(
        "a namespace that lets everything in",
        rules.the_namespace_has_a_security_level,
        "Namespace/kubeflow-user",
        {("metadata", "labels", "pod-security.kubernetes.io/enforce"): "privileged"},
    ),
    Planted("no deployment mode", rules.the_deployment_mode_is_said, AGENT, {MODE: GONE}),
    Planted(
        "a deployment mode under its old name",
        rules.the_deployment_mode_is_said,
        AGENT,
        {MODE: "RawDeployment"},
    ),
    Planted(
        "a model format in the wrong case",
        rules.the_model_format_is_the_runtimes,
        LLM,
        {f"{MODEL}.modelFormat.name": "vllm"},
    ),
    Planted(
        "a runtime that does not exist",
        rules.the_model_format_is_the_runtimes,
        LLM,
        {f"{MODEL}.runtime": "kserve-vllm"},
    ),
    Planted("a second port in Knative mode", rules.knative_has_one_port, AGENT, {MODE: "Knative"}),
    Planted(
        "a toleration in Knative mode",
        rules.knative_gets_no_flagged_field,
        LLM,
        {f"{PREDICTOR}.tolerations": [{"operator": "Exists"}]},
    ),
    Planted(
        "a min-scale annotation in place of minReplicas",
        rules.replicas_are_set_by_fields,
        LLM,
        {(*NOTES, "autoscaling.knative.dev/min-scale"): "0"},
    ),
    Planted(
        "no minReplicas", rules.replicas_are_set_by_fields, LLM, {f"{PREDICTOR}.minReplicas": GONE}
    ),
    Planted(
        "Knative's annotations in RawDeployment mode",
        rules.only_knative_has_knative_annotations,
        LLM,
        {MODE: "RawDeployment"},
    ),
    Planted(
        "zero replicas in Standard mode",
        rules.only_knative_sleeps,
        AGENT,
        {f"{PREDICTOR}.minReplicas": 0},
    ),
    Planted(
        "a timeout shorter than a cold start",
        rules.a_sleeper_is_given_time_to_wake,
        LLM,
        {f"{PREDICTOR}.timeout": 60},
    ),
    Planted(
        "a timeout longer than Knative allows",
        rules.a_sleeper_is_given_time_to_wake,
        LLM,
        {f"{PREDICTOR}.timeout": 900},
    ),
    Planted(
        "no progress deadline",
        rules.a_sleeper_is_given_time_to_wake,
        LLM,
        {(*NOTES, "serving.knative.dev/progress-deadline"): GONE},
    ),
    Planted(
        "a retention longer than Knative allows",
        rules.a_sleeper_is_given_time_to_wake,
        LLM,
        {(*NOTES, "autoscaling.knative.dev/scale-to-zero-pod-retention-period"): "2h"},
    ),
    Planted(
        "the latest image",
        rules.images_and_models_are_pinned,
        AGENT,
        {f"{CONTAINER}.image": "registry.example:5000/agentic-rag/rag-agent:latest"},
    ),
    Planted(
        "an image with no tag",
        rules.images_and_models_are_pinned,
        AGENT,
        {f"{CONTAINER}.image": "registry.example:5000/agentic-rag/rag-agent"},
    ),
    Planted(
        "the runtime's own image, which is the latest",
        rules.images_and_models_are_pinned,
        LLM,
        {f"{MODEL}.runtimeVersion": GONE},
    ),
    Planted(
        "whatever revision the model has today",
        rules.images_and_models_are_pinned,
        LLM,
        {f"{MODEL}.storageUri": "hf://Qwen/Qwen2.5-0.5B-Instruct"},
    ),
    Planted(
        "a key written out",
        rules.no_secret_is_in_git,
        AGENT,
        {f"{CONTAINER}.env.2": {"name": "LLM_API_KEY", "value": "changeme"}},
    ),
    Planted(
        "a key in an argument",
        rules.no_secret_is_in_git,
        LLM,
        {f"{MODEL}.args.+": "--api-key=sk-" + "a1B2" * 8},
    ),
    Planted(
        "a Secret that a pod cannot do without",
        rules.no_secret_is_required,
        AGENT,
        {f"{CONTAINER}.env.2.valueFrom.secretKeyRef.optional": False},
    ),
    Planted(
        "an account that does not exist",
        rules.service_accounts_exist,
        LLM,
        {f"{PREDICTOR}.serviceAccountName": "hub"},
    ),
    Planted(
        "a renamed LLM service",
        rules.the_agent_calls_an_llm_that_exists,
        LLM,
        {"metadata.name": "qwen"},
    ),
    Planted(
        "an LLM in another namespace",
        rules.the_agent_calls_an_llm_that_exists,
        LLM,
        {"metadata.namespace": "models"},
    ),
    Planted(
        "an LLM address without /v1",
        rules.the_agent_calls_an_llm_that_exists,
        AGENT,
        {f"{CONTAINER}.env.0.value": "http://llm-server-predictor.kubeflow-user.svc.cluster.local"},
    ),
    Planted(
        "the container's port in the LLM's address",
        rules.the_agent_calls_an_llm_that_exists,
        AGENT,
        {
            f"{CONTAINER}.env.0.value": "http://llm-server-predictor.kubeflow-user.svc.cluster.local"
            ":8080/v1"
        },
    ),
    Planted(
        "a model name that is not served",
        rules.the_agent_asks_for_the_served_model,
        AGENT,
        {f"{CONTAINER}.env.1.value": "Qwen/Qwen2.5-0.5B-Instruct"},
    ),
    Planted(
        "a served name that the agent does not know",
        rules.the_agent_asks_for_the_served_model,
        LLM,
        {f"{MODEL}.args.+": "--served-model-name=qwen"},
    ),
    Planted(
        "a Chroma server that does not exist",
        rules.the_chroma_host_exists,
        AGENT,
        {f"{CONTAINER}.env.+": {"name": "CHROMA_HOST", "value": "chromadb.default"}},
    ),
    Planted(
        "a readiness probe on the root",
        rules.probes_can_fail,
        AGENT,
        {f"{CONTAINER}.readinessProbe.httpGet.path": "/"},
    ),
    Planted(
        "a readiness probe on the server's health",
        rules.probes_can_fail,
        AGENT,
        {f"{CONTAINER}.readinessProbe.httpGet.path": "/v2/health/ready"},
    ),
    Planted(
        "no readiness probe, so KServe's on the bare port",
        rules.probes_can_fail,
        AGENT,
        {f"{CONTAINER}.readinessProbe": GONE},
    ),
    Planted(
        "a probe of a port that nobody opens",
        rules.probes_can_fail,
        CHROMA,
        {"spec.template.spec.containers.0.livenessProbe.httpGet.port": 8001},
    ),
    Planted(
        "a readiness probe of another model",
        rules.the_agent_is_ready_when_its_model_is,
        AGENT,
        {f"{CONTAINER}.readinessProbe.httpGet.path": "/v2/models/model/ready"},
    ),
    Planted(
        "a model served under another name",
        rules.the_agent_is_ready_when_its_model_is,
        AGENT,
        {f"{CONTAINER}.args.0": "--model_name=model"},
    ),
    Planted(
        "no runAsNonRoot",
        rules.pods_are_restricted,
        AGENT,
        {
            f"{PREDICTOR}.securityContext.runAsNonRoot": GONE,
            f"{CONTAINER}.securityContext.runAsNonRoot": GONE,
        },
    ),
    Planted(
        "the root user",
        rules.pods_are_restricted,
        AGENT,
        {f"{PREDICTOR}.securityContext.runAsUser": 0},
    ),
    Planted(
        "a capability kept",
        rules.pods_are_restricted,
        LLM,
        {f"{MODEL}.securityContext.capabilities": {"drop": ["NET_RAW"]}},
    ),
    Planted(
        "a folder of the host",
        rules.pods_are_restricted,
        AGENT,
        {f"{PREDICTOR}.volumes.+": {"name": "host", "hostPath": {"path": "/"}}},
    ),
    Planted(
        "a root that can be written to",
        rules.roots_are_read_only,
        AGENT,
        {f"{CONTAINER}.securityContext.readOnlyRootFilesystem": GONE},
    ),
    Planted(
        "a DATA_DIR on no volume",
        rules.what_is_written_has_a_volume,
        AGENT,
        {f"{CONTAINER}.env.4.value": "/data"},
    ),
    Planted(
        "a mount of no volume",
        rules.what_is_written_has_a_volume,
        CHROMA,
        {"spec.volumeClaimTemplates.0.metadata.name": "index"},
    ),
    Planted(
        "memory without a limit",
        rules.resources_are_bounded,
        AGENT,
        {f"{CONTAINER}.resources.limits.memory": GONE},
    ),
    Planted(
        "a GPU limited but not requested",
        rules.resources_are_bounded,
        LLM,
        {(*MODEL.split("."), "resources", "requests", "nvidia.com/gpu"): GONE},
    ),
    Planted(
        "KServe's scraping annotation",
        rules.prometheus_finds_the_metrics,
        AGENT,
        {(*NOTES, "serving.kserve.io/enable-prometheus-scraping"): "true"},
    ),
    Planted(
        "metrics looked for at the queue-proxy",
        rules.prometheus_finds_the_metrics,
        AGENT,
        {(*NOTES, "prometheus.io/port"): "9091"},
    ),
    Planted(
        "the Service's variables in the agent's environment",
        rules.services_do_not_become_settings,
        AGENT,
        {f"{PREDICTOR}.enableServiceLinks": GONE},
    ),
    Planted(
        "a pod killed with answers in flight",
        rules.a_pod_ends_after_its_answers,
        AGENT,
        {f"{PREDICTOR}.terminationGracePeriodSeconds": 30},
    ),
    Planted(
        "a Service with nothing behind it",
        rules.services_lead_to_pods,
        "Service/chroma",
        {("spec", "selector", "app.kubernetes.io/name"): "chromadb"},
    ),
    Planted(
        "a second Chroma on the same data",
        rules.chroma_is_one_and_locked,
        CHROMA,
        {"spec.replicas": 2},
    ),
    Planted(
        "a Chroma open to every pod",
        rules.chroma_is_one_and_locked,
        "NetworkPolicy/chroma",
        {"spec.ingress.0.from": GONE},
    ),
    Planted(
        "a Chroma closed to the agent",
        rules.chroma_is_one_and_locked,
        AGENT,
        {f"{PREDICTOR}.labels": GONE},
    ),
)


def planted(faults, *accepted_by):
    return [
        pytest.param(Planted(sentence, rule, where, changes), id=f"{sentence} ({rule.__name__})")
        for sentence, where, changes in faults
        for rule in accepted_by
    ]


@pytest.fixture(scope="module")
def written():
    return read_manifests()


@pytest.fixture
def manifests(written):
    return copy.deepcopy(written)


def test_every_kind_of_the_stack_is_there(manifests):
    assert {AGENT, LLM, CHROMA, "Namespace/kubeflow-user"} <= {title(each) for each in manifests}


def test_a_key_written_twice_is_refused():
    with pytest.raises(yaml.YAMLError, match="written twice: timeout"):
        read_text("spec:\n  timeout: 60\n  timeout: 600\n")


def test_the_python_models_accept_every_manifest(manifests):
    assert strict.accepted_by_the_models(manifests) == []


@needs_the_crds
def test_the_crds_accept_every_manifest(manifests):
    assert strict.accepted_by_the_crds(manifests) == []


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_the_manifests_keep_the_rule(rule, manifests):
    assert rule(manifests) == []


@pytest.mark.parametrize(
    "fault",
    planted((*UNACCEPTABLE, *UNACCEPTABLE_TO_KUBERNETES), strict.accepted_by_the_models),
)
def test_the_python_models_refuse(fault, manifests):
    fault.plant(manifests)

    assert len(fault.rule(manifests)) == 1


@needs_the_crds
@pytest.mark.parametrize(
    "fault", planted((*UNACCEPTABLE, *UNACCEPTABLE_TO_THE_CRD), strict.accepted_by_the_crds)
)
def test_the_crds_refuse(fault, manifests):
    fault.plant(manifests)

    assert fault.rule(manifests)


@pytest.mark.parametrize("fault", UNWISE, ids=lambda fault: fault.sentence)
def test_a_planted_fault_is_caught(fault, manifests):
    fault.plant(manifests)

    assert fault.rule(manifests)


def test_every_rule_is_shown_to_fail():
    assert set(rules.RULES) == {fault.rule for fault in UNWISE}


@pytest.mark.parametrize("values", [{"LLM_API_KEY": "c2VjcmV0"}, {"LLM_API_KEY": ""}, {}])
def test_a_second_secret_that_would_overwrite_the_real_one_is_caught(values, manifests):
    name = {"name": "rag-agent-keys", "namespace": "kubeflow-user"}

    manifests.append({"apiVersion": "v1", "kind": "Secret", "metadata": name, "data": values})

    assert rules.no_secret_is_in_git(manifests)


def test_a_secret_under_a_name_that_nobody_asks_for_is_caught_by_its_value(manifests):
    name = {"name": "keys-example", "namespace": "kubeflow-user"}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": name}

    manifests.append({**secret, "stringData": {"LLM_API_KEY": "<your key>"}})

    assert rules.no_secret_is_in_git(manifests) == ["Secret/keys-example: holds values"]


def test_every_secret_that_is_asked_for_is_explained(manifests):
    explained = (INFRA / "kserve" / "secrets.yaml").read_text("utf-8")

    references = [
        variable["valueFrom"]["secretKeyRef"]
        for pod in pods(manifests)
        for container in pod.containers
        for variable in container.get("env", [])
        if "valueFrom" in variable
    ]

    assert references
    for each in references:
        assert re.search(rf"^#   {each['name']} +{each['key']} ", explained, re.MULTILINE)


def test_every_variable_of_the_agent_is_a_setting(manifests):
    from agentic_rag.settings import Settings

    known = {name.upper() for name in Settings.model_fields}

    for pod in agents(manifests):
        for container in pod.containers:
            assert set(environment(container)) <= known


def test_every_value_of_the_agent_is_one_that_its_setting_takes(manifests):
    from agentic_rag.settings import Settings

    given = {
        name.lower(): value
        for pod in agents(manifests)
        for container in pod.containers
        for name, value in environment(container).items()
        if value is not None
    }

    settings = Settings(_env_file=None, **given)

    assert settings.llm_base_url == given["llm_base_url"]


def test_the_chroma_server_has_the_version_of_its_client(manifests):
    (owner,) = of_kind(manifests, "StatefulSet")

    image = owner["spec"]["template"]["spec"]["containers"][0]["image"]

    assert image == f"chromadb/chroma:{version('chromadb')}"


def test_every_file_says_why_it_is_as_it_is():
    for file in INFRA.rglob("*.yaml"):
        assert file.read_text("utf-8").startswith("# "), file.name
