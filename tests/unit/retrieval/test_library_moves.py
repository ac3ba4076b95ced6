"""The library while versions come and go under it: every reader sees one of them, whole."""

import asyncio
import gc
import logging
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes import WordEmbedder

from agentic_rag.domain import Passage
from agentic_rag.errors import RetrievalUnavailable
from agentic_rag.retrieval.chroma import in_use
from agentic_rag.retrieval.hybrid import Taste
from agentic_rag.retrieval.index import IndexShelf
from agentic_rag.retrieval.ingesting.ingest import ingest, prune
from agentic_rag.retrieval.ingesting.rollback import use
from agentic_rag.retrieval.ingesting.workshop import Workshop
from agentic_rag.retrieval.library import Library

WATCH_S = 0.02
QUERIES = ("what does parking cost", "what does a visit cost", "what does a crown cost")
PARTS = (
    "passages.jsonl",
    "vectors.npy",
    "ids.txt",
    "manifest.json",
    "chroma/chroma.sqlite3",
    "chroma/*/data_level0.bin",
)
Versions = tuple[str, str, str]


@pytest.fixture(scope="module")
def priced(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Versions]:
    """A folder with the last documents and a DATA_DIR, and the versions in that; made once."""
    folder = tmp_path_factory.mktemp("priced")
    shelf = IndexShelf(folder / "data" / "index")
    maker = Workshop(
        shelf=shelf, embedder=WordEmbedder(), server=None, collection="clinic", keep=10
    )
    (folder / "documents").mkdir()
    made = []
    for price in (1, 2, 3):
        for thing in ("parking", "a visit", "a crown"):
            text = f"What does {thing} cost? {thing.title()} costs {price} euro.\n"
            (folder / "documents" / f"{thing}.txt").write_text(text * 3, "utf-8")
        made.append(ingest(folder / "documents", maker).version)
    use(made[0], maker)
    return folder, tuple(made)


@pytest.fixture
def versions(priced: tuple[Path, Versions], shop: Workshop, tmp_path: Path) -> Versions:
    """Three versions in which everything costs 1, 2 or 3 euro; the first is live."""
    folder, made = priced
    shutil.copytree(folder / "data", tmp_path / "data")
    return made


async def nothing(passages: Sequence[Passage]) -> None:
    pass


def library_of(shop: Workshop, on_open=nothing) -> Library:
    library = Library(shop, taste=Taste(), rephrase=str, make=lambda: None, on_open=on_open)
    library.watch_s = WATCH_S
    return library


@asynccontextmanager
async def serving(shop: Workshop, on_open=nothing) -> AsyncIterator[Library]:
    """A library that serves, as in a server; ready at the start, closed at the end."""
    library = library_of(shop, on_open)
    await library.start()
    try:
        await until(lambda: library.version)
        yield library
    finally:
        await library.close()


async def until(condition: Callable[[], object]) -> None:
    for _ in range(1500):
        if condition():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it did not come true in 15 seconds")


async def a_few_looks() -> None:
    await asyncio.sleep(10 * WATCH_S)


async def prices(searcher) -> set[str]:
    """Search for all, and return the prices that are told."""
    found = await searcher.search(QUERIES, k=100)
    assert len(found) == 3
    return {word for passage in found for word in passage.text.split() if word.isdigit()}


def write_current(shop: Workshop, raw: bytes) -> None:
    (shop.shelf.folder / "current.new").write_bytes(raw)
    (shop.shelf.folder / "current.new").replace(shop.shelf.folder / "current")


def held(shop: Workshop, name: str) -> bool:
    return in_use(shop.shelf.place(name).chroma)


async def test_it_moves_to_a_version_that_goes_live(shop, versions):
    async with serving(shop) as library:
        before = await prices(library)
        use(versions[1], shop)
        await until(lambda: library.version == versions[1])
        after = await prices(library)

    assert (before, after) == ({"1"}, {"2"})


async def test_it_moves_back_in_one_step(shop, versions):
    async with serving(shop) as library:
        use(versions[1], shop)
        await until(lambda: library.version == versions[1])
        use(versions[0], shop)
        await until(lambda: library.version == versions[0])

        assert await prices(library) == {"1"}


async def test_a_new_version_is_warmed_before_it_is_lent_out(shop, versions):
    async def warm(passages):
        warmed.append((passages[0].text.split()[-2], [each.version for each in serves]))

    warmed: list[tuple[str, list[str | None]]] = []
    serves: list[Library] = []
    async with serving(shop, warm) as library:
        serves.append(library)
        use(versions[1], shop)
        await until(lambda: library.version == versions[1])

    assert warmed == [("1", []), ("2", [versions[0]])]


async def test_a_reader_keeps_the_version_that_its_first_search_met(shop, versions):
    async with serving(shop) as library:
        async with library.pinned() as reading:
            named_before = reading.version
            first = await prices(reading)
            use(versions[1], shop)
            await until(lambda: library.version == versions[1])
            again = await prices(reading)
            named = reading.version
        after = await prices(library)

    assert (first, again, after) == ({"1"}, {"1"}, {"2"})
    assert (named_before, named) == (None, versions[0])


async def test_a_reader_that_has_not_searched_yet_gets_what_is_live_then(shop, versions):
    async with serving(shop) as library, library.pinned() as reading:
        use(versions[1], shop)
        await until(lambda: library.version == versions[1])

        assert await prices(reading) == {"2"}


async def test_who_is_pinned_stays_so_when_pinned_again(shop, versions):
    async with serving(shop) as library, library.pinned() as outer:
        await prices(outer)
        use(versions[1], shop)
        await until(lambda: library.version == versions[1])
        async with outer.pinned() as inner:
            assert await prices(inner) == {"1"}
        assert await prices(outer) == {"1"}


async def test_the_old_version_is_open_until_its_last_reader_has_ended(shop, versions):
    async with serving(shop) as library:
        async with library.pinned() as one, library.pinned() as other:
            await asyncio.gather(prices(one), prices(other))
            use(versions[1], shop)
            await until(lambda: library.version == versions[1])
            await a_few_looks()
            while_read = held(shop, versions[0])
        await until(lambda: not held(shop, versions[0]))

        assert while_read
        assert held(shop, versions[1])
        assert await prices(library) == {"2"}


async def test_a_third_version_waits_until_the_first_is_closed(shop, versions):
    async with serving(shop) as library:
        async with library.pinned() as reading:
            await prices(reading)
            use(versions[1], shop)
            await until(lambda: library.version == versions[1])
            use(versions[2], shop)
            await a_few_looks()
            meanwhile = library.version, held(shop, versions[2]), library.refusal
        await until(lambda: library.version == versions[2])

        assert meanwhile == (versions[1], False, None)
        assert await prices(library) == {"3"}
        await until(lambda: not held(shop, versions[0]) and not held(shop, versions[1]))


async def test_a_version_that_is_still_read_is_gone_back_to_as_it_is(shop, versions):
    async def warm(passages):
        warmed.append(passages)

    warmed: list[object] = []
    async with serving(shop, warm) as library:
        async with library.pinned() as reading:
            await prices(reading)
            use(versions[1], shop)
            await until(lambda: library.version == versions[1])
            use(versions[0], shop)
            await until(lambda: library.version == versions[0])
            await until(lambda: not held(shop, versions[1]))
        assert await prices(library) == {"1"}
        assert held(shop, versions[0])

    assert len(warmed) == 2


async def test_ten_switches_under_eight_callers_mix_nothing(shop, versions):
    async def call() -> None:
        while not done.is_set():
            async with library.pinned() as reading:
                seen = [await prices(reading), await prices(reading)]
            told.append(seen)
            await asyncio.sleep(0.001)  # as a network takes: else eight callers are all that runs

    done = asyncio.Event()
    told: list[list[set[str]]] = []
    async with serving(shop) as library:
        callers = [asyncio.create_task(call()) for _ in range(8)]
        for turn in range(1, 11):
            name = versions[turn % 3]
            use(name, shop)
            await until(lambda name=name: library.version == name)
        done.set()
        await asyncio.gather(*callers)

    assert all(first == second and len(first) == 1 for first, second in told)
    assert {price for first, _ in told for price in first} == {"1", "2", "3"}
    assert not any(held(shop, name) for name in versions)


@pytest.mark.parametrize(
    "raw",
    [b"", b"nothing-of-that-name", b"../versions", b"..", b"\xff\xfe\x00", b"x" * 100_000, b"\n"],
)
async def test_a_pointer_that_leads_nowhere_is_not_followed(shop, versions, raw, caplog):
    async with serving(shop) as library:
        write_current(shop, raw)
        await until(lambda: library.refusal)
        await a_few_looks()
        meanwhile, ready = await prices(library), await library.ready()
        refusal = library.refusal
        use(versions[1], shop)
        await until(lambda: library.version == versions[1])
        mended = library.refusal

    assert (meanwhile, ready) == ({"1"}, True)
    assert "not there" in refusal.reason
    assert len(refusal.version) <= 1020
    assert mended is None
    told = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert len(told) == 1
    assert versions[0] in told[0].getMessage()


async def test_a_pointer_that_is_taken_away_is_not_followed(shop, versions):
    async with serving(shop) as library:
        (shop.shelf.folder / "current").unlink()
        await until(lambda: library.refusal)

        assert await prices(library) == {"1"}


@pytest.mark.parametrize(
    ("part", "damage"),
    [
        *((part, damage) for part in PARTS for damage in ("cut", "gone", "empty")),
        *((part, "garbage") for part in PARTS if "data_level0" not in part),
    ],
)
async def test_a_damaged_version_is_refused_while_the_old_one_serves(shop, versions, part, damage):
    (path,) = shop.shelf.place(versions[1]).folder.glob(part)
    whole = path.read_bytes()
    async with serving(shop) as library:
        if damage == "gone":
            path.unlink()
        else:
            cut = {"cut": whole[: len(whole) // 2], "empty": b"", "garbage": b"\xff" * len(whole)}
            path.write_bytes(cut[damage])
        shop.shelf.switch(versions[1])
        await until(lambda: library.refusal)
        meanwhile, ready, refusal = await prices(library), await library.ready(), library.refusal
        path.write_bytes(whole)
        await a_few_looks()
        untouched = library.version
        shop.shelf.switch(versions[1])
        await until(lambda: library.version == versions[1])
        after = await prices(library)

    assert (meanwhile, ready) == ({"1"}, True)
    assert refusal.version == versions[1]
    assert "ingest" in refusal.reason or "index list" in refusal.reason
    assert untouched == versions[0]
    assert after == {"2"}
    assert library.refusal is None


async def test_versions_of_one_length_with_another_count_are_refused(shop, versions):
    folder = shop.shelf.place(versions[1]).folder
    passages = (folder / "passages.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "passages.jsonl").write_bytes(b"".join(passages[:-1]))
    async with serving(shop) as library:
        shop.shelf.switch(versions[1])
        await until(lambda: library.refusal)

        assert "damaged" in library.refusal.reason


async def test_a_version_of_another_embedder_is_refused_with_the_remedy(
    shop, versions, shop_at, tmp_path, priced
):
    other = replace(shop_at(tmp_path / "data", WordEmbedder("other")), keep=10)
    async with serving(shop) as library:
        made = ingest(priced[0] / "documents", other).version
        await until(lambda: library.refusal)
        refusal = library.refusal
        meanwhile = await prices(library)
        use(versions[2], shop)
        await until(lambda: library.version == versions[2])

    assert refusal.version == made
    assert "other" in refusal.reason
    assert "agentic-rag ingest" in refusal.reason
    assert meanwhile == {"1"}


async def test_what_fails_and_may_pass_is_tried_again_by_itself(shop, versions):
    async def warm(passages):
        tries.append(passages)
        if len(tries) in {2, 3}:
            raise RetrievalUnavailable("the embedder is away")

    tries: list[object] = []
    async with serving(shop, warm) as library:
        use(versions[1], shop)
        await until(lambda: library.refusal)
        refusal = library.refusal
        await until(lambda: library.version == versions[1])

        assert refusal.reason == "the embedder is away"
        assert library.refusal is None
        assert len(tries) == 4
        await until(lambda: not held(shop, versions[0]))


async def test_what_nobody_foresaw_does_not_end_the_watch(shop, versions, caplog):
    async def warm(passages):
        tries.append(passages)
        if len(tries) == 2:
            raise RuntimeError("patient's words")

    tries: list[object] = []
    async with serving(shop, warm) as library:
        use(versions[1], shop)
        await until(lambda: library.refusal)
        refusal = library.refusal
        use(versions[2], shop)
        await until(lambda: library.version == versions[2])

    assert refusal.reason == "RuntimeError"
    assert not held(shop, versions[1])


async def test_the_live_versions_folder_may_be_taken_away(shop, versions):
    async with serving(shop) as library:
        shutil.rmtree(shop.shelf.place(versions[0]).folder)
        await a_few_looks()
        meanwhile, ready = await prices(library), await library.ready()
        use(versions[1], shop)
        await until(lambda: library.version == versions[1])

        assert (meanwhile, ready) == ({"1"}, True)
        assert await prices(library) == {"2"}


async def test_pruning_leaves_what_is_served(shop, versions, shop_at, tmp_path):
    async with serving(shop) as library:
        async with library.pinned() as reading:
            await prices(reading)
            use(versions[1], shop)
            await until(lambda: library.version == versions[1])
            removed = prune(shop_at(tmp_path / "data"), 0)
            meanwhile = await prices(reading), await prices(library)
        await until(lambda: not held(shop, versions[0]))
        later = prune(shop_at(tmp_path / "data"), 0)

    assert removed == [versions[2]]
    assert meanwhile == ({"1"}, {"2"})
    assert later == [versions[0]]


async def test_two_servers_with_one_data_dir_both_move(shop, versions, shop_at, tmp_path):
    async with serving(shop) as one, serving(shop_at(tmp_path / "data")) as other:
        use(versions[1], shop)
        await until(lambda: one.version == other.version == versions[1])
        found = await prices(one), await prices(other)
        use(versions[0], shop)
        await until(lambda: one.version == other.version == versions[0])

        assert found == ({"2"}, {"2"})
        assert (await prices(one), await prices(other)) == ({"1"}, {"1"})


async def test_where_no_lock_can_be_written_a_copy_is_served(shop, versions):
    for name in versions:  # as on a disk that is read-only, of which root takes no notice
        lock = shop.shelf.place(name).chroma.with_suffix(".lock")
        lock.unlink(missing_ok=True)
        lock.mkdir()
        for path in shop.shelf.place(name).folder.rglob("*"):
            path.chmod(0o500 if path.is_dir() else 0o400)
    async with serving(shop) as library:
        before = await prices(library)
        use(versions[1], shop)
        await until(lambda: library.version == versions[1])

        assert (before, await prices(library)) == ({"1"}, {"2"})


@pytest.fixture
def read_only(priced: tuple[Path, Versions], tmp_path: Path) -> Iterator[Path]:
    """A DATA_DIR with the versions, on a disk that nobody may write to."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("may not mount a disk here")
    shutil.copytree(priced[0] / "data", disk / "data")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    yield disk / "data"
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


async def test_a_disk_that_is_read_only_is_served_from(shop_at, priced, read_only):
    shop = shop_at(read_only)

    async with serving(shop) as library:
        found, ready = await prices(library), await library.ready()

    assert (found, ready) == ({"1"}, True)
    with pytest.raises(RetrievalUnavailable, match=r"DATA_DIR .*[Rr]ead-only"):
        use(priced[1][1], shop)


async def test_closing_while_it_moves_lets_both_versions_go(shop, versions):
    async def warm(passages):
        tries.append(passages)
        if len(tries) == 2:
            moving.set()
            await asyncio.sleep(60)

    moving = asyncio.Event()
    tries: list[object] = []
    async with serving(shop, warm) as library:
        use(versions[1], shop)
        await moving.wait()

    assert not any(held(shop, name) for name in versions)
    assert not await library.ready()


async def test_closing_while_the_old_version_is_read_lets_both_go(shop, versions):
    async with serving(shop) as library, library.pinned() as reading:
        await prices(reading)
        use(versions[1], shop)
        await until(lambda: library.version == versions[1])
        await library.close()

        assert not any(held(shop, name) for name in versions)


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Collect no cycles meanwhile: a server takes its index out of the collector's sight."""
    gc.disable()
    yield
    gc.enable()


def mapped(shop: Workshop, name: str) -> list[str]:
    """Return the files of a version that this process has open or mapped."""
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("there is no /proc to tell what is mapped")
    place = str(shop.shelf.place(name).folder)
    return [line.split()[-1] for line in maps.read_text("utf-8").splitlines() if place in line]


async def test_a_version_that_is_left_is_forgotten_without_the_collector(
    shop, versions, uncollected
):
    async with serving(shop) as library:
        await prices(library)
        before = mapped(shop, versions[0])
        use(versions[1], shop)
        await until(lambda: library.version == versions[1])
        await prices(library)
        await until(lambda: not held(shop, versions[0]))

        await until(lambda: not mapped(shop, versions[0]))

        assert before
        assert mapped(shop, versions[1])


async def test_a_cancelled_reader_gives_its_version_back(shop, versions):
    async def read_for_ever() -> None:
        async with library.pinned() as reading:
            await prices(reading)
            begun.set()
            await asyncio.sleep(60)

    begun = asyncio.Event()
    async with serving(shop) as library:
        caller = asyncio.create_task(read_for_ever())
        await begun.wait()
        use(versions[1], shop)
        await until(lambda: library.version == versions[1])
        caller.cancel()
        await until(lambda: not held(shop, versions[0]))

        assert await prices(library) == {"2"}


async def test_without_an_index_a_reader_is_told_why_and_later_reads(shop, tmp_path):
    library = library_of(shop)
    async with library.pinned() as reading:
        with pytest.raises(RetrievalUnavailable, match="not open"):
            await reading.search(["parking"], k=1)
        (tmp_path / "one").mkdir()
        (tmp_path / "one" / "parking.txt").write_text("Parking is free.", "utf-8")
        ingest(tmp_path / "one", shop)
        await library.open()

        assert await reading.search(["parking"], k=1)
    await library.close()
