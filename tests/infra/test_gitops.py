"""infra/gitops: what Argo CD is told exists, is allowed, and comes in an order that ends.

Argo CD's CRDs are not at hand: tests/infra/schemas has by hand what is used of them.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from tests.infra import rules, strict
from tests.infra.manifests import (
    CLUSTER_WIDE,
    INFRA,
    REPO,
    Manifest,
    build,
    namespace,
    of_kind,
    pods,
    title,
)
from tests.infra.rules.names import references

pytestmark = pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl builds them")

GITOPS = INFRA / "gitops"
ENVIRONMENTS = ["production", "staging"]
WAVE = "argocd.argoproj.io/sync-wave"
HOOK = "argocd.argoproj.io/hook"
OPTIONS = "argocd.argoproj.io/sync-options"
KEPT = "Prune=false,Delete=false"


@pytest.fixture(scope="module")
def argo() -> list[Manifest]:
    return [*build(GITOPS), *build(GITOPS / "apps")]


@pytest.fixture(scope="module")
def environments() -> dict[str, list[Manifest]]:
    return {name: build(GITOPS / "environments" / name) for name in ENVIRONMENTS}


def notes(manifest: Manifest) -> dict[str, str]:
    return manifest["metadata"].get("annotations", {})


def wave(manifest: Manifest) -> int:
    return int(notes(manifest).get(WAVE, "0"))


def project_of(app: Manifest, argo: list[Manifest]) -> Manifest:
    found = [
        e for e in of_kind(argo, "AppProject") if e["metadata"]["name"] == app["spec"]["project"]
    ]
    assert found, f"{title(app)}: no project {app['spec']['project']}"
    return found[0]["spec"]


def test_argos_objects_are_what_its_kinds_take(argo):
    assert strict.accepted_by_the_schemas(argo) == []
    assert {namespace(each) for each in argo} == {"argocd"}


def test_every_application_deploys_what_is_there_from_where_its_project_lets_it(argo):
    apps = of_kind(argo, "Application")

    assert {each["metadata"]["name"] for each in apps} == {
        "agentic-rag",
        "agentic-rag-staging",
        "agentic-rag-production",
    }
    for app in apps:
        source, spec = app["spec"]["source"], project_of(app, argo)
        assert (REPO / source["path"] / "kustomization.yaml").is_file()
        assert source["repoURL"] in spec["sourceRepos"]
        assert app["spec"]["destination"] in spec["destinations"]


def permitted(each: Manifest, spec: Manifest) -> bool:
    group, _, _ = each["apiVersion"].rpartition("/")
    kind = {"group": group, "kind": each["kind"]}
    if each["kind"] in CLUSTER_WIDE:
        return kind in spec["clusterResourceWhitelist"]
    listed = spec.get("namespaceResourceWhitelist")
    return (listed is None or kind in listed) and kind not in spec.get(
        "namespaceResourceBlacklist", []
    )


def test_every_object_is_of_a_kind_and_a_namespace_that_the_project_permits(argo):
    for app in of_kind(argo, "Application"):
        spec = project_of(app, argo)
        own = {each["namespace"] for each in spec["destinations"]}
        for each in build(REPO / app["spec"]["source"]["path"]):
            assert permitted(each, spec), f"{title(app)}: {title(each)}"
            assert namespace(each) in own | {""}


def test_who_deploys_the_agent_may_neither_make_applications_nor_secrets(argo):
    (root,) = [e for e in of_kind(argo, "Application") if e["metadata"]["name"] == "agentic-rag"]
    others = [e for e in of_kind(argo, "Application") if e is not root]

    spec = project_of(others[0], argo)

    assert all(each["spec"]["project"] != root["spec"]["project"] for each in others)
    assert "argocd" not in {each["namespace"] for each in spec["destinations"]}
    assert {"group": "", "kind": "Secret"} in spec["namespaceResourceBlacklist"]


def test_staging_comes_before_production(argo):
    waves = {each["metadata"]["name"]: wave(each) for each in of_kind(argo, "Application")}

    assert waves["agentic-rag-staging"] < waves["agentic-rag-production"]


def test_production_keeps_every_rule(environments):
    manifests = environments["production"]  # the overlay's bodies are held to schemas elsewhere

    assert [fault for rule in rules.RULES for fault in rule(manifests)] == []
    notes = [list(strict.metadata().iter_errors(each["metadata"])) for each in manifests]
    assert not any(notes)


def test_what_is_promoted_is_all_that_may_differ(environments):
    digest = re.compile(r"@sha256:[0-9a-f]{64}")

    staging, production = (
        digest.sub("", yaml.safe_dump(environments[name])) for name in sorted(ENVIRONMENTS)
    )

    assert staging == production


def out_of_order(manifests: list[Manifest]) -> list[str]:
    """What names something, other than a claim, that comes with it or after it."""
    own = {(each["kind"], each["metadata"]["name"]): each for each in manifests}
    by_title = {title(each): each for each in manifests}
    faults = []
    for each in references(manifests):
        named, by = own.get((each.kind, each.name)), by_title.get(each.owner)
        if (
            not named
            or not by
            or named is by
            or by["kind"] not in {"InferenceService", "Job", "StatefulSet"}
        ):
            continue
        claim = each.kind == "PersistentVolumeClaim"
        if wave(named) > wave(by) or (not claim and wave(named) == wave(by)):
            faults.append(f"{title(by)} in wave {wave(by)} names {title(named)} of {wave(named)}")
    return faults


def stuck(manifests: list[Manifest]) -> list[str]:
    """Claims whose wave is over before a pod comes that they are for."""
    using: dict[str, list[int]] = {}
    for pod in pods(manifests):
        for volume in pod.spec.get("volumes", []):
            if claim := volume.get("persistentVolumeClaim"):
                running = pod.owner["kind"] != "CronJob"
                using.setdefault(claim["claimName"], []).extend([wave(pod.owner)] * running)
    last = max(map(wave, manifests))
    return [
        title(each)
        for each in of_kind(manifests, "PersistentVolumeClaim")
        if wave(each) not in using.get(each["metadata"]["name"], []) and wave(each) != last
    ]


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_nothing_waits_for_what_comes_after_it(name, environments):
    assert out_of_order(environments[name]) == []
    assert stuck(environments[name]) == []


def test_an_order_that_cannot_end_is_seen(environments):
    manifests = yaml.safe_load(yaml.safe_dump(environments["staging"]))
    by_title = {title(each): each for each in manifests}

    by_title["PersistentVolumeClaim/rag-agent-index"]["metadata"]["annotations"][WAVE] = "-2"
    by_title["ConfigMap/chroma-door"]["metadata"]["annotations"][WAVE] = "1"

    assert stuck(manifests) == ["PersistentVolumeClaim/rag-agent-index"]
    assert any("ConfigMap/chroma-door" in each for each in out_of_order(manifests))


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_what_people_keep_is_never_pruned_and_jobs_that_end_are_hooks(name, environments):
    manifests = environments[name]

    kept = of_kind(manifests, "Namespace", "PersistentVolumeClaim", "StatefulSet")
    assert {notes(each).get(OPTIONS) for each in kept} == {KEPT}
    assert all(HOOK in notes(each) for each in of_kind(manifests, "Job"))


def images(folder: Path) -> set[str]:
    return {
        container["image"]
        for pod in pods(build(folder))
        for container in pod.every_container
        if "/rag-agent" in container.get("image", "")
    }


def git(folder: Path, *words: str) -> None:
    who = [
        "-c",
        "user.name=Ops",
        "-c",
        "user.email=ops@clinic.example",
        "-c",
        "commit.gpgsign=false",
    ]
    subprocess.run(["git", "-C", folder, *who, *words], check=True, capture_output=True)


def test_a_digest_is_promoted_by_a_copy_and_taken_back_by_a_revert(tmp_path):
    shutil.copytree(INFRA, tmp_path / "infra")
    at = tmp_path / "infra" / "gitops" / "environments"
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message=As it was")
    before = images(at / "production")
    staged = at / "staging" / "image" / "kustomization.yaml"
    staged.write_text(staged.read_text("utf-8").replace("0" * 64, "ab" * 32), "utf-8")
    git(tmp_path, "commit", "--quiet", "--all", "--message=Stage it")
    alone = images(at / "production")

    shutil.copy(staged, at / "production" / "image")
    git(tmp_path, "commit", "--quiet", "--all", "--message=Promote it")
    promoted = images(at / "production")
    git(tmp_path, "revert", "--no-edit", "HEAD")

    assert len(before) == 1
    assert alone == before
    assert (
        promoted
        == images(at / "staging")
        == {f"registry.example/agentic-rag/rag-agent@sha256:{'ab' * 32}"}
    )
    assert images(at / "production") == before
