"""docs/deploy.md: what it tells people to type can be typed, and names what there is."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import typer
import yaml
from tests.infra.manifests import INFRA, REPO, read_text

from agentic_rag.cli import app

PAGE = (REPO / "docs" / "deploy.md").read_text("utf-8")
OVERLAYS = sorted(path.name for path in (INFRA / "overlays").iterdir())
PROGRAMS = {"kubectl", "curl", "docker", "kind", "hf", "openssl", "cp", "git", "mkdir", "argo"}
SCRIPTS = {path.name: path for path in (INFRA / "scripts").glob("*.sh") if os.access(path, os.X_OK)}
COMMAND_OF = {  # those that pass their options on
    "deploy.sh": "deploy",
    "undeploy.sh": "undeploy",
    "smoke_e2e.sh": "smoke",
    "validate.sh": "smoke",
    "verify_scale_to_zero.sh": "smoke",
}
WITHIN = {"create": 2, "create secret": 3, "rollout": 2}  # of kubectl: how many words it takes
KINDS = {
    "inferenceservice": "InferenceService",
    "job": "Job",
    "statefulset": "StatefulSet",
    "workflowtemplate": "WorkflowTemplate",
}


def commands() -> list[list[str]]:
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    inline = re.findall(r"`((?:kubectl|infra/scripts/\S+) [^`<]+)`", PAGE)
    return [shlex.split(line) for line in (*lines, *inline) if line.strip()]


COMMANDS = commands()


def made() -> set[tuple[str, str]]:
    """Every object of every overlay, by kind and name."""
    built = [
        subprocess.run(
            ["kubectl", "kustomize", str(INFRA / "overlays" / name)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for name in OVERLAYS
    ]
    return {(each["kind"], each["metadata"]["name"]) for text in built for each in read_text(text)}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_is_of_a_program_that_the_page_may_count_on(command):
    ours = command[0].removeprefix("infra/scripts/") in SCRIPTS
    assert ours or command[0] in PROGRAMS or re.match(r"[a-z]+=\$\(openssl", command[0])


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_path_in_a_command_is_there(command):
    paths = [word for word in command if word.startswith("infra/")]

    assert [path for path in paths if not (REPO / path).exists()] == []


def options(words: list[str]) -> set[str]:
    """Return the options among a command's words, without their values."""
    return {word.partition("=")[0] for word in words if re.match("--?[a-z]", word)}


@cache
def options_of_kubectl(*verb: str) -> str:
    return "".join(
        subprocess.run(["kubectl", *words], capture_output=True, text=True, check=True).stdout
        for words in ([*verb, "--help"], ["options"])
    )


def verb_of(command: list[str]) -> list[str]:
    """Return what kubectl is told to do: a word, or more, after the namespace."""
    words = command[3:] if command[1] == "--namespace" else command[1:]
    return words[: WITHIN.get(" ".join(words[:2]), WITHIN.get(words[0], 1))]


@pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl knows its own options")
@pytest.mark.parametrize("command", [e for e in COMMANDS if e[0] == "kubectl"], ids=" ".join)
def test_kubectl_knows_what_it_is_told(command):
    known = options_of_kubectl(*verb_of(command))

    unknown = [name for name in options(command) if not re.search(rf"{name}[=,: ]", known)]

    assert "Usage:" in known
    assert unknown == []


@pytest.mark.parametrize(
    "command", [e for e in COMMANDS if Path(e[0]).name in COMMAND_OF], ids=" ".join
)
def test_a_script_of_ours_knows_what_it_is_told(command):
    name = COMMAND_OF[command[0].removeprefix("infra/scripts/")]
    commands = typer.main.get_command(app).commands
    known = {each for parameter in commands[name].params for each in parameter.opts}

    assert options(command[1:]) <= known
    assert name == "smoke" or command[1] in OVERLAYS


@pytest.mark.parametrize("command", [e for e in COMMANDS if e[0] == "cp"], ids=" ".join)
def test_what_is_copied_is_there_and_goes_to_a_folder(command):
    source, target = (REPO / word for word in command[1:])

    assert source.is_file()
    assert target.is_dir() or ["mkdir", "-p", str(target.parent.relative_to(REPO))] in COMMANDS


def test_no_block_has_a_fault_that_shellcheck_knows(tmp_path):
    shellcheck = shutil.which("shellcheck", path=str(Path(sys.executable).parent))
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    script = tmp_path / "page.sh"
    script.write_text("\n".join(blocks), "utf-8")

    done = subprocess.run(
        [shellcheck or "", "--shell=bash", script], capture_output=True, text=True, check=False
    )

    assert shellcheck and blocks
    assert done.stdout == ""


def costs() -> dict[str, int]:
    table = PAGE.split("## What it costs")[1].split("\n\n")[2]
    rows = re.findall(r"^\| ([^|-][^|]*?) \| (?:about )?(\d+) \|$", table, re.MULTILINE)
    return {what.partition(" (")[0]: int(hours) for what, hours in rows}


def test_what_it_costs_is_what_the_manifests_make_it_cost():
    month_h, told = 365 * 24 / 12, costs()
    base = yaml.safe_load((INFRA / "kserve" / "llm-inferenceservice.yaml").read_text("utf-8"))
    notes = base["spec"]["predictor"]["annotations"]
    kept = ("scale-to-zero-pod-retention-period", "scale-down-delay")
    awake_min = sum(int(notes[f"autoscaling.knative.dev/{each}"].rstrip("m")) for each in kept)

    assert told["one LLM, always awake"] == month_h
    assert told["two, always awake"] == 2 * month_h
    assert told["awake in open hours"] == 9 * 26
    assert f"{awake_min} minutes and the start" in PAGE
    woken = 20 * 30 / 60
    slept = told["asleep at zero, woken 20 times a day for a question each"]
    assert woken * awake_min < slept < woken * (awake_min + 10)


@pytest.mark.parametrize(
    "trouble",
    [
        "Pending",
        "OOMKilled",
        "504",
        "401 from the hub",
        "answers are empty",
        "Access Denied",
        "quota",
    ],
)
def test_what_goes_wrong_most_has_its_row(trouble):
    rows = PAGE.split("## When it does not work")[1].split("\n## ")[0].splitlines()

    assert any(trouble in row.split("|")[1] for row in rows if row.count("|") == 4)


@pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl builds the overlays")
def test_every_object_that_a_command_names_is_made_by_an_overlay():
    known = made()
    words = [word for command in COMMANDS for word in command]
    named = {tuple(word.split("/", 1)) for word in words if re.fullmatch(r"[a-z]+/[a-z-]+", word)}
    templates = {word.removeprefix("--from=cronjob/") for word in words if "=cronjob/" in word}

    objects = {(KINDS[kind], name) for kind, name in named if kind in KINDS}

    assert objects and templates
    assert objects <= known
    assert {("CronJob", name) for name in templates} <= known


def test_every_overlay_is_told_end_to_end():
    sections = re.findall(r"^### ([\w-]+)$", PAGE, re.MULTILINE)
    applied = {command[1] for command in COMMANDS if command[0].endswith("/deploy.sh")}

    assert sorted(set(sections) & set(OVERLAYS)) == OVERLAYS
    assert set(OVERLAYS) == applied


def test_every_component_that_it_names_is_there():
    named = set(re.findall(r"`(?:\.\./\.\./)?(?:infra/)?components/([\w/*-]+)`", PAGE))

    assert named
    assert [name for name in named if not list((INFRA / "components").glob(name))] == []


def test_what_has_to_be_there_is_told_with_a_reason():
    listed = yaml.safe_load((INFRA / "externals.yaml").read_text("utf-8"))

    names = [(each["kind"], each["name"]) for each in listed]

    assert len(names) == len(set(names))
    assert all(set(each) == {"kind", "name", "keys", "why"} and each["why"] for each in listed)
