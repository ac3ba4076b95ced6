"""The transport, over real sockets: who is asked, who is asked next, and what is counted."""

import asyncio
import re
import ssl
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agentic_rag.inference.affinity.replicas import FixedReplicas, Replica
from agentic_rag.inference.affinity.seats import FREE, REST_S, Seats
from agentic_rag.inference.affinity.session import session
from agentic_rag.inference.affinity.transport import AffinityTransport

ASKED = b'{"messages": []}'


@dataclass
class Copy:
    """A replica, or the service that stands for all.

    Attributes:
        does: a status to answer with, or "reset" before a byte, "cut" in the body, "hang", "slow".
        asked: the requests, as they came.
    """

    does: int | str = 200
    host: str = "127.0.0.1"
    tls: ssl.SSLContext | None = None
    asked: list[bytes] = field(default_factory=list)

    async def __aenter__(self) -> "Copy":
        self._released = asyncio.Event()
        self._serving: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._server = await asyncio.start_server(self._serve, self.host, 0, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        self.replica = Replica(self.host, self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.go()

    async def go(self) -> None:
        """Be gone: connections are reset, and refused from now on."""
        self.release()
        self._server.close()
        for each in self._serving.values():
            each.transport.abort()
        await asyncio.gather(*self._serving)

    def release(self) -> None:
        self._released.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving[asyncio.current_task()] = writer
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
                self.asked.append(head + await reader.readexactly(length))
                await self._answer(writer)
        del self._serving[asyncio.current_task()]
        writer.close()

    async def _answer(self, writer: asyncio.StreamWriter) -> None:
        does = self.does
        if does == "reset":
            writer.transport.abort()
            return
        if does == "hang":
            await self._released.wait()
        code = does if isinstance(does, int) else 200
        writer.write(b"HTTP/1.1 %d Fine\r\ncontent-length: 4\r\n\r\n" % code)
        if does == "cut":
            writer.write(b"h")
            await writer.drain()
            writer.transport.abort()
            return
        if does == "slow":
            writer.write(b"h")
            await self._released.wait()
            writer.write(b"ere")
        else:
            writer.write(b"here")
        await writer.drain()


@asynccontextmanager
async def cluster(count: int, seats: Seats | None = None):
    """Open so many replicas, the service that stands for them, and a client of it."""
    async with AsyncExitStack() as stack:
        *opened, service = [await stack.enter_async_context(Copy()) for _ in range(count + 1)]
        source = FixedReplicas([each.replica for each in opened])
        url = f"http://127.0.0.1:{service.port}/v1"
        transport = AffinityTransport(source, seats)
        async with httpx.AsyncClient(transport=transport, base_url=url) as client:
            yield opened, service, client


async def ask(client: httpx.AsyncClient, whose: str | None) -> httpx.Response:
    """Ask as a journey does: in a task of its own."""

    async def asking() -> httpx.Response:
        session.set(whose)
        return await client.post("/chat/completions", content=ASKED)

    return await asyncio.create_task(asking())


async def own_of(client: httpx.AsyncClient, replicas: list[Copy], whose: str) -> list[Copy]:
    """Return the replicas, the session's own first."""
    await ask(client, whose)
    return sorted(replicas, key=lambda each: not each.asked)


async def test_a_thousand_sessions_at_once_and_again_find_their_own_replica_each():
    async with cluster(4) as (four, service, client):
        names = [f"session-{at}" for at in range(1000)]
        seen: dict[str, set[int]] = {name: set() for name in names}
        gate = asyncio.Semaphore(FREE)

        async def twice(name: str) -> None:
            for _ in range(2):
                async with gate:
                    reply = await ask(client, name)
                stream = reply.extensions["network_stream"]
                seen[name].add(stream.get_extra_info("server_addr")[1])

        await asyncio.gather(*map(twice, names))

    assert {len(ports) for ports in seen.values()} == {1}
    assert all(400 < len(each.asked) < 600 for each in four)
    assert service.asked == []


async def test_what_is_sent_is_what_was_asked_and_nothing_of_the_session():
    async with cluster(1) as ([replica], service, client):
        await ask(client, "a-secret-name")

    assert b"a-secret-name" not in replica.asked[0]
    assert replica.asked[0].startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert f"host: 127.0.0.1:{service.port}\r\n".encode() in replica.asked[0].lower()
    assert replica.asked[0].endswith(ASKED)


@pytest.mark.parametrize("whose", [None, ""])
async def test_who_has_no_session_goes_where_the_request_says(whose):
    async with cluster(2) as (two, service, client):
        assert (await ask(client, whose)).text == "here"

    assert (len(service.asked), [each.asked for each in two]) == (1, [[], []])


async def test_where_no_replica_is_known_the_service_is_asked():
    async with cluster(0) as (_, service, client):
        assert (await ask(client, "me")).text == "here"

    assert len(service.asked) == 1


async def test_a_replica_that_is_gone_gives_way_and_is_left_out():
    async with cluster(2) as (two, service, client):
        own, other = await own_of(client, two, "me")
        await own.go()

        replies = [await ask(client, "me") for _ in range(3)]

    assert [reply.text for reply in replies] == ["here"] * 3
    assert (len(own.asked), len(other.asked), service.asked) == (1, 3, [])


@pytest.mark.parametrize("does", [500, 502, 503, 504, "reset"])
async def test_a_broken_replica_gives_way_before_a_byte_came_and_is_left_out(does, caplog):
    async with cluster(2) as (two, _, client):
        own, other = await own_of(client, two, "me")
        own.does = does

        replies = [await ask(client, "me") for _ in range(3)]

    assert [reply.text for reply in replies] == ["here"] * 3
    assert (len(own.asked), len(other.asked)) == (2, 3)
    assert caplog.text.count(f"a replica is left out: {own.replica}") == 1
    assert "me" not in re.findall(r"\w+", caplog.text)


@pytest.mark.parametrize("does", [400, 401, 404, 429])
async def test_a_refusal_is_an_answer_and_nobody_else_is_asked(does):
    async with cluster(2) as (two, _, client):
        own, other = await own_of(client, two, "me")
        own.does = does

        assert (await ask(client, "me")).status_code == does

    assert other.asked == []


async def test_a_request_that_breaks_two_replicas_leaves_neither_out():
    async with cluster(3) as (three, _, client):
        own, *others = await own_of(client, three, "me")
        for each in three:
            each.does = 500
        poison = await ask(client, "me")
        for each in three:
            each.does = 200

        assert (await ask(client, "me")).text == "here"

    assert poison.status_code == 500
    assert len(own.asked) == 3
    assert sorted(len(each.asked) for each in others) == [0, 1]


async def test_a_reply_that_broke_off_is_not_asked_for_anew():
    async with cluster(2) as (two, _, client):
        own, other = await own_of(client, two, "me")
        own.does = "cut"

        with pytest.raises(httpx.TransportError):
            await ask(client, "me")

    assert (len(own.asked), other.asked) == (2, [])


async def test_a_session_comes_home_when_its_replica_is_well_again():
    now = [0.0]
    async with cluster(2, Seats(clock=lambda: now[0])) as (two, _, client):
        own, other = await own_of(client, two, "me")
        own.does = 503
        await ask(client, "me")
        own.does, now[0] = 200, REST_S

        await ask(client, "me")
        await ask(client, "me")

    assert (len(own.asked), len(other.asked)) == (4, 1)


@pytest.mark.parametrize("does", [500, "reset"])
async def test_the_only_replica_that_breaks_is_told_of_or_the_service_helps(does):
    async with cluster(1) as ([only], _, client):
        only.does = does

        reply = await ask(client, "me")

    assert reply.status_code == (500 if does == 500 else 200)


async def test_where_every_replica_is_gone_the_service_tells_what_is_wrong():
    async with cluster(2) as (two, service, client):
        for each in (*two, service):
            await each.go()

        with pytest.raises(httpx.ConnectError):
            await ask(client, "me")
        with pytest.raises(httpx.ConnectError):
            await ask(client, "me")


async def test_a_hot_session_spills_over_and_comes_home_when_its_callers_went_away():
    async with cluster(2) as (two, _, client):
        own, other = await own_of(client, two, "hot")
        own.does = other.does = "hang"
        calls = [asyncio.create_task(ask(client, "hot")) for _ in range(4 * FREE)]
        await until(lambda: len(own.asked) + len(other.asked) == 4 * FREE + 1)
        crowd = Counter(own=len(own.asked) - 1, other=len(other.asked))
        for each in calls:
            each.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        own.release()
        own.does, before = 200, len(own.asked)

        await ask(client, "hot")

        assert crowd["own"] > crowd["other"] >= FREE
        assert len(own.asked) == before + 1


async def test_a_reply_is_in_flight_until_it_is_read_or_left():
    async with cluster(2) as (two, _, client):
        own, other = await own_of(client, two, "me")
        own.does = "slow"
        token = session.set("me")
        for way in ("read", "left"):
            streams = [
                client.stream("POST", "/chat/completions", content=ASKED) for _ in range(FREE + 1)
            ]
            replies = [await each.__aenter__() for each in streams[:FREE]]
            async with streams[-1]:
                spilt = len(other.asked)
            own.release()
            for reply in replies:
                await (reply.aread() if way == "read" else reply.aclose())
        session.reset(token)

        await ask(client, "me")

    assert spilt == 2
    assert (len(own.asked), len(other.asked)) == (1 + 2 * FREE + 1, 2)


async def test_a_replica_may_have_an_address_of_the_new_family():
    async with Copy(host="::1") as six:
        transport = AffinityTransport(FixedReplicas([six.replica]))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:9") as client:
            assert (await ask(client, "me")).text == "here"

    assert len(six.asked) == 1


@pytest.mark.parametrize(("service", "is_trusted"), [("localhost", True), ("llm.test", False)])
async def test_by_tls_a_replica_is_the_service_that_it_is_of(
    service, is_trusted, tmp_path, monkeypatch
):
    trusted = certificate(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(trusted)
    async with Copy(tls=tls) as copy:
        transport = AffinityTransport(FixedReplicas([copy.replica]))
        async with httpx.AsyncClient(
            transport=transport, base_url=f"https://{service}:9"
        ) as client:
            with suppress(httpx.ConnectError):
                await ask(client, "me")

    assert len(copy.asked) == is_trusted


def certificate(folder: Path, host: str) -> Path:
    """Make a certificate that says that it is a host's, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    path = folder / "both.pem"
    path.write_bytes(
        made.public_bytes(pem) + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    )
    return path


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110  # the servers tell no event
            await asyncio.sleep(0.005)
