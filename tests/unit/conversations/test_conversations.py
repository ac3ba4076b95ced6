"""Conversations in a file and in a database: the same is so of both."""

import asyncio

import pytest
from tests.unit.conversations.conftest import said, say, soon, told

from agentic_rag.callers import UNNAMED, Caller, caller
from agentic_rag.conversations.conversations import Conversations
from agentic_rag.errors import Overloaded


async def test_what_was_said_is_remembered_in_order(talks: Conversations):
    for text in ("one", "two", "three"):
        await say(talks, "visit", text)

    async with talks.turn("visit") as talk:
        assert talk.history == (*said("one"), *said("two"), *said("three"))


async def test_sessions_know_nothing_of_one_another(talks: Conversations):
    await say(talks, "mine", "one")

    assert await told(talks, "yours") == []


async def test_another_callers_session_is_unknown_and_cannot_be_deleted(talks: Conversations):
    await say(talks, "visit", "one")

    token = caller.set(Caller("somebody else", UNNAMED.scopes))
    theirs = await told(talks, "visit")
    await talks.forget("visit")
    caller.reset(token)

    assert theirs == []
    assert await told(talks, "visit") == ["one"]


async def test_an_operator_deletes_a_callers_session_by_name(talks: Conversations):
    token = caller.set(Caller("reception", UNNAMED.scopes))
    await say(talks, "visit", "one")
    caller.reset(token)

    await talks.forget("visit", of="reception")

    token = caller.set(Caller("reception", UNNAMED.scopes))
    assert await told(talks, "visit") == []
    caller.reset(token)


async def test_what_is_deleted_is_gone_and_the_session_can_begin_anew(talks: Conversations):
    await say(talks, "visit", "one")

    await talks.forget("visit")
    await talks.forget("never was")

    assert await told(talks, "visit") == []
    await say(talks, "visit", "two")
    assert await told(talks, "visit") == ["two"]


async def test_a_deletion_in_mid_turn_takes_the_turn_with_it(talks: Conversations):
    async with talks.turn("visit") as talk:
        forgetting = asyncio.create_task(talks.forget("visit"))
        await asyncio.sleep(0.02)
        await talk.remember(*said("one"))
    await forgetting

    assert await told(talks, "visit") == []


async def test_a_session_is_kept_for_its_time_and_swept_then(open_talks):
    short, long = open_talks(ttl_s=0.2), open_talks(ttl_s=60)
    await short.store.sweep()
    await say(short, "old", "one")
    await say(long, "young", "two")

    await asyncio.sleep(0.25)

    assert await told(short, "old") == []
    assert await short.store.sweep() == 1
    assert await told(long, "young") == ["two"]


async def test_turns_of_one_session_come_one_behind_the_other(talks: Conversations):
    heard = []

    async def speak(text: str) -> None:
        async with talks.turn("visit") as talk:
            heard.append((text, len(talk.history) // 2))
            await asyncio.sleep(0.01)
            await talk.remember(*said(text))

    await asyncio.gather(*(speak(str(n)) for n in range(8)))

    assert heard == [(str(n), n) for n in range(8)]
    assert await told(talks, "visit") == [str(n) for n in range(8)]


async def test_other_sessions_are_not_held_up(talks: Conversations):
    async with talks.turn("slow"):
        async with asyncio.timeout(2):
            await say(talks, "quick", "one")


async def test_who_waits_for_longer_than_he_has_is_told_so_and_leaves_no_lock(talks: Conversations):
    async with talks.turn("visit"):
        with pytest.raises(Overloaded, match="late"):
            async with talks.turn("visit", until=soon(0.1)):
                pass

    await say(talks, "visit", "one")


async def test_a_crowd_in_one_session_is_refused(talks: Conversations):
    async def wait() -> None:
        async with talks.turn("visit", until=soon(5)):
            await asyncio.sleep(0.3)

    waiting = [asyncio.create_task(wait()) for _ in range(16)]
    await asyncio.sleep(0.05)
    with pytest.raises(Overloaded, match="full"):
        async with talks.turn("visit"):
            pass
    for each in waiting:
        each.cancel()
    await asyncio.wait(waiting)

    await say(talks, "visit", "one")


async def test_who_leaves_while_waiting_or_speaking_leaves_no_lock(talks: Conversations):
    async def speak() -> None:
        async with talks.turn("visit"):
            await asyncio.sleep(60)

    for _ in range(5):
        crowd = [asyncio.create_task(speak()) for _ in range(3)]
        await asyncio.sleep(0.005)
        for each in crowd:
            each.cancel()
        await asyncio.wait(crowd)

    async with asyncio.timeout(2):
        await say(talks, "visit", "one")


async def test_who_cannot_wait_is_remembered_past_one_who_speaks(talks: Conversations):
    async with talks.turn("visit") as talk:
        talks.note("visit", *said("urgent"))
        talks.note("visit", *said("worse"))

        assert await talks.glance("visit") == (*said("urgent"), *said("worse"))

        await talk.remember(*said("one"))

    assert await told(talks, "visit") == ["urgent", "worse", "one"]


async def test_what_was_noted_is_known_to_the_next_and_deleted_by_who_deletes(
    talks: Conversations,
):
    for n in range(10):
        talks.note(f"visit {n}", *said("urgent"))
        heard = await told(talks, f"visit {n}")
        talks.note(f"visit {n}", *said("worse"))
        await talks.forget(f"visit {n}")

        assert heard == ["urgent"]
        assert await told(talks, f"visit {n}") == []


async def test_what_was_noted_is_kept_by_a_server_that_ends(open_talks):
    first = open_talks()
    first.note("visit", *said("urgent"))
    await first.close()

    assert await told(open_talks(), "visit") == ["urgent"]


async def test_only_the_last_turns_are_kept(talks: Conversations):
    for n in range(60):
        await say(talks, "visit", str(n))

    assert await told(talks, "visit") == [str(n) for n in range(35, 60)]


async def test_huge_turns_are_cut_and_old_ones_give_way(talks: Conversations):
    for _ in range(12):
        async with talks.turn("visit") as talk:
            await talk.remember(*said("é" * 300_000))

    async with talks.turn("visit") as talk:
        assert sum(len(turn.text) for turn in talk.history) <= 200_000
        assert {len(turn.text) for turn in talk.history} == {20_000}
        assert talk.history[0].role == "user"


@pytest.mark.parametrize(
    "text", ["", "\x00", "नमस्ते 👩‍⚕️", '"}] \\u0000 \\', "a\u2028b\r\n", "'; DROP TABLE checkpoints"]
)
async def test_any_text_comes_back_as_it_was(talks: Conversations, text: str):
    async with talks.turn("visit") as talk:
        assert await talk.remember(*said(text))

    assert await told(talks, "visit") == [text]


@pytest.mark.parametrize("session_id", ["x" * 256, "नमस्ते", "a/b?c=%00", "'--", "\ud800"])
async def test_any_session_id_will_do(talks: Conversations, session_id: str):
    await say(talks, session_id, "one")

    assert await told(talks, session_id) == ["one"]


async def test_a_new_session_is_remembered_without_a_look_at_what_was(talks: Conversations):
    async with talks.turn("made up", is_new=True) as talk:
        await talk.remember(*said("one"))

    assert await told(talks, "made up") == ["one"]


async def test_who_reads_a_made_up_name_before_its_answer_loses_nothing(talks: Conversations):
    async with talks.turn("made up", is_new=True) as first:
        second = asyncio.create_task(say(talks, "made up", "two"))
        await asyncio.sleep(0.05)
        await first.remember(*said("one"))
    await second

    assert await told(talks, "made up") == ["one", "two"]


async def test_a_deletion_in_a_made_up_sessions_first_turn_takes_the_turn_with_it(
    talks: Conversations,
):
    async with talks.turn("made up", is_new=True) as talk:
        forgetting = asyncio.create_task(talks.forget("made up"))
        await asyncio.sleep(0.05)
        await talk.remember(*said("one"))
    await forgetting

    assert await told(talks, "made up") == []
