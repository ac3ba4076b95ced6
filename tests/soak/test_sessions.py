"""A hundred conversations over two servers on one database, one of which is killed every 10 s."""

from pathlib import Path

import pytest
from tests.integration.conftest import first_ingest, indexed, start  # noqa: F401  # fixtures
from tests.integration.talkers import (
    TREATMENTS,
    Killer,
    Patient,
    all_talk,
    kept,
    lost,
    strange,
    undisturbed,
)
from tests.postgres import Postgres

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]

SESSIONS, TURNS, KILL_EVERY_S, PAUSE_S = 100, 10, 10.0, 12.0


async def test_no_turn_is_lost_and_none_is_answered_from_another_session(
    start,  # noqa: F811
    indexed: Path,  # noqa: F811
    postgres: Postgres,
    tmp_path: Path,
):
    settings = {"DATA_DIR": str(indexed), "DATABASE_URL": postgres.url}
    agents = [each.wait_until_ready() for each in [start(**settings), start(**settings)]]
    patients = [Patient(f"patient {n}", TREATMENTS[n % len(TREATMENTS)]) for n in range(SESSIONS)]

    alone = await undisturbed(agents, TURNS)
    with Killer(agents, KILL_EVERY_S, tmp_path, **settings) as killer:
        await all_talk(patients, agents, TURNS, PAUSE_S)
    in_store = await kept(postgres.url, patients)
    for each in agents:
        each.stop()

    forgotten = sum(each.told.count(None) for each in patients)
    print(  # noqa: T201  # the figures that a soak is for
        f"kills {killer.kills}, turns {sum(len(each.told) for each in patients)},"
        f" asked again {sum(each.repeated for each in patients)},"
        f" that said they were not remembered {forgotten}"
    )
    assert killer.kills >= 3
    assert [each.session for each in patients if len(each.told) != TURNS] == []
    assert [strange(each, alone[each.treatment]) for each in patients] == [[]] * SESSIONS
    assert [lost(*each) for each in zip(patients, in_store, strict=True)] == [[]] * SESSIONS
