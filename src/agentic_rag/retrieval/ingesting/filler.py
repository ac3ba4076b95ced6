"""The filler: a process of its own that fills a Chroma folder while this one embeds.

Chroma holds the interpreter's lock while it inserts, so that in one process embedding would stand
still for as long.
"""

import contextlib
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import numpy as np
import orjson

from agentic_rag.errors import AgenticRagError, RetrievalUnavailable
from agentic_rag.retrieval.ingesting.filling import Advance, Rows, Sink, filling_folder

_AHEAD = 8  # portions that may wait for it
_LAST_WORDS = 2000  # characters of what it said before it ended


@contextmanager
def filling_aside(folder: Path, total: int, advance: Advance) -> Iterator[Sink]:
    """Do `filling_folder` in a process of its own, which ends when this one does.

    Raises:
        RetrievalUnavailable: it has failed.
    """
    command = [sys.executable, "-m", __name__, str(folder), str(total)]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said
        )
        filler = _Filler(process, advance)
        try:
            yield filler
            filler.finish()
        except _Ended as ended:
            said.seek(0)
            words = str(ended) or said.read().decode(errors="replace")[-_LAST_WORDS:].strip()
            raise RetrievalUnavailable(f"Chroma cannot fill {folder}: {words}") from None
        finally:
            process.kill()  # by now it has ended, or what it does is of no use
            process.wait()
            filler.let_go()


class _Ended(Exception):  # noqa: N818  # named for what happened
    """The process has ended before its time; it may have said why."""


class _Filler:
    """This end of the process: one thread hands rows over, another hears how far it is."""

    def __init__(self, process: subprocess.Popen[bytes], advance: Advance) -> None:
        self._process = process
        self._advance = advance
        self._words = ""
        self._rows: queue.Queue[Rows | None] = queue.Queue(_AHEAD)
        self._telling = threading.Thread(target=self._tell, name="filler-tell", daemon=True)
        self._hearing = threading.Thread(target=self._hear, name="filler-hear", daemon=True)
        self._telling.start()
        self._hearing.start()

    def add(self, rows: Rows) -> None:
        """See `Sink`."""
        if not self._hearing.is_alive():
            raise _Ended(self._words)
        self._rows.put(rows)

    def finish(self) -> None:
        """Wait until all rows are in."""
        self._rows.put(None)
        self._hearing.join()
        if self._process.wait():
            raise _Ended(self._words)

    def let_go(self) -> None:
        """End the threads; the process is dead."""
        self._hearing.join()
        while self._telling.is_alive():
            with contextlib.suppress(queue.Full):
                self._rows.put_nowait(None)
            self._telling.join(0.01)

    def _tell(self) -> None:
        # a pipe that is broken hears nothing more, but whoever hands rows over must not wait
        with contextlib.suppress(OSError), cast(IO[bytes], self._process.stdin) as pipe:
            while (rows := self._rows.get()) is not None:
                with contextlib.suppress(BrokenPipeError):
                    _write(pipe, rows)

    def _hear(self) -> None:
        with cast(IO[bytes], self._process.stdout) as pipe:
            for line in pipe:
                told = orjson.loads(line)
                if isinstance(told, int):
                    self._advance(told)
                else:
                    self._words = str(told)


def _write(pipe: IO[bytes], rows: Rows) -> None:
    vectors = np.ascontiguousarray(rows.vectors, dtype=np.float32)
    head = [list(rows.ids), list(rows.doc_ids), vectors.shape]
    pipe.write(orjson.dumps(head) + b"\n" + vectors.tobytes())
    pipe.flush()


def _read(pipe: IO[bytes]) -> Rows | None:
    """Return the next rows; None when there are no more.

    Raises:
        EOFError: the other end died while it wrote.
    """
    line = pipe.readline()
    if not line:
        return None
    if not line.endswith(b"\n"):
        raise EOFError
    ids, doc_ids, (rows, dimension) = orjson.loads(line)
    content = pipe.read(4 * rows * dimension)
    if len(content) < 4 * rows * dimension:
        raise EOFError
    vectors = np.frombuffer(content, dtype=np.float32).reshape(rows, dimension)
    return Rows(ids=ids, doc_ids=doc_ids, vectors=vectors)


def main() -> None:
    """Fill the folder that is the first argument with as many rows as the second one says."""
    try:
        _fill(Path(sys.argv[1]), int(sys.argv[2]))
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        sys.exit(1)  # the other end is gone: nobody is left to tell
    except AgenticRagError as error:
        _say(str(error.__cause__ or error))
        sys.exit(1)


def _fill(folder: Path, total: int) -> None:
    with filling_folder(folder, total, _say) as sink:
        taken = 0
        while rows := _read(sys.stdin.buffer):
            sink.add(rows)
            taken += len(rows.ids)
        if taken < total:  # what is not whole is not to look like it
            raise EOFError


def _say(told: int | str) -> None:
    sys.stdout.write(orjson.dumps(told).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
