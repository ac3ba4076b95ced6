"""What a command works in: the settings, and the house opened for it."""

import asyncio
import gc
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from agentic_rag.cli.terminal import err, or_exit
from agentic_rag.errors import RetrievalUnavailable
from agentic_rag.settings import Settings, read_settings
from agentic_rag.telemetry import set_up_logging

# Each command imports what it needs itself: `--help` takes a moment, and not seconds.
if TYPE_CHECKING:
    from agentic_rag.bootstrap.house import House


def settings_or_exit() -> Settings:
    """Read the settings, and log to people's liking."""
    settings = or_exit(read_settings)
    set_up_logging(
        settings.log_format, "error" if settings.log_level == "info" else settings.log_level
    )
    return settings


def in_house(
    settings: Settings, run: "Callable[[House], Coroutine[Any, Any, None]]", *, must: bool = True
) -> None:
    """Open the house, run something in it, close it; `must` it have its index for that?"""
    with without_collector():
        from agentic_rag.bootstrap.house import build_house

    async def opened() -> None:
        house = build_house(settings)
        try:
            with err.status("opening the index"):
                await _open(house, must=must)
            await run(house)
        finally:
            await house.close()

    or_exit(lambda: asyncio.run(opened()))


async def _open(house: "House", *, must: bool) -> None:
    try:
        await house.library.open()
    except RetrievalUnavailable as error:
        if must:
            raise
        warning = f"[yellow]warning:[/yellow] {escape(str(error))}"
        err.print(warning, highlight=False, soft_wrap=True)


@contextmanager
def without_collector() -> Iterator[None]:
    """Import without the garbage collector: it is a quarter of the time, and finds nothing."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
