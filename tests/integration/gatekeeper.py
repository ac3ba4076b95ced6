"""A gatekeeper before a Chroma server: TLS under an authority of its own, and a token."""

import contextlib
import datetime
import http.client
import ipaddress
import socket
import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.integration.servers import HOST

TOKEN = "open-sesame"


@dataclass(frozen=True, slots=True)
class Certificates:
    """An authority, and a key with a certificate that it gave to 127.0.0.1; all in PEM files."""

    authority: Path
    chain: Path


def make_certificates(folder: Path) -> Certificates:
    """Write a new authority and what it certifies."""
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = _certificate("authority", "authority", authority_key, authority_key, ca=True)
    server = _certificate("chroma", "authority", key, authority_key, ca=False)
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(authority.public_bytes(pem))
    (folder / "chain.pem").write_bytes(
        server.public_bytes(pem)
        + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return Certificates(folder / "ca.pem", folder / "chain.pem")


def _certificate(
    subject: str,
    issuer: str,
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    ca: bool,
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address(HOST))
    names = [
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, n)]) for n in (subject, issuer)
    ]
    return (
        x509.CertificateBuilder()
        .subject_name(names[0])
        .issuer_name(names[1])
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


@dataclass
class Gatekeeper:
    """Lets in, over TLS, who says the token; can be away for a while, and be slow.

    Attributes:
        behind: the port of the Chroma server.
        port: where it listens; 0 picks one, which it keeps.
        header: what the token is said in, and how.
        asked: the paths that were asked for, let in or not.
    """

    behind: int
    certificates: Certificates
    port: int = 0
    header: tuple[str, str] = ("Authorization", f"Bearer {TOKEN}")
    delay_s: float = 0.0
    asked: list[str] = field(default_factory=list)

    def __enter__(self) -> "Gatekeeper":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificates.chain)
        self._closing = threading.Event()
        self._server = _Server((HOST, self.port), _Handler)
        self._server.gatekeeper = self
        self._server.context = context
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Be away: new connections are refused, open ones cut."""
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._server.cut()
        self._thread.join()

    def wait(self) -> None:
        """Take as long over a request as was asked for."""
        self._closing.wait(self.delay_s)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256
    allow_reuse_address = True
    gatekeeper: Gatekeeper
    context: ssl.SSLContext

    def __init__(self, *args: object) -> None:
        self._open: set[ssl.SSLSocket] = set()
        super().__init__(*args)  # type: ignore[arg-type]

    def finish_request(self, request, client_address) -> None:  # type: ignore[no-untyped-def]
        request.settimeout(60)
        with self.context.wrap_socket(request, server_side=True) as wrapped:
            self._open.add(wrapped)
            try:
                super().finish_request(wrapped, client_address)
            finally:
                self._open.discard(wrapped)

    def cut(self) -> None:
        for each in list(self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of callers that go away, or that do not trust us: tests make them."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _pass_on(self) -> None:
        gatekeeper = self.server.gatekeeper
        gatekeeper.asked.append(self.path)
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        gatekeeper.wait()
        name, value = gatekeeper.header
        if self.headers.get(name) != value:
            self._send(401, "text/html", b"<html><body>Who are you?</body></html>")
            return
        chroma = http.client.HTTPConnection(HOST, gatekeeper.behind, timeout=60)
        try:
            headers = {"Content-Type": self.headers.get("content-type", "application/json")}
            chroma.request(self.command, self.path, body, headers)
            reply = chroma.getresponse()
            self._send(reply.status, reply.getheader("content-type") or "", reply.read())
        except OSError:
            self._send(502, "text/html", b"<html><body>Bad gateway</body></html>")
        finally:
            chroma.close()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass_on  # noqa: N815  # http.server's names

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""
