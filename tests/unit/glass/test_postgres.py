"""Records in a database that servers share, and what becomes of them while it is away."""

import asyncio
import time

import pytest
from tests.unit.glass.test_keeper import SEEN, lost, named

from agentic_rag.errors import RecordsUnavailable
from agentic_rag.glass.keeper import MOST_WAITING, Feedback
from agentic_rag.glass.postgres import PostgresKeeper

TABLE = "agentic_rag_answers"


@pytest.fixture
def database(postgres):
    """An empty database, which runs again after the test whatever the test did to it."""
    postgres.ask(f"DROP TABLE IF EXISTS {TABLE}")
    yield postgres
    postgres.go_on()
    postgres.start()


@pytest.fixture
async def servers(database):
    """Two servers on one database, which start together."""
    both = [PostgresKeeper(database.url, ttl_s=3600.0) for _ in range(2)]
    await asyncio.gather(*(each.find("nobody") for each in both))
    yield both
    for each in both:
        await each.close()


async def found_by(keeper, request_id):
    """Return the records when they can be had again."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await keeper.find(request_id)
            except RecordsUnavailable:
                await asyncio.sleep(0.1)


async def test_what_one_server_answered_is_found_and_rated_at_another(servers):
    here, there = servers
    here.keep(SEEN)

    (found,) = await there.find("r1")
    assert await there.rate(Feedback("r1", "down", "wrong"), "anna")
    assert not await there.rate(Feedback("r1", "down", "wrong"), "bert")

    (rated,) = await here.rated("down")
    assert found["feedback"] is None
    assert rated["feedback"]["comment"] == "wrong"


async def test_a_session_is_forgotten_whichever_server_answered_in_it(servers):
    here, there = servers
    here.keep(SEEN)
    there.keep(named("r2"))
    there.keep(named("r3", session="s2"))
    assert await here.find("r2")

    await here.forget("s1")

    left = [await there.find(name) for name in ("r1", "r2", "r3")]
    assert [len(each) for each in left] == [0, 0, 1]


async def test_many_at_once_at_two_servers_keep_their_own(servers):
    for number in range(300):
        servers[number % 2].keep(named(f"r{number}", visit=f"v{number}"))

    found = await asyncio.gather(*(servers[0].find(f"r{number}") for number in range(300)))

    assert [[each["request_id"] for each in one] for one in found] == [
        [f"r{number}"] for number in range(300)
    ]


async def test_while_the_database_is_gone_records_wait_and_are_there_when_it_is_back(
    servers, database
):
    before = lost()
    database.stop()
    start = time.perf_counter()
    for number in range(50):
        servers[0].keep(named(f"r{number}"))
    took_s = time.perf_counter() - start
    with pytest.raises(RecordsUnavailable):
        await servers[0].find("r1")
    with pytest.raises(RecordsUnavailable):
        await servers[0].forget("s1")

    database.start()

    assert len(await found_by(servers[0], "r49")) == 1
    assert took_s < 1
    assert lost() == before


async def test_of_what_waits_there_is_no_more_than_there_is_room_for(servers, database):
    before = lost()
    database.stop()

    for _ in range(MOST_WAITING + 10):
        servers[0].keep(SEEN)

    assert lost() - before == 10


async def test_a_database_that_hangs_holds_nobody_up_for_long(database):
    keeper = PostgresKeeper(database.url, ttl_s=3600.0)
    keeper.keep(SEEN)
    assert await keeper.find("r1")
    database.hang()

    keeper.keep(named("r2"))
    with pytest.raises(RecordsUnavailable):
        await keeper.find("r2")
    database.go_on()

    assert len(await found_by(keeper, "r2")) == 1
    await keeper.close()


async def test_the_end_comes_though_the_database_hangs(database):
    keeper, before = PostgresKeeper(database.url, ttl_s=3600.0), lost()
    await keeper.find("r1")
    database.hang()
    keeper.keep(SEEN)

    async with asyncio.timeout(60):
        await keeper.close()
    keeper.keep(SEEN)

    assert lost() - before == 2


async def test_a_record_that_the_database_cannot_hold_takes_no_other_along(servers):
    before = lost()
    servers[0].keep(named("r\0", session="s3"))
    assert await servers[0].find("r\0") == []
    await servers[0].forget("s3")  # behind all that was to be kept

    servers[0].keep(SEEN)

    assert len(await servers[0].find("r1")) == 1
    assert lost() - before == 1


async def test_where_the_database_is_goes_into_no_error(database):
    url = database.url.replace("clinic@", "clinic:secret-word@")
    keeper = PostgresKeeper(url, ttl_s=3600.0)
    database.stop()

    with pytest.raises(RecordsUnavailable) as caught:
        await keeper.find("r1")

    await keeper.close()
    assert "secret-word" not in str(caught.value)
