"""A step in a process of its own, which can be killed at any moment.

The processes are forked from one that has imported everything and done nothing yet: a start takes
some milliseconds, and no thread of the test is in it.
"""

import asyncio
import multiprocessing
import resource
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from agentic_rag.adapters.bench import Bench, opened
from agentic_rag.adapters.steps.done import Done
from agentic_rag.adapters.steps.follow import follow
from agentic_rag.adapters.steps.load import load
from agentic_rag.adapters.steps.promote import promote
from agentic_rag.adapters.steps.register import register
from agentic_rag.adapters.steps.restore import restore
from agentic_rag.adapters.steps.rollback import rollback
from agentic_rag.adapters.steps.smoke import smoke
from agentic_rag.adapters.steps.stage import stage
from agentic_rag.adapters.versions import read_reference
from agentic_rag.errors import AgenticRagError
from agentic_rag.settings import read_settings

with suppress(ModuleNotFoundError):
    import mlflow  # noqa: F401  # so that no child has to

KILLED = "killed"
_LIMIT_S = 60
_forking = multiprocessing.get_context("forkserver")
_forking.set_forkserver_preload([__name__])


class Child:
    """One step under way.

    Attributes:
        ended: what came of it: "well", the name of the error, or "killed".
    """

    def __init__(
        self, step: str, told: str, settings: Mapping[str, Any], *, most_bytes: int | None = None
    ) -> None:
        """Begin a step.

        Args:
            step: its name.
            told: a reference or, to register, a folder.
            settings: as read_settings takes them.
            most_bytes: that a file may have, as on a disk that is full.
        """
        self._hear, say = _forking.Pipe(duplex=False)
        self._process = _forking.Process(
            target=_run, args=(step, told, dict(settings), most_bytes, say), daemon=True
        )
        self._process.start()
        say.close()

    def kill(self) -> None:
        """Send SIGKILL, and return when it is dead."""
        self._process.kill()
        self._process.join(_LIMIT_S)

    @property
    def ended(self) -> str:
        self._process.join(_LIMIT_S)
        assert self._process.exitcode is not None, "the step does not come to an end"
        with suppress(EOFError):
            return str(self._hear.recv()) if self._hear.poll() else KILLED
        return KILLED


def _run(
    step: str, told: str, settings: dict[str, Any], most_bytes: int | None, say: Connection
) -> None:
    if most_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

    async def run() -> None:
        async with opened(read_settings(**settings)) as bench:
            await _step(step, told, bench)

    try:
        asyncio.run(run())
    except AgenticRagError as error:
        say.send(type(error).__name__)
    else:
        say.send("well")


async def _step(step: str, told: str, bench: Bench) -> Done:
    if step == "register":
        return await register(bench, Path(told))
    if step in {"rollback", "restore", "follow"}:
        return await {"rollback": rollback, "restore": restore, "follow": follow}[step](bench)
    steps = {"load": load, "smoke": smoke, "stage": stage, "promote": promote}
    return await steps[step](bench, read_reference(told))
