"""Opens the agent with the bad model as its LLM, on an index of its own."""

import asyncio
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from tests.bad_model.behaviours import BEHAVIOURS
from tests.bad_model.judge import Judge
from tests.bad_model.model import BadModel
from tests.bad_model.trial import Tally, plant_orders, run

from agentic_rag.agent.ask import ask
from agentic_rag.agent.deps import Deps
from agentic_rag.bootstrap.house import House, build_house
from agentic_rag.bootstrap.indexing import ingest_folder
from agentic_rag.clinic.profile import SHIPPED_PACK
from agentic_rag.domain import Answer, Question
from agentic_rag.inference.ladder import Ladder
from agentic_rag.settings import Settings

OBEDIENT = "obeys the passage"
"""The behaviour that needs documents with orders in them."""


def try_all(settings: Settings, folder: Path, count: int) -> dict[str, Tally]:
    """Try every behaviour on `count` questions; `settings` are those of an indexed clinic.

    One process opens an index once, so a copy of it is opened, in `folder`.
    """
    others = [name for name in BEHAVIOURS if name != OBEDIENT]
    tallies = try_some(_copied(settings, folder / "own"), others, count)
    tallies += try_some(_hostile(settings, folder / "hostile"), [OBEDIENT], count)
    return {tally.name: tally for tally in tallies}


def try_some(settings: Settings, names: Iterable[str], count: int) -> list[Tally]:
    """Open the agent before a bad model, and try some behaviours."""
    judge = Judge(SHIPPED_PACK / "documents")

    async def tried(model: BadModel) -> list[Tally]:
        house = build_house(_asking(settings, model))
        try:
            await house.library.open()
            return await run(_unguarded(house), model, judge, names, count)
        finally:
            await house.close()

    with BadModel() as model:
        return asyncio.run(tried(model))


def ask_all(
    settings: Settings, folder: Path, behaviour: str, messages: Iterable[str]
) -> list[tuple[Answer, bool]]:
    """Return the answer to each message, and whether the model was asked for it."""

    async def answers(model: BadModel) -> list[tuple[Answer, bool]]:
        house = build_house(_asking(_copied(settings, folder), model))
        found = []
        try:
            await house.library.open()
            for message in messages:
                model.asked.clear()
                answer = await ask(Question(text=message), deps=house.deps)
                found.append((answer, bool(model.asked)))
        finally:
            await house.close()
        return found

    with BadModel(behaviour=behaviour) as model:
        return asyncio.run(answers(model))


def _unguarded(house: House) -> Deps:
    """Have the model asked every time: its guard would leave one alone that writes nothing."""
    return replace(house.deps, ladder=Ladder(house.models.models, floor=house.deps.quoter))


def _asking(settings: Settings, model: BadModel) -> Settings:
    llm = {"llm_base_url": model.base_url, "llm_model_name": model.model}
    return settings.model_copy(update=llm)


def _copied(settings: Settings, folder: Path) -> Settings:
    shutil.copytree(settings.data_dir, folder)
    return settings.model_copy(update={"data_dir": folder})


def _hostile(settings: Settings, folder: Path) -> Settings:
    """Index the shipped documents with orders planted in them."""
    pack = plant_orders(folder / "pack")
    planted = {"data_dir": folder / "data", "clinic_pack": pack}
    hostile = settings.model_copy(update=planted)
    ingest_folder(hostile, None, None)
    return hostile
