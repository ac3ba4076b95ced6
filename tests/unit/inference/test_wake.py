"""The wake engine: learns from what is seen, wakes once for all, and leaves alone what will not."""

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr
from tests.fakes import ScriptedLlm
from tests.sleeping.activator import Activator
from tests.sleeping.server import command

from agentic_rag.inference.doorbell import Doorbell
from agentic_rag.inference.sight import Sight
from agentic_rag.inference.wake import Pace, State, Wake
from agentic_rag.inference.wakes import Wakes

FAST = Pace(limit_s=20.0, look_s=0.1, pause_s=(0.01, 0.05), rest_s=(0.2, 0.6), fresh_s=0.0)


@dataclass
class Bell:
    """A bell at which a test decides what is seen; "hold" sees nothing until it is let go."""

    sights: list[Sight | str] = field(default_factory=list)
    rings: int = 0
    let_go: asyncio.Event = field(default_factory=asyncio.Event)
    closed: bool = False

    async def ring(self, within_s: float) -> Sight:
        self.rings += 1
        sight = self.sights.pop(0) if len(self.sights) > 1 else self.sights[0]
        if sight == "hold":
            await self.let_go.wait()
            return Sight.HERE
        return Sight(sight)

    async def close(self) -> None:
        self.closed = True


@dataclass
class Log:
    """A memory of wake-ups."""

    took: list[float] = field(default_factory=list)

    def left_s(self, spent_s: float) -> float:
        return 60.0 - spent_s

    def add(self, seconds: float) -> None:
        self.took.append(seconds)


@asynccontextmanager
async def engine(*sights, pace=FAST):
    bell, log = Bell(list(sights)), Log()
    wake = Wake("test", bell, log, pace)
    try:
        yield wake, bell, log
    finally:
        await wake.close()


def inflight(llm: str = "test") -> float:
    return REGISTRY.get_sample_value("agentic_rag_llm_inflight", {"llm": llm}) or 0.0


async def test_at_first_nothing_is_known_and_nobody_is_asked():
    async with engine(Sight.HERE) as (wake, bell, _):
        await asyncio.sleep(0.1)

        assert wake.status.state is State.UNKNOWN
        assert bell.rings == 0


async def test_one_look_finds_who_is_awake_and_it_is_not_looked_at_again():
    async with engine(Sight.HERE) as (wake, bell, log):
        found = [await wake.look() for _ in range(5)]

        assert (found, bell.rings, log.took) == ([True] * 5, 1, [])
        assert wake.status.state is State.AWAKE


async def test_who_has_not_been_heard_of_for_long_is_looked_at_again():
    pace = Pace(trust_s=0.1, look_s=0.1)
    async with engine(Sight.HERE, pace=pace) as (wake, bell, _):
        await wake.look()
        await asyncio.sleep(0.15)

        assert wake.status.state is State.UNKNOWN
        assert await wake.look()
        assert bell.rings == 2


async def test_an_answer_to_anybody_makes_it_awake_without_a_ring():
    async with engine(Sight.HERE) as (wake, bell, _):
        wake.saw(Sight.HERE)

        assert await wake.look()
        assert bell.rings == 0


@pytest.mark.parametrize("sight", [Sight.NOBODY, Sight.LOADING, Sight.BUSY, Sight.BROKEN])
async def test_nobody_waits_for_one_that_is_seen_to_sleep(sight):
    async with engine(sight) as (wake, _, _):
        assert not await wake.look()
        assert wake.status.state is State.WAKING
        assert 59 < wake.status.eta_s <= 60


async def test_one_that_an_activator_holds_is_known_to_sleep_after_a_look():
    async with engine("hold") as (wake, _, _):
        start = time.monotonic()
        found = await asyncio.gather(*(wake.look() for _ in range(20)))
        first = time.monotonic() - start
        found += await asyncio.gather(*(wake.look() for _ in range(20)))

        assert found == [False] * 40
        assert first > 0.08
        assert time.monotonic() - start - first < first
        assert wake.status.state is State.WAKING


async def test_twenty_who_ask_at_once_wake_it_once():
    async with engine("hold") as (wake, bell, log):
        waiting = [asyncio.create_task(wake.wait(5)) for _ in range(20)]
        await asyncio.sleep(0.2)
        bell.let_go.set()

        assert await asyncio.gather(*waiting) == [True] * 20
        assert bell.rings == 1
        assert len(log.took) == 1
        assert 0.15 < log.took[0] < 5


async def test_a_wake_up_outlives_who_caused_it():
    async with engine("hold") as (wake, bell, log):
        caller = asyncio.create_task(wake.wait(5))
        await asyncio.sleep(0.15)
        caller.cancel()
        await asyncio.gather(caller, return_exceptions=True)
        bell.let_go.set()
        await asyncio.sleep(0.05)

        assert wake.status.state is State.AWAKE
        assert len(log.took) == 1


async def test_who_waits_is_let_go_when_the_time_is_up_and_the_wake_up_goes_on():
    async with engine("hold") as (wake, bell, _):
        assert not await wake.wait(0.15)
        assert wake.status.state is State.WAKING
        bell.let_go.set()
        assert await wake.wait(1)


async def test_the_door_is_rung_at_until_somebody_is_there():
    async with engine(Sight.NOBODY, Sight.NOBODY, Sight.LOADING, Sight.SILENT, Sight.HERE) as (
        wake,
        bell,
        log,
    ):
        assert await wake.wait(5)
        assert (bell.rings, len(log.took)) == (5, 1)


@pytest.mark.parametrize(
    "sight", [Sight.STRANGER, Sight.KEY_REFUSED, Sight.NAME_UNKNOWN, Sight.ELSEWHERE]
)
async def test_who_refuses_does_not_sleep(sight):
    async with engine(sight) as (wake, _, log):
        assert await wake.look()
        assert log.took == []


async def test_one_that_will_not_wake_is_left_alone_for_longer_each_time():
    pace = Pace(limit_s=0.1, look_s=0.02, pause_s=(0.01, 0.02), rest_s=(0.2, 1.0))
    async with engine(Sight.NOBODY, pace=pace) as (wake, bell, log):
        assert not await wake.wait(5)
        assert wake.status.state is State.FAILING
        rung = bell.rings
        assert not await wake.look()
        assert not await wake.wait(5)
        assert bell.rings == rung
        assert 0 < wake.status.eta_s <= 0.2
        await asyncio.sleep(0.25)
        assert not await wake.wait(5)
        assert bell.rings > rung
        assert 0.3 < wake.status.eta_s <= 0.4
        assert log.took == []


async def test_one_that_failed_and_is_seen_to_answer_is_awake():
    pace = Pace(limit_s=0.05, look_s=0.02, pause_s=(0.01, 0.02))
    async with engine(Sight.NOBODY, pace=pace) as (wake, _, _):
        await wake.wait(5)
        wake.saw(Sight.HERE)

        assert await wake.look()


async def test_a_refusal_seen_by_a_call_is_sleep_and_wakes_nobody_by_itself():
    async with engine(Sight.NOBODY) as (wake, bell, _):
        wake.saw(Sight.HERE)
        wake.saw(Sight.NOBODY)
        await asyncio.sleep(0.05)

        assert wake.status.state is State.ASLEEP
        assert bell.rings == 0


async def test_one_that_was_away_for_a_moment_teaches_nothing_of_how_long_waking_takes():
    async with engine(Sight.HERE) as (wake, _, log):
        wake.saw(Sight.HERE)
        wake.saw(Sight.NOBODY)

        assert await wake.wait(5)
        assert log.took == []


async def test_an_answer_ends_a_wake_up_that_is_under_way():
    async with engine("hold") as (wake, _, log):
        waiting = asyncio.create_task(wake.wait(5))
        await asyncio.sleep(0.15)
        wake.saw(Sight.HERE)

        assert await waiting
        assert len(log.took) == 1


async def test_one_that_is_doubted_is_asked_once_for_all_who_doubt():
    async with engine("hold") as (wake, bell, _):
        wake.saw(Sight.HERE)
        found = await asyncio.gather(*(wake.answers(0.1) for _ in range(20)))

        assert found == [False] * 20
        assert bell.rings == 1
        assert wake.status.state is State.ASLEEP


async def test_who_doubts_just_when_another_s_doubt_ends_disturbs_nobody():
    async with engine(Sight.HERE) as (wake, bell, _):
        first = asyncio.create_task(wake.answers(0.2))
        for _ in range(2):  # it asks, and is told, but has not gone on yet
            await asyncio.sleep(0)

        assert await wake.answers(0.2)
        assert await first
        assert bell.rings == 2


async def test_a_reply_to_somebody_else_is_an_answer_to_a_doubt():
    async with engine("hold") as (wake, _, _):
        wake.saw(Sight.HERE)
        doubting = asyncio.create_task(wake.answers(0.1))
        await asyncio.sleep(0.02)
        wake.saw(Sight.HERE)

        assert await doubting
        assert wake.status.state is State.AWAKE


async def test_a_stall_of_our_own_is_not_taken_for_silence(tmp_path):
    """Others keep the event loop busy for longer than a look takes, just when one is asked."""
    with ScriptedLlm() as llm:
        async with before(llm, tmp_path) as wake:
            wake.saw(Sight.HERE)
            doubting = asyncio.create_task(wake.answers(0.4))
            await asyncio.sleep(0)
            time.sleep(0.6)  # noqa: ASYNC251  # that is the stall

            assert await doubting
            assert wake.status.state is State.AWAKE


async def test_there_is_a_limit_to_those_who_wait():
    async with engine("hold", pace=Pace(seats=2)) as (wake, _, _):
        with wake.seat() as first, wake.seat() as second, wake.seat() as third:
            assert (first, second, third) == (True, True, False)
        with wake.seat() as again:
            assert again


async def test_who_answered_this_moment_is_not_doubted():
    async with engine("hold", pace=Pace()) as (wake, bell, _):
        wake.saw(Sight.HERE)

        assert await wake.answers(0.1)
        assert bell.rings == 0


async def test_the_gauge_counts_the_wake_up_and_who_waits_for_it():
    async with engine("hold") as (wake, bell, _):
        assert inflight() == 0
        await wake.look()
        assert inflight() == 1
        waiting = [asyncio.create_task(wake.wait(5)) for _ in range(3)]
        await asyncio.sleep(0.02)
        assert inflight() == 4
        bell.let_go.set()
        await asyncio.gather(*waiting)
        assert inflight() == 0


async def test_the_state_is_told_to_whoever_watches():
    async with engine(Sight.NOBODY) as (wake, _, _):
        await wake.look()

        states = {
            state: REGISTRY.get_sample_value(
                "agentic_rag_llm_state", {"llm": "test", "state": state}
            )
            for state in State
        }
        assert states == {state: float(state is State.WAKING) for state in State}


async def test_closing_leaves_no_task_and_no_count_behind():
    async with engine("hold") as (wake, bell, _):
        await wake.look()
        waiting = asyncio.create_task(wake.answers(5))
        await asyncio.sleep(0.01)
        await wake.close()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert (inflight(), bell.closed) == (0, True)


@asynccontextmanager
async def before(service: Activator, folder, pace: Pace = FAST):
    bell = Doorbell(service.base_url, "llm-server", SecretStr("EMPTY"), connect_timeout_s=1.0)
    memory = Wakes(folder / "wakes.jsonl", address=service.base_url, model="llm-server")
    wake = Wake("real", bell, memory, pace)
    try:
        yield wake
    finally:
        await wake.close()


SHAPES = {
    "Knative": {"cold": "hold"},
    "Knative, whose activator gives up": {"cold": "hold", "hold_limit_s": 0.15},
    "Standard, refused": {"cold": "refuse", "demand": lambda: inflight("real")},
    "Standard, 503": {"cold": "503", "demand": lambda: inflight("real")},
    "Standard, 404": {"cold": "404", "demand": lambda: inflight("real")},
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
async def test_a_real_service_is_woken_once_by_twenty_who_ask(shape, tmp_path):
    with Activator(command(start_s=0.2), **shape) as service:
        async with before(service, tmp_path) as wake:
            looked = await asyncio.gather(*(wake.look() for _ in range(20)))
            waited = await asyncio.gather(*(wake.wait(20) for _ in range(20)))

            assert looked == [False] * 20
            assert waited == [True] * 20
            assert len(service.starts) == 1


def until_stopped(service: Activator) -> None:
    end = time.monotonic() + 20
    while not service.stops:
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
async def test_a_service_that_nobody_asks_for_is_left_asleep(shape, tmp_path):
    with Activator(command(start_s=0.0), idle_s=1.0, **shape) as service:
        async with before(service, tmp_path) as wake:
            await wake.wait(20)
            await asyncio.to_thread(until_stopped, service)
            asked = len(service.seen)
            await asyncio.sleep(0.5)

            assert len(service.seen) == asked
            assert len(service.starts) == 1


async def test_a_server_that_loads_its_model_is_waited_for(tmp_path):
    slow = command(start_s=0.0, loading_s=0.8)
    with Activator(slow, cold="503", health="", demand=lambda: inflight("real")) as service:
        async with before(service, tmp_path) as wake:
            start = time.monotonic()

            assert await wake.wait(20)
            assert time.monotonic() - start > 0.8


async def test_the_eta_after_five_wake_ups_is_close_to_the_truth_and_survives_a_restart(tmp_path):
    with Activator(command()) as service:
        for start_s in (1.8, 1.4, 1.6, 2.6, 1.5):  # one was slow
            service.command = command(start_s=start_s)
            async with before(service, tmp_path) as wake:
                assert await wake.wait(20)
            await asyncio.to_thread(service.stop_server)
        service.command = command(start_s=1.7)
        async with before(service, tmp_path) as wake:
            told = wake.status.eta_s
            start = time.monotonic()
            await wake.wait(20)
            took = time.monotonic() - start

    assert told == pytest.approx(took, rel=0.25)
