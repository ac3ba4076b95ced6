"""The workflows of infra: their words, in their order, bring a version to live and back."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.adapting.works import Works
from tests.integration.adapters.test_measuring import FLOORS, GOLDEN, RIGHT
from tests.integration.servers import environment

from agentic_rag.adapters.gates import Gate

pytestmark = pytest.mark.soak  # each step is a process of its own

HERE = Path(__file__).resolve().parents[3] / "infra" / "components" / "adapters-workflows"
PINNED = "{{=jsonpath(steps.load.outputs.parameters.result, '$.version')}}"

Step = dict[str, Any]


def templates(workflow: str) -> dict[str, Step]:
    (written,) = yaml.safe_load_all((HERE / f"{workflow}.yaml").read_text("utf-8"))
    return {each["name"]: each for each in written["spec"]["templates"]}


@dataclass
class Hands:
    """Does what Argo would, a step at a time: in order, to the first that fails, then the handler.

    Attributes:
        before: what else happens just before a step, by its name.
        did: the steps that ran, by template.
        results: what each put out, by name; `failures` are those that ended otherwise than well.
    """

    folder: Path
    settings: dict[str, str]
    before: dict[str, Callable[[], None]] = field(default_factory=dict)
    did: list[str] = field(default_factory=list)
    results: dict[str, Any] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def run(self, workflow: str, version: str) -> None:
        own = templates(workflow)
        for step in (step for group in own["main"]["steps"] for step in group):
            if not self._step(step, version):
                break
        for step in (step for group in own.get("settle", {}).get("steps", []) for step in group):
            if self._is_wanted(step):
                self._step(step, version)

    def _is_wanted(self, step: Step) -> bool:
        when = step.get("when", "")
        looked_for = re.fullmatch(r"\{\{=workflow\.failures contains '(\w+)'\}\}", when)
        assert looked_for or not when
        return not looked_for or looked_for[1] in self.failures

    def _step(self, step: Step, version: str) -> bool:
        name, template = step["name"], step["templateRef"]["template"]
        self.before.get(name, lambda: None)()
        given = step.get("arguments", {"parameters": [{"value": ""}]})["parameters"][0]["value"]
        pinned = str(self.results.get("load", {}).get("version"))
        asked = given.replace("{{workflow.parameters.version}}", version).replace(PINNED, pinned)
        file = self.folder / f"{len(self.did)}.json"
        ended = self._type(template, asked, file)
        self.did.append(template)
        self.results[name] = json.loads(file.read_text("utf-8")) if file.exists() else {}
        if ended:
            self.failures.append(name)
        return ended == 0

    def _type(self, template: str, version: str, file: Path) -> int:
        (container,) = templates("steps")[template]["containerSet"]["containers"]
        words = [
            word.replace("{{inputs.parameters.version}}", version).replace(
                "/tmp/result.json", str(file)
            )
            for word in (*container["command"], *container["args"])
        ]
        written = {e["name"]: e["value"] for e in container["env"] if "value" in e}
        assert words[0] == "agentic-rag"
        return subprocess.run(
            [sys.executable, "-m", "agentic_rag", *words[1:]],
            env=environment(**written | self.settings),
            capture_output=True,
            timeout=300,
            check=False,
        ).returncode


@pytest.fixture
def hands(works, pack, tmp_path):
    suites = tmp_path / "suites"
    suites.mkdir()
    (suites / "golden.jsonl").write_text("\n".join(map(json.dumps, GOLDEN)))
    (suites / "thresholds.yaml").write_text(FLOORS)
    works.prefer(works.another(adapters_suites=suites))
    for replica in works.replicas:
        replica.chats = lambda body: RIGHT
    told = {name.upper(): str(value) for name, value in works.settings.items()}
    return Hands(
        folder=tmp_path,
        settings=told
        | {
            "ADAPTERS_SUITES": str(suites),
            "CLINIC_PACK": str(pack.folder),
            "DATA_DIR": str(tmp_path / "data"),
        },
    )


async def second_passed(works: Works) -> None:
    """Version 1 is live, and version 2 has come through both gates."""
    await works.promoted(0)
    await works.passed(1)


async def test_a_candidate_gets_live_by_the_words_of_the_workflows(works, hands):
    await works.promoted(0)
    await works.register(1)

    hands.run("deploy-evaluate", "alias:candidate")
    candidate = await works.bench.registry.version(2)
    await works.passes(Gate.LOAD_TEST, candidate)
    hands.run("promote", "alias:perf-passed")

    assert hands.failures == []
    assert hands.did == [
        *("load", "smoke", "stage", "evaluate"),
        *("load", "promote", "status", "follow", "status"),
    ]
    assert hands.results["evaluate"]["details"]["requests"] >= 20
    assert works.live() == 2
    assert (await works.aliases())["previous"] == 1


async def test_a_version_that_a_gate_refuses_costs_the_live_one_nothing(works, hands):
    await works.promoted(0)
    await works.staged(1)

    hands.run("promote", "version:2")

    assert hands.failures == ["promote"]
    assert hands.did == ["load", "promote", "follow", "status"]
    assert works.live() == 1


async def test_a_version_that_is_live_and_is_not_what_answers_is_taken_back(works, hands):
    await second_passed(works)
    name = f"{works.settings['adapters_name']}-v2"

    def other_weights() -> None:
        works.replicas[1].weights[name] = "of somebody else"

    hands.before["liveproof"] = other_weights
    hands.run("promote", "alias:perf-passed")

    assert hands.failures == ["liveproof"]
    assert hands.did == ["load", "promote", "status", "follow", "rollback", "status"]
    assert works.live() == 1
    assert (await works.aliases())["live"] == 1
