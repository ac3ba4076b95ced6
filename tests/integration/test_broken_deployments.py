"""smoke_e2e.sh and validate.sh pass a right deployment, and fail a broken one by what is broken."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from tests.fakes import ScriptedLlm
from tests.integration.servers import AWAKE, HOST, Agent, start_agent, until
from tests.integration.tampering import Tamper, at, tampered, words
from tests.ports import free_port
from tests.scripts import Run, scripts_in

from agentic_rag.callers import Scope
from agentic_rag.serving.keys.ring import new_key

SIGN_IN = b"<!doctype html><title>Sign in</title>"
MISSED = (b'"outcome":"emergency"', b'"outcome":"answered"')
NOT_READY = "ready: it is not ready"
NO_MODEL = r"3 runs: no model answers: .*; extractive; llm_unavailable"
DISCARD = "9"  # a port on which nobody listens
SMOKE, VALIDATE = "smoke_e2e.sh", "validate.sh"


@dataclass(frozen=True)
class Whole:
    """What is right, for a way to break: a server, its index, and a folder for what is started."""

    server: Agent
    indexed: Path
    small_pack: Path
    folder: Path

    @contextmanager
    def another(self, *flags: str, **settings: str) -> Iterator[Agent]:
        """Start another server on the same index, not yet ready."""
        given = {"DATA_DIR": str(self.indexed)} | settings
        agent = start_agent(self.folder / "agent", *flags, **given)
        try:
            yield agent.wait_until_live()
        finally:
            agent.stop()


Way = Callable[[Whole], AbstractContextManager[list[str]]]
"""Lends the arguments by which the scripts find what is broken."""


def address_of(agent: Agent) -> list[str]:
    return ["--url", agent.base, "--grpc", agent.grpc]


@contextmanager
def nobody_listens(_: Whole) -> Iterator[list[str]]:
    yield ["--url", f"http://{HOST}:{free_port()}"]


@contextmanager
def tls_is_asked_of_plain(whole: Whole) -> Iterator[list[str]]:
    yield ["--url", whole.server.base.replace("http://", "https://")]


@contextmanager
def the_grpc_port_is_shut(whole: Whole) -> Iterator[list[str]]:
    yield ["--url", whole.server.base, "--grpc", f"{HOST}:{free_port()}"]


def a_gateway(tamper: Tamper) -> Way:
    @contextmanager
    def spoils(whole: Whole) -> Iterator[list[str]]:
        with tampered(whole.server.base, tamper) as url:
            yield ["--url", url, "--grpc", whole.server.grpc]

    return spoils


def an_index_that_cannot_be_opened(**settings: str) -> Way:
    @contextmanager
    def is_never_ready(whole: Whole) -> Iterator[list[str]]:
        with whole.another(**settings) as agent:
            agent.log_with("the index cannot be opened")
            yield address_of(agent)

    return is_never_ready


@contextmanager
def it_is_served_by_another_name(whole: Whole) -> Iterator[list[str]]:
    with whole.another("--model_name=agent") as agent:
        yield address_of(agent)


def keys_are_asked_for(*sent: str) -> Way:
    @contextmanager
    def asks(whole: Whole) -> Iterator[list[str]]:
        _, entry = new_key("website", Scope.ASK)
        with whole.another(API_KEYS=entry) as agent:
            agent.wait_until_ready()
            yield [*address_of(agent), *sent]

    return asks


@contextmanager
def documents_are_missing(whole: Whole) -> Iterator[list[str]]:
    own = {"DATA_DIR": str(whole.folder / "data"), "CLINIC_PACK": str(whole.small_pack)}
    with whole.another(**own, EMBEDDING_DIR=str(whole.indexed / "embedder")) as agent:
        agent.wait_until_ready()
        yield address_of(agent)


def the_model_behind(**served: str) -> Way:
    """It is there, and serves by another name or key than the agent was told."""

    @contextmanager
    def refuses(whole: Whole) -> Iterator[list[str]]:
        with (
            ScriptedLlm(**served) as llm,
            whole.another(LLM_BASE_URL=llm.base_url, LLM_API_KEY="sk-told", **AWAKE) as agent,
        ):
            agent.wait_until_ready()
            yield address_of(agent)

    return refuses


@contextmanager
def the_model_behind_is_gone(whole: Whole) -> Iterator[list[str]]:
    gone = {"LLM_BASE_URL": f"http://{HOST}:{free_port()}/v1", "LLM_WAKE_LIMIT_S": "0.5"}
    with whole.another(**gone) as agent:
        agent.wait_until_ready()
        httpx.post(agent.v1, json={"instances": ["Are you open on Sundays?"]}, timeout=60)
        until(lambda: httpx.get(f"{agent.base}/health").json()["llm"]["state"] == "failing")
        yield address_of(agent)


@dataclass(frozen=True)
class Broken:
    """A way to be broken, and what each FAIL line says of it; who only looks may not see it."""

    way: Way
    named: tuple[str, ...]
    is_seen: bool = False


CHEAP = {
    "nobody listens": Broken(nobody_listens, ("alive: nobody listens at http://",), is_seen=True),
    "TLS is asked of a server without": Broken(
        tls_is_asked_of_plain, ("alive: speaks no TLS",), is_seen=True
    ),
    "a sign-in page stands before it": Broken(
        a_gateway(at("", body=SIGN_IN)), ("alive: the reply is no JSON",), is_seen=True
    ),
    "the gRPC port is shut": Broken(
        the_grpc_port_is_shut, (r"grpc: .*: gRPC at 127\.0\.0\.1:\d+ cannot be reached",)
    ),
    "emergencies are let through": Broken(
        a_gateway(words("/chat", MISSED)), ("chat: My .*: an emergency was not caught",)
    ),
}
COSTLY = {
    "a gateway does not route a door": Broken(
        a_gateway(at("/chat/completions", status=404)), ("openai: .*: refused with 404",)
    ),
    "a gateway cuts streams": Broken(
        a_gateway(at("/chat/stream", keep=60)), ("stream: .*: hangs up before",)
    ),
    "the index is another embedder's": Broken(
        an_index_that_cannot_be_opened(EMBEDDING_PRECISION="fp32"), (NOT_READY,), is_seen=True
    ),
    "the embedder is not mounted": Broken(
        an_index_that_cannot_be_opened(EMBEDDING_BACKEND="onnx", EMBEDDING_DIR="/nowhere"),
        (NOT_READY,),
        is_seen=True,
    ),
    "Chroma is gone": Broken(
        an_index_that_cannot_be_opened(CHROMA_HOST=HOST, CHROMA_PORT=DISCARD),
        (NOT_READY,),
        is_seen=True,
    ),
    "it is served by another name": Broken(
        it_is_served_by_another_name, ("ready: refused with 404",), is_seen=True
    ),
    "no key is given": Broken(keys_are_asked_for(), ("health: it asks for a key",), is_seen=True),
    "the key is wrong": Broken(
        keys_are_asked_for("--api-key", "guessed"), ("health: the key is refused",), is_seen=True
    ),
    "documents are missing": Broken(
        documents_are_missing,
        (
            r"\w+: .*: cites .*, and not (treatments\.json|policies/cancellations\.md)",
            r"\w+: How long .*: does not say '40 minutes'",
        ),
    ),
    "the model's name is wrong": Broken(the_model_behind(model="another"), (NO_MODEL,)),
    "the model's key is wrong": Broken(the_model_behind(api_key="sk-another"), (NO_MODEL,)),
    "the model is gone": Broken(
        the_model_behind_is_gone, ("model: it would not wake", NO_MODEL), is_seen=True
    ),
}
EVERY = CHEAP | COSTLY
WAYS = [*CHEAP, *(pytest.param(each, marks=pytest.mark.soak) for each in COSTLY)]


@pytest.fixture
def whole(server: Agent, indexed: Path, small_pack: Path, tmp_path: Path) -> Whole:
    return Whole(server, indexed, small_pack, tmp_path)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return scripts_in(tmp_path)


def failures(told: str) -> list[str]:
    return [line for line in told.splitlines() if line.startswith("FAIL ")]


def test_a_right_deployment_passes(run: Run, server: Agent):
    smoked = run(SMOKE, *address_of(server))
    validated = run(VALIDATE, *address_of(server))

    assert smoked.returncode == 0, smoked.stdout + smoked.stderr
    assert smoked.stdout.count("8 of 8 answers are right") == 6
    assert smoked.stdout.endswith(" 0 FAIL\n")
    assert validated.returncode == 0, validated.stdout + validated.stderr
    assert "PASS models: rag-agent" in validated.stdout


@pytest.mark.parametrize("way", WAYS)
def test_what_is_broken_is_named_and_nothing_else(way: str, run: Run, whole: Whole):
    broken = EVERY[way]

    with broken.way(whole) as arguments:
        validated = run(VALIDATE, *arguments)
        smoked = run(SMOKE, *arguments)

    assert smoked.returncode == 1, smoked.stdout + smoked.stderr
    found = failures(smoked.stdout)
    assert named_by(found, broken.named) == (found, set(broken.named)), found
    seen = failures(validated.stdout)
    assert validated.returncode == broken.is_seen, validated.stdout + validated.stderr
    assert named_by(seen, broken.named[:1])[0] == seen
    assert len(seen) == broken.is_seen


def named_by(lines: list[str], patterns: Sequence[str]) -> tuple[list[str], set[str]]:
    """Return the lines that some pattern expects, and the patterns that some line is."""
    pairs = [(line, each) for line in lines for each in patterns if re.match(f"FAIL {each}", line)]
    return list(dict.fromkeys(line for line, _ in pairs)), {each for _, each in pairs}
