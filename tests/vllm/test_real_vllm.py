"""vLLM itself keeps the protocol that the agent relies on."""

import httpx
import pytest

pytestmark = pytest.mark.vllm


def chat(server, content, **options):
    """Send one question as one plain HTTP request."""
    asked = {
        "model": server.model,
        "messages": [{"role": "user", "content": content}],
        "max_tokens": 8,
    } | options
    return httpx.post(
        f"{server.base_url}/chat/completions", json=asked, timeout=120, trust_env=False
    )


def test_a_chat_completion_answers_and_counts_its_tokens(vllm_server):
    reply = (
        chat(vllm_server, "How long does a root canal take?", ignore_eos=True)
        .raise_for_status()
        .json()
    )

    assert reply["model"] == vllm_server.model
    assert reply["choices"][0]["message"]["content"]
    assert reply["choices"][0]["finish_reason"] == "length"
    assert reply["usage"]["prompt_tokens"] > 0
    assert reply["usage"]["completion_tokens"] == 8
    assert reply["usage"]["total_tokens"] == reply["usage"]["prompt_tokens"] + 8


def test_a_greedy_answer_is_the_same_twice(vllm_server):
    first, second = (
        chat(vllm_server, "Do you take cards?", temperature=0).json() for _ in range(2)
    )

    assert first["choices"][0]["message"]["content"] == second["choices"][0]["message"]["content"]


def test_a_prompt_as_long_as_the_agent_makes_them_fits(vllm_server):
    reply = chat(vllm_server, "Zahnärztliche Auskunft: ß" * 160)

    assert reply.status_code == 200, reply.text


def test_a_prompt_too_long_is_refused(vllm_server):
    reply = chat(vllm_server, "gauze " * 8192)

    assert reply.status_code == 400
    assert "8192" in reply.json()["error"]["message"]


def test_an_unknown_model_is_not_found(vllm_server):
    reply = chat(vllm_server, "Hello?", model="somebody-else")

    assert reply.status_code == 404
    assert "somebody-else" in reply.json()["error"]["message"]


def test_the_metrics_count_what_was_generated(vllm_server):
    before = vllm_server.metrics()["vllm:generation_tokens_total"]

    chat(vllm_server, "When do you open?", ignore_eos=True).raise_for_status()

    assert vllm_server.metrics()["vllm:generation_tokens_total"] == before + 8
