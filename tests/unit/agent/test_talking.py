"""Questions in their conversations: what they know of it, and what is kept."""

import asyncio
import time
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

import pytest
from tests.unit.agent.parts import Notebook, Pen

from agentic_rag.agent.ask import ask, ask_all
from agentic_rag.agent.live import ask_live
from agentic_rag.conversations.conversations import Conversations
from agentic_rag.domain import Answer, Degraded, Outcome, Question, Turn
from agentic_rag.errors import Overloaded, SessionUnavailable

SCALING = Question(text="How long does scaling take?", session_id="visit", timeout_s=5)
SWOLLEN = replace(SCALING, text="My face is badly swollen and I can't breathe")


class Talks:
    """An agent with a notebook for conversations, and what it was asked to write."""

    def __init__(self, make_deps, **notebook: object) -> None:
        self.notebook = Notebook(**notebook)
        self.pen = Pen()
        self.deps = make_deps(conversations=Conversations(self.notebook, 60), ladder=self.pen)

    @property
    def kept(self) -> list[list[str]]:
        """The texts that users said, session by session."""
        said = self.notebook.kept.values()
        return [[turn.text for turn in turns if turn.role == "user"] for turns in said]

    def seen(self) -> list[str]:
        """What the model saw of the past when it was asked last."""
        return [text for _, text in self.pen.briefs[-1].messages[1:-1]]


async def _last(question: Question, talks: Talks) -> Answer:
    return [event async for event in ask_live(question, deps=talks.deps)][-1]


@pytest.fixture
def talks(make_deps) -> Talks:
    return Talks(make_deps)


async def test_what_was_said_before_is_known_to_the_next_question(talks: Talks):
    first = await ask(SCALING, deps=talks.deps)
    await ask(replace(SCALING, text="Is scaling free?"), deps=talks.deps)

    assert talks.seen() == [SCALING.text, first.text]
    assert talks.kept == [[SCALING.text, "Is scaling free?"]]
    assert first.degraded is None


async def test_a_question_without_a_session_is_not_remembered(talks: Talks):
    await ask(replace(SCALING, session_id=None), deps=talks.deps)

    assert talks.kept == []


async def test_a_session_that_was_made_up_begins_with_its_first_question(talks: Talks):
    await ask(replace(SCALING, session_is_new=True), deps=talks.deps)
    await ask(SCALING, deps=talks.deps)

    assert talks.seen()[0] == SCALING.text


async def test_a_history_takes_the_place_of_what_is_remembered_for_that_call(talks: Talks):
    await ask(SCALING, deps=talks.deps)
    brought = (Turn(role="user", text="What is scaling?"), Turn(role="assistant", text="Cleaning."))
    await ask(replace(SCALING, history=brought), deps=talks.deps)

    assert talks.seen() == ["What is scaling?", "Cleaning."]
    assert talks.kept == [[SCALING.text, SCALING.text]]


async def test_who_brings_his_history_and_no_session_is_not_remembered(talks: Talks):
    brought = (Turn(role="user", text="What is scaling?"),)

    await ask(replace(SCALING, session_is_new=True, history=brought), deps=talks.deps)

    assert talks.kept == []


async def test_questions_of_one_session_in_one_call_follow_one_another(talks: Talks):
    other = replace(SCALING, session_id="other")

    await ask_all([SCALING, other, replace(SCALING, text="Is scaling free?")], deps=talks.deps)

    assert sorted(talks.kept) == [[SCALING.text], [SCALING.text, "Is scaling free?"]]


async def test_several_questions_without_a_session_are_no_conversation(talks: Talks):
    await ask_all([replace(SCALING, session_is_new=True)] * 3, deps=talks.deps)

    assert talks.kept == []


async def test_the_time_of_a_call_is_shared_by_its_questions(talks: Talks):
    talks.notebook.hangs_s = 0.02

    await ask_all([replace(SCALING, timeout_s=20)] * 8, deps=talks.deps)

    left = [brief.deadline for brief in talks.pen.briefs]
    assert max(left) - min(left) < 0.1


async def test_an_emergency_waits_for_no_store(talks: Talks):
    talks.notebook.hangs_s = 1.5
    start = time.monotonic()

    answer = await ask(SWOLLEN, deps=talks.deps)

    assert (answer.outcome, answer.degraded) == (Outcome.EMERGENCY, None)
    assert time.monotonic() - start < 1.0
    await talks.deps.conversations.close()
    assert talks.kept == [[SWOLLEN.text]]


async def test_an_emergency_does_not_wait_for_its_turn(talks: Talks):
    async with talks.deps.conversations.turn("visit"):
        answer = await asyncio.wait_for(ask(SWOLLEN, deps=talks.deps), 0.2)

    assert answer.outcome is Outcome.EMERGENCY


async def test_an_emergency_that_was_told_before_is_remembered(talks: Talks):
    await ask(SWOLLEN, deps=talks.deps)
    await asyncio.sleep(0.01)

    answer = await ask(replace(SCALING, text="What should I do?"), deps=talks.deps)

    assert answer.outcome is Outcome.EMERGENCY


async def test_an_emergency_that_was_told_before_is_answered_past_a_long_turn(talks: Talks):
    async with talks.deps.conversations.turn("visit"):
        await ask(SWOLLEN, deps=talks.deps)
        next_one = replace(SCALING, text="ok. what should I do now?", timeout_s=None)

        answer = await asyncio.wait_for(ask(next_one, deps=talks.deps), 0.5)
        streamed = await asyncio.wait_for(_last(next_one, talks), 0.5)

    assert {answer.outcome, streamed.outcome} == {Outcome.EMERGENCY}
    await talks.deps.conversations.close()
    assert talks.kept == [[SWOLLEN.text, next_one.text, next_one.text]]


async def test_an_emergency_that_was_told_before_is_answered_past_another_servers_turn(make_deps):
    class Elsewhere(Notebook):
        def alone(self, thread: str, until: float):
            raise Overloaded("late", 1.0)

    talks = Talks(make_deps)
    talks.deps.conversations.store = Elsewhere(is_shared=True)
    await ask(SWOLLEN, deps=talks.deps)

    answer = await ask(replace(SCALING, text="ok. what should I do now?"), deps=talks.deps)

    assert answer.outcome is Outcome.EMERGENCY


@pytest.mark.parametrize("fault", [{"error": SessionUnavailable("gone")}, {"hangs_s": 60.0}])
async def test_without_a_store_the_question_is_answered_in_its_time_and_says_so(make_deps, fault):
    talks = Talks(make_deps, **fault)
    start = time.monotonic()

    answer = await ask(replace(SCALING, timeout_s=4.0), deps=talks.deps)

    assert (answer.outcome, answer.degraded) == (Outcome.ANSWERED, Degraded.SESSION_UNAVAILABLE)
    assert time.monotonic() - start < 4.0


async def test_who_asks_before_the_last_answer_is_there_waits_for_it(talks: Talks):
    first = asyncio.create_task(ask(SCALING, deps=talks.deps))
    await asyncio.sleep(0)
    await ask(replace(SCALING, text="Is scaling free?"), deps=talks.deps)

    assert first.done()
    assert talks.seen()[0] == SCALING.text


async def test_a_session_that_is_busy_for_too_long_is_refused_in_time(talks: Talks):
    async with talks.deps.conversations.turn("visit"):
        with pytest.raises(Overloaded, match="late"):
            await ask(replace(SCALING, timeout_s=0.1), deps=talks.deps)


async def test_a_stream_is_remembered_before_its_answer_is_told(talks: Talks):
    async for event in ask_live(SCALING, deps=talks.deps):
        assert talks.kept == ([[SCALING.text]] if isinstance(event, Answer) else [])

    await ask(SCALING, deps=talks.deps)
    assert talks.seen()[0] == SCALING.text


async def test_who_hangs_up_in_mid_stream_is_not_remembered_and_holds_nobody_up(talks: Talks):
    async with aclosing(ask_live(SCALING, deps=talks.deps)) as events:
        await anext(events)

    await asyncio.wait_for(ask(SCALING, deps=talks.deps), 2)
    assert talks.kept == [[SCALING.text]]


async def test_an_emergency_is_streamed_past_its_turn(talks: Talks):
    async with talks.deps.conversations.turn("visit"):
        told = [event async for event in ask_live(SWOLLEN, deps=talks.deps)]

    assert told[-1].outcome is Outcome.EMERGENCY


async def test_what_is_refused_is_not_remembered(talks: Talks, make_deps):
    class Full:
        closing = False

        @asynccontextmanager
        async def admitted(self, until: float | None = None):
            raise Overloaded("full", 1.0)
            yield

    with pytest.raises(Overloaded):
        await ask(SCALING, deps=replace(talks.deps, admission=Full()))

    assert talks.kept == []
