"""`agentic-rag adapters`, as people and workflows run it."""

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from tests.adapting.works import Works
from tests.integration.servers import environment

from agentic_rag.adapters.steps.restart import restart
from agentic_rag.deploying.cluster import Kubectl
from agentic_rag.errors import ClusterUnavailable


def run(works: Works, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    told = {name.upper(): str(value) for name, value in works.settings.items()}
    return subprocess.run(
        [sys.executable, "-m", "agentic_rag", "adapters", *words],
        env=environment(**told | settings),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.soak  # each step is a process of its own
async def test_a_version_goes_all_the_way_by_commands(works, tmp_path):
    result = tmp_path / "register.json"

    made = run(works, "register", str(works.adapters[0]), "--result", str(result))
    steps = [run(works, step, "alias:candidate", "--json") for step in ("load", "smoke", "stage")]
    forced = run(works, "promote", "version:1", "--force", "--reason", "the first", "--json")
    seen = run(works, "status", "--json")

    assert made.returncode == 0, made.stderr
    assert json.loads(result.read_text())["version"] == 1
    assert [json.loads(each.stdout)["step"] for each in steps] == ["load", "smoke", "stage"]
    assert json.loads(forced.stdout)["details"]["forced_for"] == "the first"
    assert json.loads(seen.stdout)["passed"]
    assert works.live() == 1


async def test_what_is_refused_is_one_line_and_no_traceback(works):
    await works.register(0)

    done = run(works, "promote", "version:1")

    assert done.returncode == 2
    assert "transition" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"ADAPTERS_KEY": "short"}, "ADAPTERS_KEY"),
        ({"MLFLOW_TRACKING_URI": ""}, "MLFLOW_TRACKING_URI"),
    ],
)
async def test_a_setting_that_is_missing_is_named(works, settings, said):
    done = run(works, "restore", **settings)

    assert done.returncode == 2
    assert said in done.stderr


async def test_a_password_in_the_registrys_address_is_told_to_nobody(works):
    address = works.registry.url.replace("//", "//anna:correct-horse@")
    works.registry.is_shut = True

    done = run(works, "restore", MLFLOW_TRACKING_URI=address)

    assert done.returncode == 1
    assert "registry" in done.stderr
    assert "correct-horse" not in done.stdout + done.stderr


@pytest.fixture
def kubectl(tmp_path, monkeypatch):
    """A kubectl that writes down what it is told, and ends as it is told."""

    def ending(code: int) -> Path:
        program, told = tmp_path / "kubectl", tmp_path / "told"
        program.write_text(f'#!/bin/sh\necho "$@" >> {told}\necho "error: no" >&2\nexit {code}\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        return told

    return ending


async def test_replicas_that_are_started_anew_are_looked_at(works, kubectl):
    told = kubectl(0)
    version = await works.promoted(0)

    done = await restart(works.bench, Kubectl(), workload="deployment/llm", namespace="clinic")

    assert told.read_text().splitlines() == [
        "rollout restart deployment/llm --namespace=clinic",
        "rollout status --timeout=900s deployment/llm --namespace=clinic",
    ]
    assert done.digest == version.digest
    assert len(done.details["replicas"]) == 3


async def test_a_cluster_that_does_not_restart_them_says_why(works, kubectl):
    kubectl(1)

    with pytest.raises(ClusterUnavailable, match="error: no"):
        await restart(works.bench, Kubectl(), workload="deployment/llm", namespace="clinic")
