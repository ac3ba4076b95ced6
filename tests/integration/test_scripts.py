"""infra/scripts: run as they are, against a real server, and a kubectl that says what we want."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.integration.servers import Agent
from tests.scripts import SCRIPTS, Run, scripts_in, write_program

RUN = ["smoke_e2e.sh", "validate.sh", "verify_scale_to_zero.sh"]  # they ask a server
KUBECTL = """#!/usr/bin/env bash
cd "$(dirname "$0")"
case "$*" in
  *port-forward*)
    cat forwarding
    echo $$ >forward.pid
    [[ -s forwarding ]] && exec sleep 600
    echo "error: unable to forward" ; exit 1 ;;
  *inferenceservice=llm-server*) cat llm-pods ;;
  *inferenceservice=rag-agent*) cat agent-pods ;;
  *"get inferenceservice"*) cat services ;;
  *"get pods"*) cat pods ;;
  *"get secret"*) [[ -e secret ]] ;;
esac
"""


@pytest.fixture
def cluster(tmp_path: Path, server: Agent) -> Path:
    """What kubectl says: all is well, and the agent's pod is the real server."""
    forwarding = {8080: server.http_port, 8081: server.grpc_port}
    said = {
        "kubectl": KUBECTL,
        "forwarding": "".join(
            f"Forwarding from 127.0.0.1:{own} -> {to}\n" for to, own in forwarding.items()
        ),
        "agent-pods": "pod/rag-agent-predictor-1\npod/rag-agent-predictor-2\n",
        "llm-pods": "",
        "services": "True ",
        "pods": "rag-agent-predictor-1 \n",
        "secret": "",
    }
    for name, text in said.items():
        write_program(tmp_path / name, text)
    return tmp_path


@pytest.fixture
def run(cluster: Path) -> Run:
    return scripts_in(cluster, IDLE_S="0")


def test_no_script_has_a_fault_that_shellcheck_knows():
    shellcheck = shutil.which("shellcheck", path=str(Path(sys.executable).parent))
    assert shellcheck

    done = subprocess.run(
        [shellcheck, "--external-sources", *SCRIPTS.glob("*.sh")],
        cwd=SCRIPTS.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout == ""
    assert done.returncode == 0


def test_a_cluster_in_order_passes_and_the_port_forward_is_ended(run: Run, cluster: Path):
    done = run("validate.sh")

    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[:3] == [
        "PASS rag-agent: ready",
        "PASS llm-server: ready",
        "PASS keys: the Secret rag-agent-keys is there",
    ]
    assert "PASS models: rag-agent" in lines
    assert_ended(int((cluster / "forward.pid").read_text()))


def assert_ended(pid: int) -> None:
    end = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists() and "(sleep) Z" not in stat(pid):
        assert time.monotonic() < end, f"{pid} still runs"
        time.sleep(0.05)


def stat(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "(sleep) Z"


@pytest.mark.parametrize(
    ("what", "said", "found"),
    [
        ("services", "False Revision is not ready.", "FAIL rag-agent: not ready: Revision is not"),
        ("services", "", "FAIL llm-server: not ready"),
        ("pods", "llm-server-1 CrashLoopBackOff\n", "FAIL pod llm-server-1: waits: CrashLoop"),
    ],
)
def test_what_is_not_in_order_fails_by_name(
    what: str, said: str, found: str, run: Run, cluster: Path
):
    write_program(cluster / what, said)

    done = run("validate.sh")

    assert done.returncode == 1
    assert found in done.stdout
    assert "PASS models: rag-agent" in done.stdout  # the rest is looked at all the same


def test_a_cluster_without_keys_is_a_warning(run: Run, cluster: Path):
    (cluster / "secret").unlink()

    done = run("validate.sh")

    assert done.returncode == 0
    assert "WARN keys: no Secret rag-agent-keys" in done.stdout


@pytest.mark.parametrize("script", RUN)
def test_an_agent_without_a_pod_cannot_be_asked(script: str, run: Run, cluster: Path):
    write_program(cluster / "agent-pods", "")

    done = run(script)

    assert done.returncode == 2
    assert "error: no pod of rag-agent in kubeflow-user" in done.stderr


def test_a_port_forward_that_fails_is_told(run: Run, cluster: Path):
    write_program(cluster / "forwarding", "")

    done = run("smoke_e2e.sh")

    assert done.returncode == 2
    assert "error: unable to forward" in done.stderr


@pytest.mark.parametrize("script", RUN)
def test_a_cluster_that_nobody_reaches_is_an_error(script: str, run: Run, cluster: Path):
    write_program(cluster / "kubectl", "#!/bin/sh\nexit 1\n")

    done = run(script)

    assert done.returncode == 2
    assert "the cluster cannot be asked" in done.stderr
    assert "PASS" not in done.stdout


def test_pods_that_stay_are_no_sleep(run: Run, cluster: Path):
    write_program(cluster / "llm-pods", "pod/llm-server-1\n")

    done = run("verify_scale_to_zero.sh")

    assert done.returncode == 2
    assert "llm-server still has pods after 0 s" in done.stderr


def test_zero_pods_are_told_and_then_the_model_is_asked_for(run: Run):
    done = run("verify_scale_to_zero.sh")

    assert done.returncode == 1
    assert done.stdout.startswith("PASS zero: no pod of llm-server after 0 s\n")
    assert "FAIL asleep: no model is set that could sleep" in done.stdout


@pytest.mark.parametrize("script", RUN)
def test_an_option_without_its_value_is_refused(script: str, run: Run):
    done = run(script, "--url")

    assert done.returncode == 2
    assert "error: --url: expected a value" in done.stderr
