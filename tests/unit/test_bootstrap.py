"""The house: parts picked by the settings, and nothing begun before it is opened."""

import asyncio
import gc
import shutil
from dataclasses import replace

from prometheus_client import REGISTRY

from agentic_rag.agent.ask import ask
from agentic_rag.bootstrap.house import build_house, build_limits
from agentic_rag.bootstrap.indexing import ingest_folder
from agentic_rag.domain import Outcome, Question
from agentic_rag.glass.watch import Watch


def test_building_a_house_keeps_nothing(settings, tmp_path):
    build_house(settings())

    assert not (tmp_path / "data").exists()


def test_the_emergency_section_is_at_hand(settings, pack):
    emergency = build_house(settings(clinic_pack=pack.folder)).deps.emergency

    assert emergency.passage.label == "urgent.md#warning-signs"
    assert emergency.advice == (
        "Call us at once if you lose feeling in both legs.",
        "Loss of bladder control after a back injury needs a hospital.",
    )
    whole = (pack.documents / "urgent.md").read_text("utf-8")
    assert whole[emergency.passage.start : emergency.passage.end] == emergency.passage.text


def test_the_limits_are_the_settings(settings):
    limits = build_limits(settings(top_k=5, max_ctx_snippets=2, max_ctx_chars=500, max_attempts=4))

    assert (limits.top_k, limits.max_ctx_snippets, limits.max_ctx_chars) == (5, 2, 500)
    assert limits.max_attempts == 4


def test_the_rungs_are_the_settings(settings):
    house = build_house(
        settings(llm_base_url="http://127.0.0.1:1/v1", llm_fallbacks="openai", openai_api_key="sk")
    )

    assert len(house.models.models) == 2


async def test_another_clinic_answers_from_its_own_documents(settings, pack):
    chosen = settings(clinic_pack=pack.folder)
    report = ingest_folder(chosen, None, None)
    house = build_house(chosen)
    await house.library.open()

    free = await ask(Question(text="Is there parking?"), deps=house.deps)
    price = await ask(Question(text="What does knee rehabilitation cost?"), deps=house.deps)
    await house.close()

    assert report.documents == 6
    assert free.sources == ("faq.md#is-there-parking",)
    assert "free for patients" in free.text
    assert "9 euro" not in free.text
    assert "EUR 55 to 70" in price.text


async def test_a_house_without_an_index_makes_it_from_the_pack(settings, pack):
    house = build_house(settings(clinic_pack=pack.folder))

    await house.library.open()
    answer = await ask(Question(text="Do I need a referral?"), deps=house.deps)
    await house.close()

    assert answer.outcome is Outcome.ANSWERED
    assert answer.sources == ("faq.md#do-i-need-a-referral",)


async def test_two_houses_with_one_data_dir_both_answer(settings, pack):
    houses = [build_house(settings(clinic_pack=pack.folder)) for _ in range(2)]
    for house in houses:
        await house.library.open()

    answers = [await ask(Question(text="Is there parking?"), deps=h.deps) for h in houses]
    for house in houses:
        await house.close()

    assert answers[0].text == answers[1].text
    assert answers[0].outcome is Outcome.ANSWERED


async def test_a_server_tells_in_one_line_that_its_index_is_behind_the_pack(settings, pack, caplog):
    chosen = settings(clinic_pack=pack.folder)
    house = build_house(chosen)
    await house.tell_drift()  # no index yet: it will be made from the pack
    ingest_folder(chosen, None, None)
    await house.tell_drift()
    told_nothing = list(caplog.messages)
    assert REGISTRY.get_sample_value("agentic_rag_index_stale_files") == 0

    pack.write("faq.md", "# Questions\n\n## Is there parking?\n\nNot any more.\n")
    await house.tell_drift()
    await house.close()

    assert REGISTRY.get_sample_value("agentic_rag_index_stale_files") == 1
    told = [line for line in caplog.messages if "as they are now" in line]
    assert not [line for line in told_nothing if "as they are now" in line]
    assert len(told) == 1
    assert "1 changed, 0 new, 0 gone" in told[0]
    assert "agentic-rag ingest" in told[0]


async def test_a_pack_that_is_gone_is_no_reason_to_end(settings, pack):
    chosen = settings(clinic_pack=pack.folder)
    ingest_folder(chosen, None, None)
    house = build_house(chosen)

    shutil.rmtree(pack.folder)
    await house.tell_drift()
    await house.close()


async def test_what_stands_in_data_dir_may_be_unreadable(settings, pack):
    chosen = settings(clinic_pack=pack.folder)
    name = ingest_folder(chosen, None, None).version
    (chosen.data_dir / "index" / "versions" / name / "manifest.json").write_bytes(b"\xff")

    house = build_house(chosen)
    await house.close()

    assert house.drift() is None


class Failing:
    """Something to be tended that cannot be."""

    async def tend(self) -> None:
        raise RuntimeError("no such table")


class Tended:
    """Something that is tended for as long as the house is."""

    def __init__(self) -> None:
        self.begun, self.ended = asyncio.Event(), False

    async def tend(self) -> None:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended = True


async def test_a_fault_beside_the_answering_ends_nothing_else(settings, caplog):
    other = Tended()
    house = replace(build_house(settings()), conversations=Failing(), watch=Watch(other))

    tending = asyncio.create_task(house.tend())
    await other.begun.wait()
    await asyncio.sleep(0)

    assert not other.ended
    assert "something beside the answering has ended" in caplog.text
    tending.cancel()
    await asyncio.wait({tending})
    assert other.ended


async def test_what_warming_makes_is_not_looked_through_for_garbage(settings, pack):
    here = settings(clinic_pack=pack.folder)
    await asyncio.to_thread(ingest_folder, here, None, None)
    house = build_house(here)
    await house.library.open(settle=True)
    opened = gc.get_freeze_count()

    for _ in range(1_200):
        await asyncio.sleep(0.05)
        if (warmed := gc.get_freeze_count()) > opened:
            break
    await house.close()

    assert warmed > opened
