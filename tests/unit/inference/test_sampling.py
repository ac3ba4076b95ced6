"""Sampling: each kind of model is told what it knows, and what it does not know is named."""

from dataclasses import asdict

import pytest
from tests.fakes import ScriptedLlm

from agentic_rag.agent.deps import Brief
from agentic_rag.bootstrap.house import build_house
from agentic_rag.domain import Question, Sampling
from agentic_rag.inference.sampling import unheeded

ALL = Sampling(
    top_p=0.9,
    top_k=20,
    min_p=0.05,
    seed=7,
    presence_penalty=0.5,
    frequency_penalty=-0.5,
    repetition_penalty=1.1,
)
BEYOND = {"top_k": 20, "min_p": 0.05, "repetition_penalty": 1.1}
PLAIN = {"top_p": 0.9, "seed": 7, "presence_penalty": 0.5, "frequency_penalty": -0.5}


def brief(**fields) -> Brief:
    usual = {"messages": (("user", "Why?"),), "wants": ("why",), "passages": ()}
    return Brief(**{**usual, "max_tokens": 9, "temperature": 0.1, **fields})


async def written(settings, llm, name, asked, reply="It is so."):
    """Return what the rung of that name wrote, and what its server was sent."""
    fields = {
        "vllm": {"llm_base_url": llm.base_url},
        "openai": {"openai_base_url": llm.base_url, "openai_api_key": "k"},
        "ollama": {"ollama_base_url": llm.base_url.removesuffix("/v1")},
    }
    models = {f"{each}_model_name": llm.model for each in ("openai", "ollama")}
    house = build_house(settings(**fields[name], **models, llm_external_policy="allow"))
    (rung,) = house.models.models
    draft = await rung.write(asked)
    await house.close()
    return draft, llm.asked[-1].body


@pytest.mark.parametrize(
    ("name", "expected"), [("vllm", PLAIN | BEYOND), ("openai", PLAIN), ("ollama", PLAIN)]
)
async def test_a_model_is_told_all_that_it_knows(settings, name, expected):
    with ScriptedLlm() as llm:
        _, sent = await written(settings, llm, name, brief(sampling=ALL))

    assert {k: v for k, v in sent.items() if k in PLAIN | BEYOND} == expected
    assert (sent["temperature"], sent["max_completion_tokens"]) == (0.1, 9)


async def test_without_a_wish_nothing_is_sent_of_it(settings):
    with ScriptedLlm() as llm:
        _, sent = await written(settings, llm, "vllm", brief())

    assert not sent.keys() & (PLAIN | BEYOND)


@pytest.mark.parametrize("hear", [None, lambda _text: None], ids=["whole", "as it comes"])
@pytest.mark.parametrize(("words", "is_cut"), [(8, False), (9, False), (10, True)])
async def test_a_draft_tells_whether_its_model_had_no_tokens_left(settings, hear, words, is_cut):
    with ScriptedLlm(reply=" ".join(["word"] * words)) as llm:
        draft, _ = await written(settings, llm, "vllm", brief(hear=hear))

    assert draft.is_cut is is_cut


@pytest.mark.parametrize(
    ("generator", "expected"),
    [
        ("vllm/m", []),
        ("openai/m", ["top_k", "min_p", "repetition_penalty"]),
        ("ollama/m", ["top_k", "min_p", "repetition_penalty"]),
        ("extractive", ["temperature", *asdict(ALL)]),
        ("rules", ["temperature", *asdict(ALL)]),
    ],
)
def test_what_had_no_part_in_an_answer_is_named(generator, expected):
    question = Question(text="Why?", temperature=0.0, sampling=ALL)

    assert unheeded(generator, question) == expected


def test_who_wished_nothing_is_told_nothing():
    assert unheeded("extractive", Question(text="Why?")) == []
