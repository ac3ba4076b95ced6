"""`questions`: what patients may ask of each section, written by a model."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from agentic_rag.cli.house import in_house, settings_or_exit
from agentic_rag.cli.terminal import Json, out, print_json
from agentic_rag.errors import LlmNotConfigured, Misconfigured

if TYPE_CHECKING:
    from agentic_rag.bootstrap.house import House
    from agentic_rag.expecting import Written

app = typer.Typer()


@app.command()
def questions(
    file: Annotated[
        Path | None, typer.Option("--file", help="Default: the pack's questions.jsonl.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Have the LLM write what patients may ask of each section; `ingest` then uses it.

    Sections that have questions, and have not changed since, are left as they are.
    """
    from agentic_rag.cli.bars import Bars
    from agentic_rag.expecting import sections_of, write_questions

    settings = settings_or_exit()

    async def run(house: "House") -> None:
        live = house.shelf.current()
        if not house.models.guarded:
            raise LlmNotConfigured("no LLM is set to write questions: set LLM_BASE_URL")
        if live is None or house.drift():
            raise Misconfigured("the index is not of these documents: run agentic-rag ingest")
        sections = sections_of(live, house.clinic)
        path = file or house.clinic.folder / "questions.jsonl"
        with Bars() as bars:
            written = await write_questions(
                path,
                sections,
                house.models.guarded[0],
                bars,
                timeout_s=settings.llm_wake_limit_s + settings.llm_timeout_s,
            )
        _tell(written, path, as_json=as_json)
        if written.failed:
            raise typer.Exit(1)

    in_house(settings, run)


def _tell(written: "Written", path: Path, *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(written) | {"file": str(path)})
        return
    told = f"{written.questions} questions for {written.sections} sections"
    out.print(f"Wrote {told}, {written.kept} had theirs: {escape(str(path))}.", soft_wrap=True)
    out.print("A pack's own questions.jsonl is used from the next agentic-rag ingest on.")
    for label, why in written.failed.items():
        line = f"[yellow]none[/yellow] for {escape(label)}: {escape(why)}"
        out.print(line, highlight=False, soft_wrap=True)
