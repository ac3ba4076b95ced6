"""Components: each can be built into what it is for, whether an overlay takes it or not."""

import re
import shutil
import subprocess
import tarfile
from collections import Counter
from os.path import relpath
from pathlib import Path

import pytest
import yaml
from kubernetes.utils.quantity import parse_quantity
from tests.infra.manifests import INFRA, Manifest, of_kind, read_text, title

from agentic_rag.clinic.profile import read_clinic

pytestmark = pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl builds them")

COMPONENTS = INFRA / "components"
NAMES = sorted(
    str(path.parent.relative_to(COMPONENTS)) for path in COMPONENTS.rglob("kustomization.yaml")
)
SIZES = [name for name in NAMES if name.startswith("models-s3/")]
MODELS = [name for name in NAMES if name.startswith("models/")]
WAYS_IN = ["ingress-nginx", "ingress-traefik", "gateway-api", "openshift-route"]
INSIDE = ["/metrics", "/answers", "/v2/repository", "/sessions", "/dryrun", "/ui"]
LAB = INFRA / "overlays" / "cpu-lab"


def build(folder: Path, *components: str, on: str = "") -> list[Manifest]:
    """Build the bases, or an overlay, with some components as an operator would."""
    bases = [INFRA / "overlays" / on] if on else [INFRA / "k8s", INFRA / "kserve"]
    kustomization = {
        "resources": [relpath(base, folder) for base in bases],
        "components": [relpath(COMPONENTS / name, folder) for name in components],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization), "utf-8")
    built = subprocess.run(
        ["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=False
    )
    assert not built.stderr, built.stderr
    return read_text(built.stdout)


def named(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    (found,) = [each for each in of_kind(manifests, kind) if each["metadata"]["name"] == name]
    return found


def variables(manifests: list[Manifest]) -> dict[str, str]:
    (container,) = named(manifests, "InferenceService", "rag-agent")["spec"]["predictor"][
        "containers"
    ]
    assert len({each["name"] for each in container["env"]}) == len(container["env"])
    return {each["name"]: each.get("value", "") for each in container["env"]}


@pytest.mark.parametrize("name", sorted({*NAMES} - {*MODELS, *SIZES, *WAYS_IN}))
def test_a_component_stands_on_its_own(name, tmp_path):
    base = "cpu-lab" if name == "modelcar" else ""

    manifests = build(tmp_path, name, on=base)

    assert variables(manifests)["LLM_BASE_URL"]
    homeless = {each["kind"] for each in manifests if "namespace" not in each["metadata"]}
    assert homeless <= {"Namespace", "ClusterQueue", "ResourceFlavor"}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_asked_for_by_the_name_that_it_is_served_under(name, tmp_path):
    manifests = build(tmp_path, name)

    model = named(manifests, "InferenceService", "llm-server")["spec"]["predictor"]["model"]
    asked = variables(manifests)["LLM_MODEL_NAME"]
    repository = re.fullmatch(r"hf://[\w.-]+/([\w.-]+):[0-9a-f]{40}", model["storageUri"])
    assert f"--served-model-name={asked}" in model["args"]
    assert repository and repository[1].lower() == asked
    assert model["resources"]["limits"]["nvidia.com/gpu"] == "1"


@pytest.mark.parametrize("name", SIZES)
def test_what_is_uploaded_is_what_is_served_registered_and_asked_for(name, tmp_path):
    manifests = build(tmp_path, "model-bucket", "model-registry", name)

    model = named(manifests, "InferenceService", "llm-server")["spec"]["predictor"]["model"]
    jobs = [
        named(manifests, "Job", job)["spec"]["template"]["spec"]["containers"][0]
        for job in ("model-upload", "model-register")
    ]
    asked = variables(manifests)["LLM_MODEL_NAME"]
    gpus = model["resources"]["limits"]["nvidia.com/gpu"]
    assert "storageUri" not in model
    assert model["storage"] == {"key": "models", "path": asked}
    assert f"--served-model-name={asked}" in model["args"]
    assert f"--prefix={asked}" in jobs[0]["args"]
    assert {f"--version={asked}", f"--uri=s3://models/{asked}"} == set(jobs[1]["args"])
    assert (f"--tensor-parallel-size={gpus}" in model["args"]) == (gpus != "1")


@pytest.mark.parametrize("name", SIZES)
def test_the_quota_covers_the_llm_and_all_jobs_at_once(name, tmp_path):
    manifests = build(tmp_path, "model-bucket", "model-registry", name, "kueue")

    queued = [
        each
        for each in manifests
        if each["metadata"].get("labels", {}).get("kueue.x-k8s.io/queue-name") == "agentic-rag"
    ]
    (group,) = named(manifests, "ClusterQueue", "agentic-rag")["spec"]["resourceGroups"]
    (flavor,) = group["flavors"]
    quota = {each["name"]: parse_quantity(each["nominalQuota"]) for each in flavor["resources"]}
    wanted = Counter()
    for each in queued:
        spec = each["spec"]
        job = each["kind"] == "Job"
        container = spec["template"]["spec"]["containers"][0] if job else spec["predictor"]["model"]
        for resource, amount in container["resources"]["requests"].items():
            wanted[resource] += parse_quantity(amount)
    assert {title(each) for each in queued} == {
        "Job/model-upload",
        "Job/model-register",
        "InferenceService/llm-server",
    }
    assert set(quota) == set(group["coveredResources"])
    assert all(wanted[resource] <= quota[resource] for resource in wanted)
    assert set(wanted) <= set(quota)


@pytest.mark.parametrize("way_in", WAYS_IN)
def test_a_way_in_names_its_doors_and_none_of_those_inside(way_in, tmp_path):
    text = "\n".join(
        path.read_text("utf-8")
        for path in (COMPONENTS / way_in).glob("*.yaml")
        if path.name.startswith(("ingress", "route"))
    )
    doors = set(re.findall(r"(?:path:|value:|Path\(`)\s*(/[\w/.-]*)", text))

    manifests = build(tmp_path, way_in)

    assert {"/chat", "/openai/v1", "/v1/models", "/v2/models"} <= doors
    assert not [(door, hidden) for door in doors for hidden in INSIDE if hidden.startswith(door)]
    labels = named(manifests, "InferenceService", "rag-agent")["metadata"]["labels"]
    assert labels["networking.kserve.io/visibility"] == "cluster-local"


@pytest.mark.parametrize("source", ["pack-configmap", "pack-pvc", "pack-s3"])
def test_a_pack_reaches_the_agent_and_what_makes_its_index(source, tmp_path):
    manifests = build(tmp_path, "chroma", "ingest", source)

    job = named(manifests, "Job", "ingest")["spec"]["template"]["spec"]
    cron = named(manifests, "CronJob", "ingest-nightly")["spec"]["jobTemplate"]["spec"]
    agent = named(manifests, "InferenceService", "rag-agent")["spec"]["predictor"]
    for pod in (job, cron["template"]["spec"], agent):
        container = pod["containers"][0]
        assert {"name": "CLINIC_PACK", "value": "/etc/clinic"} in container["env"]
        mounts = {each["name"] for each in container["volumeMounts"]}
        assert mounts <= {each["name"] for each in pod["volumes"]}
        assert any(
            each["mountPath"].startswith("/etc/clinic") for each in container["volumeMounts"]
        )


def test_the_nightly_ingest_does_what_the_first_one_did(tmp_path):
    manifests = build(tmp_path, "chroma", "ingest")

    nightly = named(manifests, "CronJob", "ingest-nightly")["spec"]["jobTemplate"]["spec"]
    assert nightly == named(manifests, "Job", "ingest")["spec"]


def test_the_labs_clinic_can_be_read_and_says_what_the_shipped_one_says():
    pack = LAB / "clinic"
    shipped = INFRA.parent / "src" / "agentic_rag" / "clinic" / "atharva" / "documents"

    clinic = read_clinic(pack)

    treatments = yaml.safe_load((pack / "documents" / "treatments.json").read_text("utf-8"))
    theirs = yaml.safe_load((shipped / "treatments.json").read_text("utf-8"))
    emergency = (pack / "documents" / "emergency.md").read_text("utf-8").strip()
    assert clinic.profile.name == "Atharva Dental Clinic"
    assert all(each in theirs for each in treatments)
    assert emergency in (shipped / "policies" / "emergency.md").read_text("utf-8")


def run(job: Manifest, data: Path, backups: Path, *, running: bool) -> subprocess.CompletedProcess:
    """Run a job's script here, its volumes being folders and Chroma up, or not."""
    (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    script = container["args"][0].replace("/data", str(data)).replace("/backups", str(backups))
    bin_ = data.parent / "bin"
    bin_.mkdir(exist_ok=True)
    (bin_ / "wget").write_text(f"#!/bin/sh\nexit {0 if running else 1}\n", "utf-8")
    (bin_ / "wget").chmod(0o755)
    return subprocess.run(
        ["sh", "-euc", script],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": f"{bin_}:/usr/bin:/bin"},
    )


@pytest.fixture
def volumes(tmp_path):
    data, backups = tmp_path / "chroma", tmp_path / "kept"
    (data / "segment").mkdir(parents=True)
    backups.mkdir()
    (data / "chroma.sqlite3").write_text("rows", "utf-8")
    (data / "segment" / "graph.bin").write_text("graph", "utf-8")
    return data, backups


@pytest.fixture(scope="module")
def chroma(tmp_path_factory):
    return build(tmp_path_factory.mktemp("chroma"), "chroma")


def test_a_backup_brings_back_what_chroma_had(chroma, volumes):
    data, backups = volumes
    assert run(named(chroma, "CronJob", "chroma-backup"), data, backups, running=False).stdout
    (data / "chroma.sqlite3").write_text("rows that came later", "utf-8")
    (data / "another").mkdir()

    restored = run(named(chroma, "CronJob", "chroma-restore"), data, backups, running=False)

    assert restored.returncode == 0, restored.stderr
    assert (data / "chroma.sqlite3").read_text("utf-8") == "rows"
    assert (data / "segment" / "graph.bin").read_text("utf-8") == "graph"
    assert not (data / "another").exists()


def test_what_belongs_to_the_file_system_is_no_part_of_a_backup(chroma, volumes):
    data, backups = volumes
    (data / "lost+found").mkdir()
    (data / "lost+found" / "roots").write_text("not ours to read", "utf-8")

    run(named(chroma, "CronJob", "chroma-backup"), data, backups, running=False)

    (archive,) = backups.glob("*.tar.gz")
    with tarfile.open(archive) as kept:
        assert sorted(kept.getnames()) == [
            ".",
            "./chroma.sqlite3",
            "./segment",
            "./segment/graph.bin",
        ]


@pytest.mark.parametrize("name", ["chroma-backup", "chroma-restore"])
def test_nothing_is_copied_under_a_chroma_that_runs(name, chroma, volumes):
    data, backups = volumes

    refused = run(named(chroma, "CronJob", name), data, backups, running=True)

    assert refused.returncode == 1
    assert "scale it to 0" in refused.stderr
    assert not list(backups.iterdir())


def test_a_damaged_backup_is_not_restored(chroma, volumes):
    data, backups = volumes
    run(named(chroma, "CronJob", "chroma-backup"), data, backups, running=False)
    (archive,) = backups.glob("*.tar.gz")
    archive.write_bytes(archive.read_bytes()[:-1])

    refused = run(named(chroma, "CronJob", "chroma-restore"), data, backups, running=False)

    assert refused.returncode != 0
    assert (data / "chroma.sqlite3").read_text("utf-8") == "rows"
