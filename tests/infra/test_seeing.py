"""Monitors, rules, dashboard and collector: every overlay takes them, and they fit together."""

import json
import re
import shutil
from os.path import relpath

import pytest
import yaml
from tests.dashboard import panels
from tests.infra import rules, strict
from tests.infra.manifests import INFRA, OVERLAYS, REPO, build, of_kind
from tests.infra.test_alerts import ALERTS

from agentic_rag.settings import Settings

BOARD = INFRA / "components" / "dashboard" / "agentic-rag.json"
ROWS = ["Agent", "Sleep", "Trust", "vLLM", "Chroma", "Cost saved"]
needs = pytest.mark.skipif(
    not (shutil.which("kubectl") and strict.crds_are_here()),
    reason="no kubectl, or no CRDs at ../shared/data/crds",
)


@needs
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_overlay_can_be_seen(overlay, tmp_path):
    folder = INFRA / "overlays" / overlay
    told = yaml.safe_load((folder / "kustomization.yaml").read_text("utf-8"))
    has = {each.rpartition("/")[2] for each in told["components"]}
    wanted = ["monitoring", "dashboard", "metrics-key"]
    if has & {
        "policies",
        "policies-knative",
    }:  # where none guards, one way out would close the rest
        wanted.append("chroma-otel" if "chroma" in has else "otel")
    kustomization = {
        "resources": [relpath(folder, tmp_path)],
        "components": [
            relpath(INFRA / "components" / each, tmp_path) for each in wanted if each not in has
        ],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization), "utf-8")

    manifests = build(tmp_path)

    assert [fault for rule in (*strict.RULES, *rules.RULES) for fault in rule(manifests)] == []
    monitors = {each["metadata"]["name"] for each in of_kind(manifests, "PodMonitor")}
    assert monitors >= {"rag-agent", "llm-server"}


def test_the_collectors_pipelines_are_of_parts_that_it_has_and_its_ports_are_open():
    folder = INFRA / "components" / "otel"
    config, deployment = (
        yaml.safe_load((folder / name).read_text("utf-8"))
        for name in ("config.yaml", "deployment.yaml")
    )
    (container,) = deployment["spec"]["template"]["spec"]["containers"]

    told = yaml.safe_load(config["data"]["config.yaml"])

    service = told["service"]
    assert set(service["extensions"]) <= set(told["extensions"])
    for pipeline in service["pipelines"].values():
        for kind, names in pipeline.items():
            assert set(names) <= set(told[kind])
    listening = set(re.findall(r"0\.0\.0\.0:(\d+)", config["data"]["config.yaml"]))
    assert listening == {str(each["containerPort"]) for each in container["ports"]}
    health = told["extensions"]["health_check"]["path"]
    assert container["readinessProbe"]["httpGet"]["path"] == health


def test_the_dashboard_has_its_rows_and_no_number_twice():
    board = json.loads(BOARD.read_text("utf-8"))

    found = board["panels"]
    assert [panel["title"] for panel in found if panel["type"] == "row"] == ROWS
    numbers = [panel["id"] for panel in found]
    assert len(numbers) == len(set(numbers))
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in found]
    assert len(places) == len(set(places))
    assert panels("chroma_")


def test_the_runbook_has_a_section_for_each_alert_and_no_other():
    page = (REPO / "docs" / "runbook.md").read_text("utf-8")

    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^#|\Z)", page, re.MULTILINE | re.DOTALL))

    assert set(sections) == set(ALERTS)
    for name, text in sections.items():
        assert re.findall(r"^\*\*(\w[\w ]+)\*\*: ", text, re.MULTILINE) == [
            "Means",
            "Look at",
            "Do",
        ], name


def test_every_setting_that_the_runbook_names_is_one():
    page = (REPO / "docs" / "runbook.md").read_text("utf-8")

    named = {name.lower() for name in re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", page)}

    assert named
    assert named <= set(Settings.model_fields)


def test_a_row_that_the_runbook_sends_to_is_on_the_dashboard():
    page = (REPO / "docs" / "runbook.md").read_text("utf-8")
    titles = {panel["title"] for panel in json.loads(BOARD.read_text("utf-8"))["panels"]}

    named = re.findall(r"row (\w+)(?:, \"([^\"]+)\")?(?: and \"([^\"]+)\")?", page)

    assert named
    assert {word for found in named for word in found if word} <= titles


def test_an_alert_that_a_panel_names_is_there():
    named = set(re.findall(r"Runbook: (\w+)", BOARD.read_text("utf-8")))

    assert named
    assert named <= set(ALERTS)
