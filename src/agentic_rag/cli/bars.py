"""Bars: how far long work has come."""

from collections.abc import Callable
from typing import Self

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from agentic_rag.cli.terminal import err


class Bars:
    """Shows the stages of work as bars."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description:>10}"), BarColumn(), MofNCompleteColumn())
        self._progress = Progress(*columns, TimeElapsedColumn(), console=err)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def start(self, stage: str, total: int) -> Callable[[int], None]:
        """See `agentic_rag.retrieval.ingesting.engine.Progress`."""
        task = self._progress.add_task(stage, total=total)
        return lambda advance: self._progress.advance(task, advance)

    def note(self, text: str) -> None:
        """See `agentic_rag.retrieval.ingesting.engine.Progress`."""
        self._progress.console.print(escape(text), highlight=False)
