"""Building: a version is the same however it came about, and nothing half made goes live."""

import asyncio
import os
import random
import subprocess
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import chromadb
import numpy as np
import pytest
from chromadb.config import Settings as ChromaSettings
from tests.fakes import WordEmbedder
from tests.unit.retrieval.ingesting.runs import ingesting, told

from agentic_rag.errors import BadPack, FilesSkipped, IndexUnproven, RetrievalUnavailable
from agentic_rag.retrieval.chroma import EmbeddedStore
from agentic_rag.retrieval.hybrid import Taste
from agentic_rag.retrieval.index import IndexVersion, digest
from agentic_rag.retrieval.ingesting.building import Order
from agentic_rag.retrieval.ingesting.engine import Job, LocalEngine, Silent
from agentic_rag.retrieval.ingesting.ingest import ingest
from agentic_rag.retrieval.ingesting.proof import Known, ask_known
from agentic_rag.retrieval.ingesting.workshop import Workshop

PARTS = [
    "manifest.json", "passages.jsonl", "ids.txt", "marks.txt", "vectors.npy",
    "lexical/rows.npy", "chroma/chroma.sqlite3",
]  # fmt: skip


def in_chroma(version: IndexVersion) -> dict[str, tuple[str, list[float]]]:
    """What a version's Chroma folder holds: document and vector by id."""
    settings = ChromaSettings(anonymized_telemetry=False)
    client = chromadb.PersistentClient(path=str(version.chroma), settings=settings)
    try:
        held = client.get_collection("rows", embedding_function=None).get(
            include=["embeddings", "metadatas"]
        )
    finally:
        client.close()
    vectors = np.asarray(held["embeddings"]).round(5).tolist()
    documents = [each["doc_id"] for each in held["metadatas"]]
    return dict(zip(held["ids"], zip(documents, vectors, strict=True), strict=True))


def essence(shop: Workshop) -> tuple[str, str, object]:
    live = shop.shelf.current()
    assert live.is_whole()
    return live.folder.name, digest(live), in_chroma(live)


def from_nothing(folder: Path, shop_at, tmp_path: Path) -> tuple[str, str, object]:
    """What an index of the folder is that nothing was known for."""
    other = shop_at(tmp_path / f"from-nothing-{time.monotonic_ns()}")
    ingest(folder, other)
    return essence(other)


def write(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        (folder / f"{name}.md").write_text(text, "utf-8")


@pytest.fixture
def many(folder):
    """Forty documents more."""
    for number in range(40):
        write(folder, **{f"d{number}": f"# D{number}\n\n## One\n\nCosts {number} euro.\n"})
    return folder


class ReadsNothing(LocalEngine):
    """Lets no file be read: each has to be known."""

    def run(self, job: Job, progress):
        nowhere = {doc_id: Path("/nowhere") for doc_id in job.paths}
        return super().run(replace(job, paths=nowhere), progress)


# ---- the same, however it came about


CHANGES = {
    "a document changed": lambda f: write(f, d7="# D7\n\n## One\n\nCosts nothing.\n"),
    "a document added": lambda f: write(f, aaa="# First\n\nOf all.\n"),
    "a document removed": lambda f: (f / "d7.md").unlink(),
    "a document renamed": lambda f: (f / "d7.md").rename(f / "zz.md"),
    "a section added": lambda f: write(
        f, d7="# D7\n\n## Zero\n\nNew.\n\n## One\n\nCosts 7 euro.\n"
    ),
    "the same words twice": lambda f: write(f, d7="# D7\n\n## One\n\nX.\n\n# D7\n\n## One\n\nX.\n"),
    "most of it changed": lambda f: [write(f, **{f"d{n}": f"Other {n}."}) for n in range(30)],
    "most of it removed": lambda f: [(f / f"d{n}.md").unlink() for n in range(38)],
    "a document broken": lambda f: (f / "d7.md").write_bytes(b"\xff\x00\xff"),
    "all of it changed": lambda f: [p.write_text(f"Other {p.name}.") for p in f.iterdir()],
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_folder_has_the_index_that_it_would_have_from_nothing(
    many, shop, shop_at, tmp_path, change
):
    ingest(many, shop)
    change(many)

    ingest(many, shop)

    assert essence(shop) == from_nothing(many, shop_at, tmp_path)


def test_many_changes_after_one_another_end_in_the_same_index(many, shop, shop_at, tmp_path):
    keeping_none = replace(shop, keep=0)
    for turn in range(8):
        write(many, **{f"d{turn}": f"# D{turn}\n\n## One\n\nTurn {turn}.\n"})
        if turn % 3 == 0:
            (many / f"d{39 - turn}.md").unlink()
        ingest(many, keeping_none)

    assert essence(shop) == from_nothing(many, shop_at, tmp_path)


def test_after_enough_changes_the_graph_is_made_anew(many, shop):
    churns = []
    for turn in range(16):
        write(many, d0=f"# D0\n\n## One\n\nTurn {turn}.\n")
        ingest(many, shop)
        churns.append(shop.shelf.current().manifest().churn)

    assert churns[:3] == [0, 2, 4]
    assert max(churns) <= 0.25 * shop.shelf.current().manifest().passages
    assert churns[-1] < max(churns)


def test_documents_that_have_not_changed_are_not_read_again(many, shop):
    first = ingest(many, shop)
    (many / "d7.md").unlink()

    report = ingest(many, replace(shop, engine=ReadsNothing()))

    assert (report.passages, report.embedded) == (first.passages - 2, 0)
    assert report.skipped == {}


def test_a_document_that_could_not_be_read_is_still_told_when_another_changes(many, shop):
    (many / "broken.json").write_text("[{", "utf-8")
    ingest(many, shop)
    write(many, d7="Other.")

    report = ingest(many, shop)

    assert report.skipped.keys() == {"broken.json"}


def test_a_photo_more_is_told_and_makes_no_new_version(many, shop):
    first = ingest(many, shop)
    (many / "photo.png").write_bytes(b"\x89PNG")

    report = ingest(many, shop)

    assert (report.changed, report.version) == (False, first.version)
    assert report.skipped.keys() == {"photo.png"}


def test_thousands_of_passages_are_filled_in_by_another_process(tmp_path, shop, shop_at):
    folder = tmp_path / "corpus"
    folder.mkdir()
    lines = [f'{{"id": "{n}", "text": "Number {n} costs {n % 97} euro."}}' for n in range(4200)]
    (folder / "corpus.jsonl").write_text("\n".join(lines), "utf-8")
    told_of: dict[str, int] = {}

    class Watching(Silent):
        def start(self, stage, total):
            def advance(count):
                told_of[stage] = told_of.get(stage, 0) + count

            return advance

    report = ingest(folder, shop, Watching())

    assert report.passages == report.embedded == told_of["indexing"] == told_of["embedding"] == 4200
    lines[2000] = '{"id": "2000", "text": "Another one."}'
    (folder / "corpus.jsonl").write_text("\n".join(lines), "utf-8")
    assert ingest(folder, shop).embedded == 1
    assert len(in_chroma(shop.shelf.current())) == 4200


def test_a_file_that_changes_while_it_is_read_is_named_by_what_was_read(many, shop):
    class Late(LocalEngine):
        def run(self, job: Job, progress):
            write(many, d7="# D7\n\n## One\n\nWritten meanwhile.\n")
            return super().run(job, progress)

    ingest(many, replace(shop, engine=Late()))

    report = ingest(many, replace(shop, engine=ReadsNothing()))

    assert not report.changed


# ---- a damaged index


@pytest.mark.parametrize("damage", ["removed", "emptied", "cut"])
@pytest.mark.parametrize("part", PARTS)
def test_a_damaged_live_version_is_healed(many, shop, part, damage):
    ingest(many, shop)
    before = essence(shop)
    path = shop.shelf.current().folder / part
    {
        "removed": path.unlink,
        "emptied": lambda: path.write_bytes(b""),
        "cut": lambda: os.truncate(path, path.stat().st_size // 2),
    }[damage]()

    report = ingest(many, shop)

    assert report.changed
    assert essence(shop) == before


@pytest.mark.parametrize("part", ["lexical/rows.npy", "chroma/chroma.sqlite3"])
def test_a_version_whose_vectors_are_whole_is_healed_without_embedding(many, shop, part):
    ingest(many, shop)
    (shop.shelf.current().folder / part).write_bytes(b"")

    assert ingest(many, shop).embedded == 0


@pytest.mark.parametrize("content", ["", "gone", "../x", "\x00", "\udcff"])
def test_a_pointer_that_leads_nowhere_is_healed_without_embedding(many, shop, content):
    first = ingest(many, shop)
    (shop.shelf.folder / "current").write_text(content, "utf-8", errors="surrogateescape")

    report = ingest(many, shop)

    assert (report.version, report.changed, report.embedded) == (first.version, True, 0)


def test_an_index_of_an_older_format_is_built_anew(many, shop):
    ingest(many, shop)
    live = shop.shelf.current()
    (live.folder / "manifest.json").write_text('{"format": 1, "version": "x", "documents": {}}')

    report = ingest(many, shop)

    assert report.changed
    assert shop.shelf.current().is_whole()


def test_what_an_open_reader_holds_is_not_taken_from_it_by_healing(many, shop):
    ingest(many, shop)
    live = shop.shelf.current()
    ids, vectors = live.ids(), np.array(live.vectors())
    store = EmbeddedStore(live.chroma, ids, vectors, exact=0)
    asyncio.run(store.query(vectors[0], k=1))  # as each reader does before it is ready
    (live.folder / "marks.txt").unlink()

    ingest(many, shop)

    async def ask() -> list[int]:
        found = [(await store.query(vector, k=1))[0][0] for vector in vectors[:5]]
        await store.close()
        return found

    # two rows may have one vector
    assert np.allclose(vectors[asyncio.run(ask())], vectors[:5])


# ---- what may go live


def test_strict_switches_to_nothing_where_a_file_would_be_left_out(many, shop):
    ingest(many, shop)
    before = essence(shop)
    write(many, d7="Other.")
    (many / "broken.json").write_text("[{", "utf-8")
    (many / "photo.png").write_bytes(b"\x89PNG")

    with pytest.raises(FilesSkipped, match=r"broken\.json: .*photo\.png: ") as caught:
        ingest(many, shop, order=Order(strict=True))

    assert caught.value.skipped.keys() == {"broken.json", "photo.png"}
    assert essence(shop) == before
    assert shop.shelf.names() == [before[0]]


@pytest.mark.parametrize("name", ["broken.json", "photo.png"])
def test_strict_fails_where_the_live_version_was_made_without_a_file(many, shop, name):
    (many / name).write_text("[{", "utf-8")
    ingest(many, shop)

    with pytest.raises(FilesSkipped, match=name):
        ingest(many, shop, order=Order(strict=True))


def test_strict_builds_a_folder_that_can_be_read_whole(many, shop):
    assert ingest(many, shop, order=Order(strict=True)).changed


def known_questions(*questions: tuple[str, str]) -> list[Known]:
    return [Known(queries=[question], label=label) for question, label in questions]


def asking(shop: Workshop, questions: Sequence[Known]) -> Order:
    return Order(prove=lambda version: ask_known(version, shop, Taste(), questions))


def test_a_version_that_finds_what_is_known_goes_live(folder, shop):
    known = known_questions(("Is parking free?", "parking.txt"), ("visit costs", "fees.md#visits"))

    report = ingest(folder, shop, order=asking(shop, known))

    assert report.changed
    assert shop.shelf.current().is_whole()


async def test_what_is_known_is_asked_where_an_event_loop_runs(folder, shop):
    known = known_questions(("Is parking free?", "parking.txt"))

    assert ingest(folder, shop, order=asking(shop, known)).changed


def test_a_version_that_does_not_find_what_is_known_is_refused_and_the_live_one_stays(folder, shop):
    ingest(folder, shop)
    before = essence(shop)
    (folder / "parking.txt").unlink()
    known = known_questions(("Is parking free?", "parking.txt"), ("visit costs", "fees.md#visits"))

    with pytest.raises(IndexUnproven, match="1 of 2 known questions") as caught:
        ingest(folder, shop, order=asking(shop, known))

    assert caught.value.missed == ("Is parking free? (parking.txt)",)
    assert essence(shop) == before
    assert shop.shelf.names() == [before[0]]


def test_documents_without_a_word_can_be_indexed(tmp_path, shop):
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "a.txt").write_text("?! \U0001f9b7", "utf-8")

    assert ingest(tmp_path / "odd", shop).passages == 1


def test_one_known_question_in_ten_may_be_missed(folder, shop):
    right = [("Is parking free?", "parking.txt")] * 9
    missed = ("Where is the moon?", "moon.md")

    ingest(folder, shop, order=asking(shop, known_questions(*right, missed)))
    (folder / "new.txt").write_text("New.")
    with pytest.raises(IndexUnproven):
        ingest(folder, shop, order=asking(shop, known_questions(*right[:8], missed)))


def test_an_embedder_that_answers_nonsense_brings_nothing_live(folder, shop, shop_at, tmp_path):
    class Nonsense(WordEmbedder):
        def encode(self, texts, *, progress=None):
            return super().encode(texts, progress=progress)[:-1]

    with pytest.raises((RetrievalUnavailable, ValueError, KeyError)):
        ingest(folder, shop_at(tmp_path / "data", Nonsense()))

    assert shop.shelf.current() is None
    assert not list((shop.shelf.folder / "versions").iterdir())


# ---- cut off


def test_a_run_that_failed_half_way_embeds_only_the_rest_the_next_time(
    many, shop, shop_at, tmp_path
):
    class Fails(WordEmbedder):
        def encode(self, texts, *, progress=None):
            if len(self.embedded) > 30:
                raise RetrievalUnavailable("the embedder is away")
            return super().encode(texts, progress=progress)

    with pytest.raises(RetrievalUnavailable, match="away"):
        ingest(many, shop_at(tmp_path / "data", Fails()))

    report = ingest(many, shop)

    assert 0 < report.embedded < report.passages - 30
    assert essence(shop) == from_nothing(many, shop_at, tmp_path)
    assert not (shop.shelf.folder / "journal").exists()


def test_a_run_that_is_killed_while_it_embeds_loses_only_what_was_under_way(
    many, shop, shop_at, tmp_path
):
    with ingesting(many, tmp_path / "data", seconds=0.2) as process:
        assert told(process, "begun")
        wait_for_journal(shop)
        process.kill()

    report = ingest(many, shop)

    assert report.embedded < report.passages
    assert essence(shop) == from_nothing(many, shop_at, tmp_path)
    assert left_in(shop) == {shop.shelf.current().folder.name}


def wait_for_journal(shop: Workshop) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if any(path.stat().st_size for path in (shop.shelf.folder / "journal").glob("*")):
            return
        time.sleep(0.01)
    raise AssertionError("nothing was journalled")


def left_in(shop: Workshop) -> set[str]:
    return {path.name for path in (shop.shelf.folder / "versions").iterdir()}


@pytest.mark.timeout(300)
def test_runs_that_are_killed_at_any_moment_leave_what_was_live_and_the_next_one_heals(
    many, shop, shop_at, tmp_path
):
    ingest(many, shop)
    dice = random.Random(7)
    for turn in range(5):
        write(many, **{f"d{turn}": f"# D{turn}\n\n## One\n\nTurn {turn}.\n"})
        with ingesting(many, tmp_path / "data", seconds=0.05) as process:
            assert told(process, "begun")
            time.sleep(dice.uniform(0, 1.5))
            process.kill()
        live = shop.shelf.current()
        assert live.is_whole()
        assert len(live.ids()) == len(live.vectors()) == live.manifest().passages

    ingest(many, shop)

    assert essence(shop) == from_nothing(many, shop_at, tmp_path)
    assert len(left_in(shop)) <= 3


@pytest.fixture
def small_disk(tmp_path):
    """A disk of three megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=3m", "none", str(place)]
    if subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("a small disk needs the right to mount one")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize("room", [0, 20_000, 200_000, 600_000])
def test_a_full_disk_leaves_what_was_live_and_the_next_run_heals(
    many, shop_at, tmp_path, small_disk, room
):
    shop = shop_at(small_disk / "data")
    ingest(many, shop)
    before = essence(shop)
    many.joinpath("d7.md").write_text("# D7\n\n## One\n\n" + "Rinse gently. " * 3000, "utf-8")
    free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
    (small_disk / "filler").write_bytes(b"x" * max(free - room, 0))

    with pytest.raises(RetrievalUnavailable, match=r"No space left|disk is full|MB left"):
        ingest(many, shop)

    (small_disk / "filler").unlink()  # to look into a Chroma folder takes room, too
    assert essence(shop) == before
    ingest(many, shop)
    assert essence(shop) == from_nothing(many, shop_at, tmp_path)


def test_a_data_dir_that_cannot_be_written_is_named(many, shop_at, tmp_path):
    (tmp_path / "file").write_text("x")

    with pytest.raises(RetrievalUnavailable, match="DATA_DIR"):
        ingest(many, shop_at(tmp_path / "file" / "data"))


def test_the_second_run_says_that_it_waits_and_then_has_nothing_to_do(many, shop, tmp_path):
    notes: list[str] = []

    class Notes(Silent):
        def note(self, text: str) -> None:
            notes.append(text)

    with ingesting(many, tmp_path / "data", seconds=0.05) as process:
        assert told(process, "begun")

        report = ingest(many, shop, Notes())

        assert told(process, "True"), process.stderr.read()

    assert notes == ["another ingest is at work; waiting for it to end"]
    assert (report.changed, report.embedded) == (False, 0)


def test_an_empty_folder_is_refused_before_anything_is_written(tmp_path, shop):
    (tmp_path / "empty").mkdir()

    with pytest.raises(BadPack):
        ingest(tmp_path / "empty", shop)

    assert not (shop.shelf.folder / "versions").exists()
    assert not (shop.shelf.folder / "journal").exists()
