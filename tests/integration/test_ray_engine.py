"""Ingest on Ray: the same index as without it, whatever happens on the way."""

import contextlib
import hashlib
import importlib.util
import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import chromadb
import numpy as np
import psutil
import pytest
from tests.fakes import WordEmbedder
from tests.integration.ray_driver import DOCUMENT_OF_THE_HOUR
from tests.integration.servers import HOST, environment
from tests.ports import free_port

from agentic_rag.retrieval.embedding.embedder import Vectors
from agentic_rag.retrieval.index import IndexShelf
from agentic_rag.retrieval.ingesting.ingest import ingest
from agentic_rag.retrieval.ingesting.workshop import Workshop

REPO = Path(__file__).resolve().parents[2]
LIMIT_S = 120
LINES = 1300  # more than two blocks of vectors
AGENTS = {"ray::DashboardAgent", "ray::RuntimeEnvAgent"}  # Ray's own; they take a minute to go
TOKEN = secrets.token_hex(32)

pytestmark = pytest.mark.timeout(400)  # processes start slowly on a machine that has much to do
needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed: the extra `ray`"
)


@dataclass
class Driver:
    """A process that has a Ray and ingests with it."""

    process: subprocess.Popen[str]
    address: str = ""

    def ingest(self, folder: Path, data_dir: Path, **order: str) -> dict[str, Any]:
        """Have a folder ingested, and return the report."""
        self.begin(folder, data_dir, **order)
        return self.wait_for("done")

    def begin(self, folder: Path, data_dir: Path, **order: str) -> None:
        assert self.process.stdin
        order |= {"folder": str(folder), "data_dir": str(data_dir)}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()

    def wait_for(self, key: str, value: object = None) -> Any:
        """Read on until something is said of that key."""
        assert self.process.stdout
        for line in self.process.stdout:
            said = json.loads(line)
            if key in said and value in {None, str(said[key])}:
                return said[key]
        raise AssertionError("the driver has ended")


@contextlib.contextmanager
def driving(folder: Path) -> Iterator[Driver]:
    with (folder / "driver.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.integration.ray_driver"],
            cwd=REPO,
            env=environment(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=TOKEN),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    with process:
        try:
            driver = Driver(process)
            driver.address = driver.wait_for("address")
            yield driver
        finally:
            process.kill()


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    """The one that all tests share, for a start takes long."""
    with driving(tmp_path_factory.mktemp("driver")) as made:
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Documents of all kinds, some of which cannot be read."""
    made = tmp_path / "documents"
    (made / "à propos").mkdir(parents=True)
    lines = [{"id": f"Q{n}", "title": f"Case {n}", "text": text_of(n)} for n in range(LINES)]
    (made / "corpus.jsonl").write_text("\n".join(map(json.dumps, lines)), "utf-8")
    (made / "hours.md").write_text("# Hours\n\nWe open at nine.\n", "utf-8")
    (made / "à propos" / "दाँत.txt").write_text("दाँत साफ़ रखें।\n", "utf-8")
    (made / "fees.json").write_text('[{"code": "A", "name": "Visit", "price_inr": 300}]', "utf-8")
    (made / "broken.json").write_text('[{"code": ', "utf-8")
    (made / "empty.md").write_text("", "utf-8")
    (made / "picture.xyz").write_bytes(b"\x00\x01")
    return made


def text_of(number: int) -> str:
    return f"The patient of case {number} has tooth {number % 32} treated. " * (1 + number % 9)


def shop_at(data_dir: Path) -> Workshop:
    return Workshop(
        shelf=IndexShelf(data_dir / "index"),
        embedder=WordEmbedder(),
        server=None,
        collection="clinic",
    )


def digest(data_dir: Path) -> dict[str, str]:
    """Return what the live version holds, part by part: its files, and the rows in Chroma."""
    version = IndexShelf(data_dir / "index").current()
    assert version is not None
    parts = {
        path.relative_to(version.folder).as_posix(): path.read_bytes()
        for path in sorted(version.folder.rglob("*"))
        if path.is_file() and not path.is_relative_to(version.chroma)
    }
    manifest = json.loads(parts.pop("manifest.json"))
    sizes = {part: size for part, size in manifest["parts"].items() if part in parts}
    parts["manifest.json"] = repr(manifest | {"created": "", "parts": sizes}).encode()
    if version.chroma.is_dir():
        parts["rows"] = rows_of(version.chroma)
    return {name: hashlib.sha256(content).hexdigest() for name, content in parts.items()}


def vectors_of(data_dir: Path) -> Vectors:
    version = IndexShelf(data_dir / "index").current()
    assert version is not None
    return version.vectors()


def rows_of(chroma: Path) -> bytes:
    client = chromadb.PersistentClient(path=str(chroma))
    (collection,) = client.list_collections()
    rows = client.get_collection(collection.name, embedding_function=None).get(
        include=["embeddings", "metadatas"]
    )
    client.close()
    told = zip(rows["ids"], rows["metadatas"], rows["embeddings"].tolist(), strict=True)
    return repr(sorted(told, key=lambda row: row[0])).encode()


@pytest.fixture
def expected(folder: Path, tmp_path: Path) -> dict[str, str]:
    """What the local engine makes of the folder."""
    ingest(folder, shop_at(tmp_path / "local"))
    return digest(tmp_path / "local")


@needs_ray
def test_the_index_is_that_of_the_local_engine(driver, folder, expected, tmp_path):
    report = driver.ingest(folder, tmp_path / "ray")

    assert digest(tmp_path / "ray") == expected
    assert report["embedded"] == report["passages"] > LINES
    assert report["skipped"].keys() == {"broken.json", "empty.md", "picture.xyz"}


@needs_ray
def test_a_folder_that_changes_is_followed_as_the_local_engine_does(driver, folder, tmp_path):
    driver.ingest(folder, tmp_path / "ray")
    ingest(folder, shop_at(tmp_path / "local"))
    (folder / "hours.md").write_text("# Hours\n\nWe open at eight.\n", "utf-8")
    (folder / "new.txt").write_text("We have moved.\n", "utf-8")
    (folder / "fees.json").unlink()

    report = driver.ingest(folder, tmp_path / "ray")
    again = driver.ingest(folder, tmp_path / "ray")

    ingest(folder, shop_at(tmp_path / "local"))
    assert digest(tmp_path / "ray") == digest(tmp_path / "local")
    assert (report["changed"], report["embedded"]) == (True, 2)
    assert (again["changed"], again["embedded"]) == (False, 0)


@needs_ray
def test_a_folder_that_only_lost_a_document_wakes_no_ray(driver, folder, tmp_path):
    driver.ingest(folder, tmp_path / "ray")
    (folder / "hours.md").unlink()

    report = driver.ingest(folder, tmp_path / "ray")

    assert (report["changed"], report["embedded"], report["notes"]) == (True, 0, [])


@needs_ray
@pytest.mark.soak
def test_a_run_that_is_cut_off_is_taken_up_where_it_was(driver, folder, expected, tmp_path):
    cut = driver.ingest(folder, tmp_path / "ray", cut_at="indexing")

    report = driver.ingest(folder, tmp_path / "ray")

    assert cut["error"] == "Cut"
    assert 0 < report["embedded"] < report["passages"]
    assert digest(tmp_path / "ray") == expected


@needs_ray
def test_a_worker_that_dies_is_replaced(driver, folder, expected, tmp_path):
    mark = tmp_path / "died"

    report = driver.ingest(folder, tmp_path / "ray", embedder="frail", mark=str(mark))

    assert mark.exists()
    assert report["changed"]
    assert report["printed"] == ""
    assert digest(tmp_path / "ray") == expected


@needs_ray
@pytest.mark.parametrize(
    ("embedder", "said"),
    [
        ("another", "a node of Ray has another embedder: another, not words"),
        ("away", "EMBEDDING_MODEL gone: the weights cannot be loaded"),
    ],
)
@pytest.mark.soak
def test_a_node_that_cannot_embed_as_we_do_is_told(driver, folder, tmp_path, embedder, said):
    driver.ingest(folder, tmp_path / "ray")
    before = digest(tmp_path / "ray")
    (folder / "new.txt").write_text("We have moved.\n", "utf-8")

    report = driver.ingest(folder, tmp_path / "ray", embedder=embedder)

    assert report["error"] == "RetrievalUnavailable"
    assert said in report["said"]
    assert digest(tmp_path / "ray") == before


@needs_ray
def test_a_file_that_is_not_as_it_was_looked_at_is_read_here(driver, folder, tmp_path):
    report = driver.ingest(folder, tmp_path / "ray", changes=str(folder / "hours.md"))

    assert any("read here" in note for note in report["notes"])
    ingest(folder, shop_at(tmp_path / "local"))
    assert (folder / "hours.md").read_text("utf-8") == DOCUMENT_OF_THE_HOUR
    assert digest(tmp_path / "ray") == digest(tmp_path / "local")


@needs_ray
@pytest.mark.soak
def test_a_killed_run_leaves_nothing_running_and_is_taken_up(driver, folder, expected, tmp_path):
    with driving(tmp_path) as other:
        other.begin(folder, tmp_path / "ray", embedder="slow")
        other.wait_for("at", "embedding")
        started = psutil.Process(other.process.pid).children(recursive=True)

        other.process.kill()

        _, left = psutil.wait_procs([p for p in started if p.name() not in AGENTS], timeout=30)
    report = driver.ingest(folder, tmp_path / "ray")
    assert len(started) > 3
    assert left == []
    assert 0 < report["embedded"] < report["passages"]
    assert digest(tmp_path / "ray") == expected


def run_ingest(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "agentic_rag", "ingest", *arguments],
        cwd=folder,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def test_without_ray_the_command_names_the_extra(tmp_path):
    (tmp_path / "ray.py").write_text("raise ImportError('not here')\n", "utf-8")

    done = run_ingest(tmp_path, "--engine", "ray")

    assert done.returncode == 2
    (said,) = done.stderr.strip().splitlines()
    assert said.startswith("error: ")
    assert "pip install 'agentic-rag[ray]'" in said


@needs_ray
def test_a_cluster_that_is_away_is_told_in_one_line(tmp_path):
    address = f"{HOST}:{free_port()}"

    done = run_ingest(tmp_path, "--engine", "ray", "--json", RAY_ADDRESS=address)

    assert done.returncode == 1
    assert json.loads(done.stdout) == {"error": f"RAY_ADDRESS {address}: no Ray answers there"}


@needs_ray
@pytest.mark.soak
def test_a_replica_takes_from_the_server_what_ray_has_put_there(
    driver, chroma_server, small_pack, tmp_path
):
    settings = chroma_server.settings | {"CLINIC_PACK": str(small_pack)}
    ray = {"RAY_ADDRESS": driver.address, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}
    first, second = tmp_path / "first", tmp_path / "second"

    with_ray = run_ingest(
        tmp_path, "--engine", "ray", "--json", DATA_DIR=str(first), **settings, **ray
    )
    replica = run_ingest(tmp_path, "--json", DATA_DIR=str(second), **settings)

    assert with_ray.returncode == 0, with_ray.stderr
    assert replica.returncode == 0, replica.stderr
    made, taken = json.loads(with_ray.stdout), json.loads(replica.stdout)
    assert made["embedded"] == made["passages"] == taken["passages"] > 0
    assert (taken["embedded"], taken["version"]) == (0, made["version"])
    here, there = digest(second), digest(first)
    assert here.pop("vectors.npy") and there.pop(
        "vectors.npy"
    )  # Chroma gives back the last bit as it likes
    assert here == there
    assert np.abs(vectors_of(second) - vectors_of(first)).max() < 1e-6
