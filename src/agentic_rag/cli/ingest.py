"""`ingest`: from a folder to the index."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from agentic_rag.cli.house import settings_or_exit
from agentic_rag.cli.terminal import Json, fail, out, print_json
from agentic_rag.errors import AgenticRagError, FilesSkipped, IndexUnproven
from agentic_rag.settings import EngineName

app = typer.Typer()


@app.command()
def ingest(
    folder: Annotated[Path | None, typer.Argument(help="Default: the pack's documents.")] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Change nothing where anything would be left out.")
    ] = False,
    engine: Annotated[
        EngineName, typer.Option(help="What reads and embeds: this process, or Ray's.")
    ] = EngineName.LOCAL,
    as_json: Json = False,
) -> None:
    """Make the index hold exactly the documents of a folder."""
    from agentic_rag.bootstrap.indexing import ingest_folder
    from agentic_rag.cli.bars import Bars

    settings = settings_or_exit()
    try:
        with Bars() as bars:
            report = ingest_folder(settings, folder, bars, strict=strict, engine=engine)
    except AgenticRagError as error:
        if as_json:
            print_json({"error": str(error)} | _details(error))
        fail(error)
    if as_json:
        print_json(asdict(report))
        return
    what = f"{report.documents} documents, {report.passages} passages"
    if report.embedded or report.changed:
        out.print(f"Indexed {what} ({report.embedded} embedded) as version {report.version}.")
    else:
        out.print(f"Nothing to do: version {report.version} holds {what}.")
    for name, reason in report.skipped.items():
        out.print(f"[yellow]skipped[/yellow] {escape(name)}: {escape(reason)}")
    for label, count in report.injected.items():
        told = f"{escape(label)}: {count} to models; never quoted, never followed"
        out.print(f"[yellow]talks[/yellow] {told}")
    if report.stale:
        told = f"{escape(', '.join(report.stale))}: changed, or gone, since questions were written"
        out.print(f"[yellow]stale[/yellow] {told}; agentic-rag questions writes them anew")


def _details(error: AgenticRagError) -> dict[str, Any]:
    """Return what a program may want to know of a failed ingest beside the words."""
    if isinstance(error, FilesSkipped):
        return {"skipped": dict(error.skipped)}
    if isinstance(error, IndexUnproven):
        return {"missed": list(error.missed)}
    return {}
