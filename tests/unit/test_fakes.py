"""The fakes behave like the real thing: else what they prove is worth nothing."""

import json
import socket
import time

import httpx
import openai
import pytest
from pytest_socket import SocketConnectBlockedError
from tests.fakes import ScriptedLlm

HELLO = [{"role": "user", "content": "Hello there"}]


@pytest.fixture
def client_of():
    made: list[openai.OpenAI] = []

    def make(llm: ScriptedLlm, key: str = "EMPTY") -> openai.OpenAI:
        made.append(openai.OpenAI(base_url=llm.base_url, api_key=key, max_retries=0, timeout=5))
        return made[-1]

    yield make
    for client in made:
        client.close()


def test_the_stock_client_gets_an_answer_with_its_usage(client_of):
    with ScriptedLlm(reply="Good day to you.") as llm:
        reply = client_of(llm).chat.completions.create(model="llm-server", messages=HELLO)

    assert reply.choices[0].message.content == "Good day to you."
    assert (reply.choices[0].finish_reason, reply.object) == ("stop", "chat.completion")
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (2, 4)
    assert reply.id.startswith("chatcmpl-")


def test_the_stock_client_gets_a_stream_with_its_usage(client_of):
    with ScriptedLlm(reply="Good day.") as llm:
        stream = client_of(llm).chat.completions.create(
            model="llm-server",
            messages=HELLO,
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = list(stream)

    said = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert said == "Good day."
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage.total_tokens == 4
    assert len({chunk.id for chunk in chunks}) == 1


@pytest.mark.parametrize("token_s", [0.0, 0.05])
def test_who_goes_away_without_having_read_all_is_counted_too(token_s):
    body = json.dumps({"model": "llm-server", "messages": HELLO, "stream": True})
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"

    with ScriptedLlm(reply="Good day. " * 100_000, token_s=token_s) as llm:
        with socket.create_connection(("127.0.0.1", httpx.URL(llm.base_url).port)) as caller:
            caller.sendall(f"{head}{body}".encode())
            caller.recv(1)
            caller.recv(100, socket.MSG_PEEK)  # there is more, so that closing is a reset
        end = time.monotonic() + 30
        while not llm.aborted and time.monotonic() < end:
            time.sleep(0.01)

    assert len(llm.aborted) == 1


def test_a_reply_may_depend_on_what_was_asked(client_of):
    def echo(body):
        return body["messages"][-1]["content"].upper()

    with ScriptedLlm(reply=echo) as llm:
        reply = client_of(llm).chat.completions.create(model="llm-server", messages=HELLO)

    assert reply.choices[0].message.content == "HELLO THERE"


def test_a_reply_ends_at_the_limit(client_of):
    with ScriptedLlm(reply="one two three") as llm:
        reply = client_of(llm).chat.completions.create(
            model="llm-server", messages=HELLO, max_tokens=2
        )

    assert reply.choices[0].message.content == "one two"
    assert reply.choices[0].finish_reason == "length"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
def test_the_stock_client_knows_each_error(client_of, status, error):
    with ScriptedLlm(status=status) as llm, pytest.raises(error) as caught:
        client_of(llm).chat.completions.create(model="llm-server", messages=HELLO)

    assert caught.value.status_code == status
    assert str(status) in caught.value.message


def test_an_unknown_model_is_not_found_as_openai_says_it(client_of):
    with ScriptedLlm() as llm, pytest.raises(openai.NotFoundError) as caught:
        client_of(llm).chat.completions.create(model="gpt-9", messages=HELLO)

    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    assert "gpt-9" in caught.value.message


def test_a_wrong_key_is_refused_everywhere(client_of):
    with ScriptedLlm(api_key="right") as llm:
        with pytest.raises(openai.AuthenticationError):
            client_of(llm, "wrong").models.list()
        served = client_of(llm, "right").models.list()

    assert [model.id for model in served] == ["llm-server"]


def test_what_was_asked_is_kept_with_its_headers(client_of):
    with ScriptedLlm() as llm:
        client_of(llm, "k").chat.completions.create(
            model="llm-server", messages=HELLO, extra_headers={"X-Session-ID": "s1"}
        )
        client_of(llm, "k").models.list()

    assert [asked.path for asked in llm.seen] == ["/v1/chat/completions", "/v1/models"]
    assert llm.asked[0].body["messages"] == HELLO
    assert llm.asked[0].headers["x-session-id"] == "s1"
    assert llm.asked[0].headers["authorization"] == "Bearer k"


def test_a_connection_that_is_cut_is_an_error(client_of):
    with ScriptedLlm(reply="Good day.", fault="cut") as llm:
        with pytest.raises(openai.APIConnectionError):
            client_of(llm).chat.completions.create(model="llm-server", messages=HELLO)
        stream = client_of(llm).chat.completions.create(
            model="llm-server", messages=HELLO, stream=True
        )
        with pytest.raises((httpx.HTTPError, openai.APIError)):
            list(stream)


def test_a_server_that_hangs_lets_go_when_it_is_stopped():
    question = json.dumps({"model": "llm-server", "messages": HELLO})

    with ScriptedLlm(fault="hang") as llm, pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{llm.base_url}/chat/completions", content=question, timeout=0.2, trust_env=False
        )

    assert len(llm.asked) == 1


@pytest.mark.filterwarnings("ignore:A test tried to use socket")
def test_no_test_reaches_beyond_this_machine():
    with pytest.raises(SocketConnectBlockedError), socket.socket() as outside:
        outside.connect(("192.0.2.1", 80))


def test_this_machine_and_unix_sockets_are_open():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()
    one, other = socket.socketpair()
    one.close()
    other.close()
