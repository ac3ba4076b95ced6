"""The way to a Chroma server: nobody waits for ever, and what is wrong is said."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from agentic_rag.errors import BadSettings, RetrievalUnavailable
from agentic_rag.retrieval.chroma import ServerStore
from agentic_rag.retrieval.chroma_server import ServerAddress, trust
from agentic_rag.retrieval.ingesting.filling import (
    Rows,
    count_rows,
    drop_collections,
    filling_collection,
    find_vectors,
)

PATIENCE_S = 0.5
ROWS = Rows(ids=["a"], doc_ids=["a.md"], vectors=np.eye(1, 8, dtype=np.float32))


@pytest.fixture
def deaf() -> Iterator[ServerAddress]:
    """A server that takes connections and never says a word."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(64)
        address = ServerAddress("127.0.0.1", server.getsockname()[1], PATIENCE_S)
        address.batch_s = PATIENCE_S
        yield address


class Odd(ThreadingHTTPServer):
    """A server that answers everything with the same page."""

    daemon_threads = True
    page: tuple[int, str, bytes]


class OddHandler(BaseHTTPRequestHandler):
    server: Odd

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        status, kind, page = self.server.page
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    do_POST = do_GET  # noqa: N815  # http.server's names

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def odd() -> Iterator[Callable[..., ServerAddress]]:
    servers = []

    def start(status: int, kind: str, page: bytes) -> ServerAddress:
        server = Odd(("127.0.0.1", 0), OddHandler)
        server.page = status, kind, page
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return ServerAddress("127.0.0.1", server.server_address[1], 20.0)

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def fill(address: ServerAddress) -> None:
    with filling_collection(address, "clinic-1", 1, lambda _rows: None) as sink:
        sink.add(ROWS)


CALLS: dict[str, Callable[[ServerAddress], object]] = {
    "count": lambda address: count_rows(address, "clinic-1"),
    "find": lambda address: find_vectors(address, "clinic-1", ["a"]),
    "drop": lambda address: drop_collections(address, ["clinic-1"]),
    "fill": fill,
    "open": lambda address: asyncio.run(ServerStore(address, "clinic-1", ["a"]).connect()),
    "alive": lambda address: asyncio.run(_alive(address)),
}


async def _alive(address: ServerAddress) -> None:
    if not await ServerStore(address, "clinic-1", ["a"]).alive():
        raise RetrievalUnavailable("CHROMA_HOST is not alive")


@pytest.mark.parametrize("call", CALLS)
def test_a_server_that_never_answers_is_given_up(deaf, call):
    start = time.monotonic()

    with pytest.raises(RetrievalUnavailable, match="CHROMA_HOST"):
        CALLS[call](deaf)

    assert time.monotonic() - start < 10 * PATIENCE_S


async def test_a_server_that_never_answers_is_said_to_be_late(deaf):
    with pytest.raises(RetrievalUnavailable, match="CHROMA_TIMEOUT_S"):
        await ServerStore(deaf, "clinic-1", ["a"]).query(ROWS.vectors[0], k=1)

    await deaf.close()


async def test_many_questions_to_a_server_that_never_answers_end_together(deaf):
    store = ServerStore(deaf, "clinic-1", ["a"])
    start = time.monotonic()

    ended = await asyncio.gather(
        *(store.query(ROWS.vectors[0], k=1) for _ in range(50)), return_exceptions=True
    )
    await deaf.close()

    assert {type(each) for each in ended} == {RetrievalUnavailable}
    assert time.monotonic() - start < 10 * PATIENCE_S  # and not 50, one after the other


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("status", "kind", "page"),
    [
        (200, "text/html", b"<html>Log in</html>"),
        (200, "application/json", b"[]"),
        (200, "application/json", b"{}"),
        (200, "application/json", b'{"id": 5}'),
        (302, "text/html", b""),
        (401, "text/html", b"<html>Who are you?</html>"),
        (403, "application/json", b'{"message": "no"}'),
        (404, "application/json", b'{"error": {"not": "Chroma"}}'),
        (404, "application/json", b'{"error": "NotFoundError", "message": "no such collection"}'),
        (500, "application/json", b'{"error": "InternalError", "message": "out of memory"}'),
        (502, "text/html", b"<html>Bad gateway</html>"),
        (503, "text/plain", b""),
        (200, "application/json", b"\xff\xfe"),
    ],
)
def test_whatever_a_server_answers_is_named_as_its_fault(odd, call, status, kind, page):
    address = odd(status, kind, page)

    try:
        CALLS[call](address)
    except RetrievalUnavailable as error:
        assert "CHROMA_HOST" in str(error)


@pytest.mark.parametrize(
    ("status", "page", "told"),
    [
        (401, b"<html>Who are you?</html>", r"CHROMA_TOKEN and CHROMA_HEADERS"),
        (403, b'{"message": "no"}', r"CHROMA_TOKEN and CHROMA_HEADERS"),
        (502, b"<html>Bad gateway</html>", "answers 502"),
        (200, b"", "does not answer as it should"),
        (404, b'{"error": "NotFoundError", "message": "x"}', "agentic-rag ingest"),
    ],
)
async def test_the_remedy_is_told(odd, status, page, told):
    address = odd(status, "application/json", page)

    with pytest.raises(RetrievalUnavailable, match=told):
        await ServerStore(address, "clinic-1", ["a"]).connect()

    await address.close()


async def test_a_server_that_is_away_is_not_alive():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        address = ServerAddress("127.0.0.1", held.getsockname()[1], 20.0)

        assert not await ServerStore(address, "clinic-1", ["a"]).alive()


def test_an_address_does_not_show_its_token():
    address = ServerAddress("chroma", 8000, 1.0, headers={"Authorization": "Bearer secret"})

    assert "secret" not in f"{address} {address!r} {address.explain(ValueError())}"


@pytest.mark.parametrize("content", [b"", b"no certificate", b"\xff\x00"])
def test_a_file_that_holds_no_certificates_is_named(tmp_path, content):
    (tmp_path / "ca.pem").write_bytes(content)

    with pytest.raises(BadSettings, match=r"CHROMA_CA_FILE.*ca\.pem.*PEM"):
        trust(tmp_path / "ca.pem")
