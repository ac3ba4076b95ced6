"""A Chroma server behind TLS and a token, which comes and goes, and loses what it was given."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import chromadb
import httpx
import pytest
from tests.fakes import WordEmbedder
from tests.integration.facts import FRONT_DESK, SUNDAY
from tests.integration.gatekeeper import TOKEN, Certificates, Gatekeeper, make_certificates
from tests.integration.servers import HOST, Chroma

from agentic_rag.agent.ask import ask
from agentic_rag.bootstrap.house import build_house
from agentic_rag.bootstrap.indexing import build_workshop
from agentic_rag.domain import Outcome, Question
from agentic_rag.errors import RetrievalUnavailable
from agentic_rag.retrieval.hybrid import Taste
from agentic_rag.retrieval.ingesting.ingest import ingest, prune
from agentic_rag.retrieval.ingesting.rollback import use
from agentic_rag.retrieval.ingesting.workshop import Workshop
from agentic_rag.retrieval.library import Library
from agentic_rag.settings import Settings, read_settings

WATCH_S = 0.05
TIMEOUT_S = 2.0


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def door(chroma_server: Chroma, certificates: Certificates) -> Iterator[Gatekeeper]:
    with Gatekeeper(chroma_server.port, certificates) as gatekeeper:
        yield gatekeeper


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """Make settings that lead through a door, with a collection stem of this test."""
    monkeypatch.chdir(tmp_path)

    def make(door: Gatekeeper, **others: object) -> Settings:
        usual = {
            "chroma_host": HOST,
            "chroma_port": door.port,
            "chroma_collection": _stem(tmp_path),
            "chroma_timeout_s": TIMEOUT_S,
            "chroma_token": TOKEN,
            "chroma_ssl": True,
            "chroma_ca_file": door.certificates.authority,
            "data_dir": tmp_path / "data",
            "index_keep": 10,
        }
        return read_settings(**usual | others)

    return make


@pytest.fixture
async def shop_of() -> AsyncIterator[Callable[[Settings], Workshop]]:
    """Make the workshop that settings ask for, but for the embedder, which costs nothing."""
    made: list[Workshop] = []

    def make(settings: Settings) -> Workshop:
        made.append(replace(build_workshop(settings), embedder=WordEmbedder()))
        return made[-1]

    yield make
    for shop in made:
        assert shop.server
        await shop.server.close()


@pytest.fixture
def shop(
    shop_of: Callable[[Settings], Workshop],
    settings: Callable[..., Settings],
    door: Gatekeeper,
) -> Workshop:
    """A workshop that says the token at the door."""
    return shop_of(settings(door))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "documents"
    made.mkdir()
    write(made, 1)
    return made


def write(folder: Path, euros: int) -> None:
    for thing in ("parking", "a visit", "a crown"):
        text = f"What does {thing} cost? {thing.title()} costs {euros} euro.\n"
        (folder / f"{thing}.txt").write_text(text, "utf-8")


@asynccontextmanager
async def serving(shop: Workshop) -> AsyncIterator[Library]:
    async def nothing(passages: object) -> None:
        pass

    library = Library(shop, taste=Taste(), rephrase=str, make=lambda: None, on_open=nothing)
    library.watch_s = WATCH_S
    await library.start()
    try:
        yield library
    finally:
        await library.close()


async def until(condition: Callable[[], object]) -> None:
    for _ in range(600):
        told = condition()
        if await told if asyncio.iscoroutine(told) else told:
            return
        await asyncio.sleep(0.05)
    pytest.fail("it did not come true in 30 seconds")


async def euros(library: Library) -> set[str]:
    found = await library.search(["what does a visit cost"], k=100)
    assert len(found) == 3
    return {word for passage in found for word in passage.text.split() if word.isdigit()}


def _stem(tmp_path: Path) -> str:
    return tmp_path.name[-40:].strip("_")


# the door


async def test_who_says_the_token_is_let_in(shop, folder):

    report = await asyncio.to_thread(ingest, folder, shop)

    async with serving(shop) as library:
        await until(library.ready)
        assert await euros(library) == {"1"}
        assert library.version == report.version


async def test_a_token_may_be_said_in_another_header(door, settings, shop_of, folder):
    door.header = ("X-Api-Key", "my key")
    shop = shop_of(settings(door, chroma_token="", chroma_headers={"X-Api-Key": "my key"}))

    await asyncio.to_thread(ingest, folder, shop)

    async with serving(shop) as library:
        await until(library.ready)


@pytest.mark.parametrize("token", ["", "a wrong one"])
async def test_who_does_not_say_the_token_is_told_so(door, settings, shop_of, folder, token):
    shop = shop_of(settings(door, chroma_token=token))

    with pytest.raises(RetrievalUnavailable, match=r"CHROMA_TOKEN") as caught:
        await asyncio.to_thread(ingest, folder, shop)

    chain = f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__cause__}"
    assert TOKEN not in chain
    assert "a wrong one" not in chain


async def test_a_token_that_is_changed_while_we_serve_is_told(door, shop, folder, caplog):
    await asyncio.to_thread(ingest, folder, shop)
    async with serving(shop) as library:
        await until(library.ready)
        door.header = ("Authorization", "Bearer another")

        with pytest.raises(RetrievalUnavailable, match="CHROMA_TOKEN"):
            await library.search(["parking"], k=1)

        assert not await library.ready()
        door.header = ("Authorization", f"Bearer {TOKEN}")
        assert await library.ready()


async def test_a_certificate_of_a_strange_authority_is_refused(
    door, settings, shop_of, folder, tmp_path_factory
):
    strange = make_certificates(tmp_path_factory.mktemp("strange"))
    for ca_file in (strange.authority, None):
        shop = shop_of(settings(door, chroma_ca_file=ca_file))
        with pytest.raises(RetrievalUnavailable, match="CHROMA_CA_FILE"):
            await asyncio.to_thread(ingest, folder, shop)

    assert door.asked == []  # and so the token was not said


async def test_plain_http_to_a_door_of_tls_is_refused(door, settings, shop_of, folder):
    shop = shop_of(settings(door, chroma_ssl=False, chroma_ca_file=None))

    with pytest.raises(RetrievalUnavailable, match="CHROMA_HOST"):
        await asyncio.to_thread(ingest, folder, shop)


async def test_tls_to_a_server_that_speaks_none_is_refused(
    chroma_server, door, settings, shop_of, folder
):
    shop = shop_of(settings(door, chroma_port=chroma_server.port))

    with pytest.raises(RetrievalUnavailable, match="CHROMA_SSL"):
        await asyncio.to_thread(ingest, folder, shop)


# away, slow, and back


async def test_it_comes_back_by_itself(door, shop, folder):
    await asyncio.to_thread(ingest, folder, shop)
    async with serving(shop) as library:
        await until(library.ready)
        await asyncio.to_thread(door.stop)
        away = await library.ready()
        with pytest.raises(RetrievalUnavailable, match="CHROMA_HOST"):
            await library.search(["parking"], k=1)
        door.start()

        assert not away
        assert await library.ready()
        assert await euros(library) == {"1"}


async def test_it_opens_once_the_server_is_there(door, shop, folder):
    await asyncio.to_thread(ingest, folder, shop)
    await asyncio.to_thread(door.stop)
    async with serving(shop) as library:
        await until(lambda: "CHROMA_HOST" in library.reason)
        door.start()
        await until(library.ready)

        assert await euros(library) == {"1"}


async def test_a_version_that_goes_live_while_the_server_is_away_is_moved_to_later(
    door, shop, folder
):
    first = (await asyncio.to_thread(ingest, folder, shop)).version
    write(folder, 2)
    second = (await asyncio.to_thread(ingest, folder, shop)).version
    await asyncio.to_thread(use, first, shop)
    async with serving(shop) as library:
        await until(library.ready)
        await asyncio.to_thread(door.stop)
        shop.shelf.switch(second)
        await until(lambda: library.refusal)
        refusal = library.refusal
        door.start()
        await until(lambda: library.version == second)

        assert refusal.version == second
        assert library.refusal is None
        assert await euros(library) == {"2"}


async def test_a_server_that_is_too_slow_is_given_up_for_everyone_at_once(
    door, settings, shop_of, folder
):
    shop = shop_of(settings(door, chroma_timeout_s=0.5))
    await asyncio.to_thread(ingest, folder, shop)
    async with serving(shop) as library:
        await until(library.ready)
        door.delay_s = 30
        start = time.monotonic()
        ended = await asyncio.gather(
            *(library.search(["parking"], k=1) for _ in range(20)), return_exceptions=True
        )
        spent = time.monotonic() - start
        door.delay_s = 0

        assert {type(each) for each in ended} == {RetrievalUnavailable}
        assert spent < 5
        await until(library.ready)


async def test_a_patient_is_given_the_phone_while_the_server_is_away(door, settings, small_pack):
    chosen = settings(door, clinic_pack=small_pack)
    house = build_house(chosen)
    await house.library.open()
    before = await ask(Question(text=SUNDAY), deps=house.deps)

    await asyncio.to_thread(door.stop)
    meanwhile = await ask(Question(text=SUNDAY, debug=True), deps=house.deps)
    ready = await house.library.ready()
    door.start()
    after = await ask(Question(text=SUNDAY), deps=house.deps)
    await house.close()

    assert before.outcome is Outcome.ANSWERED
    assert (meanwhile.outcome, meanwhile.degraded) == (
        Outcome.DECLINED,
        "retrieval_unavailable",
    )
    assert FRONT_DESK in meanwhile.text
    assert HOST not in f"{meanwhile}"
    assert not ready
    assert after.text == before.text


# collections


@pytest.fixture
def collection(chroma_server: Chroma) -> Callable[[Workshop], chromadb.Collection]:
    """Get the live collection past the gatekeeper, with Chroma's own client."""
    client = chromadb.HttpClient(host=HOST, port=chroma_server.port)

    def get(shop: Workshop) -> chromadb.Collection:
        live = shop.shelf.current()
        assert live
        return client.get_collection(shop.collection_of(live.folder.name), embedding_function=None)

    return get


async def test_a_collection_that_vanishes_is_missed_and_found_again(
    chroma_server, shop, folder, collection
):
    await asyncio.to_thread(ingest, folder, shop)
    async with serving(shop) as library:
        await until(library.ready)
        name = collection(shop).name
        chromadb.HttpClient(host=HOST, port=chroma_server.port).delete_collection(name)
        gone = await library.ready()
        with pytest.raises(RetrievalUnavailable, match="agentic-rag ingest"):
            await library.search(["parking"], k=1)
        await asyncio.to_thread(ingest, folder, shop)

        assert not gone
        assert await library.ready()
        assert await euros(library) == {"1"}


async def test_a_collection_that_has_lost_rows_is_not_ready(shop, folder, collection):
    await asyncio.to_thread(ingest, folder, shop)
    async with serving(shop) as library:
        await until(library.ready)
        held = collection(shop)
        held.delete(ids=held.get(limit=1)["ids"])
        short = await library.ready()
        await asyncio.to_thread(ingest, folder, shop)

        assert not short
        assert await library.ready()


async def test_versions_change_on_a_server_under_callers_and_mix_nothing(shop, folder):
    async def call() -> None:
        while not done.is_set():
            async with library.pinned() as reading:
                told.append([await euros(reading), await euros(reading)])

    names = []
    for price in (1, 2, 3):
        write(folder, price)
        names.append((await asyncio.to_thread(ingest, folder, shop)).version)
    done, told = asyncio.Event(), []
    async with serving(shop) as library:
        await until(library.ready)
        callers = [asyncio.create_task(call()) for _ in range(8)]
        for turn in range(10):
            name = names[turn % 3]
            await asyncio.to_thread(use, name, shop)
            await until(lambda name=name: library.version == name)
        done.set()
        await asyncio.gather(*callers)

    assert all(first == second and len(first) == 1 for first, second in told)
    assert {each for first, _ in told for each in first} == {"1", "2", "3"}


async def test_going_back_to_a_version_whose_collection_is_lost_fills_it_again(
    chroma_server, shop, folder, collection
):
    first = (await asyncio.to_thread(ingest, folder, shop)).version
    lost = collection(shop).name
    write(folder, 2)
    await asyncio.to_thread(ingest, folder, shop)
    chromadb.HttpClient(host=HOST, port=chroma_server.port).delete_collection(lost)

    await asyncio.to_thread(use, first[:6], shop)

    async with serving(shop) as library:
        await until(library.ready)
        assert await euros(library) == {"1"}


async def test_a_pruned_version_leaves_a_collection_that_was_read_today(shop, folder, collection):
    first = (await asyncio.to_thread(ingest, folder, shop)).version
    read = collection(shop)
    async with serving(shop) as library:
        await until(library.ready)
        write(folder, 2)
        await asyncio.to_thread(ingest, folder, shop)
        await until(lambda: library.version != first)
        removed = await asyncio.to_thread(prune, shop, 0)

    assert removed == [first]
    assert read.count() == 3


async def test_nothing_is_asked_in_the_clear(door, shop, folder):
    await asyncio.to_thread(ingest, folder, shop)

    async with httpx.AsyncClient(timeout=5) as client:
        with pytest.raises(httpx.TransportError):
            await client.get(f"http://{HOST}:{door.port}/api/v2/heartbeat")

    assert len(door.asked) > 3
