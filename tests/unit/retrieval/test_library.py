"""The library: the live index, opened and searched with both halves."""

import asyncio
import json
import shutil
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes import WordEmbedder

from agentic_rag.errors import BadPack, RetrievalUnavailable
from agentic_rag.retrieval.chroma import in_use
from agentic_rag.retrieval.chroma_server import ServerAddress
from agentic_rag.retrieval.hybrid import Taste
from agentic_rag.retrieval.ingesting.ingest import ingest
from agentic_rag.retrieval.ingesting.workshop import Workshop
from agentic_rag.retrieval.library import Library

REPO = Path(__file__).resolve().parents[3]

SEARCH = """
import asyncio, json, sys
from pathlib import Path
from tests.fakes import WordEmbedder
from agentic_rag.retrieval.hybrid import Taste
from agentic_rag.retrieval.index import IndexShelf
from agentic_rag.retrieval.ingesting.workshop import Workshop
from agentic_rag.retrieval.library import Library

async def nothing(passages): pass

async def main():
    shelf = IndexShelf(Path(sys.argv[1]) / "index")
    shop = Workshop(shelf=shelf, embedder=WordEmbedder(), server=None, collection="clinic")
    library = Library(shop, taste=Taste(), rephrase=str, make=lambda: None, on_open=nothing)
    await library.open()
    found = await library.search(["where is parking"], k=1)
    print(json.dumps([p.label for p in found]))
    await library.close()

asyncio.run(main())
"""


def library_of(shop: Workshop, *, noisy=(), make=lambda: None, opened=None) -> Library:
    async def on_open(passages):
        if opened is not None:
            opened.extend(passages)

    return Library(shop, taste=Taste(noisy_sources=noisy), rephrase=str, make=make, on_open=on_open)


@asynccontextmanager
async def opened(shop: Workshop, **parts):
    library = library_of(shop, **parts)
    await library.open()
    try:
        yield library
    finally:
        await library.close()


async def until(condition) -> None:
    """Wait while the library works in the background."""
    for _ in range(600):
        if condition():
            return
        await asyncio.sleep(0.05)
    pytest.fail("it did not come true in 30 seconds")


async def labels(library: Library, *queries: str, k: int = 3) -> list[str]:
    return [passage.label for passage in await library.search(queries, k=k)]


async def test_the_best_passage_comes_first(folder, shop):
    ingest(folder, shop)

    async with opened(shop) as library:
        found = await library.search(["what does a visit cost"], k=3)

    assert found[0].label == "fees.md#visits"
    assert [p.score for p in found] == sorted((p.score for p in found), reverse=True)
    assert all(0 <= p.score <= 1 for p in found)


async def test_a_passage_is_the_very_words_of_its_document(folder, shop):
    ingest(folder, shop)

    async with opened(shop) as library:
        found = (await library.search(["parking"], k=1))[0]

    whole = (folder / "parking.txt").read_text("utf-8")
    assert whole[found.start : found.end] == found.text


async def test_a_search_can_be_had_with_another_weight_and_leaves_the_others_alone(folder, shop):
    ingest(folder, shop)

    async with opened(shop) as library, library.pinned(dense_weight=0.0) as words_alone:
        usual = await library.search(["what does a visit cost"], k=3)
        other = await words_alone.search(["what does a visit cost"], k=3)
        again = await library.search(["what does a visit cost"], k=3)

    assert [passage.score for passage in other] == [1.0, 0.0, 0.0]
    assert 0.0 < usual[0].score < 1.0
    assert again == usual


@pytest.mark.parametrize("k", [1, 2, 100])
async def test_no_more_than_k_come_and_each_once(folder, shop, k):
    ingest(folder, shop)

    async with opened(shop) as library:
        found = await labels(library, "visit", "parking house", "open at nine", "visit", k=k)

    assert len(found) == len(set(found)) == min(k, len(shop.shelf.current().passages()))


async def test_every_query_has_its_say(folder, shop):
    ingest(folder, shop)

    async with opened(shop) as library:
        found = await labels(library, "free parking behind the house", "we open at nine", k=2)

    assert set(found) == {"parking.txt", "hours.md#monday"}


@pytest.mark.parametrize("query", ["", "?!", "zirconium", "दाँत", "x " * 3000, "\x00"])
async def test_a_strange_query_is_searched_like_any_other(folder, shop, query):
    ingest(folder, shop)

    async with opened(shop) as library:
        assert len(await labels(library, query, k=2)) <= 2


@pytest.mark.parametrize("k", [1, 2, 5])
async def test_a_noisy_source_is_never_returned_however_well_it_fits(folder, shop, k):
    for number in range(150):
        path = folder / "gossip" / f"{number}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"What does a visit cost? Somebody said {number}.", "utf-8")
    (folder / "rumours.jsonl").write_text('{"text": "What does a visit cost?"}\n' * 90, "utf-8")
    ingest(folder, shop)

    async with opened(shop, noisy=("gossip/*", "rumours.jsonl")) as library:
        found = await labels(library, "What does a visit cost?", k=k)

    assert found[0] == "fees.md#visits"
    assert len(found) == min(k, 5)
    assert not [label for label in found if label.startswith(("gossip", "rumours"))]


async def test_nothing_is_found_where_all_is_noisy(folder, shop):
    ingest(folder, shop)

    async with opened(shop, noisy=("*",)) as library:
        assert await labels(library, "parking") == []


async def test_a_library_is_ready_while_it_is_open(folder, shop):
    ingest(folder, shop)
    library = library_of(shop)

    assert not await library.ready()
    await library.open()
    assert await library.ready()
    await library.close()
    assert not await library.ready()


async def test_a_library_that_is_not_open_says_why(shop):
    with pytest.raises(RetrievalUnavailable, match="not open"):
        await library_of(shop).search(["parking"], k=1)


async def test_an_index_is_made_where_there_is_none(folder, shop):
    async with opened(shop, make=lambda: ingest(folder, shop)) as library:
        assert await labels(library, "parking", k=1) == ["parking.txt"]


async def test_an_index_that_is_there_is_served_as_it_is(folder, shop):
    ingest(folder, shop)
    made: list[str] = []

    async with opened(shop, make=lambda: made.append("again")):
        assert made == []


async def test_without_an_index_the_remedy_is_told(shop):
    with pytest.raises(RetrievalUnavailable, match="agentic-rag ingest"):
        await library_of(shop).open()


async def test_a_pointer_that_cannot_be_read_is_told_with_the_folder(folder, shop, tmp_path):
    ingest(folder, shop)
    (tmp_path / "data" / "index" / "current").unlink()
    (tmp_path / "data" / "index" / "current").mkdir()

    with pytest.raises(RetrievalUnavailable, match=r"DATA_DIR .*data"):
        await library_of(shop).open()


async def test_an_index_of_another_embedder_is_refused_with_the_remedy(
    folder, shop, shop_at, tmp_path
):
    ingest(folder, shop)
    other = shop_at(tmp_path / "data", WordEmbedder("other"))

    with pytest.raises(RetrievalUnavailable, match=r"words.*EMBEDDING_MODEL.*other.*ingest"):
        await library_of(other).open()


@pytest.mark.parametrize("part", ["passages.jsonl", "manifest.json", "vectors.npy"])
@pytest.mark.parametrize("damage", ["cut", "gone"])
async def test_a_damaged_index_is_refused_with_the_remedy(folder, shop, part, damage):
    ingest(folder, shop)
    path = shop.shelf.current().folder / part
    path.write_bytes(path.read_bytes()[:-9]) if damage == "cut" else path.unlink()

    with pytest.raises(RetrievalUnavailable, match="agentic-rag ingest"):
        await library_of(shop).open()


@pytest.mark.parametrize("part", ["chroma", "lexical"])
async def test_an_index_with_a_part_missing_is_refused_with_the_remedy(folder, shop, part):
    ingest(folder, shop)
    shutil.rmtree(shop.shelf.current().folder / part)

    with pytest.raises(RetrievalUnavailable, match="agentic-rag ingest"):
        await library_of(shop).open()


async def test_it_opens_by_itself_once_the_index_appears(folder, shop):
    warmed: list[object] = []
    library = library_of(shop, opened=warmed)
    await library.start()
    await until(lambda: "there is no index" in library.reason)
    assert not await library.ready()

    await asyncio.to_thread(ingest, folder, shop)
    await until(lambda: warmed)

    assert await labels(library, "parking", k=1) == ["parking.txt"]
    assert len(warmed) == len(shop.shelf.current().passages())
    await library.close()


async def test_it_keeps_trying_where_making_the_index_fails(folder, shop):
    def make() -> None:
        if not tries:
            tries.append(1)
            raise BadPack("not yet")
        ingest(folder, shop)

    tries: list[int] = []
    library = library_of(shop, make=make)
    await library.start()

    await until(lambda: not library.reason)

    assert await labels(library, "parking", k=1) == ["parking.txt"]
    await library.close()


async def test_it_keeps_trying_where_the_index_is_damaged(folder, shop):
    ingest(folder, shop)
    path = shop.shelf.current().folder / "passages.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    library = library_of(shop)
    await library.start()
    await until(lambda: "damaged" in library.reason)

    path.write_bytes(whole)
    await until(lambda: not library.reason)

    assert await library.ready()
    await library.close()


async def test_closing_lets_the_index_go(folder, shop):
    ingest(folder, shop)
    library = library_of(shop)
    await library.open()
    held = in_use(shop.shelf.current().chroma)

    await library.close()

    assert held
    assert not in_use(shop.shelf.current().chroma)


@pytest.mark.parametrize("error", [RetrievalUnavailable("no weights"), ValueError("odd")])
async def test_an_index_whose_opening_fails_late_is_let_go(folder, shop, error):
    async def fail(passages):
        raise error

    ingest(folder, shop)
    library = Library(shop, taste=Taste(), rephrase=str, make=lambda: None, on_open=fail)

    with pytest.raises(type(error)):
        await library.open(settle=True)
    held = in_use(shop.shelf.current().chroma)
    await library.close()

    assert not held


async def test_closing_while_it_opens_lets_the_index_go(folder, shop):
    async def warm(passages):
        warming.set()
        await asyncio.sleep(60)

    ingest(folder, shop)
    warming = asyncio.Event()
    library = Library(shop, taste=Taste(), rephrase=str, make=lambda: None, on_open=warm)
    await library.start()
    await warming.wait()

    await library.close()
    await asyncio.sleep(0)

    assert not in_use(shop.shelf.current().chroma)


async def test_closing_ends_the_trying(shop):
    library = library_of(shop)
    await library.start()

    await library.close()

    assert not await library.ready()


async def test_many_can_search_at_once(folder, shop):
    ingest(folder, shop)

    async with opened(shop) as library:
        found = await asyncio.gather(
            *(labels(library, query, k=1) for query in ["parking", "open at nine"] * 20)
        )

    assert found == [["parking.txt"], ["hours.md#monday"]] * 20


async def test_what_was_searched_for_before_costs_nothing_again(folder, shop):
    ingest(folder, shop)

    async with opened(shop) as library:
        before = await library.search(["parking"], k=2)
        embedded = len(shop.embedder.embedded)
        wanted = list(before)
        before.clear()  # whoever got it may do with it what he likes
        again = await library.search(["parking"], k=2)
        fewer = await library.search(["parking"], k=1)

    assert again == wanted
    assert fewer == wanted[:1]
    assert len(shop.embedder.embedded) == embedded + 1  # the other search


async def test_two_libraries_share_one_index(folder, shop, shop_at, tmp_path):
    ingest(folder, shop)
    again = shop_at(tmp_path / "data")

    async with opened(shop) as first, opened(again) as second:
        assert await labels(first, "parking", k=1) == ["parking.txt"]
        assert await labels(second, "parking", k=1) == ["parking.txt"]
        assert await first.ready()
        assert await second.ready()


async def test_another_process_shares_the_index(folder, shop, tmp_path):
    ingest(folder, shop)

    async with opened(shop) as library:
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-W", "ignore", "-c", SEARCH, str(tmp_path / "data")],
            cwd=REPO,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == ["parking.txt"]
        assert await labels(library, "parking", k=1) == ["parking.txt"]


async def test_an_ingest_under_an_open_library_does_not_disturb_it(folder, shop, shop_at, tmp_path):
    ingest(folder, shop)

    async with opened(shop) as library:
        (folder / "parking.txt").write_text("Parking costs 9 euro.", "utf-8")
        ingest(folder, shop_at(tmp_path / "data"))
        before = await library.search(["parking"], k=1)
    async with opened(shop) as library:
        after = await library.search(["parking"], k=1)

    assert before[0].text == "Parking is free behind the house."
    assert after[0].text == "Parking costs 9 euro."


async def test_a_version_that_is_open_outlives_many_ingests(folder, shop, shop_at, tmp_path):
    ingest(folder, shop)

    async with opened(shop) as library:
        for number in range(3):
            (folder / "parking.txt").write_text(f"Parking costs {number} euro.", "utf-8")
            ingest(folder, shop_at(tmp_path / "data"))
        found = await library.search(["parking behind the house"], k=1)

    assert found[0].text == "Parking is free behind the house."


async def test_what_a_chroma_server_holds_is_not_looked_for_in_a_folder(folder, shop):
    ingest(folder, shop)
    served = replace(shop, server=ServerAddress("127.0.0.1", 1, 1.0))

    with pytest.raises(RetrievalUnavailable, match=r"CHROMA_HOST.*agentic-rag ingest"):
        await library_of(served).open()
