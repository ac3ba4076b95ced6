"""Warm hours: a model is awake while the clinic is open, and left alone when it is not."""

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr
from tests.sleeping.activator import Activator
from tests.sleeping.server import command

from agentic_rag.bootstrap.house import build_house
from agentic_rag.errors import BadSettings
from agentic_rag.inference.doorbell import Doorbell
from agentic_rag.inference.wake import Pace, Wake
from agentic_rag.inference.wakes import Wakes
from agentic_rag.inference.warm_hours import OpenHours, Warmer

WEEK = {
    "monday": ["09:30-13:00", "14:00-18:30"],
    "friday": ["20:00-24:00"],
    "saturday": ["00:00-02:00"],
}
PUNE = ZoneInfo("Asia/Kolkata")
MONDAY, FRIDAY, SATURDAY, SUNDAY = 23, 27, 28, 22  # of November 2026


def at(day: int, clock: str) -> datetime:
    hour, minute = clock.split(":")
    return datetime(2026, 11, day, int(hour), int(minute), tzinfo=PUNE)


@pytest.mark.parametrize(
    ("now", "is_open"),
    [
        (at(MONDAY, "9:29"), False),
        (at(MONDAY, "9:30"), True),
        (at(MONDAY, "12:59"), True),
        (at(MONDAY, "13:00"), False),
        (at(MONDAY, "14:00"), True),
        (at(MONDAY, "18:30"), False),
        (at(SUNDAY, "12:00"), False),
        (at(FRIDAY, "23:59"), True),
        (at(SATURDAY, "0:00"), True),
        (at(SATURDAY, "2:00"), False),
        (at(MONDAY, "9:30").astimezone(UTC), True),
    ],
    ids=str,
)
def test_a_clinic_is_open_from_a_span_s_start_until_its_end(now, is_open):
    assert OpenHours("Asia/Kolkata", WEEK).open_within(now, 0) is is_open


@pytest.mark.parametrize(
    ("now", "lead_s", "is_soon"),
    [
        (at(MONDAY, "9:20"), 9 * 60, False),
        (at(MONDAY, "9:20"), 10 * 60, True),
        (at(MONDAY, "13:10"), 50 * 60, True),
        (at(FRIDAY, "19:50"), 600, True),
        (at(SUNDAY, "23:59"), 10 * 3600, True),
        (at(SUNDAY, "23:59"), 9 * 3600, False),
        (at(SATURDAY, "3:00"), 600, False),
    ],
    ids=str,
)
def test_it_is_open_soon_where_it_opens_before_so_long_has_passed(now, lead_s, is_soon):
    assert OpenHours("Asia/Kolkata", WEEK).open_within(now, lead_s) is is_soon


def test_the_hours_are_the_clinic_s_own_on_the_day_that_the_clocks_go_forward():
    hours = OpenHours("Europe/London", {"sunday": ["03:00-04:00"]})
    opens = datetime(2026, 3, 29, 2, 0, tzinfo=UTC)

    assert hours.open_within(opens, 0)
    assert not hours.open_within(opens - timedelta(minutes=1), 0)
    assert hours.open_within(opens - timedelta(minutes=90), 90 * 60)
    assert not hours.open_within(opens - timedelta(minutes=90), 89 * 60)


def test_a_clinic_without_hours_is_never_open():
    assert not OpenHours("Asia/Kolkata", {}).open_within(at(MONDAY, "12:00"), 86_400)


@dataclass
class Clock:
    """A clock that a test sets."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now


def demand() -> float:
    return REGISTRY.get_sample_value("agentic_rag_llm_inflight", {"llm": "warm"}) or 0.0


@asynccontextmanager
async def kept_warm(service: Activator, folder, clock: Clock):
    """Keep a service warm, which takes a quarter of a minute to wake for all that is known."""
    memory = Wakes(folder / "wakes.jsonl", address=service.base_url, model="llm-server")
    memory.add(15.0)
    bell = Doorbell(service.base_url, "llm-server", SecretStr("EMPTY"), connect_timeout_s=1.0)
    wake = Wake("warm", bell, memory, Pace(look_s=0.1, fresh_s=0.0))
    warmer = Warmer(wake, OpenHours("Asia/Kolkata", WEEK), every_s=0.1, now=clock)
    running = asyncio.create_task(warmer.run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await wake.close()


async def until(is_so) -> None:
    end = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("cold", ["hold", "refuse"])
async def test_it_is_woken_before_the_clinic_opens_kept_awake_and_then_left_alone(cold, tmp_path):
    clock = Clock(at(MONDAY, "9:20"))
    with Activator(command(start_s=0.0), cold=cold, demand=demand, idle_s=1.5) as service:
        async with kept_warm(service, tmp_path, clock):
            await asyncio.sleep(0.4)
            assert service.seen == []
            assert demand() == 0

            clock.now = at(MONDAY, "9:30") - timedelta(seconds=14)
            await until(lambda: service.ups)
            clock.now = at(MONDAY, "10:00")
            await asyncio.sleep(2.5)
            assert (len(service.starts), service.stops) == (1, [])

            clock.now = at(MONDAY, "13:00")
            await until(lambda: service.stops)
            asked = len(service.seen)
            await asyncio.sleep(0.4)
            assert (len(service.seen), len(service.starts), demand()) == (asked, 1, 0)


async def test_one_that_goes_away_in_warm_hours_is_woken_again(tmp_path):
    with Activator(command(start_s=0.0), demand=demand) as service:
        async with kept_warm(service, tmp_path, Clock(at(MONDAY, "10:00"))):
            await until(lambda: service.ups)
            await asyncio.to_thread(service.stop_server)
            await until(lambda: len(service.ups) == 2)


async def test_a_model_is_kept_warm_only_where_that_is_wanted(settings):
    plain = build_house(settings(llm_base_url="http://127.0.0.1:9/v1"))
    warm = build_house(settings(llm_base_url="http://127.0.0.1:9/v1", llm_warm_every_s=30))

    assert plain.models.warmer is None
    assert warm.models.warmer is not None


def test_a_clinic_that_names_no_hours_cannot_have_a_model_kept_warm(settings, pack):
    with pytest.raises(BadSettings, match="open_hours"):
        build_house(
            settings(
                llm_base_url="http://127.0.0.1:9/v1", llm_warm_every_s=30, clinic_pack=pack.folder
            )
        )
