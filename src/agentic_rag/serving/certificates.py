"""TLS certificates from two files, which are read again when they change, for REST and gRPC."""

import logging
import ssl
from pathlib import Path

import grpc

from agentic_rag.errors import BadSettings

logger = logging.getLogger(__name__)

_Seen = tuple[tuple[int, int, int], ...]  # what the files were when they were looked at


class Certificates:
    """A certificate chain and its key.

    New connections get what the files hold, by then or by the next look; a pair that does not fit
    together (one file is written after the other) leaves the old one in use.
    """

    def __init__(self, certfile: str, keyfile: str) -> None:
        """Read the files.

        Raises:
            BadSettings: they are no certificate and its key.
        """
        self._paths = Path(certfile), Path(keyfile)
        self._seen: _Seen = ()
        try:
            self._read()
        except (OSError, ssl.SSLError) as error:
            what = f"--ssl_certfile {certfile} and --ssl_keyfile {keyfile}"
            reason = error.strerror or "unreadable"
            raise BadSettings(f"{what}: expected a certificate and its key: {reason}") from None

    def guard(self, context: ssl.SSLContext) -> None:
        """Make a server's context give each new connection the certificate of the moment."""

        def on_hello(connection: ssl.SSLObject, _name: str | None, _of: ssl.SSLContext) -> None:
            self._renew()
            connection.context = self._context

        context.sni_callback = on_hello

    def for_grpc(self) -> grpc.ServerCredentials:
        """Return gRPC's server credentials, which look at the files at each new connection."""
        given = self._pair

        def look() -> grpc.ServerCertificateConfiguration | None:
            nonlocal given
            self._renew()
            if self._pair is given:
                return None
            given = self._pair
            return _configured(given)

        return grpc.dynamic_ssl_server_credentials(_configured(given), look)

    def _renew(self) -> None:
        try:
            if _look(self._paths) != self._seen:
                self._read()
        except (OSError, ssl.SSLError):
            logger.warning("the new certificate cannot be used, the old one is: %s", self._paths[0])

    def _read(self) -> None:
        self._seen = _look(self._paths)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self._paths)
        certificate, key = (path.read_bytes() for path in self._paths)
        self._context, self._pair = context, (key, certificate)


def _look(paths: tuple[Path, ...]) -> _Seen:
    states = (path.stat() for path in paths)
    return tuple((state.st_mtime_ns, state.st_ino, state.st_size) for state in states)


def _configured(pair: tuple[bytes, bytes]) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([pair])
