"""`agentic-rag deploy` and what it is given: the overlay, kubectl, and what a cluster may say."""

import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agentic_rag.cli import app
from agentic_rag.deploying.checks import look
from agentic_rag.deploying.cluster import Kubectl
from agentic_rag.deploying.overlay import Overlay, read_overlay
from agentic_rag.errors import BadOverlay, ClusterForbids, ClusterUnavailable

CLAIM = "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: x}, spec: {}}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the overlay is empty"),
        ("---\n---\n", "the overlay is empty"),
        ("{", "is not YAML"),
        ("- a\n- b", "no object of Kubernetes'"),
        ("apiVersion: v1\nkind: Pod\n", "no object of Kubernetes'"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {generateName: x}\n", "no object of Kubernetes'"),
        ("apiVersion: v1\nkind: [Pod]\nmetadata: {name: x}\n", "no object of Kubernetes'"),
        ("\x00", "is not YAML"),
    ],
)
def test_what_is_no_overlay_is_refused(text, said):
    with pytest.raises(BadOverlay, match=said):
        read_overlay(text)


@pytest.mark.parametrize("command", ["deploy", "undeploy"])
def test_a_file_that_is_not_there_is_a_line_and_no_traceback(command):
    done = CliRunner().invoke(app, [command, "/nowhere.yaml"])

    assert done.exit_code == 2
    assert "/nowhere.yaml: cannot be read" in done.stderr


@pytest.mark.parametrize("command", ["deploy", "undeploy"])
def test_without_kubectl_nothing_can_be_deployed(command, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))

    done = CliRunner().invoke(app, [command], input=CLAIM)

    assert done.exit_code == 2
    assert "kubectl is not on the PATH" in done.stderr


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch):
    """A kubectl that says one thing, whatever it is asked."""

    def saying(out: str = "", err: str = "", code: int = 0) -> Kubectl:
        (tmp_path / "out").write_text(out, "utf-8")
        (tmp_path / "err").write_text(err, "utf-8")
        program = tmp_path / "kubectl"
        told = f"#!/bin/sh\ncd {tmp_path}\ncat out\ncat err >&2\nexit {code}\n"
        program.write_text(told, "utf-8")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        return Kubectl()

    return saying


def test_what_is_not_there_is_none(kubectl):
    said = 'Error from server (NotFound): secrets "x" not found\n'

    assert kubectl(err=said, code=1).read("/api") is None


def test_who_may_not_ask_is_told_so(kubectl):
    said = 'Error from server (Forbidden): secrets "x" is forbidden: User "dev" cannot get\n'

    with pytest.raises(ClusterForbids, match='User "dev"'):
        kubectl(err=said, code=1).read("/api")


@pytest.mark.parametrize(
    ("out", "err", "code", "said"),
    [
        ("<html>Sign in</html>", "", 0, "not as an API server"),
        ("[]", "", 0, "not as an API server"),
        ("", "The connection to the server x was refused\n", 1, "refused"),
        ("", "error: You must be logged in to the server (Unauthorized)\n", 1, "logged in"),
        ("", "", 1, "says nothing"),
    ],
)
def test_a_cluster_that_cannot_be_asked_says_why(out, err, code, said, kubectl):
    with pytest.raises(ClusterUnavailable, match=said):
        kubectl(out, err, code).read("/api")


class Odd:
    """A cluster whose every answer is an object of another shape."""

    def __init__(self, told: dict) -> None:
        self._told = told

    def read(self, path: str) -> dict:
        return self._told

    def apply(self, text: str, *, dry_run: bool = False) -> list[str]:
        raise NotImplementedError

    def delete(self, text: str) -> list[str]:
        raise NotImplementedError


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"items": [{}]},
        {"resources": [{}]},
        {"items": None},
        {"gitVersion": "main"},
        {"items": [{"metadata": {}, "status": {"conditions": [{}]}}]},
    ],
)
def test_a_cluster_of_another_shape_ends_no_check_in_a_traceback(told):
    predictor = {"containers": [{"name": "a", "image": "a:1"}], "timeout": "long"}
    service = {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "a", "namespace": "b", "annotations": {}},
        "spec": {"predictor": predictor},
    }

    lines = list(look(Overlay([service, *read_overlay(CLAIM).objects]), Odd(told)))

    assert any(line.state == "FAIL" for line in lines)
    assert all(line.remedy for line in lines if line.state != "PASS")


def test_an_overlay_of_another_shape_ends_no_check_in_a_traceback():
    bare = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService"}

    lines = list(look(Overlay([{**bare, "metadata": {"name": "a"}, "spec": {}}]), Odd({})))

    assert any("is not as expected: KeyError 'predictor'" in line.found for line in lines)
