"""Keys at a real server's doors, gRPC's above all; where it listens; TLS; and what it logs."""

import ssl
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import grpc
import httpx
import psutil
import pytest
import trustme
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub
from tests.integration.facts import BLEEDING, DOGS
from tests.integration.servers import HOST, MODEL, START_LIMIT_S, Agent

ASKER, BOSS, HASTY, WRONG = "asker-key", "boss-key", "hasty-key", "wrong-key-of-a-stranger"
NAMES = {ASKER: "website:ask", BOSS: "boss:admin", HASTY: "hasty:ask"}
HASHES = {key: sha256(key.encode()).hexdigest() for key in NAMES}
API_KEYS = ",".join(f"{NAMES[key]}:{HASHES[key]}" for key in NAMES)
SERVICE = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"]
PROBES = {"ServerLive", "ServerReady", "ModelReady"}
METHODS = [each for each in SERVICE.methods if each.name not in PROBES]
RATE = 30


NOTHING_BEHIND = {"CHROMA_HOST": HOST, "CHROMA_PORT": "9"}


@pytest.fixture(scope="module")
def guarded(start: Any) -> Agent:
    """A server that asks for keys, and has nothing to answer from."""
    told = {"API_KEYS": API_KEYS, "RATE_LIMIT": f"{RATE}/hour", "LOG_LEVEL": "debug"}
    agent: Agent = start(MAX_BODY_BYTES="100000", **told, **NOTHING_BEHIND)
    return agent.wait_until_live()


@pytest.fixture(scope="module")
def channel(guarded: Agent) -> Any:
    with grpc.insecure_channel(guarded.grpc) as opened:
        yield opened


def call(channel: grpc.Channel, method: str, asked: Any, authorization: str | None) -> Any:
    metadata = [] if authorization is None else [("authorization", authorization)]
    return getattr(GRPCInferenceServiceStub(channel), method)(
        asked, metadata=metadata, timeout=30, wait_for_ready=True
    )


def refused(channel: grpc.Channel, method: Any, authorization: str | None) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        call(channel, method.name, getattr(pb, method.input_type.name)(), authorization)
    return caught.value


def question(text: str, **parameters: pb.InferParameter) -> pb.ModelInferRequest:
    asked = pb.ModelInferRequest.InferInputTensor(
        name="question",
        datatype="BYTES",
        shape=[1],
        contents=pb.InferTensorContents(bytes_contents=[text.encode()]),
    )
    return pb.ModelInferRequest(model_name=MODEL, inputs=[asked], parameters=parameters)


def outcome(reply: pb.ModelInferResponse) -> str:
    columns = {output.name: output.contents.bytes_contents for output in reply.outputs}
    return str(columns["outcome"][0].decode())


@pytest.mark.parametrize(
    "authorization",
    [None, "", f"Bearer {WRONG}", ASKER, f"Basic {ASKER}", f"Bearer {HASHES[ASKER]}"],
    ids=["none", "empty", "wrong", "no scheme", "another scheme", "a hash"],
)
def test_every_grpc_method_refuses_who_has_no_key_the_same_way(
    authorization: str | None, channel: grpc.Channel
):
    refusals = [refused(channel, method, authorization) for method in METHODS]

    [(code, details)] = {(each.code(), each.details()) for each in refusals}
    assert code is grpc.StatusCode.UNAUTHENTICATED
    assert details == "no key that is known; send it as Authorization: Bearer ..."


def test_a_method_that_does_not_exist_is_refused_alike(channel: grpc.Channel):
    unknown = channel.unary_unary("/inference.GRPCInferenceService/Secrets")

    with pytest.raises(grpc.RpcError) as caught:
        unknown(b"", timeout=30)

    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_two_keys_in_one_call_are_none(channel: grpc.Channel):
    metadata = [("authorization", f"Bearer {key}") for key in (WRONG, ASKER)]

    with pytest.raises(grpc.RpcError) as caught:
        GRPCInferenceServiceStub(channel).ServerMetadata(
            pb.ServerMetadataRequest(), metadata=metadata, timeout=30
        )

    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_grpc_probes_need_no_key_and_have_no_rate(channel: grpc.Channel):
    for _ in range(RATE + 1):
        assert call(channel, "ServerLive", pb.ServerLiveRequest(), None).live
    assert call(channel, "ServerReady", pb.ServerReadyRequest(), None).ready
    assert not call(channel, "ModelReady", pb.ModelReadyRequest(name=MODEL), None).ready


def test_who_has_a_key_may_read_what_the_server_and_its_model_are(channel: grpc.Channel):
    server = call(channel, "ServerMetadata", pb.ServerMetadataRequest(), f"Bearer {ASKER}")
    model = pb.ModelMetadataRequest(name=MODEL)

    assert server.name
    assert call(channel, "ModelMetadata", model, f"Bearer {ASKER}").name == MODEL


def test_who_has_a_key_is_answered_over_grpc(channel: grpc.Channel):
    reply = call(channel, "ModelInfer", question(BLEEDING), f"Bearer {ASKER}")

    assert outcome(reply) == "emergency"


ADMINISTERING = {
    "load": ("RepositoryModelLoad", pb.RepositoryModelLoadRequest(model_name=MODEL)),
    "unload": ("RepositoryModelUnload", pb.RepositoryModelUnloadRequest(model_name=MODEL)),
    "debug": ("ModelInfer", question(BLEEDING, debug=pb.InferParameter(bool_param=True))),
}


@pytest.mark.parametrize(("method", "asked"), ADMINISTERING.values(), ids=ADMINISTERING)
def test_what_is_the_operators_is_refused_to_who_may_only_ask(
    method: str, asked: Any, channel: grpc.Channel
):
    with pytest.raises(grpc.RpcError) as caught:
        call(channel, method, asked, f"Bearer {ASKER}")

    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert caught.value.details() == "this needs the admin scope"


def test_an_operator_may_see_the_journey(channel: grpc.Channel):
    reply = call(channel, *ADMINISTERING["debug"], f"Bearer {BOSS}")

    assert outcome(reply) == "emergency"


def test_the_rate_is_one_over_rest_and_grpc_and_an_emergency_passes(
    channel: grpc.Channel, guarded: Agent
):
    key = f"Bearer {HASTY}"
    with httpx.Client(headers={"authorization": key}, timeout=30) as client:
        statuses = [client.get(f"{guarded.base}/health").status_code for _ in range(RATE + 1)]
        emergency = client.post(guarded.v1, json={"instances": [BLEEDING]})

    with pytest.raises(grpc.RpcError) as caught:
        call(channel, "ModelInfer", question(DOGS), key)
    over_grpc = call(channel, "ModelInfer", question(BLEEDING), key)
    others = [refused(channel, each, key) for each in METHODS if each.name != "ModelInfer"]

    assert statuses == [200] * RATE + [429]
    assert emergency.json()["predictions"][0]["outcome"] == outcome(over_grpc) == "emergency"
    for error in (caught.value, *others):
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert 1 <= int(dict(error.trailing_metadata())["retry-after"]) <= 3600


def test_a_message_too_large_is_refused_over_rest_and_grpc(channel: grpc.Channel, guarded: Agent):
    large = BLEEDING + "a" * 100_000

    over_rest = httpx.post(
        guarded.v1, json={"instances": [large]}, headers={"authorization": f"Bearer {BOSS}"}
    )
    with pytest.raises(grpc.RpcError) as caught:
        call(channel, "ModelInfer", question(large), f"Bearer {BOSS}")

    assert over_rest.status_code == 413
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_nothing_about_a_key_is_logged_even_at_debug(guarded: Agent):
    httpx.get(f"{guarded.base}/health", headers={"authorization": f"Bearer {WRONG}"})
    httpx.get(f"{guarded.base}/{WRONG}")

    log = guarded.log_with("Application startup complete")

    for secret in (*NAMES, *HASHES.values(), WRONG, "Bearer"):
        assert secret not in log


def addresses(agent: Agent) -> set[tuple[str, int]]:
    found = psutil.Process(agent.pid).connections("tcp")
    return {tuple(each.laddr) for each in found if each.status == psutil.CONN_LISTEN}


def test_with_keys_it_listens_everywhere(guarded: Agent):
    assert ("0.0.0.0", guarded.http_port) in addresses(guarded)
    assert ("::", guarded.grpc_port) in addresses(guarded)


def test_without_keys_and_under_tls_it_listens_on_the_loopback_only(start: Any, tmp_path: Path):
    authority = trustme.CA()
    certfile, keyfile = tmp_path / "tls.crt", tmp_path / "tls.key"
    shown = [renew(authority, certfile, keyfile)]
    files = {"KSERVE_TLS_CERT_FILE": str(certfile), "KSERVE_TLS_KEY_FILE": str(keyfile)}
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    agent = start(**files, **NOTHING_BEHIND)
    seen = [certificate_of(agent, trusting)]
    shown.append(renew(authority, certfile, keyfile))
    seen.append(certificate_of(agent, trusting))
    credentials = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
    with grpc.secure_channel(agent.grpc, credentials) as channel:
        reply = call(channel, "ModelInfer", question(BLEEDING), None)

    assert seen == shown
    assert outcome(reply) == "emergency"
    ours = {port: host for host, port in addresses(agent)}
    assert set(ours) == {agent.http_port, agent.grpc_port}
    assert all(host.endswith(HOST) for host in ours.values())  # gRPC's as ::ffff:127.0.0.1
    agent.log_with("no keys are set: serving this machine only")
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{agent.base}/healthz")


def renew(authority: trustme.CA, certfile: Path, keyfile: Path) -> bytes:
    issued = authority.issue_cert(HOST)
    certfile.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    keyfile.write_bytes(issued.private_key_pem.bytes())
    return ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())


def certificate_of(agent: Agent, trusting: ssl.SSLContext) -> bytes:
    url = f"https://{HOST}:{agent.http_port}/healthz"
    end = time.monotonic() + START_LIMIT_S
    while True:
        try:
            with httpx.Client(verify=trusting) as client, client.stream("GET", url) as reply:
                assert reply.headers["strict-transport-security"]
                connection = reply.extensions["network_stream"].get_extra_info("ssl_object")
                return bytes(connection.getpeercert(True))
        except httpx.ConnectError:
            assert time.monotonic() < end, agent.log()
            time.sleep(0.1)
