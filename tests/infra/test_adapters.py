"""Adapters in a cluster: when a replica is ready, how it starts, what its door lets through."""

import http.client
import json
import re
import shutil
import socket
import subprocess
import sys
import threading
from dataclasses import fields
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from os.path import relpath

import pytest
import yaml
from tests.infra.manifests import INFRA, build, of_kind, ours, texts
from tests.integration.servers import until
from tests.ports import free_port

from agentic_rag.adapters.shelf import Shelf
from agentic_rag.adapters.steps.done import Done
from agentic_rag.inference.slot import Slot, Speaker

HERE = INFRA / "components" / "adapters"
WORKFLOWS = INFRA / "components" / "adapters-workflows"
LIVE = Speaker(number=7, served_as="clinic-v7", digest="d" * 64)
MODELS = "/v1/models"

needs_kubectl = pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl builds overlays")
needs_nginx = pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is the door")


class Replica(ThreadingHTTPServer):
    """As much of vLLM as a probe and a door ask of it; it keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.served = ["llm-server"]
        self.well = True
        self.key = ""
        self.asked: list[str] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Replica

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.path == "/health":
            return self._say(200 if self.server.well else 503, {})
        if self.server.key and self.headers["Authorization"] != f"Bearer {self.server.key}":
            return self._say(401, {"error": "Unauthorized"})
        return self._say(200, {"data": [{"id": name} for name in self.server.served]})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.do_GET()

    def _say(self, status: int, told: object) -> None:
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def replica():
    server = Replica()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def shelf(tmp_path):
    return Shelf(tmp_path / "clinic", b"0123456789abcdef")


def probe(shelf, replica, **environment):
    """Run the probe as the kubelet does; return how it ended, and what it said."""
    container = shelf.folder.parent / "tmp"  # what a container has until it is started anew
    container.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, HERE / "ready.py", shelf.folder / "slot.json", replica.url],
        capture_output=True,
        text=True,
        check=False,
        env={"TMPDIR": str(container)} | environment,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_a_replica_is_ready_while_nothing_was_ever_promoted(shelf, replica):
    shelf.set_slot(Slot())

    assert probe(shelf, replica) == (0, "")


def test_a_replica_that_serves_what_is_live_is_ready(shelf, replica):
    shelf.set_slot(Slot(live=LIVE))
    replica.served.append("clinic-v7")

    assert probe(shelf, replica) == (0, "")


def test_a_replica_that_serves_another_version_is_not_ready_and_says_which_it_lacks(shelf, replica):
    shelf.set_slot(Slot(live=LIVE))
    replica.served.append("clinic-v6")

    ended, said = probe(shelf, replica)

    assert ended == 1
    assert "clinic-v7 is live" in said


def test_a_replica_that_is_ill_is_not_ready(shelf, replica):
    shelf.set_slot(Slot())
    replica.well = False

    assert probe(shelf, replica)[0] == 1


@pytest.mark.parametrize("written", [None, "", '{"record": {', '{"record": {}}', "[]"])
def test_a_slot_that_does_not_say_who_speaks_lets_no_replica_be_ready(written, shelf, replica):
    shelf.folder.mkdir()
    if written is not None:
        (shelf.folder / "slot.json").write_text(written, "utf-8")

    ended, said = probe(shelf, replica)

    assert ended == 1
    assert said.startswith("not ready: ")


def test_a_replica_stays_ready_while_the_storage_is_away(shelf, replica):
    shelf.set_slot(Slot(live=LIVE))
    replica.served.append("clinic-v7")
    assert probe(shelf, replica)[0] == 0

    shutil.rmtree(shelf.folder)

    assert probe(shelf, replica)[0] == 0
    replica.served.remove("clinic-v7")
    assert probe(shelf, replica)[0] == 1


def test_a_container_that_was_started_anew_without_the_storage_is_not_ready(shelf, replica):
    shelf.set_slot(Slot(live=LIVE))
    replica.served.append("clinic-v7")
    assert probe(shelf, replica)[0] == 0

    shutil.rmtree(shelf.folder)
    shutil.rmtree(shelf.folder.parent / "tmp")

    assert probe(shelf, replica)[0] == 1


def test_the_probe_says_the_key_that_vllm_asks_for(shelf, replica):
    shelf.set_slot(Slot(live=LIVE))
    replica.served.append("clinic-v7")
    replica.key = "secret"

    assert probe(shelf, replica)[0] == 1
    assert probe(shelf, replica, VLLM_API_KEY="secret")[0] == 0


def start(tmp_path, adapters):
    """Run vLLM's own start with a Python that only tells its words."""
    (written,) = yaml.safe_load_all((HERE / "runtime.yaml").read_text("utf-8"))
    command = written["spec"]["containers"][0]["command"]
    file, bin_ = tmp_path / "lora-modules", tmp_path / "bin"
    bin_.mkdir()
    (bin_ / "python3").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n', "utf-8")
    (bin_ / "python3").chmod(0o755)
    if adapters is not None:
        file.write_text(adapters, "utf-8")
    script = command[2].replace("/mnt/adapters/clinic/lora-modules", str(file))
    return subprocess.run(
        [*command[:2], script, *command[3:], "--port=8080", "--max-loras=3"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": f"{bin_}:/usr/bin:/bin"},
    )


def test_vllm_starts_with_what_was_restored(tmp_path):
    listed = "clinic-v7=/mnt/adapters/clinic/7\nclinic-v8=/mnt/adapters/clinic/8\n"

    words = start(tmp_path, listed).stdout.splitlines()

    assert words[:2] == ["-m", "vllm.entrypoints.openai.api_server"]
    assert words[2:4] == ["--port=8080", "--max-loras=3"]
    assert words[4:] == ["--lora-modules", *listed.split()]


def test_vllm_starts_with_the_base_model_alone_where_nothing_was_promoted(tmp_path):
    words = start(tmp_path, "").stdout.splitlines()

    assert words[2:] == ["--port=8080", "--max-loras=3"]


def test_vllm_does_not_start_where_nothing_was_restored(tmp_path):
    done = start(tmp_path, None)

    assert done.returncode != 0
    assert done.stdout == ""


@pytest.fixture
def door(tmp_path, replica):
    """nginx with the shipped configuration, before a replica; gives its port."""
    config = yaml.safe_load((HERE / "door-config.yaml").read_text("utf-8"))["data"]["door.conf"]
    port = free_port()
    config = config.replace("listen 8001", f"listen 127.0.0.1:{port}")
    config = config.replace("127.0.0.1:8080", f"127.0.0.1:{replica.server_port}")
    temporary = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    whole = f"daemon off;\npid {tmp_path}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n"
    (tmp_path / "nginx.conf").write_text(f"{whole}{temporary}{config}\n}}\n", "utf-8")
    running = subprocess.Popen(
        ["nginx", "-p", tmp_path, "-c", tmp_path / "nginx.conf"], stderr=subprocess.PIPE
    )
    until(lambda: is_open(port))
    yield port
    running.terminate()
    running.communicate(timeout=30)


def is_open(port):
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


def ask(port, path):
    """Ask for a path as it is written, without a client that makes it plain first."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", path, body=b"{}")
    status = connection.getresponse().status
    connection.close()
    return status


@needs_nginx
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", MODELS, "/health"])
def test_the_door_lets_questions_through(path, door, replica):
    assert ask(door, path) == 200
    assert replica.asked == [path]


@needs_nginx
@pytest.mark.parametrize(
    "path",
    [
        "/v1/load_lora_adapter",
        "/v1/unload_lora_adapter",
        "/v1/load_lora_adapter/",
        "//v1//load_lora_adapter",
        "/v1/load%5Flora_adapter",
        "/%76%31/load_lora_adapter",
        "/v1/./load_lora_adapter",
        "/v1/models/../load_lora_adapter",
        "/v1/chat/completions/..%2f..%2fload_lora_adapter",
        "/v1/load_lora_adapter?/v1/models",
        "/sleep",
        "/collective_rpc",
        "/",
    ],
)
def test_the_door_lets_nobody_load_an_adapter_however_it_is_written(path, door, replica):
    assert ask(door, path) == 404
    assert replica.asked == []


@needs_nginx
def test_a_path_that_becomes_an_answers_is_passed_on_as_that(door, replica):
    assert ask(door, "/v1/load_lora_adapter/../models") == 200
    assert replica.asked == [MODELS]


def steps(workflow, template):
    (flow,) = yaml.safe_load_all((WORKFLOWS / f"{workflow}.yaml").read_text("utf-8"))
    named = {each["name"]: each for each in flow["spec"]["templates"]}
    return [step for group in named[template]["steps"] for step in group]


@pytest.mark.parametrize(
    ("workflow", "template", "order"),
    [
        ("deploy-evaluate", "main", ["load", "smoke", "stage", "evaluate"]),
        ("performance", "main", ["load", "load-test"]),
        ("promote", "main", ["load", "promote", "status"]),
        ("promote", "settle", ["follow", "rollback", "status"]),
    ],
)
def test_a_workflow_has_its_steps_in_this_order(workflow, template, order):
    assert [each["templateRef"]["template"] for each in steps(workflow, template)] == order


def test_nothing_is_rolled_back_but_what_did_not_prove_to_be_live():
    conditional = [each["name"] for each in steps("promote", "settle") if "when" in each]

    assert conditional == ["rollback"]
    assert [each["name"] for each in steps("promote", "main")][-1] == "liveproof"


def test_a_name_is_asked_for_once_and_the_rest_goes_by_the_number():
    for workflow in ("deploy-evaluate", "performance", "promote"):
        first, *rest = (
            each["arguments"]["parameters"][0]["value"]
            for each in steps(workflow, "main")
            if "arguments" in each
        )

        assert first == "{{workflow.parameters.version}}"
        assert set(rest) == {
            "version:{{=jsonpath(steps.load.outputs.parameters.result, '$.version')}}"
        }


def test_what_workflows_read_of_a_result_is_in_it():
    written = "".join(path.read_text("utf-8") for path in WORKFLOWS.glob("*.yaml"))

    read = set(re.findall(r"'\$\.(\w+)'", written))

    assert read
    assert read <= {each.name for each in fields(Done)}


@needs_kubectl
def test_an_image_that_is_named_once_is_named_in_every_step_too(tmp_path):
    named = {
        "resources": [relpath(INFRA / "overlays" / "adapters", tmp_path)],
        "images": [
            {
                "name": "registry.example/agentic-rag/rag-agent-adapters",
                "newName": "images.example/clinic/rag-agent-adapters",
                "digest": f"sha256:{'0' * 64}",
            }
        ],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(named), "utf-8")

    manifests = build(tmp_path)

    images = {c["image"] for _, c in ours(manifests) if "adapters" in c.get("command", [])}
    assert images == {f"images.example/clinic/rag-agent-adapters@sha256:{'0' * 64}"}
    assert len(of_kind(manifests, "WorkflowTemplate")) == 4
    assert not [text for text in texts(manifests) if "example/agentic-rag/rag-agent-ad" in text]
