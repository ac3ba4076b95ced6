"""What every test stands on: no network, a clean environment, and clinics to work with."""

import asyncio
import hashlib
import inspect
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from filelock import FileLock
from pytest_socket import socket_allow_hosts
from tests.adapting.registry import Mlflow
from tests.postgres import Postgres

from agentic_rag.bootstrap.house import House, build_house
from agentic_rag.bootstrap.indexing import ingest_folder
from agentic_rag.retrieval.embedding import export, exporting, onnx_backend, torch_backend
from agentic_rag.settings import Settings, read_settings

LOOPBACK = ["127.0.0.1", "::1", "localhost"]

# read by huggingface_hub when it is imported: a model that is not here is not looked for elsewhere
os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(autouse=True)
def _loopback_only() -> None:
    """Refuse every socket that leaves this machine; pytest-socket lifts it when a test ends."""
    socket_allow_hosts(LOOPBACK, allow_unix_socket=True)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the developer's own variables, a real key among them, out of the environment."""
    forget_settings(monkeypatch)


def forget_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unset every variable that `Settings` reads, however it is spelled."""
    for name in list(os.environ):
        if name.lower() in Settings.model_fields:
            monkeypatch.delenv(name)


class Pack:
    """A clinic pack in a folder, for a test to change before it is read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.documents = folder / "documents"

    def write(self, doc_id: str, text: str | bytes) -> Path:
        """Put a document into the pack, as UTF-8 text or as it is."""
        path = self.documents / doc_id
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def edit(self, **fields: object) -> None:
        """Set fields of `clinic.yaml`; None takes one out."""
        path = self.folder / "clinic.yaml"
        profile = yaml.safe_load(path.read_text("utf-8")) | fields
        kept = {name: value for name, value in profile.items() if value is not None}
        path.write_text(yaml.safe_dump(kept, allow_unicode=True), "utf-8")


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    """A small clinic by the sea: six documents, one of them noisy."""
    made = Pack(tmp_path / "harbour")
    made.documents.mkdir(parents=True)
    for name, text in _HARBOUR.items():
        made.write(name, text)
    (made.folder / "clinic.yaml").write_text(_HARBOUR_YAML, "utf-8")
    return made


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """Make settings by field name: DATA_DIR is `tmp_path/data`, and no `.env` is read."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)

    def make(**fields: object) -> Settings:
        return read_settings(**{"data_dir": tmp_path / "data"} | fields)

    return make


@pytest.fixture(scope="session")
def clinic_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The settings of the shipped clinic, with a DATA_DIR for the whole session."""
    data_dir = tmp_path_factory.mktemp("shipped-clinic")
    with pytest.MonkeyPatch.context() as monkeypatch:
        forget_settings(monkeypatch)
        monkeypatch.chdir(data_dir)
        return read_settings(data_dir=data_dir)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of one run have in common."""
    ours = tmp_path_factory.getbasetemp()
    return ours.parent if "PYTEST_XDIST_WORKER" in os.environ else ours


def made_once(folder: Path, make: Callable[[Path], object]) -> Path:
    """Make a folder, unless another worker has; who comes meanwhile waits."""
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            begun = folder.with_suffix(".begun")
            make(begun)
            begun.rename(folder)
    return folder


@pytest.fixture(scope="session")
def clinic_index(clinic_settings: Settings, shared: Path) -> Path:
    """A DATA_DIR with the shipped clinic's index, made once. Read it, and change nothing in it."""

    def make(folder: Path) -> None:
        ingest_folder(clinic_settings.model_copy(update={"data_dir": folder}), None, None)

    made = made_once(shared / "clinic-index", make)
    shutil.copytree(made, clinic_settings.data_dir, dirs_exist_ok=True)
    return clinic_settings.data_dir


@pytest.fixture(scope="session")
def exported(pytestconfig: pytest.Config, clinic_settings: Settings) -> Path:
    """A folder with the export of the shipped embedder. Read it, and change nothing in it.

    Half a minute to make, so it is kept from one run to the next, as long as the code that makes
    it stays the same.
    """
    makers = (exporting, export, torch_backend, onnx_backend.quantise)
    code = "".join(inspect.getsource(maker) for maker in makers).encode()
    kept = pytestconfig.cache.mkdir("embedder")
    folder = kept / hashlib.blake2b(code, digest_size=8).hexdigest()
    with FileLock(kept.with_suffix(".lock")):
        for other in set(kept.iterdir()) - {folder}:
            shutil.rmtree(other, ignore_errors=True)
        exporting.export_embedder(clinic_settings.embedding_model, folder, lambda _step: None)
    return folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real Postgres, started once. A test that stops it starts it again."""
    server = Postgres()
    try:
        yield server.start()
    finally:
        server.remove()


@pytest.fixture(scope="session")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mlflow]:
    """A real MLflow server; each test has a registered model of its own in it."""
    pytest.importorskip("mlflow", reason="the extra mlops is not installed")
    server = Mlflow(tmp_path_factory.mktemp("mlflow"))
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(scope="session")
def house(clinic_settings: Settings, clinic_index: Path) -> Iterator[House]:
    """The shipped clinic, opened once, because that takes seconds; no LLM is set.

    It belongs to no event loop while no question is under way, so each test may bring its own.
    """
    built = build_house(clinic_settings)
    asyncio.run(built.library.open())
    yield built
    asyncio.run(built.close())


_HARBOUR_YAML = """\
name: Harbour Physiotherapy
location: Cork, Ireland
currency: EUR
timezone: Europe/Dublin
languages: [English]
phones: {front_desk: "+353-21-400-0000", emergency: "+353-87-900-0000"}
emergency_source: urgent.md#warning-signs
synonyms:
  LLLT: [low level laser therapy, cold laser]
  physiotherapy: [physical therapy]
noisy_sources: [gossip.jsonl]
precedence: [urgent.md, services.json, faq.md]
"""

_HARBOUR = {
    "urgent.md": """\
# Urgent cases

## Warning signs

Call us at once if you lose feeling in both legs.
Loss of bladder control after a back injury needs a hospital.

## Other pain

Most back pain settles within six weeks.
""",
    "services.json": """\
[
 {"code": "PT-01", "name": "Knee rehabilitation", "duration_minutes": 45, "visits": 6,
  "price_band_eur": [55, 70], "aftercare": ["Ice the knee for 15 minutes.", "Rest that evening."]},
 {"code": "PT-02", "name": "Laser therapy", "duration_minutes": 20, "price_band_eur": [40, 50]}
]
""",
    "faq.md": """\
# Questions

## Is there parking?

Parking behind the harbour office is free for patients.

## Do I need a referral?

You do not need a referral from a doctor.
""",
    "notes/exercises.txt": "Bend the knee slowly ten times. Stop when it hurts.\n",
    "prices.jsonl": '{"id": "P-1", "title": "Missed", "text": "A missed visit costs 20 euro."}\n',
    "gossip.jsonl": '{"id": "G-1", "text": "Parking costs 9 euro, somebody said."}\n',
}
