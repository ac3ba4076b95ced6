"""What a reply, or the lack of one, says about a model's service."""

import json
import socket
import ssl

import httpx
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentic_rag.inference.sight import Sight, of_failure, of_models, of_reply


def openai_error(message: str, **fields: object) -> str:
    return json.dumps({"error": {"message": message, "type": "t", "param": None, **fields}})


OLD_VLLM = '{"object": "error", "message": "The model `x` does not exist.", "code": 404}'
VLLM_LENGTH = openai_error(
    "You passed 1015 input tokens and requested 10 output tokens. However, the model's context"
    " length is only 1024 tokens.",
    param="input_tokens",
    code=400,
)
REPLIES = {
    "an answer": (200, "{}", Sight.HERE),
    "Knative's activator gave up": (504, "activator request timeout", Sight.NOBODY),
    "Knative's queue is full": (503, "pending request queue full\n", Sight.NOBODY),
    "Envoy without an upstream": (503, "no healthy upstream", Sight.NOBODY),
    "nginx without one": (502, "<html><h1>502 Bad Gateway</h1></html>", Sight.NOBODY),
    "Istio without a route": (404, "", Sight.NOBODY),
    "Kong without a route": (404, '{"message":"no Route matched with those values"}', Sight.NOBODY),
    "vLLM with a full queue": (503, openai_error("queue is full"), Sight.BUSY),
    "too many requests": (429, openai_error("slow down"), Sight.BUSY),
    "too many, says a gateway": (429, "", Sight.BUSY),
    "a key that is wrong": (401, openai_error("Incorrect API key"), Sight.KEY_REFUSED),
    "vLLM's own refusal": (401, '{"error":"Unauthorized"}', Sight.KEY_REFUSED),
    "Istio's refusal": (403, "RBAC: access denied", Sight.KEY_REFUSED),
    "a model that is not served": (404, openai_error("The model `x` is not"), Sight.NAME_UNKNOWN),
    "the same, told by param": (404, openai_error("No.", param="model"), Sight.NAME_UNKNOWN),
    "the same of old": (404, OLD_VLLM, Sight.NAME_UNKNOWN),
    "no such page": (404, '{"detail":"Not Found"}', Sight.ELSEWHERE),
    "OpenAI's overflow": (
        400,
        openai_error("too long", code="context_length_exceeded"),
        Sight.TOO_LONG,
    ),
    "vLLM's overflow": (400, VLLM_LENGTH, Sight.TOO_LONG),
    "no room for an answer": (
        400,
        openai_error("max_tokens must be at least 1, got -186."),
        Sight.TOO_LONG,
    ),
    "a wish that it does not know": (400, openai_error("Unknown parameter"), Sight.REFUSED),
    "another method": (405, '{"detail":"Method Not Allowed"}', Sight.ELSEWHERE),
    "moved elsewhere": (301, "", Sight.ELSEWHERE),
    "its own failure": (500, openai_error("EngineDeadError"), Sight.BROKEN),
    "a failure without words": (500, "", Sight.BROKEN),
}


@pytest.mark.parametrize(("status", "body", "sight"), REPLIES.values(), ids=REPLIES.keys())
def test_a_reply_is_read(status, body, sight):
    assert of_reply(status, body) is sight
    assert of_reply(status, body.encode()) is sight


MODELS = {
    "ours": (200, {"data": [{"id": "a"}, {"id": "ours"}]}, Sight.HERE),
    "none yet": (200, {"data": []}, Sight.LOADING),
    "others": (200, {"data": [{"id": "a"}]}, Sight.STRANGER),
    "no list": (200, {"status": "ok"}, Sight.STRANGER),
    "null": (200, {"data": None}, Sight.STRANGER),
    "a list of other things": (200, {"data": [None, 3, "ours"]}, Sight.STRANGER),
    "nobody": (503, "no healthy upstream", Sight.NOBODY),
}


@pytest.mark.parametrize(("status", "body", "sight"), MODELS.values(), ids=MODELS.keys())
def test_a_list_of_models_is_read(status, body, sight):
    text = body if isinstance(body, str) else json.dumps(body)

    assert of_models(status, text, "ours") is sight


def test_a_page_in_place_of_the_list_is_no_list():
    assert of_models(200, "<html>Welcome</html>", "ours") is Sight.STRANGER


@given(st.integers(100, 599), st.binary(max_size=200))
def test_any_reply_can_be_read(status, body):
    assert of_reply(status, body) in Sight
    assert of_models(status, body, "ours") in Sight


def caused(outer: Exception, inner: Exception) -> Exception:
    try:
        raise outer from inner
    except type(outer) as error:
        return error


REQUEST = httpx.Request("GET", "http://llm/v1")
FAILURES = {
    "refused": (httpx.ConnectError("refused"), Sight.NOBODY),
    "no such host": (caused(httpx.ConnectError(""), socket.gaierror(-2, "")), Sight.NOBODY),
    "nobody takes the call": (httpx.ConnectTimeout(""), Sight.NOBODY),
    "silence": (httpx.ReadTimeout(""), Sight.SILENT),
    "our own limit": (TimeoutError(), Sight.SILENT),
    "hung up without a word": (
        httpx.RemoteProtocolError("Server disconnected without sending a response."),
        Sight.BROKEN,
    ),
    "cut": (httpx.RemoteProtocolError("peer closed connection"), Sight.CUT),
    "reset": (ConnectionResetError(), Sight.CUT),
    "not trusted": (caused(httpx.ConnectError(""), ssl.SSLError("verify failed")), Sight.ELSEWHERE),
    "refused, through the client": (
        caused(openai.APIConnectionError(request=REQUEST), httpx.ConnectError("")),
        Sight.NOBODY,
    ),
    "silence, through the client": (openai.APITimeoutError(REQUEST), Sight.SILENT),
    "cut, through the client": (
        caused(openai.APIConnectionError(request=REQUEST), httpx.ReadError("")),
        Sight.CUT,
    ),
}


@pytest.mark.parametrize(("error", "sight"), FAILURES.values(), ids=FAILURES.keys())
def test_what_is_raised_in_place_of_a_reply_is_read(error, sight):
    assert of_failure(error) is sight


def test_causes_that_go_round_in_a_circle_are_read_once():
    one, other = ValueError(), KeyError()
    one.__cause__, other.__cause__ = other, one

    assert of_failure(one) is Sight.CUT
