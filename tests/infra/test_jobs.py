"""The scripts of the jobs: what is cut off, damaged or half made is put right by another run."""

import hashlib
import importlib.util
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType, SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.infra.manifests import INFRA


def script(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(Path(path).stem, INFRA / "components" / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


uploading = script("model-bucket/upload.py")
registering = script("model-registry/register.py")

WEIGHTS, CONFIG = b"weights" * 1000, b'{"a": 1}'
AS_GIT_HASHES_IT = b"blob %d\0" % len(CONFIG) + CONFIG
FILES = {
    "model.safetensors": f"sha256:{hashlib.sha256(WEIGHTS).hexdigest()}",
    "config.json": f"git:{hashlib.sha1(AS_GIT_HASHES_IT).hexdigest()}",
}


class Bucket:
    """As much of S3 as the script asks for; `dies_after` uploads it is gone."""

    def __init__(self):
        self.objects, self.buckets, self.uploads, self.dies_after = {}, set(), 0, 99

    def list_buckets(self):
        return {"Buckets": [{"Name": name} for name in self.buckets]}

    def create_bucket(self, *, Bucket):  # noqa: N803  # boto3's name
        assert Bucket not in self.buckets
        self.buckets.add(Bucket)

    def get_paginator(self, _):
        return self

    def paginate(self, *, Bucket, Prefix):  # noqa: N803  # boto3's names
        keys = [key for key in self.objects if key.startswith(Prefix)]
        return [{"Contents": [{"Key": key}]} for key in keys] or [{}]

    def head_object(self, *, Bucket, Key):  # noqa: N803  # boto3's names
        return {"Metadata": self.objects[Key][1]}

    def upload_file(self, path, bucket, key, *, ExtraArgs):  # noqa: N803  # boto3's name
        if self.uploads == self.dies_after:
            raise ConnectionError("cut off")
        self.uploads += 1
        self.objects[key] = (Path(path).read_bytes(), ExtraArgs["Metadata"])

    def delete_object(self, *, Bucket, Key):  # noqa: N803  # boto3's names
        del self.objects[Key]


@pytest.fixture
def staged(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(WEIGHTS)
    (tmp_path / "config.json").write_bytes(CONFIG)
    return tmp_path


def test_the_digests_are_those_that_the_hub_tells(staged):
    large = SimpleNamespace(
        rfilename="model.safetensors",
        lfs=SimpleNamespace(sha256=hashlib.sha256(WEIGHTS).hexdigest()),
        blob_id="-",
    )
    small = SimpleNamespace(rfilename="config.json", lfs=None, blob_id=FILES["config.json"][4:])
    card = SimpleNamespace(rfilename="README.md", lfs=None, blob_id="0")

    files = uploading.expected([large, small, card])

    assert files == FILES
    assert uploading.drop_damaged(staged, files) == []


def test_what_came_damaged_is_dropped_to_be_fetched_again(staged):
    (staged / "model.safetensors").write_bytes(WEIGHTS[:-1])
    (staged / "config.json").unlink()

    wrong = uploading.drop_damaged(staged, FILES)

    assert wrong == ["model.safetensors", "config.json"]
    assert not (staged / "model.safetensors").exists()


def test_an_upload_that_was_cut_off_goes_on_and_then_has_nothing_left_to_do(staged):
    s3 = Bucket()
    s3.dies_after = 1
    with pytest.raises(ConnectionError):
        uploading.upload(s3, "models", "m", staged, FILES)
    s3.dies_after = 99

    sent = [uploading.upload(s3, "models", "m", staged, FILES) for _ in range(2)]

    assert sent == [1, 0]
    assert uploading.held(s3, "models", "m") == FILES
    assert s3.objects["m/model.safetensors"][0] == WEIGHTS


def test_what_does_not_belong_to_the_model_goes_and_its_neighbours_stay(staged):
    s3 = Bucket()
    s3.objects = {"m/old.safetensors": (b"", {}), "m-2/model.safetensors": (b"", {})}

    uploading.upload(s3, "models", "m", staged, FILES)

    assert sorted(s3.objects) == ["m-2/model.safetensors", "m/config.json", "m/model.safetensors"]


def test_a_bucket_is_made_once():
    s3 = Bucket()

    uploading.make_bucket(s3, "models")
    uploading.make_bucket(s3, "models")

    assert s3.buckets == {"models"}


class Shelf(BaseHTTPRequestHandler):
    """As much of the model registry as the script asks for."""

    entries: list[dict]

    def do_GET(self):
        url = urlsplit(self.path)
        kind = url.path.rsplit("/", 1)[1]
        by = {name: values[0] for name, values in parse_qs(url.query).items()}
        for each in self.entries:
            if each["kind"] == kind and by.items() <= each.items():
                return self._say(200, each)
        return self._say(404, {"message": "not found"})

    def do_POST(self):
        parts = urlsplit(self.path).path.split("/")[4:]
        entry = self._read()
        kind = {"registered_models": "registered_model", "model_versions": "model_version"}
        entry["kind"] = "model_artifact" if parts[-1] == "artifacts" else kind[parts[-1]]
        entry["parentResourceId"] = entry.get("registeredModelId") or (parts[1:2] or [""])[0]
        entry["id"] = str(len(self.entries) + 1)
        self.entries.append(entry)
        self._say(201, entry)

    def do_PATCH(self):
        found = next(each for each in self.entries if each["id"] == self.path.rsplit("/", 1)[1])
        found.update(self._read())
        self._say(200, found)

    def _read(self):
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def _say(self, status, body):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def shelf():
    handler = type("OneShelf", (Shelf,), {"entries": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield registering.Registry(f"http://127.0.0.1:{server.server_port}"), handler.entries
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("left", [0, 1, 2, 3])
def test_an_entry_that_was_left_half_made_is_made_whole(left, shelf):
    registry, entries = shelf
    registering.register(registry, "llm-server", "v1", "s3://models/v1")
    del entries[left:]

    registering.register(registry, "llm-server", "v1", "s3://models/v1")

    assert [each["kind"] for each in entries] == [
        "registered_model",
        "model_version",
        "model_artifact",
    ]
    assert entries[2]["uri"] == "s3://models/v1"
    assert entries[2]["parentResourceId"] == entries[1]["id"]


def test_an_artefact_that_points_elsewhere_is_mended(shelf):
    registry, entries = shelf
    registering.register(registry, "llm-server", "v1", "s3://models/v1")

    registering.register(registry, "llm-server", "v1", "s3://elsewhere/v1")

    assert len(entries) == 3
    assert entries[2]["uri"] == "s3://elsewhere/v1"
