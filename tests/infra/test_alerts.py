"""Alerts: each fires when it should, is silent when it should, and says what to do."""

import copy
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.infra.manifests import INFRA, NoDuplicates, read_text
from tests.infra.rules.queries import rules_of

pytestmark = pytest.mark.skipif(
    not shutil.which("promtool"), reason="promtool is not installed (Debian: prometheus)"
)

Rule = dict[str, Any]
Case = dict[str, Any]
Groups = dict[str, list[Rule]]

GROUPS = {
    manifest["metadata"]["name"]: rules_of(manifest)
    for file in sorted((INFRA / "components").rglob("rules*.yaml"))
    for manifest in read_text(file.read_text("utf-8"))
}
ALERTS = {rule["alert"]: rule for rules in GROUPS.values() for rule in rules if "alert" in rule}
CASES = yaml.load((Path(__file__).parent / "alerts.yaml").read_text("utf-8"), Loader=NoDuplicates)
LIMIT_S = 600


def promtool(folder: Path, groups: Groups, cases: list[Case]) -> str:
    """Run cases, each over the rules of its group; returns what failed."""
    for name, rules in groups.items():
        written = {"groups": [{"name": name, "rules": rules}]}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(written), "utf-8")
    files = [
        written_case(folder, f"case-{n}.yaml", case, name)
        for n, case in enumerate(cases)
        for name, rules in groups.items()
        if case["alert"] in [rule.get("alert") for rule in rules]
    ]
    done = run("test", "rules", *files, cwd=folder)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def run(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["promtool", *words], cwd=cwd, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )


def written_case(folder: Path, name: str, case: Case, group: str) -> str:
    """Write a case as a file of its own: a day is looked at four times an hour, for it is long."""
    tests = {
        "rule_files": [f"{group}.yaml"],
        "evaluation_interval": "1m" if len(case["at"]) < len("100m") else "15m",
        "tests": [as_promtool_has_it(case)],
    }
    (folder / name).write_text(yaml.safe_dump(tests), "utf-8")
    return name


def as_promtool_has_it(case: Case) -> dict[str, Any]:
    rule = ALERTS[case["alert"]]
    fired = [
        {
            "exp_labels": rule["labels"] | labels,
            "exp_annotations": {
                name: filled_in(text, labels) for name, text in rule["annotations"].items()
            },
        }
        for labels in case["fires"]
    ]
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": v} for name, v in case["series"].items()],
        "alert_rule_test": [
            {"eval_time": case["at"], "alertname": case["alert"], "exp_alerts": fired}
        ],
    }


def filled_in(text: str, labels: dict[str, str]) -> str:
    return re.sub(r"{{ \$labels\.(\w+) }}", lambda found: labels[found[1]], text)


def test_promtool_accepts_every_rule(tmp_path):
    rules = [rule for group in GROUPS.values() for rule in group]
    written = {"groups": [{"name": "all", "rules": rules}]}
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(written), "utf-8")

    done = run("check", "rules", "rules.yaml", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert f"{len(rules)} rules found" in done.stdout


def test_every_alert_fires_when_it_should_and_is_silent_when_it_should(tmp_path):
    assert promtool(tmp_path, GROUPS, CASES) == ""


@pytest.mark.parametrize("fires", [True, False], ids=["fires", "is silent"])
def test_every_alert_has_a_case_in_which_it(fires):
    shown = {case["alert"] for case in CASES if bool(case["fires"]) == fires}

    assert shown == set(ALERTS)


def test_without_its_threshold_each_alert_would_fire_in_a_case_of_silence(tmp_path):
    groups = copy.deepcopy(GROUPS)
    for rule in (rule for rules in groups.values() for rule in rules if "alert" in rule):
        rule["expr"] = re.sub(r"> [\d.]+", "> -1", rule["expr"])
        rule.pop("for", None)
    spoilt = {
        rule["alert"]
        for rules in groups.values()
        for rule in rules
        if "alert" in rule and rule["expr"] != ALERTS[rule["alert"]]["expr"]
    }

    told = promtool(tmp_path, groups, [case for case in CASES if not case["fires"]])

    assert spoilt
    assert spoilt <= set(re.findall(r"alertname: ?(\w+)", told))
