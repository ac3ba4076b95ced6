"""What the documents say is so: examples load, names exist, links resolve."""

import re
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
import typer
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from agentic_rag import __version__
from agentic_rag.agent.graph import build_graph
from agentic_rag.bootstrap.house import build_house
from agentic_rag.cli import app
from agentic_rag.clinic.profile import read_clinic
from agentic_rag.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *DECISIONS]

NOT_OURS = {
    *("PIP_EXTRA_INDEX_URL", "RAY_ADDRESS"),  # pip's own, and Ray's
    "VLLM_ALLOW_RUNTIME_LORA_UPDATING",
}
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
VARIABLE = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")


def fenced(text: str, kind: str) -> list[str]:
    return [body for named, body in FENCED.findall(text) if named == kind]


def code(text: str) -> str:
    """Return all that stands in code, a block or a span to a line."""
    blocks = [body for _, body in FENCED.findall(text)]
    return "\n".join([*blocks, *INLINE.findall(FENCED.sub("", text))])


def write_pack(folder: Path) -> Path:
    """Write the README's example of a pack as it says; returns the pack's folder."""
    for kind, mark in (("yaml", r"# (\S+)\n"), ("markdown", r"<!-- (\S+) -->\n")):
        for body in fenced(README, kind):
            named = re.match(mark, body)
            assert named, f"a {kind} example that does not say which file it is"
            path = folder / named[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(body, "utf-8")
    return folder / "my-clinic"


def test_every_clinic_yaml_in_the_readme_is_a_clinic(tmp_path):
    pack = write_pack(tmp_path)

    examples = list(tmp_path.rglob("clinic.yaml"))

    assert examples == [pack / "clinic.yaml"]
    assert read_clinic(pack).profile.name == "Lakeside Dental Practice"


def test_the_readmes_pack_makes_a_house_that_knows_its_emergency_text(tmp_path, settings):
    house = build_house(settings(clinic_pack=write_pack(tmp_path)))

    assert house.deps.emergency.passage.label == "emergency.md#red-flags"
    assert len(house.deps.emergency.advice) == 2


@pytest.mark.parametrize("said", ["मेरे चेहरे पर सूजन है", "bhai, chehra sooj gaya hai"])
def test_the_readmes_red_flags_are_found_in_another_language(said, tmp_path, settings):
    house = build_house(settings(clinic_pack=write_pack(tmp_path)))

    alarm = house.deps.red_flags.find([said])

    assert alarm is not None
    assert alarm.category == "swelling"


def test_every_variable_that_the_readme_names_is_a_setting():
    named = set(VARIABLE.findall(README)) - NOT_OURS

    assert named
    assert {name for name in named if name.lower() not in Settings.model_fields} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_is_named_exists(page):
    named = set(re.findall(r"\bagentic-rag ([a-z][a-z-]+)", code(page.read_text("utf-8"))))

    assert named <= set(typer.main.get_command(app).commands)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_target_that_is_named_exists(page):
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))

    named = set(re.findall(r"\bmake ([a-z][a-z-]+)", code(page.read_text("utf-8"))))

    assert named <= targets


def test_the_readme_names_every_command_and_every_target():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*##", makefile, re.MULTILINE)) - {"help"}
    told = code(README)

    commands = {f"agentic-rag {name}" for name in typer.main.get_command(app).commands}

    missing = {each for each in commands | {f"make {t}" for t in targets} if each not in told}
    assert missing == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page):
    targets = LINK.findall(page.read_text("utf-8"))

    local = [target.partition("#")[0] for target in targets if "://" not in target]

    assert [target for target in local if target and not (page.parent / target).exists()] == []


def test_every_file_that_kubectl_applies_exists():
    applied = re.findall(r"kubectl apply -f (\S+)", README)

    assert applied
    assert [path for path in applied if not (ROOT / path).exists()] == []


def test_the_drawing_has_the_steps_of_the_graph_in_the_order_of_its_edges():
    drawing = next(body for body in fenced(README, "") if body.startswith("question"))
    graph = build_graph().get_graph()
    edges = {(edge.source, edge.target) for edge in graph.edges}
    steps = set(graph.nodes) - {"__start__", "__end__"}

    way = ["__start__", *drawing.splitlines()[0].split(" → ")[1:-1], "__end__"]

    assert {word for word in re.findall(r"[a-z]+", drawing) if word in steps} == steps
    assert set(pairwise(way)) <= edges
    off_the_way = edges - set(pairwise(way))
    assert off_the_way == {
        ("triage", "escalate"),
        ("triage", "decline"),
        ("plan", "greet"),
        ("greet", "__end__"),
        ("grade", "plan"),
        ("grade", "decline"),
        ("escalate", "__end__"),
        ("decline", "__end__"),
    }


def test_the_changelog_speaks_of_this_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")

    versions = re.findall(r"^## \[([^\]]+)\] - \S+", changelog, re.MULTILINE)

    assert versions[0] == project["version"] == __version__


def test_the_decisions_are_numbered_without_a_gap_and_the_readme_links_each():
    numbers = [int(path.name[:4]) for path in DECISIONS]

    assert numbers == list(range(1, len(DECISIONS) + 1))
    assert [path.name for path in DECISIONS if f"(docs/decisions/{path.name})" not in README] == []


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.name)
def test_a_decision_says_what_hurt_what_we_chose_and_what_we_gave_up(path):
    page = path.read_text("utf-8")

    headings = re.findall(r"^## (.+)$", page, re.MULTILINE)

    assert page.startswith(f"# {path.name[:4]}. ")
    assert headings == ["What hurt", "What we chose", "What we gave up"]
    assert len(page.splitlines()) <= 60


def test_the_pinned_versions_can_be_installed_as_the_readme_says():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pinned = {
        canonicalize_name(requirement.name): requirement.specifier
        for requirement in (Requirement(line) for line in lines if line and line[0] != "#")
    }

    refused = [
        f"{wish} but constraints.txt has {pinned[canonicalize_name(wish.name)]}"
        for wish in map(Requirement, wanted)
        for pin in pinned.get(canonicalize_name(wish.name), ())
        if not wish.specifier.contains(pin.version)
    ]

    assert refused == []
