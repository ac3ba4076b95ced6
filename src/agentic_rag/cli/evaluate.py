"""`evaluate`: how good it is."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from agentic_rag.cli.house import settings_or_exit, without_collector
from agentic_rag.cli.terminal import Json, err, fail, or_exit, out, print_json, write_file
from agentic_rag.errors import BadSettings

if TYPE_CHECKING:
    from agentic_rag.evaluation.examine import Report

app = typer.Typer()


@app.command()
def evaluate(  # noqa: PLR0913, PLR0917  # each is an option of the command line
    suite: Annotated[
        list[str] | None,
        typer.Option(help="golden, triage, support, retrieval or all; may be repeated."),
    ] = None,
    suites: Annotated[
        Path | None, typer.Option(help="Folder of other suites: <name>.jsonl and packs/.")
    ] = None,
    pack: Annotated[
        str | None, typer.Option(help="Only cases of this pack; or a pack's folder, to be asked.")
    ] = None,
    thresholds: Annotated[
        Path | None, typer.Option(help="What is wanted. Default: the shipped thresholds.yaml.")
    ] = None,
    gate: Annotated[
        bool, typer.Option("--gate", help="Fail, and name each figure that misses its threshold.")
    ] = False,
    html: Annotated[
        Path | None, typer.Option(help="Write a report with plots to this file.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure how good it is, with the LLM that is set: golden questions, triage and proof."""
    settings = settings_or_exit()
    try:
        with without_collector():
            from agentic_rag.cli.bars import Bars
            from agentic_rag.evaluation.examine import examine, prepare
    except ModuleNotFoundError as error:
        if error.name not in {"ir_measures", "scipy"}:
            raise
        fail(BadSettings("the image has no libraries to evaluate with: pip install agentic-rag"))

    order = or_exit(
        lambda: prepare(settings, suite or ["golden"], suites=suites, pack=pack, wanted=thresholds)
    )
    with Bars() as bars:
        report = or_exit(lambda: asyncio.run(examine(order, bars)))
    if html:
        from agentic_rag.evaluation.page import write_page

        write_file("--html", html, write_page(report))
    _show_report(report, as_json=as_json)
    if gate and not report.passed:
        raise typer.Exit(1)


def _show_report(report: "Report", *, as_json: bool) -> None:
    from agentic_rag.evaluation import printing

    if as_json:
        print_json(printing.as_json(report))
    else:
        for table in printing.tables(report):
            out.print(table)
        for fault in printing.faults(report):
            out.print(fault, highlight=False)
    for miss in printing.misses(report):
        err.print(f"[red]missed[/red] {escape(miss)}", highlight=False, soft_wrap=True)
