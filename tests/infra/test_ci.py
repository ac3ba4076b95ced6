"""infra/ci: the workflow runs the gate and no more, by actions that stay the same.

No linter of workflows is at hand: what is known of them is held here by rule.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.infra.manifests import INFRA, REPO, read_text

FILE = INFRA / "ci" / "github-workflow.yaml"
TEXT = FILE.read_text("utf-8")
KEYS = {
    "workflow": {"name", "on", "permissions", "concurrency", "jobs"},
    "job": {"runs-on", "timeout-minutes", "env", "steps"},
    "step": {"uses", "run", "with"},
}
WITH = {  # what each action takes, of what is used here
    "actions/checkout": {"persist-credentials"},
    "actions/setup-python": {"python-version"},
}


@pytest.fixture
def workflow() -> dict:
    (found,) = read_text(TEXT)
    return found


@pytest.fixture
def job(workflow) -> dict:
    (found,) = workflow["jobs"].values()
    return found


def test_it_has_no_key_that_github_does_not_know(workflow, job):
    assert set(workflow) <= KEYS["workflow"]
    assert set(job) <= KEYS["job"]
    for step in job["steps"]:
        assert set(step) <= KEYS["step"]
        assert ("uses" in step) != ("run" in step)


def test_a_stranger_s_pull_request_is_given_nothing(workflow):
    assert set(workflow["on"]) == {"push", "pull_request"}
    assert workflow["permissions"] == {"contents": "read"}
    assert "secrets." not in TEXT
    expressions = re.findall(r"\$\{\{ *(.*?) *\}\}", TEXT)
    assert set(expressions) == {"github.ref", "vars.PIP_EXTRA_INDEX_URL"}


def test_every_action_is_named_by_commit_with_its_release_beside_it(job):
    lines = [line.strip() for line in TEXT.splitlines() if "uses:" in line]

    assert len(lines) == len([step for step in job["steps"] if "uses" in step])
    for line in lines:
        assert re.fullmatch(r"- uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_every_action_is_given_what_it_takes(job):
    for step in job["steps"]:
        name = step.get("uses", "").partition("@")[0]
        assert set(step.get("with", {})) <= WITH.get(name, set())


def test_it_runs_the_gate_last_on_a_python_that_the_project_takes(job):
    versions = [e["with"]["python-version"] for e in job["steps"] if "setup-python" in str(e)]

    assert job["steps"][-1] == {"run": ".ci/run"}
    assert (REPO / ".ci" / "run").stat().st_mode & 0o111
    assert versions == ["3.11"]
    assert job["timeout-minutes"] <= 360


@pytest.mark.parametrize("target", ["test-vllm", "soak"])
def test_what_needs_a_real_vllm_makes_one_and_cannot_skip_it(target, tmp_path):
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    for made in ("bin/python", ".dev"):
        (venv / made).touch()

    done = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", target, f"VENV={venv}"],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=True,
    )

    *_, sets_up, tests = done.stdout.splitlines()
    assert sets_up.endswith("tests/vllm/setup_vllm.py")
    assert tests.startswith("REQUIRE_VLLM=1 ")
    assert "pytest" in tests


def test_what_it_runs_has_no_fault_that_shellcheck_knows(job, tmp_path):
    shellcheck = shutil.which("shellcheck", path=str(Path(sys.executable).parent))
    assert shellcheck
    script = tmp_path / "steps.sh"
    script.write_text("\n".join(step["run"] for step in job["steps"] if "run" in step), "utf-8")

    done = subprocess.run(
        [shellcheck, "--shell=bash", script], capture_output=True, text=True, check=False
    )

    assert done.stdout == ""
