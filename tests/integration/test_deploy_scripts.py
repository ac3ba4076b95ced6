"""infra/scripts/deploy.sh and undeploy.sh: the real kubectl, before an API of objects in memory."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster import World, read_world, served
from tests.ports import free_port
from tests.scripts import Run, scripts_in

pytestmark = pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl is what is run")

LLM = "/apis/serving.kserve.io/v1beta1/namespaces/kubeflow-user/inferenceservices/llm-server"


@pytest.fixture
def world() -> World:
    return read_world()


@pytest.fixture
def run(world: World, tmp_path: Path) -> Iterator[Run]:
    with served(world, tmp_path) as config:
        own = {"KUBECONFIG": str(config), "HOME": str(tmp_path), "COLUMNS": "200"}
        yield scripts_in(tmp_path, within_s=400, **own)


def test_an_overlay_is_put_and_taken_away(run: Run, world: World):
    put = run("deploy.sh", "cpu-lab")
    was_there = LLM in world.objects
    away = run("undeploy.sh", "cpu-lab")

    assert put.returncode == 0, put.stdout + put.stderr
    assert "PASS inferenceservice/llm-server: ready" in put.stdout
    assert "context lab" in put.stderr
    assert "inferenceservice/rag-agent: ready" in put.stderr
    assert was_there
    assert away.returncode == 0, away.stdout + away.stderr
    assert "PASS kept: namespace kubeflow-user" in away.stdout
    assert LLM not in world.objects
    assert "/api/v1/namespaces/kubeflow-user" in world.objects


def test_who_only_looks_changes_nothing_and_a_fault_is_an_exit_code(run: Run, world: World):
    del world.objects["/apis/storage.k8s.io/v1/storageclasses/nfs"]

    done = run("deploy.sh", "standard-keda", "--check-only")

    assert done.returncode == 1
    assert "FAIL claim rag-agent-index: names no StorageClass" in done.stdout
    assert "apply" not in done.stdout
    assert world.writes == []


def test_what_kubectl_says_of_who_may_not_is_told(run: Run, world: World):
    world.forbidden = {"/secrets/"}

    done = run("deploy.sh", "knative", "--check-only")

    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        "WARN secrets and claims are there: cannot be looked at: Error from server (Forbidden)"
        in done.stdout
    )


@pytest.mark.parametrize("script", ["deploy.sh", "undeploy.sh"])
def test_a_cluster_that_nobody_reaches_is_named(script: str, run: Run, tmp_path: Path):
    nobody = tmp_path / "nobody"
    known = (tmp_path / "kubeconfig").read_text("utf-8")
    nobody.write_text(re.sub(r":\d+\n", f":{free_port()}\n", known), "utf-8")

    done = run(script, "cpu-lab", KUBECONFIG=str(nobody))

    assert done.returncode == 1
    assert "FAIL" in done.stdout
    assert "refused" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [[], ["--check-only"], ["knativ"]])
@pytest.mark.parametrize("script", ["deploy.sh", "undeploy.sh"])
def test_an_overlay_that_is_none_is_refused_with_those_there_are(
    script: str, arguments: list[str], run: Run, world: World
):
    done = run(script, *arguments)

    assert done.returncode == 2
    assert "cpu-lab knative multi-replica openshift-s3 standard-keda" in done.stderr
    assert world.writes == []


def test_a_folder_that_does_not_build_is_an_error(run: Run, world: World, tmp_path: Path):
    (tmp_path / "kustomization.yaml").write_text("resources: [nowhere.yaml]\n", "utf-8")

    done = run("deploy.sh", str(tmp_path))

    assert done.returncode == 1
    assert "nowhere.yaml" in done.stderr
    assert world.writes == []


def test_an_object_that_the_server_refuses_ends_it(run: Run, world: World):
    world.forbidden = {"/inferenceservices/"}

    done = run("deploy.sh", "cpu-lab")

    assert done.returncode == 1
    assert "FAIL apply: Error from server (Forbidden)" in done.stdout
    assert world.writes == []  # a dry run came first
