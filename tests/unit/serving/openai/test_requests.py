"""OpenAI's fields: each that its own package knows is honoured, taken knowingly, or refused."""

from contextlib import suppress
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import settings as sparing
from hypothesis import strategies as st
from openai.types.chat.completion_create_params import CompletionCreateParamsBase as Chat
from openai.types.completion_create_params import CompletionCreateParamsBase as Completion

from agentic_rag.errors import BadQuestion
from agentic_rag.serving.openai.requests import (
    NEUTRAL,
    ChatBody,
    CompletionBody,
    read_chat,
    read_completion,
)

FIXTURES = Path(__file__).resolve().parents[5] / "shared/data/protocol_specs/kserve_openai_fixtures"
CHAT = {"model": "m", "messages": [{"role": "user", "content": "Why?"}]}
VLLM = {
    "use_beam_search": True,
    "length_penalty": 1.5,
    "min_tokens": 3,
    "ignore_eos": True,
    "stop_token_ids": [1],
    "bad_words": ["x"],
    "prompt_logprobs": 1,
    "structured_outputs": {"choice": ["a"]},
    "chat_template": "x",
    "priority": -1,
}


def refused(reader, settings, **fields) -> str:
    with pytest.raises(BadQuestion) as caught:
        reader(orjson.dumps(fields), settings())
    return caught.value.field


@pytest.mark.parametrize("name", sorted(Chat.__annotations__.keys() - ChatBody.model_fields))
def test_a_field_of_a_chat_that_is_not_honoured_is_refused_by_name(settings, name):
    assert refused(read_chat, settings, **CHAT, **{name: "something"}) == name


@pytest.mark.parametrize(
    "name", sorted(Completion.__annotations__.keys() - CompletionBody.model_fields)
)
def test_a_field_of_a_completion_that_is_not_honoured_is_refused_by_name(settings, name):
    fields = {"model": "m", "prompt": "Why?", name: "something"}

    assert refused(read_completion, settings, **fields) == name


@pytest.mark.parametrize("name", VLLM)
def test_what_else_vllm_knows_is_refused_by_name(settings, name):
    assert refused(read_chat, settings, **CHAT, **{name: VLLM[name]}) == name


@pytest.mark.parametrize(
    ("name", "value"),
    [("n", 2), ("n", True), ("logprobs", True), ("store", True), ("tools", [{"type": "function"}])],
)
def test_a_value_that_asks_for_something_else_is_refused(settings, name, value):
    assert refused(read_chat, settings, **CHAT, **{name: value}) == name


@pytest.mark.parametrize(
    ("name", "read"),
    [("chat_completion", read_chat), ("completion", read_completion)],
)
def test_kserves_own_requests_are_read_but_for_their_logprobs(settings, name, read):
    path = FIXTURES / f"{name}_create_params.json"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    body = orjson.loads(path.read_bytes())

    assert refused(read, settings, **body) in {"logprobs", "top_logprobs"}
    plain = {name: value for name, value in body.items() if "logprobs" not in name}
    assert read(orjson.dumps(plain), settings())[1].question.text == "What is AI?"


def test_what_asks_for_nothing_is_taken(settings):
    nothing = {name: values[0] for name, values in NEUTRAL.items()}
    empty = {"tools": [], "functions": None, "logit_bias": {}, "reasoning_effort": None}

    _, asked = read_chat(orjson.dumps(CHAT | nothing | empty), settings())

    assert asked.question.text == "Why?"


@pytest.mark.parametrize("prompt", ["Why?", ["Why?"]])
def test_a_prompt_is_one_question(settings, prompt):
    _, asked = read_completion(orjson.dumps({"model": "m", "prompt": prompt}), settings())

    assert (asked.question.text, asked.question.history) == ("Why?", ())


@pytest.mark.parametrize("prompt", [None, [], ["Why?", "How?"], [1, 2], [[1, 2]], 3, " "])
def test_another_prompt_is_refused(settings, prompt):
    assert refused(read_completion, settings, model="m", prompt=prompt) == "prompt"


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.floats(allow_nan=False)
    | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "type", "text", "k"]), inner, max_size=3
        )
    ),
    max_leaves=9,
)


@sparing(max_examples=300)
@given(name=st.sampled_from(sorted(ChatBody.model_fields)), value=ANYTHING)
def test_whatever_stands_in_a_field_is_read_or_refused(clinic_settings, name, value):
    body = orjson.dumps(CHAT | {name: value})

    with suppress(BadQuestion):
        read_chat(body, clinic_settings)


def test_a_model_has_to_be_named(settings):
    assert refused(read_chat, settings, messages=CHAT["messages"]) == "model"
    assert refused(read_completion, settings, prompt="Why?") == "model"
