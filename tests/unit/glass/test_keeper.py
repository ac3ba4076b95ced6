"""Keeping records: bounded, in order, and in nobody's way."""

import asyncio
import stat
import time
from dataclasses import replace

import pytest

from agentic_rag.domain import Answer, Dropped, Outcome, Passage, Question, Turn, Way
from agentic_rag.errors import RecordsUnavailable
from agentic_rag.glass.keeper import Feedback
from agentic_rag.glass.postgres import PostgresKeeper
from agentic_rag.glass.records import Seen, record_of
from agentic_rag.glass.sqlite import SqliteKeeper

LIVES_S = 2.0
ANSWER = Answer(
    text="Scaling takes 40 minutes. [1]\nSource: faq.md",
    outcome=Outcome.ANSWERED,
    request_id="r1",
    timings={"total": 0.1},
)
SEEN = Seen(
    question=Question(text="I am Asha, how long is scaling?"),
    answer=ANSWER,
    visit="v1",
    caller="anna",
    session="s1",
    door="/chat",
    at=time.time(),
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data" / "answers.db"


@pytest.fixture(params=["sqlite", "postgres"])
def make(request, path):
    """Make one keeper after another over the same place, as servers that share it do."""
    if request.param == "sqlite":
        return lambda **wishes: SqliteKeeper(path, **{"ttl_s": 3600.0} | wishes)
    server = request.getfixturevalue("postgres")
    server.ask("DROP TABLE IF EXISTS agentic_rag_answers")
    return lambda **wishes: PostgresKeeper(server.url, **{"ttl_s": 3600.0} | wishes)


@pytest.fixture
async def keeper(make):
    made = make()
    yield made
    await made.close()


def named(request_id: str, **others: object) -> Seen:
    """Return a record under another id."""
    return replace(SEEN, answer=replace(ANSWER, request_id=request_id), **others)


def lost() -> float:
    from prometheus_client import REGISTRY

    return REGISTRY.get_sample_value("agentic_rag_records_dropped_total") or 0.0


async def test_a_record_is_found_by_its_request_id(keeper):
    keeper.keep(SEEN)

    (found,) = await keeper.find("r1")

    assert found["sentences"] == [{"text": "Scaling takes 40 minutes.", "cites": [1]}]
    assert found["feedback"] is None
    assert await keeper.find("r2") == []


async def test_two_requests_of_one_name_overwrite_nothing_of_one_another(keeper):
    keeper.keep(SEEN)
    keeper.keep(replace(SEEN, caller="bert", visit="v2"))

    assert await keeper.rate(Feedback("r1", "down", "wrong"), "anna")
    assert not await keeper.rate(Feedback("r1", "up", None), "carl")
    first, second = await keeper.find("r1")

    assert (first["caller"], first["feedback"]["rating"]) == ("anna", "down")
    assert (second["caller"], second["feedback"]) == ("bert", None)


async def test_of_a_callers_requests_of_one_name_the_last_is_rated_and_a_batch_whole(keeper):
    keeper.keep(SEEN)
    keeper.keep(replace(SEEN, visit="v2"))
    keeper.keep(replace(SEEN, visit="v2"))

    assert await keeper.rate(Feedback("r1", "up", None), "anna")

    rated = [each["feedback"] is not None for each in await keeper.find("r1")]
    assert rated == [False, True, True]


async def test_the_last_word_of_a_caller_counts(keeper):
    keeper.keep(SEEN)

    await keeper.rate(Feedback("r1", "down", "wrong"), "anna")
    await keeper.rate(Feedback("r1", "up", None), "anna")

    (found,) = await keeper.find("r1")
    assert (found["feedback"]["rating"], found["feedback"]["comment"]) == ("up", None)


async def test_what_is_too_old_is_unknown_at_once_and_soon_gone(make):
    keeper = make(ttl_s=LIVES_S)
    keeper.keep(replace(SEEN, at=time.time()))
    assert await keeper.find("r1")

    await asyncio.sleep(LIVES_S)
    found, rated = await keeper.find("r1"), await keeper.rate(Feedback("r1", "up", None), "anna")
    tending = asyncio.create_task(keeper.tend())
    await asyncio.sleep(0)  # it begins
    await keeper.find("r1")
    tending.cancel()
    later = make()
    gone = await later.find("r1")
    await later.close()
    await keeper.close()

    assert (found, rated, gone) == ([], False, [])


async def test_of_too_many_the_newest_are_kept(make):
    keeper = make(most=10)
    for number in range(30):
        keeper.keep(named(f"r{number}"))

    assert await keeper.find("r0")
    tending = asyncio.create_task(keeper.tend())
    await asyncio.sleep(0)  # it begins
    gone = await keeper.find("r19")
    tending.cancel()

    assert gone == []
    assert await keeper.find("r20")
    await keeper.close()


async def test_a_session_that_is_forgotten_leaves_no_record(keeper):
    keeper.keep(SEEN)
    keeper.keep(named("r2", session="s2"))

    await keeper.forget("s1")

    assert await keeper.find("r1") == []
    assert await keeper.find("r2")


async def test_a_disk_that_is_full_loses_records_and_no_time(tmp_path):
    nowhere = tmp_path / "a file"
    nowhere.write_text("in the way of a folder")
    keeper, before = SqliteKeeper(nowhere / "answers.db", ttl_s=3600.0), lost()

    start = time.perf_counter()
    for _ in range(100):
        keeper.keep(SEEN)
    took_s = time.perf_counter() - start
    with pytest.raises(RecordsUnavailable):
        await keeper.find("r1")
    await keeper.close()

    assert took_s < 0.05
    assert lost() - before == 100


async def test_a_file_that_is_damaged_is_said_to_be_and_kept_as_it_is(path):
    path.parent.mkdir()
    path.write_bytes(b"no database at all, but long enough to be one" * 100)
    keeper = SqliteKeeper(path, ttl_s=3600.0)

    keeper.keep(SEEN)

    with pytest.raises(RecordsUnavailable):
        await keeper.rate(Feedback("r1", "up", None), "anna")
    await keeper.close()
    assert path.read_bytes().startswith(b"no database")


async def test_what_waits_is_written_before_the_end_and_nothing_behind_it(make):
    keeper = make()
    keeper.keep(SEEN)
    await keeper.close()
    keeper.keep(SEEN)

    again = make()

    assert len(await again.find("r1")) == 1
    await again.close()


async def test_the_file_is_its_owners_alone(path):
    keeper = SqliteKeeper(path, ttl_s=3600.0)
    keeper.keep(SEEN)
    await keeper.find("r1")

    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    await keeper.close()
    assert modes
    assert set(modes.values()) == {0o600}


def test_a_record_holds_no_name_number_or_address_of_a_patient():
    asked = Question(
        text="I am Asha, call 98765 43210. Is scaling sore?",
        history=(Turn(role="user", text="asha@example.org"),),
    )
    way = Way(
        searches=("asha@example.org scaling",),
        dropped=(Dropped(sentence="Dear asha@example.org, no.", why="not_carried"),),
        passages=(
            Passage(
                label="faq.md",
                doc_id="faq.md",
                section="",
                heading="",
                text="x",
                start=0,
                end=1,
                digest="d",
            ),
        ),
        relevant=("faq.md",),
    )
    answer = replace(
        ANSWER,
        text="It is not. [1]\nNothing on 98765 43210.\nSource: faq.md",
        notes=("Nothing on 98765 43210.",),
        way=way,
    )

    kept = record_of(replace(SEEN, question=asked, answer=answer))

    told = str(kept)
    assert all(each not in told for each in ("Asha", "asha", "98765"))
    assert kept["question"] == "I am <NAME>, call <PHONE>. Is scaling sore?"
    assert kept["sentences"][1] == {"text": "Nothing on <PHONE>.", "cites": []}
    assert kept["dropped"][0]["why"] == "not_carried"
    assert kept["passages"][0]["relevant"] is True
