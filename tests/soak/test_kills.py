"""Two hundred SIGKILLs at random moments of an ingest, with a server answering throughout."""

import json
import random
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import pytest
from tests.integration.conftest import StartAgent, start  # noqa: F401  # a fixture
from tests.integration.servers import environment

from agentic_rag.bootstrap.indexing import build_workshop
from agentic_rag.clinic.profile import SHIPPED_PACK
from agentic_rag.retrieval.index import IndexVersion, digest
from agentic_rag.retrieval.ingesting.filling import Rows, prove_folder
from agentic_rag.settings import read_settings

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

KILLS = 200
DOCUMENTS = 60
STABLE = "Is the harbour lighthouse open to patients on Tuesdays?"
ANSWER = "The harbour lighthouse is open to patients on Tuesdays from nine to noon."
SEED = 20261121


@dataclass
class Asker:
    """Asks a server the same question until it is told to stop."""

    base: str
    wrong: Counter[str] = field(default_factory=Counter)
    answers: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Asker":
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _ask(self) -> None:
        with httpx.Client(base_url=self.base, timeout=30) as client:
            while not self._stop.wait(0.05):
                self.answers += 1
                try:
                    reply = client.post("/search", json={"query": STABLE, "k": 5})
                    first = reply.json()["hits"][0] if reply.is_success else {}
                    asked = {"instances": [STABLE]}
                    answer = client.post("/v1/models/rag-agent:predict", json=asked)
                    told = answer.json()["predictions"][0] if answer.is_success else {}
                except (httpx.TransportError, LookupError, ValueError) as error:
                    self.wrong[repr(error)] += 1
                    continue
                if ANSWER not in str(first.get("text")):
                    self.wrong[f"search {reply.status_code}"] += 1
                if told.get("outcome") != "answered" or "nine to noon" not in told["answer"]:
                    self.wrong[f"predict {answer.status_code} {told.get('outcome')}"] += 1


@dataclass(frozen=True, slots=True)
class Branch:
    """A pack that changes, and where it is indexed."""

    pack: Path
    variables: dict[str, str]

    def change(self, turn: int) -> None:
        """Change two documents, add one and take one away."""
        documents = self.pack / "documents"
        for number in (turn % DOCUMENTS, (7 * turn + 3) % DOCUMENTS):
            (documents / f"d{number}.md").write_text(page(number, turn), "utf-8")
        (documents / f"extra{turn}.md").write_text(page(turn, turn), "utf-8")
        (documents / f"extra{turn - 3}.md").unlink(missing_ok=True)

    def start_ingest(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "agentic_rag", "ingest", "--json"],
            cwd=self.pack,
            env=environment(**self.variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def ingest(self) -> dict[str, object]:
        with self.start_ingest() as process:
            said, complaint = process.communicate(timeout=300)
        assert process.returncode == 0, complaint.decode()
        return dict(json.loads(said))

    def version(self) -> IndexVersion:
        settings = read_settings(
            _env_file=None, **{name.lower(): value for name, value in self.variables.items()}
        )
        live = build_workshop(settings).shelf.current()
        assert live
        return live


def page(number: int, turn: int) -> str:
    sections = (
        f"## Section {part}\n\nTreatment {number} part {part} costs {turn + part} euro. "
        + " ".join(f"Step {step} of {number} takes {turn + step} minutes." for step in range(12))
        for part in range(4)
    )
    return f"# Page {number}\n\n" + "\n\n".join(sections) + "\n"


@pytest.fixture(scope="module")
def branch(tmp_path_factory: pytest.TempPathFactory, exported: Path) -> Branch:
    folder = tmp_path_factory.mktemp("kills")
    pack = folder / "pack"
    (pack / "documents" / "policies").mkdir(parents=True)
    shutil.copy(SHIPPED_PACK / "clinic.yaml", pack)
    emergency = SHIPPED_PACK / "documents" / "policies" / "emergency.md"
    shutil.copy(emergency, pack / "documents" / "policies")
    (pack / "documents" / "lighthouse.md").write_text(f"# Lighthouse\n\n{ANSWER}\n", "utf-8")
    for number in range(DOCUMENTS):
        (pack / "documents" / f"d{number}.md").write_text(page(number, 0), "utf-8")
    return Branch(
        pack,
        {
            "CLINIC_PACK": str(pack),
            "DATA_DIR": str(folder / "data"),
            "EMBEDDING_DIR": str(exported),
            "EMBEDDING_BACKEND": "onnx",
        },
    )


@dataclass(frozen=True, slots=True)
class Survived:
    """What was asked and answered meanwhile, and what is left.

    Attributes:
        too_late: runs that had ended before they were killed.
        torn: turns after which the live version was not whole.
    """

    answers: int
    wrong: Counter[str]
    too_late: int
    torn: list[int]


@pytest.fixture(scope="module")
def survived(branch: Branch, start: StartAgent) -> Survived:  # noqa: F811  # the fixture
    """Two hundred kills, then a run that is left in peace."""
    branch.ingest()
    branch.change(0)
    begun = time.monotonic()  # what a run takes that has a little to do, as each of the others has
    branch.ingest()
    usual_s = time.monotonic() - begun
    agent = start(**branch.variables).wait_until_ready()
    with Asker(agent.base) as asker:
        too_late, torn = kill_often(branch, usual_s)
        branch.ingest()
        time.sleep(3)  # the server moves over, and answers from there
    figures = {"kills": KILLS, "too late": too_late, "torn": torn, "questions": asker.answers}
    print(json.dumps(figures | {"wrong": asker.wrong}))  # noqa: T201  # shown by -s
    return Survived(asker.answers, asker.wrong, too_late, torn)


def kill_often(branch: Branch, usual_s: float) -> tuple[int, list[int]]:
    dice, too_late, torn = random.Random(SEED), 0, []
    for turn in range(1, KILLS + 1):
        branch.change(turn)
        with branch.start_ingest() as process:
            time.sleep(dice.uniform(0, usual_s))
            too_late += process.poll() is not None
            process.kill()
        if not branch.version().is_whole():
            torn.append(turn)
    return too_late, torn


def test_no_answer_failed(survived: Survived) -> None:
    assert survived.answers > KILLS
    assert survived.wrong == {}


def test_the_live_version_was_whole_after_every_kill(survived: Survived) -> None:
    assert survived.torn == []
    assert survived.too_late < KILLS // 2


def test_the_index_is_that_of_a_run_that_nobody_disturbed(
    survived: Survived, branch: Branch, tmp_path: Path
) -> None:
    undisturbed = replace(branch, variables={**branch.variables, "DATA_DIR": str(tmp_path)})

    undisturbed.ingest()

    one, other = branch.version(), undisturbed.version()
    assert (one.folder.name, digest(one)) == (other.folder.name, digest(other))


def test_chroma_holds_every_passage_once(survived: Survived, branch: Branch) -> None:
    live = branch.version()
    ids = live.ids()

    prove_folder(live.chroma, len(ids), Rows(ids=ids, doc_ids=(), vectors=live.vectors()))

    assert len(set(ids)) == len(ids) == len(live.passages())


def test_nothing_half_made_is_left(survived: Survived, branch: Branch) -> None:
    index = Path(branch.variables["DATA_DIR"]) / "index"

    assert len(list((index / "versions").iterdir())) <= 3
    assert {path.name for path in index.iterdir()} == {"versions", "current", "ingest.lock"}
