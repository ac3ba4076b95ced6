"""`verify`: an answer's receipt, proven again."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from agentic_rag.cli.house import settings_or_exit
from agentic_rag.cli.terminal import Json, or_exit, out, print_json

app = typer.Typer()


@app.command()
def verify(
    receipt: Annotated[Path, typer.Argument(help="As ask --receipt or a server wrote it.")],
    documents: Annotated[
        Path | None, typer.Option(help="Folder to prove it by. Default: the pack's documents.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Prove an answer again, sentence by sentence; fails, and says which, where one is not so."""
    from agentic_rag import verify as proofs
    from agentic_rag.clinic.profile import read_clinic
    from agentic_rag.safety.wording import dictionary, groups_of

    clinic = or_exit(lambda: read_clinic(settings_or_exit().clinic_pack))
    read = or_exit(lambda: proofs.read_receipts(receipt))
    versions = or_exit(lambda: proofs.Versions(documents or clinic.documents))
    verdict = proofs.verify(read, versions, dictionary(groups_of(clinic.profile.synonyms)))
    if as_json:
        print_json(asdict(verdict))
    else:
        for fault in verdict.faults:
            where = f"{fault.request_id}, sentence {fault.sentence}, {fault.label}"
            told = f"[red]not proven[/red] {escape(where)}: {escape(fault.why)}"
            out.print(told, highlight=False, soft_wrap=True)
        for text in verdict.uncited:
            out.print(f"[dim]cites nothing:[/dim] {escape(text)}", highlight=False, soft_wrap=True)
        out.print(f"{verdict.proven} proven, {len(verdict.faults)} not.")
    if verdict.faults:
        raise typer.Exit(1)
