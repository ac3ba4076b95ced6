"""Nothing that a caller sends makes a 5xx or a hang: other people's lists of nasty things."""

import asyncio
import json
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as bounds
from hypothesis import strategies as st
from tests.integration.doors import tensor
from tests.integration.facts import BLEEDING, leak
from tests.integration.servers import HOST, MODEL, Agent

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
JSON_SUITE = DATA / "jsontestsuite" / "test_parsing.tar.gz"
NAUGHTY = DATA / "blns" / "blns.json"
AT_ONCE = 8
REPLY_LIMIT_S = 60  # for one of eight requests that share a core
OUTCOMES = {"answered", "declined", "emergency"}

Call = Callable[[httpx.AsyncClient], Any]


@pytest.fixture(scope="module")
def json_bodies() -> dict[str, bytes]:
    """The bodies of nst/JSONTestSuite, by file name."""
    if not JSON_SUITE.exists():
        pytest.skip(f"{JSON_SUITE.name} is not beside this repository, in shared/data")
    with tarfile.open(JSON_SUITE) as archive:
        files = [member for member in archive.getmembers() if member.isfile()]
        return {Path(file.name).name: archive.extractfile(file).read() for file in files}  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def naughty() -> list[str]:
    """The big list of naughty strings."""
    if not NAUGHTY.exists():
        pytest.skip(f"{NAUGHTY.name} is not beside this repository, in shared/data")
    return list(json.loads(NAUGHTY.read_text("utf-8")))


async def ask_all(calls: Mapping[str, Call]) -> dict[str, httpx.Response]:
    """Make all calls, eight at a time, and return the replies by name."""
    turns = asyncio.Semaphore(AT_ONCE)
    replies: dict[str, httpx.Response] = {}
    async with httpx.AsyncClient(timeout=REPLY_LIMIT_S) as client:

        async def make(name: str, call: Call) -> None:
            async with turns:
                replies[name] = await call(client)

        await asyncio.gather(*(make(name, call) for name, call in calls.items()))
    return replies


def posts(
    url: str, bodies: Mapping[str, bytes], headers: Mapping[str, str] | None = None
) -> dict[str, Call]:
    def post(body: bytes) -> Call:
        return lambda client: client.post(
            url, content=body, headers={"content-type": "application/json"} | dict(headers or {})
        )

    return {name: post(body) for name, body in bodies.items()}


def faults(replies: Mapping[str, httpx.Response]) -> dict[str, str]:
    """Return what is neither an answer nor a refusal that tells nothing of us."""
    found = {}
    for name, reply in replies.items():
        refused = 400 <= reply.status_code < 500
        if (refused and leak(reply.text)) or not (refused or reply.status_code == 200):
            found[name] = f"{reply.status_code}: {reply.text[:200]}"
    return found


def encoded(value: object) -> bytes:
    return json.dumps(value).encode()


# nst/JSONTestSuite as bodies


@pytest.mark.parametrize("door", ["v1", "v2"])
async def test_every_json_body_is_refused_or_answered(
    door: str, json_bodies: dict[str, bytes], server: Agent
):
    replies = await ask_all(posts(getattr(server, door), json_bodies))

    accepted_though_bad = [
        name for name, reply in replies.items() if name.startswith("n_") and reply.is_success
    ]
    assert len(replies) == len(json_bodies) > 300
    assert faults(replies) == {}
    assert accepted_though_bad == []


async def test_every_json_body_as_a_binary_requests_head_is_refused_or_answered(
    json_bodies: dict[str, bytes], server: Agent
):
    calls: dict[str, Call] = {}
    for name, body in json_bodies.items():
        calls |= posts(server.v2, {name: body}, {"inference-header-content-length": str(len(body))})

    replies = await ask_all(calls)

    assert faults(replies) == {}


@pytest.mark.parametrize("door", ["v1", "v2"])
async def test_every_json_value_as_question_is_refused_or_answered(
    door: str, json_bodies: dict[str, bytes], server: Agent
):
    frames = {
        "v1": (b'{"instances": [', b"]}"),
        "v2": (
            b'{"inputs": [{"name": "question", "shape": [1], "datatype": "BYTES", "data": [',
            b"]}]}",
        ),
    }
    before, after = frames[door]
    bodies = {name: before + body + after for name, body in json_bodies.items()}

    replies = await ask_all(posts(getattr(server, door), bodies))

    assert faults(replies) == {}


# minimaxir/big-list-of-naughty-strings


@pytest.mark.timeout(600)
async def test_every_naughty_question_is_answered_or_refused_over_v1(
    naughty: list[str], server: Agent
):
    bodies = {text: encoded({"instances": [text]}) for text in naughty}

    replies = await ask_all(posts(server.v1, bodies))

    outcomes = {
        answer["outcome"]
        for reply in replies.values()
        if reply.is_success
        for answer in reply.json()["predictions"]
    }
    assert faults(replies) == {}
    assert outcomes <= OUTCOMES


@pytest.mark.timeout(600)
async def test_every_naughty_question_is_answered_or_refused_over_v2(
    naughty: list[str], server: Agent
):
    bodies = {text: encoded({"inputs": [tensor(text)]}) for text in naughty}

    replies = await ask_all(posts(server.v2, bodies))

    assert faults(replies) == {}


async def test_every_naughty_session_is_taken_or_refused(naughty: list[str], server: Agent):
    v1 = {
        text: encoded({"instances": [{"question": BLEEDING, "session_id": text}]})
        for text in naughty
    }
    v2 = {
        text: encoded({"inputs": [tensor(BLEEDING)], "parameters": {"session_id": text}})
        for text in naughty
    }

    by_v1 = await ask_all(posts(server.v1, v1))
    by_v2 = await ask_all(posts(server.v2, v2))

    assert faults(by_v1) == {}
    assert faults(by_v2) == {}


async def test_every_naughty_name_of_a_field_is_refused(naughty: list[str], server: Agent):
    v1 = {text: encoded({"instances": [{"question": BLEEDING, text: 1}]}) for text in naughty}
    v2 = {text: encoded({"inputs": [tensor(BLEEDING), tensor("x", name=text)]}) for text in naughty}

    by_v1 = await ask_all(posts(server.v1, v1))
    by_v2 = await ask_all(posts(server.v2, v2))

    statuses = {reply.status_code for reply in (*by_v1.values(), *by_v2.values())}
    assert statuses == {400}


async def test_every_naughty_request_id_is_cleaned(naughty: list[str], server: Agent):
    sendable = {text for text in naughty if is_field_value(text.encode())}
    body = encoded({"instances": [BLEEDING]})
    calls: dict[str, Call] = {}
    for text in sendable:
        headers: Any = {"x-request-id": text.encode()}
        calls |= posts(server.v1, {text: body}, headers)

    replies = await ask_all(calls)

    names = [reply.headers["x-request-id"] for reply in replies.values()]
    assert len(sendable) > 400
    assert {reply.status_code for reply in replies.values()} == {200}
    assert all(re.fullmatch(r"[A-Za-z0-9._:-]{1,64}", name) for name in names)


FIELD_VALUE = re.compile(rb"(?:[!-~\x80-\xff](?:[ -~\t\x80-\xff]*[!-~\x80-\xff])?)?")


def is_field_value(raw: bytes) -> bool:
    """Tell whether a client can send it as a header's value."""
    return FIELD_VALUE.fullmatch(raw) is not None


async def test_every_naughty_request_id_that_no_client_can_send_is_survived(
    naughty: list[str], server: Agent
):
    raw = {text.encode() for text in naughty} | {
        b"a\nb",
        b"a\r\nx-forged: yes\r\nb",
        b"\0",
        b" \t ",
        b"a" * 100_000,
        bytes(range(128, 256)),
    }
    unsendable = [each for each in raw if not is_field_value(each) or len(each) > 10_000]

    statuses = [await say(server, each) for each in unsendable]

    assert len(unsendable) > 5
    assert all(200 <= status < 500 for status in statuses), statuses


async def say(server: Agent, name: bytes) -> int:
    """Ask over a plain socket with that request id, and return the status."""
    body = encoded({"instances": [BLEEDING]})
    head = (
        f"POST /v1/models/{MODEL}:predict HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\nx-request-id: "
    )
    async with asyncio.timeout(REPLY_LIMIT_S):
        reader, writer = await asyncio.open_connection(HOST, server.http_port)
        writer.write(head.encode() + name + b"\r\n\r\n" + body)
        first = await reader.readline()
        writer.close()
        await writer.wait_closed()
    return int(first.split()[1])


# whatever looks like a v2 request


HALF_PAIRS = st.sampled_from(["\ud800", "a\udfff"])  # JSON can hold them, Unicode cannot
TEXT = st.text(max_size=12) | HALF_PAIRS
LEAF = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), TEXT, st.just(BLEEDING), st.just(2**64)
)
VALUE = st.recursive(
    LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3)
)
KNOWN = st.sampled_from(
    ["question", "k", "max_tokens", "temperature", "session_id", "history", "debug"]
)
DATATYPES = st.sampled_from(
    ["BYTES", "BOOL", "INT8", "INT32", "INT64", "UINT8", "UINT64", "FP16", "FP32", "FP64", "BF16"]
)
SHAPE = st.lists(st.integers(-2, 3), max_size=3)
TENSOR = st.fixed_dictionaries(
    {
        "name": KNOWN | VALUE,
        "shape": SHAPE | VALUE,
        "datatype": DATATYPES | VALUE,
        "data": st.lists(LEAF, max_size=3) | VALUE,
    },
    optional={
        "parameters": st.dictionaries(st.sampled_from(["binary_data_size"]) | TEXT, VALUE) | VALUE
    },
)
V2_BODY = st.fixed_dictionaries(
    {"inputs": st.lists(st.just(tensor(BLEEDING)) | TENSOR, max_size=3) | VALUE},
    optional={
        "id": TEXT | VALUE,
        "parameters": st.dictionaries(KNOWN | TEXT, VALUE, max_size=3) | VALUE,
        "outputs": st.lists(
            st.fixed_dictionaries(
                {"name": st.just("outcome") | VALUE}, optional={"parameters": VALUE}
            )
        )
        | VALUE,
    },
)
FEW = bounds(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=REPLY_LIMIT_S) as plain:
        yield plain


@FEW
@given(body=V2_BODY)
def test_whatever_looks_like_a_v2_request_is_refused_or_answered(
    body: dict[str, Any], client: httpx.Client, server: Agent
):
    reply = client.post(server.v2, content=json.dumps(body))

    assert faults({"it": reply}) == {}


@FEW
@given(
    body=V2_BODY,
    tail=st.binary(max_size=60),
    lie=st.integers(-5, 5) | st.just(0),
)
def test_whatever_looks_like_a_binary_v2_request_is_refused_or_answered(
    body: dict[str, Any], tail: bytes, lie: int, client: httpx.Client, server: Agent
):
    head = json.dumps(body).encode()

    reply = client.post(
        server.v2,
        content=head + tail,
        headers={
            "content-type": "application/octet-stream",
            "inference-header-content-length": str(len(head) + lie),
        },
    )

    assert faults({"it": reply}) == {}


INSTANCE = st.one_of(
    VALUE,
    st.fixed_dictionaries(
        {"question": st.just(BLEEDING) | VALUE},
        optional={
            name: VALUE for name in ("k", "max_tokens", "temperature", "session_id", "history")
        },
    ),
)


@FEW
@given(
    instances=st.lists(INSTANCE, max_size=3),
    parameters=st.none() | st.dictionaries(KNOWN | TEXT, VALUE, max_size=3),
)
def test_whatever_looks_like_a_v1_request_is_refused_or_answered(
    instances: Sequence[object], parameters: object, client: httpx.Client, server: Agent
):
    body = {"instances": instances, "parameters": parameters}

    reply = client.post(server.v1, content=json.dumps(body))

    assert faults({"it": reply}) == {}
