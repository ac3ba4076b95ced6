"""The way to a chat model: rungs by settings."""

import asyncio

import pytest
from tests.fakes import ScriptedLlm

from agentic_rag.agent.llm import get_llm, rungs
from agentic_rag.errors import BadSettings, LlmNotConfigured

VLLM = {"llm_base_url": "http://127.0.0.1:1/v1", "llm_model_name": "qwen"}
OPENAI = {"openai_api_key": "sk-1", "openai_model_name": "gpt"}
OLLAMA = {"ollama_base_url": "http://127.0.0.1:2", "ollama_model_name": "llama"}


def names(settings) -> list[str]:
    return [f"{rung.name}/{rung.model}" for rung in rungs(settings)]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, []),
        (VLLM, ["vllm/qwen"]),
        (OPENAI, ["openai/gpt"]),
        (OLLAMA, ["ollama/llama"]),
        (OPENAI | OLLAMA, ["openai/gpt"]),
        (VLLM | OPENAI | OLLAMA, ["vllm/qwen"]),
        (VLLM | OPENAI | {"llm_fallbacks": "openai"}, ["vllm/qwen", "openai/gpt"]),
        (VLLM | OLLAMA | {"llm_fallbacks": "ollama"}, ["vllm/qwen", "ollama/llama"]),
        (
            VLLM | OPENAI | OLLAMA | {"llm_fallbacks": "ollama,openai"},
            ["vllm/qwen", "ollama/llama", "openai/gpt"],
        ),
        (VLLM | {"llm_fallbacks": "openai,ollama"}, ["vllm/qwen"]),
        (OPENAI | {"llm_fallbacks": "openai"}, ["openai/gpt"]),
        ({"llm_fallbacks": "openai"}, []),
    ],
)
def test_the_rungs_follow_the_settings(settings, fields, expected):
    assert names(settings(**fields)) == expected


def test_a_key_for_openai_alone_does_not_send_patients_words_there(settings):
    assert "openai/gpt" not in names(settings(**VLLM, **OPENAI))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (OPENAI, []),
        (VLLM | OPENAI | {"llm_fallbacks": "openai"}, ["vllm/qwen"]),
        (VLLM | {"llm_base_url": "https://api.openai.com/v1"}, []),
        (VLLM | {"llm_base_url": "http://8.8.8.8/v1"}, []),
        (VLLM | {"llm_base_url": "http://llm.default.svc.cluster.local/v1"}, ["vllm/qwen"]),
        (VLLM | {"llm_base_url": "http://llm.default.svc:8080/v1"}, ["vllm/qwen"]),
        (VLLM | {"llm_base_url": "http://llm:8080/v1"}, ["vllm/qwen"]),
        (VLLM | {"llm_base_url": "http://10.1.2.3/v1"}, ["vllm/qwen"]),
        (VLLM | {"llm_base_url": "http://[::1]:8080/v1"}, ["vllm/qwen"]),
        (VLLM | {"llm_base_url": "http://llm.svc.evil.example/v1"}, []),
        (OLLAMA | {"ollama_base_url": "https://ollama.example"}, []),
        (OPENAI | {"openai_base_url": "http://127.0.0.1:9/v1"}, []),
    ],
)
def test_where_nothing_may_leave_only_rungs_inside_are_left(settings, fields, expected):
    assert names(settings(**fields, llm_external_policy="never")) == expected


def test_where_no_rung_is_set_that_is_said(settings):
    with pytest.raises(LlmNotConfigured, match="LLM_BASE_URL"):
        get_llm(settings())


def test_the_first_rung_is_the_model(settings):
    model = get_llm(settings(**VLLM, **OPENAI, llm_fallbacks="openai"))

    assert model.model_name == "qwen"
    assert str(model.openai_api_base) == "http://127.0.0.1:1/v1"


def test_a_key_does_not_show_where_a_model_is_printed(settings):
    model = get_llm(settings(**OPENAI))

    assert "sk-1" not in repr(model)


@pytest.mark.parametrize(
    ("fields", "key"),
    [({}, "EMPTY"), ({"llm_api_key": "sk-vllm"}, "sk-vllm")],
)
async def test_the_key_is_sent_as_a_bearer(settings, fields, key):
    with ScriptedLlm() as llm:
        model = get_llm(settings(llm_base_url=llm.base_url, **fields))
        await model.ainvoke("Hello")
        await model.root_async_client.close()

    assert llm.asked[0].headers["authorization"] == f"Bearer {key}"


async def test_ollama_is_asked_below_v1(settings):
    with ScriptedLlm(model="llama") as llm:
        model = get_llm(settings(**OLLAMA | {"ollama_base_url": llm.base_url.removesuffix("/v1")}))
        reply = await model.ainvoke("Hello")
        await model.root_async_client.close()

    assert reply.text == llm.reply
    assert llm.asked[0].path == "/v1/chat/completions"


async def test_a_stream_comes_word_by_word_with_its_usage(settings):
    with ScriptedLlm(reply="Scaling takes 40 minutes.", usage=(9, 4)) as llm:
        model = get_llm(settings(llm_base_url=llm.base_url))
        chunks = [chunk async for chunk in model.astream("Hello")]
        await model.root_async_client.close()

    assert [chunk.text for chunk in chunks if chunk.text] == [
        "Scaling",
        " takes",
        " 40",
        " minutes.",
    ]
    assert [c.usage_metadata["total_tokens"] for c in chunks if c.usage_metadata] == [13]


async def test_a_stream_that_is_cancelled_together_with_a_chunk_stops(settings):
    with ScriptedLlm(reply="and so on " * 100, token_s=0.01, obeys_limit=False) as llm:
        model = get_llm(settings(llm_base_url=llm.base_url))

        async def listen() -> None:
            async for _ in model.astream("Hello"):
                pass

        listening = [asyncio.create_task(listen()) for _ in range(12)]
        await asyncio.sleep(1)
        for each in listening:
            each.cancel()  # once
            await asyncio.sleep(0.01)
        _, deaf = await asyncio.wait(listening, timeout=1)
        for each in deaf:
            each.cancel()
        await asyncio.gather(*listening, return_exceptions=True)
        await model.root_async_client.close()

    assert deaf == set()


REPLICAS = "10.0.0.7:8080,10.0.0.8:8080"


@pytest.mark.parametrize(
    ("replicas", "expected"),
    [
        (REPLICAS, ["vllm/qwen"]),
        ("dns://llm-headless.default.svc:8080", ["vllm/qwen"]),
        ("kubernetes://default/llm", ["vllm/qwen"]),
        ("10.0.0.7:8080,8.8.8.8:8080", []),
        ("dns://llm.example:8080", []),
    ],
)
def test_replicas_outside_make_a_model_one_outside(settings, replicas, expected):
    fields = VLLM | {"llm_replicas": replicas, "llm_external_policy": "never"}

    assert names(settings(**fields)) == expected


def test_replicas_that_make_no_sense_are_refused_before_anybody_asks(settings):
    with pytest.raises(BadSettings, match="LLM_REPLICAS"):
        rungs(settings(**VLLM, llm_replicas="http://10.0.0.7"))
