"""Real TLS with certificates made here, changed while the servers run: uvicorn's and gRPC's."""

import asyncio
import socket
import ssl
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import grpc
import pytest
import trustme
import uvicorn
from cryptography import x509
from fastapi import FastAPI

from agentic_rag.errors import BadSettings
from agentic_rag.serving.certificates import Certificates

HOST = "127.0.0.1"
CA = trustme.CA()


class Pair:
    """A certificate and its key in two files, as a cluster mounts them."""

    def __init__(self, folder: Path) -> None:
        self.certfile, self.keyfile = folder / "tls.crt", folder / "tls.key"
        self.serial = self.renew()

    def renew(self) -> int:
        """Write a new pair in place of the old; returns its serial number."""
        issued = CA.issue_cert(HOST)
        chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
        for path, content in (
            (self.certfile, chain),
            (self.keyfile, issued.private_key_pem.bytes()),
        ):
            fresh = path.with_suffix(".new")
            fresh.write_bytes(content)
            fresh.replace(path)
        return x509.load_pem_x509_certificate(issued.cert_chain_pems[0].bytes()).serial_number


@pytest.fixture
def pair(tmp_path):
    return Pair(tmp_path)


@pytest.fixture
def certificates(pair):
    return Certificates(str(pair.certfile), str(pair.keyfile))


@asynccontextmanager
async def rest(pair, certificates):
    config = uvicorn.Config(
        FastAPI(), log_config=None, lifespan="off",
        ssl_certfile=str(pair.certfile), ssl_keyfile=str(pair.keyfile),
    )  # fmt: skip
    config.load()
    certificates.guard(config.ssl)
    server = uvicorn.Server(config)
    with socket.socket() as held:
        held.bind((HOST, 0))
        held.listen()
        serving = asyncio.create_task(server.serve(sockets=[held]))
        try:
            yield held.getsockname()[1]
        finally:
            server.should_exit = True
            with suppress(asyncio.CancelledError):
                await serving


@asynccontextmanager
async def rpc(_pair, certificates):
    server = grpc.aio.server()
    port = server.add_secure_port(f"{HOST}:0", certificates.for_grpc())
    await server.start()
    try:
        yield port
    finally:
        await server.stop(0)


async def serial_at(port: int) -> int:
    """Return the serial number of the certificate that a new connection gets."""
    trusting = ssl.create_default_context()
    CA.configure_trust(trusting)
    trusting.set_alpn_protocols(["h2"])
    _, writer = await asyncio.open_connection(HOST, port, ssl=trusting, server_hostname=HOST)
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    with suppress(ConnectionError, ssl.SSLError):
        await writer.wait_closed()
    return x509.load_der_x509_certificate(shown).serial_number


@pytest.mark.parametrize("door", [rest, rpc])
async def test_a_new_connection_gets_the_certificate_of_the_moment(door, pair, certificates):
    async with door(pair, certificates) as port:
        before = await serial_at(port)
        second = pair.renew()
        after = await serial_at(port)
        third = pair.renew()
        later = [await serial_at(port) for _ in range(3)]

    assert (before, after, set(later)) == (pair.serial, second, {third})


@pytest.mark.parametrize("door", [rest, rpc])
@pytest.mark.parametrize("fault", ["gone", "empty", "half", "another's key"])
async def test_a_pair_that_does_not_fit_leaves_the_old_one(fault, door, pair, certificates):
    async with door(pair, certificates) as port:
        before = await serial_at(port)
        if fault == "gone":
            pair.certfile.unlink()
        elif fault == "another's key":
            pair.keyfile.write_bytes(CA.issue_cert(HOST).private_key_pem.bytes())
        else:
            content = pair.certfile.read_bytes()
            pair.certfile.write_bytes(content[: len(content) // 2] if fault == "half" else b"")
        meanwhile = await serial_at(port)
        mended = pair.renew()
        after = await serial_at(port)

    assert (before, meanwhile, after) == (pair.serial, pair.serial, mended)


async def test_both_doors_see_the_same_change(pair, certificates):
    async with rest(pair, certificates) as one, rpc(pair, certificates) as other:
        fresh = pair.renew()
        shown = [await serial_at(port) for port in (one, other, one, other)]

    assert shown == [fresh] * 4


@pytest.mark.parametrize("fault", ["missing", "no certificate", "another's key"])
def test_files_that_cannot_be_used_are_refused_by_their_flags(fault, pair):
    if fault == "missing":
        pair.keyfile.unlink()
    elif fault == "no certificate":
        pair.certfile.write_text("hello")
    else:
        pair.keyfile.write_bytes(CA.issue_cert(HOST).private_key_pem.bytes())

    with pytest.raises(BadSettings, match=r"--ssl_certfile .* and --ssl_keyfile"):
        Certificates(str(pair.certfile), str(pair.keyfile))
