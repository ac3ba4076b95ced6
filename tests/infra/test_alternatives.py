"""infra/alternatives: held to the rules as the overlays are, less what KServe's own presets bring.

KServe's CRD of LLMInferenceService is not at hand: tests/infra/schemas has what is used of it.
"""

import re

import pytest
import yaml
from tests.infra import rules, strict
from tests.infra.manifests import INFRA, Manifest, read_manifests, read_text, title

HERE = INFRA / "alternatives"
PRESET = {  # what KServe lays under it has, or takes away
    "images_are_pinned",
    "probes_can_fail",
    "roots_are_read_only",
    "every_variable_is_known_to_its_image",
}
RULES = [rule for rule in (*strict.RULES, *rules.RULES) if rule.__name__ not in PRESET]
VALUES = {  # of helm/values.yaml of vllm-project/production-stack, what is used here
    "name": str,
    "repository": str,
    "tag": str,
    "modelURL": str,
    "replicaCount": int,
    "requestCPU": int,
    "requestMemory": str,
    "requestGPU": int,
    "vllmConfig": dict,
}
ROUTING = {"roundrobin", "session", "kvaware", "prefixaware", "disaggregated_prefill"}


@pytest.fixture
def base() -> Manifest:
    return next(e for e in read_manifests() if title(e) == "InferenceService/llm-server")


@pytest.fixture
def alternative() -> Manifest:
    (found,) = read_text((HERE / "llminferenceservice.yaml").read_text("utf-8"))
    return found


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_kserves_own_service_for_llms_keeps_the_rule(rule, alternative):
    beside = [each for each in read_manifests() if each["kind"] in {"Namespace", "ServiceAccount"}]

    assert rule([*beside, alternative]) == []


def test_it_is_the_same_model_as_the_bases_under_the_same_name(alternative, base):
    model = base["spec"]["predictor"]["model"]

    assert alternative["spec"]["model"] == {"uri": model["storageUri"], "name": "llm-server"}
    assert alternative["metadata"]["name"] == base["metadata"]["name"]


def test_the_production_stack_has_the_bases_model_and_its_vllm(base):
    values = yaml.safe_load((HERE / "production-stack.yaml").read_text("utf-8"))
    model = base["spec"]["predictor"]["model"]
    (spec,) = values["servingEngineSpec"]["modelSpec"]

    assert set(values) == {"servingEngineSpec", "routerSpec"}
    assert values["routerSpec"] in [{"routingLogic": logic} for logic in ROUTING]
    assert {key: type(value) for key, value in spec.items()} == VALUES
    assert set(spec["vllmConfig"]) == {"maxModelLen", "extraArgs"}
    assert spec["tag"] == model["runtimeVersion"]
    uri = re.fullmatch(r"hf://(.+):([0-9a-f]{40})", model["storageUri"])
    assert uri and spec["modelURL"] == uri[1]
    assert spec["vllmConfig"]["extraArgs"] == [
        f"--revision={uri[2]}",
        f"--tokenizer-revision={uri[2]}",
    ]
    assert f"--max-model-len={spec['vllmConfig']['maxModelLen']}" in model["args"]
