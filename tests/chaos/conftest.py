"""The clinic that the chaos is let loose on: few documents, which take a second to index."""

import asyncio
import shutil
from collections.abc import Iterator

import pytest

from agentic_rag.bootstrap.house import House, build_house
from agentic_rag.bootstrap.indexing import ingest_folder
from agentic_rag.clinic.profile import SHIPPED_PACK
from agentic_rag.settings import Settings

_DOCUMENTS = ("treatments.json", "policies/emergency.md", "policies/appointments.md")


@pytest.fixture(scope="session")
def few_settings(clinic_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The settings of a clinic with few documents, whose index is made."""
    folder = tmp_path_factory.mktemp("few")
    shutil.copy2(SHIPPED_PACK / "clinic.yaml", folder)
    for doc_id in _DOCUMENTS:
        copy = folder / "documents" / doc_id
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(SHIPPED_PACK / "documents" / doc_id, copy)
    settings = clinic_settings.model_copy(
        update={"clinic_pack": folder, "data_dir": folder / "data"}
    )
    ingest_folder(settings, None, None)
    return settings


@pytest.fixture(scope="session")
def few(few_settings: Settings) -> Iterator[House]:
    """That clinic, opened once; no LLM is set."""
    built = build_house(few_settings)
    asyncio.run(built.library.open())
    yield built
    asyncio.run(built.close())
