"""Versions that change under a crowd of callers: each reply is of one of them, and none fails."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.conftest import StartAgent
from tests.integration.switching import Crowd, make_pack, make_versions

from agentic_rag.bootstrap import build_workshop
from agentic_rag.retrieval.rollback import use
from agentic_rag.settings import Settings, read_settings

SWITCHES = 10
CALLERS = 8


@pytest.fixture
def priced(
    small_pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Settings]:
    """Make the settings of a pack whose documents change with each version."""
    monkeypatch.chdir(tmp_path)  # no .env of a developer's

    def make(**settings: object) -> Settings:
        pack = make_pack(small_pack, tmp_path)
        return read_settings(
            clinic_pack=pack, data_dir=tmp_path / "data", index_keep=10, **settings
        )

    return make


@pytest.mark.timeout(400)
async def test_ten_switches_under_eight_callers_bring_no_error_and_mix_nothing(
    priced: Callable[..., Settings], start: StartAgent
) -> None:
    settings = priced()
    names = make_versions(settings, 3)
    agent = start(CLINIC_PACK=str(settings.clinic_pack), DATA_DIR=str(settings.data_dir))
    agent.wait_until_ready()

    async with Crowd(agent, CALLERS) as crowd:
        for turn in range(1, SWITCHES + 1):
            name = names[turn % len(names)]
            use(name, build_workshop(settings))
            await crowd.follows(name)

    assert crowd.seen.errors == {}
    assert (crowd.seen.mixed, crowd.seen.empty) == ([], [])
    assert crowd.seen.by_version.keys() == {1, 2, 3}
    assert "Traceback" not in agent.log()
