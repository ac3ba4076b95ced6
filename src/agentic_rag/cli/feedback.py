"""`feedback`: what callers thought of answers."""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from agentic_rag.cli.house import settings_or_exit
from agentic_rag.cli.terminal import err, fail, or_exit, write_file
from agentic_rag.errors import Misconfigured

app = typer.Typer(
    name="feedback", help="What callers thought of answers: export.", no_args_is_help=True
)


@app.command("export")
def export_feedback(
    since: Annotated[
        datetime | None, typer.Option(help="Rated since then, in UTC. Default: all that is kept.")
    ] = None,
    to: Annotated[Path | None, typer.Option("--out", help="Default: to the terminal.")] = None,
) -> None:
    """Write what callers were not content with as evaluation cases, for a person to review."""
    from agentic_rag.bootstrap.keeping import build_keeper
    from agentic_rag.evaluation.feedback import cases_of

    settings = settings_or_exit()
    if not settings.answers_ttl:
        fail(Misconfigured("ANSWERS_TTL: is 0, so no answer and no feedback is kept"))
    begin = since.replace(tzinfo=UTC).timestamp() if since else 0.0

    async def read() -> list[dict[str, Any]]:
        keeper = build_keeper(settings)
        try:
            return await keeper.rated("down", begin)
        finally:
            await keeper.close()

    records = or_exit(lambda: asyncio.run(read()))
    lines = "".join(f"{each.model_dump_json()}\n" for each in cases_of(records))
    if to:
        write_file("--out", to, lines)
    else:
        sys.stdout.write(lines)
    err.print(f"{len(records)} to review.")
