"""JWTs against a real JWKS server on a socket: what is let in, and every known way around it."""

import asyncio
import base64
import hmac
import json
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import FastAPI
from hypothesis import HealthCheck, given
from hypothesis import settings as bounds
from hypothesis import strategies as st

from agentic_rag.callers import Caller, Scope, caller
from agentic_rag.serving import errors
from agentic_rag.serving.keys.doorman import Doorman
from agentic_rag.serving.keys.gate import Gate
from agentic_rag.serving.keys.jwks import Pace
from agentic_rag.serving.keys.needs import needs
from agentic_rag.serving.keys.ring import new_key
from agentic_rag.serving.keys.tokens import TokenReader

ISSUER, AUDIENCE = "https://id.clinic.example", "agentic-rag"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CURVE = ec.generate_private_key(ec.SECP256R1())
SHORT = rsa.generate_private_key(public_exponent=65537, key_size=1024)


def public(key: Any, kid: str) -> dict[str, Any]:
    algorithm = jwt.algorithms.ECAlgorithm if key is CURVE else jwt.algorithms.RSAAlgorithm
    return algorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": kid}


class JwksServer:
    """A JWKS URL. Attributes: keys: what it serves; raw: that in its place; asked: how often."""

    def __init__(self) -> None:
        self.keys = [public(KEY, "k1"), public(CURVE, "c1")]
        self.raw: bytes | None = None
        self.asked = 0
        self.stuck = Event()
        self.stuck.set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                outer.stuck.wait(10)
                body = outer.raw or json.dumps({"keys": outer.keys}).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                with suppress(BrokenPipeError, ConnectionResetError):
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/keys"
        Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self.stuck.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def server() -> Iterator[JwksServer]:
    made = JwksServer()
    yield made
    made.stop()


@pytest.fixture
def make_reader(server, settings):
    told = {"jwt_issuer": ISSUER, "jwt_audience": AUDIENCE, "jwt_leeway_s": 5}

    def make(**pace: float) -> TokenReader:
        return TokenReader(settings(jwt_jwks_url=server.url, **told), Pace(**pace))

    return make


@pytest.fixture
def reader(make_reader):
    return make_reader()


def claims(**others: object) -> dict[str, object]:
    told = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ana", "exp": time.time() + 60, "scope": "ask"}
    return {name: value for name, value in (told | others).items() if value is not None}


def token(key: Any = KEY, alg: str = "RS256", headers: Any = None, **others: object) -> str:
    return jwt.encode(claims(**others), key, alg, {"kid": "k1"} | (headers or {}))


def forged(header: dict[str, object], signature: bytes = b"") -> str:
    parts = [json.dumps(part).encode() for part in (header, claims())] + [signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


async def test_whom_the_issuer_vouches_for_is_let_in(reader):
    asker = await reader.find(token())
    boss = await reader.find(token(CURVE, "ES256", {"kid": "c1"}, scope="openid admin mail"))

    assert asker == Caller("jwt:ana", frozenset({Scope.ASK}))
    assert boss == Caller("jwt:ana", frozenset(Scope))


async def test_a_clock_may_be_off_by_the_leeway(reader):
    assert await reader.find(token(exp=time.time() - 3))
    assert await reader.find(token(nbf=time.time() + 3))


WRONG: dict[str, Any] = {
    "expired": lambda: token(exp=time.time() - 60),
    "not yet": lambda: token(nbf=time.time() + 60),
    "issued in the future": lambda: token(iat=time.time() + 60),
    "another issuer": lambda: token(iss="https://evil.example"),
    "another audience": lambda: token(aud="another"),
    "without exp": lambda: token(exp=None),
    "without iss": lambda: token(iss=None),
    "without aud": lambda: token(aud=None),
    "without sub": lambda: token(sub=None),
    "an empty sub": lambda: token(sub=""),
    "a sub without end": lambda: token(sub="a" * 257),
    "scope that is no text": lambda: token(scope=["ask"]),
    "another's key": lambda: token(OTHER),
    "an unknown kid": lambda: token(headers={"kid": "k2"}),
    "another's kid": lambda: token(headers={"kid": "c1"}),
    "no kid": lambda: jwt.encode(claims(), KEY, "RS256"),
    "alg none": lambda: jwt.encode(claims(), None, "none", {"kid": "k1"}),
    "alg None": lambda: forged({"alg": "None", "kid": "k1"}),
    "alg none with a signature": lambda: forged({"alg": "none", "kid": "k1"}, b"x"),
    "a jku of theirs": lambda: token(OTHER, headers={"kid": "k9", "jku": "http://127.0.0.1:9/"}),
    "a key of theirs in the head": lambda: token(OTHER, headers={"jwk": public(OTHER, "k1")}),
    "crit": lambda: token(headers={"crit": ["exp"]}),
    "another algorithm of the key's kind": lambda: token(alg="PS256"),
    "nothing": lambda: "..",
    "no base64": lambda: "a.b.c",
    "deep": lambda: base64.urlsafe_b64encode(b"[" * 5000).decode() + ".e30.e30",
    "a path for a kid": lambda: token(headers={"kid": "../../dev/null"}),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
async def test_nobody_else_is(wrong, reader, server):
    assert await reader.find(wrong()) is None
    assert server.asked <= 1


@pytest.mark.parametrize("form", [Encoding.PEM, Encoding.DER], ids=["PEM", "DER"])
async def test_the_public_key_is_no_shared_secret(form, reader):
    known = KEY.public_key().public_bytes(form, PublicFormat.SubjectPublicKeyInfo)
    head = forged({"alg": "HS256", "kid": "k1"}).rpartition(".")[0]
    mac = base64.urlsafe_b64encode(hmac.digest(known, head.encode(), "sha256")).rstrip(b"=")

    assert await reader.find(f"{head}.{mac.decode()}") is None


async def test_a_shared_secret_among_the_servers_keys_is_not_used(reader, server):
    secret = b"s" * 32
    told = base64.urlsafe_b64encode(secret).rstrip(b"=").decode()
    server.keys.append({"kty": "oct", "k": told, "kid": "o1", "alg": "HS256"})

    assert await reader.find(token(secret, "HS256", {"kid": "o1"})) is None


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
async def test_a_key_that_is_too_short_is_not_used(reader, server):
    server.keys.append(public(SHORT, "s1"))

    assert await reader.find(token(SHORT, headers={"kid": "s1"})) is None


@given(st.text(st.characters(max_codepoint=127), max_size=100), st.integers(0, 3))
@bounds(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_whatever_is_sent_is_let_in_or_not(reader, noise, part):
    parts = token().split(".")
    parts[part : part + 1] = [noise]

    assert asyncio.run(reader.find(".".join(parts))) is None


async def test_a_new_key_is_found_and_an_old_one_forgotten(make_reader, server):
    reader = make_reader(fresh_s=0, pause_s=0)
    assert await reader.find(token())

    server.keys = [public(OTHER, "k2")]
    rotated = await reader.find(token(OTHER, headers={"kid": "k2"}))

    assert rotated
    assert await reader.find(token()) is None


async def test_unknown_names_make_no_storm_of_fetches(reader, server):
    await asyncio.gather(*(reader.find(token(headers={"kid": f"x{at}"})) for at in range(50)))
    await reader.find(token(headers={"kid": "y"}))

    assert server.asked == 1


async def test_a_server_that_is_gone_lets_nobody_in_whom_it_has_not_vouched_for(reader, server):
    server.stop()

    assert await reader.find(token()) is None


async def test_a_server_that_goes_leaves_its_keys_for_a_while(make_reader, server):
    reader = make_reader(fresh_s=0, pause_s=0, trusted_s=1)
    assert await reader.find(token())
    server.stop()

    still = await reader.find(token())
    await asyncio.sleep(1.1)

    assert still
    assert await reader.find(token()) is None


@pytest.mark.parametrize(
    "raw", [b"{", b"[]", b"{}", b'{"keys": 3}', b'{"keys": [3]}', b"\xff", b"x" * 2_000_000]
)
async def test_a_server_that_talks_nonsense_lets_nobody_in(raw, reader, server):
    server.raw = raw

    assert await reader.find(token()) is None


async def test_a_server_that_hangs_holds_up_nobody_else(make_reader, server):
    reader = make_reader(timeout_s=0.3)
    server.stuck.clear()
    ticks = 0

    waiting = asyncio.create_task(reader.find(token()))
    while not waiting.done():
        await asyncio.sleep(0.01)
        ticks += 1

    assert await waiting is None
    assert ticks > 10


async def test_keys_and_tokens_open_the_same_gate_and_a_token_without_scope_opens_nothing(
    server, settings
):
    key, entry = new_key("website", Scope.ASK)
    issuer = {"jwt_issuer": ISSUER, "jwt_audience": AUDIENCE, "jwt_jwks_url": server.url}
    doorman = Doorman(settings(api_keys=entry, **issuer))
    app = FastAPI()
    app.add_api_route("/door", _named)
    app.add_api_route("/theirs", _named, dependencies=[needs(Scope.ADMIN)])
    errors.install(app)
    gate = Gate(app, doorman, frozenset())
    shown = {
        "key": key,
        "token": token(),
        "boss": token(scope="admin"),
        "scopeless": token(scope="openid"),
        "expired": token(exp=time.time() - 60),
    }

    transport = httpx.ASGITransport(gate)
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        replies = {
            name: [
                await client.get(path, headers={"authorization": f"Bearer {each}"})
                for path in ("/door", "/theirs")
            ]
            for name, each in shown.items()
        }

    assert {name: [reply.status_code for reply in both] for name, both in replies.items()} == {
        "key": [200, 403],
        "token": [200, 403],
        "boss": [200, 200],
        "scopeless": [403, 403],
        "expired": [401, 401],
    }
    assert [replies[name][0].json() for name in ("key", "token")] == ["website", "jwt:ana"]


async def _named():
    return caller.get().name


async def test_a_websocket_without_a_key_is_closed(settings):
    _, entry = new_key("website", Scope.ASK)
    gate = Gate(FastAPI(), Doorman(settings(api_keys=entry)), frozenset())
    sent = []

    async def send(message):
        sent.append(message)

    await gate({"type": "websocket", "path": "/x", "headers": []}, None, send)

    assert sent == [{"type": "websocket.close", "code": 1008}]
