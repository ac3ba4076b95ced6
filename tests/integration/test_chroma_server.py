"""The library on a real Chroma server: `chroma run` in a process of its own."""

import asyncio
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import chromadb
import pytest
from tests.integration.doors import Answer as WrittenAnswer
from tests.integration.facts import MUST_SHOW, SUNDAY, essence
from tests.integration.servers import HOST, Chroma

from agentic_rag.agent.ask import ask
from agentic_rag.bootstrap.house import House, build_house
from agentic_rag.bootstrap.indexing import ingest_folder
from agentic_rag.domain import Answer, Outcome, Question
from agentic_rag.retrieval.ingesting.ingest import IngestReport
from agentic_rag.serving.writing import write_answer
from agentic_rag.settings import Settings, read_settings

WHITENING = "How long does teeth whitening last?"
LATE = "What happens if I am running late for my appointment?"


@dataclass(frozen=True, slots=True)
class Branch:
    """One installation: a pack, a DATA_DIR, and the Chroma server that it shares."""

    settings: Settings

    @property
    def documents(self) -> Path:
        assert self.settings.clinic_pack
        return self.settings.clinic_pack / "documents"

    def ingest(self) -> IngestReport:
        return ingest_folder(self.settings, None, None)

    def edit(self, doc_id: str, before: str, after: str) -> None:
        path = self.documents / doc_id
        text = path.read_text("utf-8")
        assert before in text
        path.write_text(text.replace(before, after), "utf-8")

    @asynccontextmanager
    async def house(self) -> AsyncIterator[House]:
        house = build_house(self.settings)
        try:
            await house.library.open()
            yield house
        finally:
            await house.close()

    async def ask(self, question: str) -> Answer:
        async with self.house() as house:
            return await ask(Question(text=question), deps=house.deps)


@pytest.fixture
def branch(
    chroma_server: Chroma, small_pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Branch]:
    """Open a branch by name: its own pack and DATA_DIR, a collection stem of this test."""
    monkeypatch.chdir(tmp_path)  # no .env of a developer's

    def open_branch(name: str) -> Branch:
        shutil.copytree(small_pack, tmp_path / name / "pack")
        settings = read_settings(
            chroma_host=HOST,
            chroma_port=chroma_server.port,
            chroma_collection=f"{tmp_path.name[-40:].strip('_')}",
            clinic_pack=tmp_path / name / "pack",
            data_dir=tmp_path / name / "data",
        )
        return Branch(settings)

    return open_branch


@pytest.fixture
def collections(
    chroma_server: Chroma, branch: Callable[[str], Branch], tmp_path: Path
) -> "Collections":
    return Collections(chroma_server, tmp_path.name[-40:].strip("_"))


@dataclass(frozen=True, slots=True)
class Collections:
    """The collections of one stem on the server, seen with Chroma's own client."""

    chroma: Chroma
    stem: str

    def names(self) -> list[str]:
        client = chromadb.HttpClient(host=HOST, port=self.chroma.port)
        return [c.name for c in client.list_collections() if c.name.startswith(self.stem)]

    def delete_all(self) -> None:
        client = chromadb.HttpClient(host=HOST, port=self.chroma.port)
        for name in self.names():
            client.delete_collection(name)


async def test_the_answers_are_those_of_the_embedded_index(
    chroma_server: Chroma,
    indexed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    reference: list[WrittenAnswer],
):
    monkeypatch.chdir(tmp_path)
    data_dir = shutil.copytree(indexed, tmp_path / "data")
    settings = read_settings(chroma_host=HOST, chroma_port=chroma_server.port, data_dir=data_dir)
    shipped = Branch(settings)

    report = shipped.ingest()

    async with shipped.house() as house:
        answers = [await ask(Question(text=c.question), deps=house.deps) for c in MUST_SHOW]
    assert (report.changed, report.embedded) == (True, 0)  # the vectors are known
    assert [essence(write_answer(answer)) for answer in answers] == [
        essence(answer) for answer in reference
    ]


async def test_the_same_documents_are_no_work(branch: Callable[[str], Branch]):
    one = branch("one")

    first, second = one.ingest(), one.ingest()

    assert first.changed
    assert first.embedded == first.passages
    assert (second.changed, second.embedded) == (False, 0)
    assert second.version == first.version


async def test_a_changed_document_is_answered_from_as_it_is_now(
    branch: Callable[[str], Branch], collections: Collections
):
    one = branch("one")
    one.ingest()
    before = await one.ask(WHITENING)

    one.edit("faq.md", "lasts 6 to 12 months", "lasts 9 to 15 months")
    report = one.ingest()

    after = await one.ask(WHITENING)
    assert "6 to 12 months" in before.text
    assert report.changed
    assert report.embedded == 1
    assert "9 to 15 months" in after.text
    assert "6 to 12" not in after.text
    assert len(collections.names()) <= 2


async def test_a_removed_document_is_gone(branch: Callable[[str], Branch]):
    one = branch("one")
    one.ingest()
    before = await one.ask(LATE)

    (one.documents / "policies" / "appointments.md").unlink()
    report = one.ingest()

    async with one.house() as house:
        after = await ask(Question(text=LATE), deps=house.deps)
        hits = await house.library.search([LATE], k=50)
    assert any(label.startswith("policies/appointments.md") for label in before.sources)
    assert report.changed
    assert report.embedded == 0
    assert not any(label.startswith("policies/appointments.md") for label in after.sources)
    assert {hit.doc_id for hit in hits} <= {"faq.md", "policies/emergency.md"}


async def test_old_versions_do_not_pile_up_on_the_server(
    branch: Callable[[str], Branch], collections: Collections
):
    one = branch("one")
    for months in range(12, 17):
        one.ingest()
        one.edit("faq.md", f"lasts 6 to {months} months", f"lasts 6 to {months + 1} months")

    one.ingest()

    assert 1 <= len(collections.names()) <= 3  # the live one and INDEX_KEEP others


async def test_two_branches_with_the_same_pack_both_answer(
    branch: Callable[[str], Branch], collections: Collections
):
    one, other = branch("one"), branch("other")

    versions = {one.ingest().version, other.ingest().version}

    answers = [await one.ask(SUNDAY), await other.ask(SUNDAY)]
    assert len(versions) == 1
    assert answers[0].text == answers[1].text
    assert answers[0].outcome is Outcome.ANSWERED


async def test_a_branch_goes_on_answering_while_another_changes_its_documents(
    branch: Callable[[str], Branch],
):
    one, other = branch("one"), branch("other")
    one.ingest()
    other.ingest()

    async with other.house() as open_all_the_while:
        for months in range(12, 15):
            one.edit("faq.md", f"6 to {months} months", f"6 to {months + 1} months")
            one.ingest()
        still = await ask(Question(text=WHITENING), deps=open_all_the_while.deps)
        is_ready = await open_all_the_while.library.ready()

    reopened = await other.ask(WHITENING)
    changed = await one.ask(WHITENING)
    assert (still.outcome, still.degraded, is_ready) == (Outcome.ANSWERED, None, True)
    assert "6 to 12 months" in still.text
    assert "6 to 12 months" in reopened.text
    assert "6 to 15 months" in changed.text


async def test_branches_that_ingest_at_the_same_moment_all_answer(
    branch: Callable[[str], Branch],
):
    first, *others = branches = [branch(name) for name in ("one", "other", "third", "fourth")]
    ingest_folder(first.settings.model_copy(update={"chroma_host": ""}), None, None)
    for other in others:  # the vectors are at hand, so that all reach the server together
        shutil.copytree(first.settings.data_dir, other.settings.data_dir)
    at_once = threading.Barrier(len(branches))

    def ingest(one: Branch) -> None:
        at_once.wait(30)
        one.ingest()

    await asyncio.gather(*(asyncio.to_thread(ingest, one) for one in branches))

    answers = [await one.ask(SUNDAY) for one in branches]
    assert [answer.degraded for answer in answers] == [None] * len(branches)
    assert {answer.outcome for answer in answers} == {Outcome.ANSWERED}


async def test_a_collection_that_the_server_has_lost_is_made_again_by_ingest(
    branch: Callable[[str], Branch], collections: Collections
):
    one = branch("one")
    one.ingest()
    collections.delete_all()

    one.ingest()

    answer = await one.ask(SUNDAY)
    assert (answer.outcome, answer.degraded) == (Outcome.ANSWERED, None)


@pytest.fixture
def restarted(chroma_server: Chroma) -> Iterator[Callable[[], None]]:
    """Restart the Chroma server; whatever happens, it runs afterwards."""

    def restart() -> None:
        chroma_server.stop()
        chroma_server.start()

    yield restart
    chroma_server.start()


async def test_a_restart_of_the_server_keeps_the_data(
    branch: Callable[[str], Branch], restarted: Callable[[], None]
):
    one = branch("one")
    one.ingest()

    async with one.house() as open_all_the_while:
        before = await ask(Question(text=SUNDAY), deps=open_all_the_while.deps)
        await asyncio.to_thread(restarted)
        still = await ask(Question(text=SUNDAY), deps=open_all_the_while.deps)

    report = one.ingest()
    reopened = await one.ask(SUNDAY)
    assert not report.changed
    assert before.outcome is Outcome.ANSWERED
    assert before.text == still.text == reopened.text
