"""A rung's client: made once, beside the event loop, and not before somebody wants it."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from tests.fakes import ScriptedLlm
from tests.unit.inference.test_ladder import BRIEF, FLOOR, write

from agentic_rag.agent.llm import get_llm
from agentic_rag.domain import Degraded
from agentic_rag.errors import LlmTooSlow, LlmUnavailable
from agentic_rag.inference.model_rung import ModelRung

MODEL = "llm-server"


def rung(make: Callable[[], object], timeout_s: float = 30.0) -> ModelRung:
    return ModelRung("vllm", MODEL, make, timeout_s=timeout_s)


async def test_who_all_ask_at_once_share_one_client(settings):
    made = []
    with ScriptedLlm(reply="40 minutes. [1]") as llm:

        def make():
            made.append(get_llm(settings(llm_base_url=llm.base_url)))
            return made[-1]

        model = rung(make)
        drafts = await asyncio.gather(*(model.write(BRIEF) for _ in range(3)))
        await model.close()

    assert {draft.text for draft in drafts} == {"40 minutes. [1]"}
    assert len(made) == 1


async def test_a_client_that_is_made_slowly_keeps_nobody_beyond_their_time(settings):
    with ScriptedLlm(reply="40 minutes. [1]") as llm:
        make = partial(get_llm, settings(llm_base_url=llm.base_url))
        model = rung(lambda: (time.sleep(2), make())[1])
        began = time.monotonic()

        with pytest.raises(LlmTooSlow):
            await model.write(replace(BRIEF, deadline=began + 0.1))
        hurried_s = time.monotonic() - began
        draft = await model.write(BRIEF)
        await model.close()

    assert hurried_s < 1.5
    assert draft.text == "40 minutes. [1]"


async def test_one_that_was_never_asked_is_closed_without_a_client():
    def make():
        raise AssertionError("nobody asked")

    await rung(make).close()


async def test_a_client_that_cannot_be_made_is_a_model_that_does_not_answer():
    def make():
        raise FileNotFoundError("/run/secrets/ca.pem")

    model = rung(make)

    for _ in range(2):
        with pytest.raises(LlmUnavailable, match="client cannot be made") as caught:
            await model.write(BRIEF)
        assert "/run/secrets" not in str(caught.value)
    await model.close()


async def test_a_proxy_that_cannot_be_used_leaves_the_documents(settings, monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "carrier-pigeon://loft")

    draft = await write(settings(openai_api_key="sk-1"))

    assert (draft.text, draft.generator) == (FLOOR.text, FLOOR.generator)
    assert draft.degraded is Degraded.LLM_UNAVAILABLE
