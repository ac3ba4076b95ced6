"""The manifests hold together, and each check is shown to catch the fault that it is for."""

import copy
import re
import shutil
from importlib.metadata import version
from os.path import relpath

import pytest
import yaml
from tests.infra import rules, strict
from tests.infra.faults import RULES, read_faults
from tests.infra.manifests import (
    INFRA,
    OVERLAYS,
    annotations,
    build,
    components_that_nothing_takes,
    externals,
    of_kind,
    pods,
    read_manifests,
    read_text,
    title,
)
from tests.infra.rules import modes

EVERYWHERE = ("", *OVERLAYS)  # "": the files that are applied as they are
FAULTS = read_faults()
ON = {  # what a component is laid over, where that is not overlays/standard-keda
    "affinity-dns": "knative",
    "affinity-endpointslices": "knative",
    "ingress-nginx": "knative",
    "modelcar": "cpu-lab",
    "models-s3": "openshift-s3",
    "policies-knative": "knative",
}

BY_CRDS = {"accepted_by_the_schemas", "accepted_by_the_rules_of_crds"}

needs_the_crds = pytest.mark.skipif(
    not strict.crds_are_here(), reason="no CRDs at ../shared/data/crds"
)
has_kubectl = shutil.which("kubectl") is not None


@pytest.fixture(scope="module")
def written():
    """Read or build each once, at its first use."""
    known = {}

    def read(overlay):
        if overlay and not has_kubectl:
            pytest.skip("no kubectl builds the overlays here")
        if overlay not in known:
            known[overlay] = build(INFRA / "overlays" / overlay) if overlay else read_manifests()
        return copy.deepcopy(known[overlay])

    return read


@pytest.fixture
def manifests(written):
    return written("")


def by_name(overlay):
    return overlay or "plain files"


def rules_of(overlay):
    return (*rules.RULES, *(() if overlay else rules.PLAIN))


def test_every_kind_of_the_stack_is_there(manifests):
    assert {title(each) for each in manifests} >= {
        "InferenceService/rag-agent",
        "InferenceService/llm-server",
        "StatefulSet/chroma",
        "Namespace/kubeflow-user",
    }


def test_every_way_of_deploying_has_its_overlay():
    promised = {"cpu-lab", "knative", "multi-replica", "openshift-s3", "standard-keda"}

    assert promised <= set(OVERLAYS)


def test_a_laptop_reaches_the_lab_at_its_nodes_ports(written):
    services = of_kind(written("cpu-lab"), "Service")

    opened = {
        port["nodePort"]: service["spec"]["selector"]["app.kubernetes.io/name"]
        for service in services
        for port in service["spec"]["ports"]
    }
    assert opened == {30200: "llm-server", 30300: "rag-agent"}


def test_no_overlay_sleeps_but_by_knative_or_keda(written):
    asleep = {
        overlay: annotations(service)
        for overlay in OVERLAYS
        for service in of_kind(written(overlay), "InferenceService")
        if service["spec"]["predictor"]["minReplicas"] == 0
    }

    assert set(asleep) == {"knative", "standard-keda"}
    assert asleep["knative"][modes.MODE] == "Knative"
    assert asleep["standard-keda"][modes.AUTOSCALER] == "keda"


def test_a_key_written_twice_is_refused():
    with pytest.raises(yaml.YAMLError, match="written twice: timeout"):
        read_text("spec:\n  timeout: 60\n  timeout: 600\n")


@pytest.mark.parametrize("overlay", EVERYWHERE, ids=by_name)
def test_kserves_python_models_accept_every_object(overlay, written):
    assert strict.accepted_by_kserves_models(written(overlay)) == []


@needs_the_crds
@pytest.mark.parametrize("overlay", EVERYWHERE, ids=by_name)
def test_the_strict_schemas_accept_every_object(overlay, written):
    assert strict.accepted_by_the_schemas(written(overlay)) == []


@needs_the_crds
@pytest.mark.parametrize("overlay", EVERYWHERE, ids=by_name)
def test_the_rules_of_the_crds_accept_every_object(overlay, written):
    assert strict.accepted_by_the_rules_of_crds(written(overlay)) == []


@pytest.mark.parametrize(
    ("overlay", "rule"),
    [
        pytest.param(overlay, rule, id=f"{by_name(overlay)}-{rule.__name__}")
        for overlay in EVERYWHERE
        for rule in rules_of(overlay)
    ],
)
def test_the_manifests_keep_the_rule(overlay, rule, written):
    assert rule(written(overlay)) == []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.sentence)
def test_a_planted_fault_is_caught(fault, written):
    if fault.rules[0] in BY_CRDS and not strict.crds_are_here():
        pytest.skip("no CRDs at ../shared/data/crds")
    manifests = written(fault.overlay)  # of which no rule complains, as is shown above

    fault.plant(manifests)

    assert all(fault.complaints(manifests))


@needs_the_crds
@pytest.mark.parametrize("component", components_that_nothing_takes())
def test_an_overlay_with_another_component_keeps_every_rule(component, tmp_path):
    overlay = INFRA / "overlays" / ON.get(component.partition("/")[0], "standard-keda")
    if not has_kubectl:
        pytest.skip("no kubectl builds the overlays here")
    kustomization = {
        "resources": [relpath(overlay, tmp_path)],
        "components": [relpath(INFRA / "components" / component, tmp_path)],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization), "utf-8")

    manifests = build(tmp_path)

    assert [fault for rule in (*strict.RULES, *rules.RULES) for fault in rule(manifests)] == []


def test_every_rule_is_shown_to_fail():
    shown = {rule for fault in FAULTS for rule in fault.rules}

    assert shown == set(RULES)


def test_no_two_faults_are_one():
    sentences = [fault.sentence for fault in FAULTS]

    assert len(sentences) == len(set(sentences))


@pytest.mark.parametrize("values", [{"LLM_API_KEY": "c2VjcmV0"}, {"LLM_API_KEY": ""}, {}])
def test_a_second_secret_that_would_overwrite_the_real_one_is_caught(values, manifests):
    name = {"name": "rag-agent-keys", "namespace": "kubeflow-user"}

    manifests.append({"apiVersion": "v1", "kind": "Secret", "metadata": name, "data": values})

    assert rules.keeping.no_secret_is_in_git(manifests)


def test_a_secret_under_a_name_that_nobody_asks_for_is_caught_by_its_value(manifests):
    name = {"name": "keys-example", "namespace": "kubeflow-user"}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": name}

    manifests.append({**secret, "stringData": {"LLM_API_KEY": "<your key>"}})

    (fault,) = rules.keeping.no_secret_is_in_git(manifests)
    assert fault.startswith("Secret/keys-example: data: holds values")


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


def test_every_external_says_why():
    for each in externals():
        assert set(each) == {"kind", "name", "keys", "why"}, each
        assert each["why"]


def test_the_chroma_server_has_the_version_of_its_client(manifests):
    (owner,) = of_kind(manifests, "StatefulSet")

    image = owner["spec"]["template"]["spec"]["containers"][0]["image"]

    assert image == f"chromadb/chroma:{version('chromadb')}"


def test_every_file_says_why_it_is_as_it_is():
    for file in INFRA.rglob("*.yaml"):
        assert file.read_text("utf-8").startswith("# "), file.name
