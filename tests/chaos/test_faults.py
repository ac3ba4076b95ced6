"""Whatever becomes of the model, a caller has a proven answer in time, and nothing is left over."""

import asyncio
import itertools
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import orjson
import pytest
from tests.chaos.faults import (
    AMPLE_S,
    BRIEF_S,
    FAULTS,
    Fault,
    Outcome,
    always,
    first,
    gives,
    good,
    is_well,
    lists,
    make_ready,
    well,
)
from tests.chaos.upstream import Upstream

from agentic_rag.agent.ask import ask
from agentic_rag.agent.deps import Deps
from agentic_rag.agent.live import ask_live
from agentic_rag.agent.planning.model import ModelPlanner
from agentic_rag.bootstrap.house import House
from agentic_rag.bootstrap.models import Models, build_models
from agentic_rag.domain import Answer, Question, Sentence, Turn, WhenCold
from agentic_rag.inference import gauges
from agentic_rag.inference.ladder import Ladder
from agentic_rag.serving.writing import write_answer

ROOT_CANAL = Question(text="Whats the price range for Root Canal Therapy?", timeout_s=AMPLE_S)
LATE_S = 10.0  # machines that test are busy; who keeps no deadline takes a minute
FORMS = ("whole", "stream")


@pytest.fixture(scope="module", autouse=True)
def _warm(few: House) -> None:
    """Have everything loaded and made: else the first who asks pays for it."""
    make_ready()
    asyncio.run(ask(ROOT_CANAL, deps=few.deps))


@dataclass
class Chaos:
    """An agent before a server that fails, and what it told."""

    deps: Deps
    models: Models
    upstream: Upstream

    async def asked(self, form: str, question: Question = ROOT_CANAL) -> Answer:
        """Ask in one piece, or listen to the end; what is told on the way is proven, too."""
        if form == "whole":
            return await ask(question, deps=self.deps)
        events = [event async for event in ask_live(question, deps=self.deps, tick_s=0.2)]
        told = [event for event in events if isinstance(event, Sentence)]
        assert all(each.citations and "free" not in each.text for each in told)
        assert isinstance(events[-1], Answer)
        return events[-1]


@asynccontextmanager
async def before(fault: Fault, house: House, data_dir: Path) -> AsyncIterator[Chaos]:
    """Put the real agent before a server; when it has left, nothing of it may be left."""
    sockets, threads, tasks = open_sockets(), living_threads(), asyncio.all_tasks()
    async with AsyncExitStack() as stack:
        upstream = Upstream(fault.chat, fault.models, fault.health, fault.on_connect)
        await stack.enter_async_context(upstream)
        url = stack.enter_context(fault.where(upstream))
        settings = house.settings.model_copy(
            update={"llm_base_url": url, "data_dir": data_dir, "llm_timeout_s": AMPLE_S}
        )
        models = build_models(settings, house.deps.profile)
        ladder = Ladder(models.guarded, floor=house.deps.quoter)
        deps = replace(
            house.deps,
            ladder=ladder,
            planner=ModelPlanner(ladder, timeout_s=AMPLE_S),
            sleeper=models.wake,
        )
        try:
            yield Chaos(deps, models, upstream)
            if models.wake and models.wake.status.state == "awake":
                await until(lambda: not upstream.busy, "a reply that nobody waits for goes on")
        finally:
            await models.close()
        await until(lambda: not upstream.open, "a connection is open still")
        assert gauge() == 0
        await until(lambda: asyncio.all_tasks() <= tasks | upstream.tasks, "a task is left")
    await until(lambda: open_sockets() <= sockets, "a socket is open still")
    assert living_threads() <= threads


async def until(is_so: Callable[[], bool], otherwise: str) -> None:
    end = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < end, otherwise
        await asyncio.sleep(0.01)


def open_sockets() -> int:
    kinds = []
    for each in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the one that lists is gone by now
            kinds.append(str(each.readlink()))
    return sum(kind.startswith("socket:") for kind in kinds)


def living_threads() -> set[int]:
    """Return the threads but for those of a loop's executor, which end with it."""
    return {each.ident for each in threading.enumerate() if not each.name.startswith("asyncio_")}


def gauge() -> float:
    return sum(each.value for metric in gauges.inflight.collect() for each in metric.samples)


def assert_proven(answer: Answer) -> None:
    """See that it answers, in words of the clinic's own, and can be sent."""
    assert answer.outcome == "answered"
    assert "6,000" in answer.text
    assert "free" not in answer.text
    assert answer.text.splitlines()[-1] == "Source: " + "; ".join(answer.sources)
    for citation in answer.citations:
        assert citation.quote
    assert answer.citations
    orjson.dumps(write_answer(answer))


def outcome(answer: Answer, chaos: Chaos, told: str, expected: Outcome) -> Outcome:
    degraded = answer.degraded.value if answer.degraded else None
    return Outcome(
        generator=answer.generator,
        degraded=degraded,
        calls=None if expected.calls is None else chaos.upstream.chats,
        told=expected.told if expected.told in told else told,
    )


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # of what is no chat reply
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_ends_as_it_should(name, form, few, tmp_path, caplog):
    fault = FAULTS[name]
    expected = (fault.stream if form == "stream" else None) or fault.whole

    async with before(fault, few, tmp_path) as chaos:
        start = time.monotonic()
        question = replace(ROOT_CANAL, timeout_s=fault.deadline_s)
        if expected.degraded != "llm_cold":  # it is awake, however long a busy machine takes to see
            question = replace(question, when_cold=WhenCold.WAIT)
        answer = await chaos.asked(form, question)
        took_s = time.monotonic() - start

        assert outcome(answer, chaos, caplog.text, expected) == expected
        assert_proven(answer)
        assert took_s < fault.deadline_s + LATE_S
    assert chaos.upstream.sent <= fault.at_most * max(1, len(chaos.upstream.asked))


async def test_a_redirect_takes_no_key_to_another_host(few, tmp_path):
    async with Upstream(well, lists, is_well) as elsewhere:
        away = always("302 Found", location=f"{elsewhere.base_url}/chat/completions")
        for fault in (Fault(chat=away), Fault(models=away)):
            async with before(fault, few, tmp_path) as chaos:
                brief = replace(ROOT_CANAL, timeout_s=BRIEF_S)
                answers = [await chaos.asked(form, brief) for form in FORMS]

            for answer in answers:
                assert_proven(answer)

        assert elsewhere.asked == []
        assert elsewhere.keys == set()


@pytest.mark.parametrize("form", FORMS)
async def test_a_model_that_dies_between_plan_and_draft_costs_nobody_the_answer(
    form, few, tmp_path
):
    planned = gives(lambda call: good(call, '["What is the price of Root Canal Therapy?"]'))
    follow_up = Question(
        text="And what does it cost?",
        history=(Turn(role="user", text="Do you do Root Canal Therapy?"),),
        timeout_s=AMPLE_S,
    )
    async with before(
        Fault(chat=first(well, planned, gives(b"", "reset"))), few, tmp_path
    ) as chaos:
        await chaos.asked(form, replace(ROOT_CANAL, timeout_s=AMPLE_S))

        answer = await chaos.asked(form, follow_up)

        assert_proven(answer)
        assert (answer.generator, answer.degraded) == ("extractive", "llm_unavailable")
        assert chaos.upstream.chats == 3


async def test_a_server_that_hangs_up_behind_each_reply_is_asked_again(few, tmp_path):
    async with before(Fault(chat=gives(good, "close")), few, tmp_path) as chaos:
        answers = [await chaos.asked(form) for form in FORMS * 2]

    assert {answer.generator for answer in answers} == {"vllm/llm-server"}


async def test_many_callers_of_a_server_that_drips_all_have_their_answer_in_time(few, tmp_path):
    async with before(FAULTS["comments for ever"], few, tmp_path) as chaos:
        start = time.monotonic()
        answers = await asyncio.gather(*(chaos.asked(form) for form in FORMS * 10))

        assert time.monotonic() - start < AMPLE_S + LATE_S
        assert {answer.degraded for answer in answers} == {"llm_unavailable"}


@pytest.mark.parametrize("leap_s", [-3e8, 3e8], ids=["back", "ahead"])
@pytest.mark.parametrize("name", ["says nothing", "500 once", "connections are refused"])
async def test_a_wall_clock_that_leaps_changes_nothing(name, leap_s, few, tmp_path, monkeypatch):
    fault, real = FAULTS[name], time.time
    leaps = itertools.count()
    monkeypatch.setattr(time, "time", lambda: real() + leap_s * next(leaps))

    async with before(fault, few, tmp_path) as chaos:
        start = time.monotonic()
        answer = await chaos.asked("whole", replace(ROOT_CANAL, timeout_s=fault.deadline_s))

        assert time.monotonic() - start < fault.deadline_s + LATE_S
        assert outcome(answer, chaos, "", fault.whole) == fault.whole
