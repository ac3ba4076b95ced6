"""`agentic-rag smoke` against a real server, and against whatever can break, over real sockets."""

import json
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import trustme
from tests.integration.facts import ROOT_CANAL
from tests.integration.servers import HOST, Agent
from tests.integration.tampering import Reply, Tamper, at, tampered, words
from tests.ports import free_port
from tests.sleeping.activator import Activator
from tests.sleeping.server import command
from typer.testing import CliRunner

from agentic_rag.cli import app

PREDICT, INFER, CHAT = ":predict", "/infer", "/chat"
OPENAI, STREAM = "/chat/completions", "/chat/stream"
HTML = b"<!doctype html><title>Sign in</title>"
NO_KEY = json.dumps(
    {"error": "no key that is known; send it as Authorization: Bearer ..."}
).encode()
REPLY = "The price of Root Canal Therapy is INR 6,000 to 9,500. [1]"

PROBES = {"/healthz", "/ready", "/v2/models/rag-agent/ready"}
Told = list[dict[str, str]]


def smoke(url: str, *arguments: str, door: str | None = "v1") -> tuple[int, Told]:
    options = ["--url", url, "--timeout", "100", "--json", *arguments]
    options += ["--door", door] if door else []
    done = CliRunner().invoke(app, ["smoke", *options])
    assert done.exit_code in {0, 1}, done.output
    told = json.loads(done.stdout)
    assert told["ok"] == (done.exit_code == 0)
    return done.exit_code, told["checks"]


def failures(told: Told) -> list[str]:
    assert all(each["remedy"] for each in told if each["state"] == "FAIL")
    return [f"{each['what']}: {each['found']}" for each in told if each["state"] == "FAIL"]


def test_a_right_server_passes_at_every_door(server: Agent):
    code, told = smoke(server.base, "--grpc", server.grpc, door=None)

    assert (code, failures(told)) == (0, [])
    found = {each["what"]: each["found"] for each in told}
    for door in ("v1", "v2", "grpc", "stream", "openai", "chat"):
        assert found[door] == "8 of 8 answers are right"
    assert re.fullmatch(r"(\d+\.\d\d(, )?){3} s; 0, 0, 0 tokens; extractive", found["3 runs"])


def test_people_get_a_line_for_each_and_a_sum(server: Agent):
    done = CliRunner().invoke(app, ["smoke", "--url", server.base, "--only-look"])

    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0] == f"PASS alive: {server.base}"
    assert "WARN keys: none is asked for" in lines
    assert lines[-1] == "4 PASS, 1 WARN, 0 FAIL"


def test_who_only_looks_asks_nothing(server: Agent):
    code, told = smoke(server.base, "--only-look", door=None)

    assert code == 0
    assert [each["what"] for each in told] == ["alive", "health", "ready", "models", "keys"]


def test_a_proxy_that_spoils_nothing_is_not_seen(server: Agent):
    with tampered(server.base) as url:
        code, told = smoke(url, "--door", "v2", door="stream")

    assert (code, failures(told)) == (0, [])


def not_open(reply: Reply) -> Reply:
    return reply if reply.path in PROBES else reply.but(status=401, body=NO_KEY)


def uncaught(reply: Reply) -> Reply:
    return words(PREDICT, (b'"outcome":"emergency"', b'"outcome":"answered"'))(reply)


def unproven(reply: Reply) -> Reply:
    if not reply.path.endswith(CHAT):
        return reply
    told = json.loads(reply.body)
    return reply.but(body=json.dumps(told | {"citations": []}).encode())


def one(what: str, found: str) -> str:
    return rf"{re.escape(what)}.*: .*{found}"


BROKEN: dict[str, tuple[Tamper, list[str], list[str]]] = {
    "a sign-in page": (at("", body=HTML), [], [one("alive", "the reply is no JSON")]),
    "an empty reply": (at("/healthz", body=b""), [], [one("alive", "no JSON")]),
    "another server": (
        at("/healthz", body=b'{"status":"UP"}'),
        [],
        [one("alive", "no agentic-rag")],
    ),
    "JSON of another shape": (at("/healthz", body=b"[]"), [], [one("alive", "not as expected")]),
    "a redirect": (at("/healthz", status=302), [], [one("alive", "the server said 302")]),
    "an older one": (
        at("/health", body=b'{"status":"ok"}'),
        [],
        [one("health", "not as expected")],
    ),
    "not ready": (at("/ready", status=503), [], [one("ready", "it is not ready")]),
    "a model that is not ready": (
        at("/v2/models/rag-agent/ready", status=503),
        [],
        [one("ready", "it is not ready")],
    ),
    "no such model": (at(""), ["--model", "other"], [one("ready", "refused with 404")]),
    "a model unlisted": (
        words("/v1/models", (b"rag-agent", b"iris")),
        [],
        [one("models", "and not rag-agent")],
    ),
    "no key": (not_open, [], [one("health", "it asks for a key")]),
    "a wrong key": (not_open, ["--api-key", "guessed"], [one("health", "the key is refused")]),
    "no right to ask": (
        at("/v1/models", status=403),
        ["--api-key", "x"],
        [one("models", "refused")],
    ),
    "a model that would not wake": (
        words("/health", (b'"llm":null', b'"llm":{"state":"failing","eta_seconds":9}')),
        [],
        [one("model", "it would not wake")],
    ),
    "a model that never answers": (
        words(PREDICT, (b'"degraded":null', b'"degraded":"llm_unavailable"')),
        [],
        [one("3 runs", "no model answers")],
    ),
    "a failing door": (at(PREDICT, status=500, body=HTML), [], [one("v1", "the server said 500")]),
    "a busy door": (at(PREDICT, status=429), [], [one("v1", "cannot now")]),
    "a door taken away": (at(PREDICT, status=404), [], [one("v1", "refused with 404")]),
    "a page for a door": (at(PREDICT, body=HTML), [], [one("v1", "the reply is no JSON")]),
    "null for an answer": (at(PREDICT, body=b"null"), [], [one("v1", "not as expected")]),
    "a number for an answer": (
        at(
            CHAT,
            body=b'{"answer":5,"outcome":"answered","citations":[7],"generator":0,"degraded":0,'
            b'"usage":{"total_tokens":0}}',
        ),
        ["--door", "chat"],
        [one("chat", "not as expected")],
    ),
    "half an answer": (at(PREDICT, keep=40), [], [one("v1", "hangs up")]),
    "wrong figures": (
        words(PREDICT, (b"6,000", b"5,000"), (b"9,500", b"8,000")),
        [],
        [one("v1: Whats the price", "does not say '6,000', '9,500'")],
    ),
    "another source": (
        words(PREDICT, (b"cancellations.md", b"billing.md")),
        [],
        [one("v1: Can I reschedule", "and not policies/cancellations.md")],
    ),
    "emergencies not caught": (
        uncaught,
        [],
        [
            one("v1: My face", "an emergency was not caught"),
            one("v1: My gums", "an emergency was not caught"),
        ],
    ),
    "a phone that is another's": (
        words(PREDICT, (b"+91-99-9999-9999", b"+91-11-1111-1111")),
        [],
        [one("v1: My face", "does not say"), one("v1: My gums", "does not say")],
    ),
    "no citations": (
        unproven,
        ["--door", "chat"],
        [
            one("chat: Are you open", "no citation"),
            one("chat: Whats the price", "no citation"),
            one("chat: How long", "no citation"),
            one("chat: Can I", "no citation"),
            one("chat: My face", "cites nothing"),
            one("chat: My gums", "cites nothing"),
        ],
    ),
    "a stream cut off": (at(STREAM, keep=60), ["--door", "stream"], [one("stream", "hangs up")]),
    "a stream that ends early": (
        lambda r: r.but(body=r.body[: r.body.index(b"event: answer")]) if r.path == STREAM else r,
        ["--door", "stream"],
        [one("stream", "the stream ended before the answer")],
    ),
    "OpenAI's door without what is ours": (
        words(OPENAI, (b'"agentic_rag"', b'"other"')),
        ["--door", "openai"],
        [one("openai", "not as expected")],
    ),
    "v2 without its metadata": (
        words(INFER, (b'"metadata"', b'"other"')),
        ["--door", "v2"],
        [one("v2", "not as expected")],
    ),
}


@pytest.mark.parametrize("way", BROKEN)
def test_what_is_broken_is_named_and_nothing_else(way: str, server: Agent):
    tamper, options, expected = BROKEN[way]

    with tampered(server.base, tamper) as url:
        code, told = smoke(url, *options, door=None if "--door" in options else "v1")

    assert code == 1
    found = failures(told)
    assert len(found) == len(expected), found
    for pattern, line in zip(expected, found, strict=True):
        assert re.match(pattern, line), line


def test_a_server_that_hangs_is_given_up(server: Agent):
    with tampered(server.base, at(CHAT, hold=True)) as url:
        code, told = smoke(url, "--timeout", "10", door="chat")

    assert code == 1
    assert [one.split(": ", 2)[2] for one in failures(told)] == [
        "accepts, and does not answer within 10 s"
    ]


def test_what_a_stranger_says_is_shown_without_its_control_characters(server: Agent):
    spoilt = words("/health", (b'"version":"', b'"version":"\\u001b[2J[red]'))

    with tampered(server.base, spoilt) as url:
        done = CliRunner().invoke(app, ["smoke", "--url", url, "--only-look"])

    assert done.exit_code == 0
    assert "\x1b" not in done.stdout
    assert "version  [2J[red]0.1.0" in done.stdout


def test_a_key_is_read_from_the_standard_input():
    arguments = ["smoke", "--url", "http://x", "--api-key", "-"]

    done = CliRunner().invoke(app, arguments, input="schlüssel\n")

    assert done.exit_code == 2
    assert "--api-key: expected printable ASCII" in done.stderr


def test_a_grpc_port_that_never_speaks_is_given_up(server: Agent):
    with socket.create_server((HOST, 0)) as mute:
        where = f"{HOST}:{mute.getsockname()[1]}"
        code, told = smoke(server.base, "--grpc", where, "--timeout", "10", door="grpc")

    assert code == 1
    assert f"gRPC at {where}" in failures(told)[0]


def test_a_port_where_nobody_listens_is_named():
    url = f"http://localhost:{free_port()}"

    assert failures(smoke(url)[1]) == [f"alive: nobody listens at {url}"]


@contextmanager
def listening(said: bytes) -> Iterator[int]:
    """Lend the port of somebody who says one thing to the first who comes, and hangs up."""
    with socket.create_server((HOST, 0)) as stranger:
        stranger.listen()

        def say() -> None:
            caller, _ = stranger.accept()
            with caller:
                caller.recv(4096)
                caller.sendall(said)

        thread = threading.Thread(target=say)
        thread.start()
        yield stranger.getsockname()[1]
        thread.join()


@pytest.mark.parametrize(
    "said", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\ncontent-le"]
)
def test_who_speaks_no_http_hangs_up(said: bytes):
    with listening(said) as port:
        code, told = smoke(f"http://{HOST}:{port}")

    assert code == 1
    assert failures(told) == ["alive: hangs up before it has answered"]


def test_a_server_without_tls_is_not_asked_with_it(server: Agent):
    code, told = smoke(server.base.replace("http://", "https://"))

    assert (code, failures(told)) == (1, ["alive: speaks no TLS"])


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


def test_a_server_with_tls_is_not_asked_without_it(server: Agent, tls: ssl.SSLContext):
    with tampered(server.base, tls=tls) as url:
        code, told = smoke(url.replace("https://", "http://"))

    assert (code, failures(told)) == (1, ["alive: hangs up before it has answered"])


def test_a_certificate_that_nobody_knows_is_named(server: Agent, tls: ssl.SSLContext):
    with tampered(server.base, tls=tls) as url:
        code, told = smoke(url)

    assert code == 1
    assert "its certificate is not trusted" in failures(told)[0]


def test_an_authority_of_ones_own_is_trusted_by_name(
    server: Agent, tls: ssl.SSLContext, authority: trustme.CA, tmp_path, monkeypatch
):
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))

    with tampered(server.base, tls=tls) as url:
        code, told = smoke(url)

    assert (code, failures(told)) == (0, [])


@pytest.mark.parametrize("where", ["nobody", "http"])
def test_a_grpc_port_that_is_another_is_named(where: str, server: Agent):
    port = server.http_port if where == "http" else free_port()

    code, told = smoke(server.base, "--grpc", f"{HOST}:{port}", door="grpc")

    assert code == 1
    (found,) = failures(told)
    assert f"gRPC at {HOST}:{port} cannot be reached" in found


def test_a_refused_index_is_a_warning(server: Agent):
    refused = (b'"refused":null', b'"refused":{"version":"v9","reason":"it is damaged"}')

    with tampered(server.base, words("/health", refused)) as url:
        code, told = smoke(url)

    assert code == 0
    assert ("WARN", "health") in [(each["state"], each["what"]) for each in told]


def test_a_server_that_keeps_others_out_passes(server: Agent):
    def keyed(reply: Reply) -> Reply:
        asked["models"] += reply.path == "/v1/models"
        return not_open(reply) if asked["models"] == 2 and reply.path == "/v1/models" else reply

    asked = {"models": 0}  # the second time, it is asked without a key
    with tampered(server.base, keyed) as url:
        code, told = smoke(url, "--api-key", "right", "--only-look")

    assert code == 0
    assert {"PASS"} == {each["state"] for each in told}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--url", "ftp://x"],
        ["--url", "http://user:secret@x"],
        ["--url", ""],
        ["--url", "localhost:8080"],
        ["--url", "http://[::1"],
        ["--url", "http://x:99999"],
        ["--url", "http://x", "--api-key", "schlüssel"],
        ["--url", "http://x", "--cases", "/nowhere.yaml"],
        ["--url", "http://x", "--door", "back"],
        ["--url", "http://x", "--timeout", "0"],
    ],
)
def test_what_cannot_be_asked_is_a_line_and_no_traceback(arguments: list[str]):
    done = CliRunner().invoke(app, ["smoke", *arguments])

    assert done.exit_code == 2
    assert isinstance(done.exception, SystemExit)
    assert "secret" not in done.output


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[]", "at least one question"),
        ("{", "is not YAML"),
        ("- question: Hi", "0.outcome"),
        ("- {question: Hi, outcome: wonderful}", "0.outcome"),
        ("- {question: '', outcome: declined}", "0.question"),
        ("- {question: Hi, outcome: declined, fact: [x]}", "0.fact"),
        ("\x00", "is not YAML"),
    ],
)
def test_cases_that_cannot_be_read_are_named(text: str, named: str, tmp_path):
    path = tmp_path / "cases.yaml"
    path.write_text(text, "utf-8")

    done = CliRunner().invoke(app, ["smoke", "--url", "http://x", "--cases", str(path)])

    assert done.exit_code == 2
    assert f"{path}: " in done.stderr
    assert named in done.stderr


def test_a_clinic_of_ones_own_has_its_own_questions(server: Agent, tmp_path):
    path = tmp_path / "cases.yaml"
    path.write_text("- {question: Do you treat dogs?, outcome: answered, facts: [woof]}", "utf-8")

    code, told = smoke(server.base, "--cases", str(path))

    assert code == 1
    assert failures(told) == ["v1: Do you treat dogs?: was declined, expected answered"]


@pytest.fixture(scope="module")
def sleeper() -> Iterator[Activator]:
    with Activator(command(start_s=1.0, reply=REPLY)) as service:
        yield service


@pytest.mark.timeout(400)
def test_a_model_that_sleeps_is_seen_to_wake(start, indexed, sleeper: Activator, tmp_path):
    agent = start(DATA_DIR=str(indexed), LLM_BASE_URL=sleeper.base_url).wait_until_ready()
    path = tmp_path / "cases.yaml"
    path.write_text(f"- {{question: {ROOT_CANAL}, outcome: answered, facts: ['9,500']}}", "utf-8")

    code, told = smoke(agent.base, "--wake", "--cases", str(path))

    assert (code, failures(told)) == (0, []), told
    found = {each["what"]: each["found"] for each in told}
    assert found["provisional"].startswith("answered by extractive, ")
    assert "waking at" in found["wake-up"]
    assert found["upgraded"].startswith("by vllm/llm-server, ")
    assert len(sleeper.starts) == 1


def test_a_model_that_would_not_wake_is_not_waited_for(server: Agent):
    failing = (b'"llm":null', b'"llm":{"state":"failing","eta_seconds":9}')

    with tampered(server.base, words("/health", failing)) as url:
        code, told = smoke(url, "--wake")

    assert (code, [each["what"] for each in told][-1]) == (1, "model")


def test_a_server_without_a_model_has_none_to_wake(server: Agent):
    code, told = smoke(server.base, "--wake")

    assert (code, failures(told)) == (1, ["asleep: no model is set that could sleep"])
