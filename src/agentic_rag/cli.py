"""The command line."""

import asyncio
import gc
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from agentic_rag.domain import Answer, Degraded, Outcome, Question, Turn
from agentic_rag.errors import (
    AgenticRagError,
    FilesSkipped,
    IndexUnproven,
    Misconfigured,
    RetrievalUnavailable,
)
from agentic_rag.settings import EngineName, Settings, read_settings
from agentic_rag.telemetry import set_up_logging

# Each command imports what it needs itself: `--help` takes a moment, and not seconds.
if TYPE_CHECKING:
    from agentic_rag.bootstrap import House
    from agentic_rag.evaluation.examine import Report
    from agentic_rag.retrieval.index import Standing

app = typer.Typer(
    name="agentic-rag",
    help="A clinic's documents, answered with proof.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
index_app = typer.Typer(help="The index's versions: list, use, prune.", no_args_is_help=True)
app.add_typer(index_app, name="index")
out = Console()
err = Console(stderr=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
T = TypeVar("T")
K = Annotated[int | None, typer.Option("--k", min=1, max=100, help="Passages to look at.")]


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    help="Serve KServe v1, v2 and gRPC. Takes KServe's flags: --http_port, --grpc_port, ...",
)
def serve(context: typer.Context) -> None:
    """Serve until SIGTERM."""
    with _without_collector():
        from agentic_rag.serving.kserve_runtime import serve as serve_kserve

    serve_kserve(_settings(), context.args)


@app.command()
def ask(
    question: Annotated[
        str | None, typer.Argument(help="The question; none starts a conversation.")
    ] = None,
    k: K = None,
    debug: Annotated[bool, typer.Option(help="Show the journey.")] = False,
    as_json: Json = False,
) -> None:
    """Ask the clinic's documents."""
    settings = _settings()

    async def once(house: "House") -> None:
        from agentic_rag.agent.ask import ask as ask_agent
        from agentic_rag.serving.wire import read_question

        body = {"question": question, "k": k, "debug": debug}
        read = read_question(body, where="", settings=settings)
        answer = await ask_agent(read, deps=house.deps)
        _show(answer, as_json=as_json)
        if answer.degraded is Degraded.RETRIEVAL_UNAVAILABLE:
            raise typer.Exit(1)

    # an emergency has its answer without an index
    _in_house(settings, once if question is not None else _converse, must=False)


async def _converse(house: "House") -> None:
    from agentic_rag.agent.ask import ask as ask_agent

    out.print(f"[bold]{escape(house.clinic.profile.name)}[/bold]: ask; an empty line ends it.")
    history: list[Turn] = []
    while said := (await asyncio.to_thread(_prompt)):
        question = Question(text=said, history=tuple(history[-10:]))
        answer = await ask_agent(question, deps=house.deps)
        _show(answer, as_json=False)
        history += [Turn(role="user", text=said), Turn(role="assistant", text=answer.text)]


def _prompt() -> str:
    try:
        return out.input("[bold]> [/bold]").strip()
    except (EOFError, KeyboardInterrupt):
        return ""


@app.command()
def search(
    query: Annotated[str, typer.Argument(help="What to look for.")],
    k: Annotated[int, typer.Option("--k", min=1, max=100, help="Passages to show.")] = 4,
    as_json: Json = False,
) -> None:
    """Show the passages that a search finds."""

    async def run(house: "House") -> None:
        from agentic_rag.serving.wire import write_hit

        passages = await house.library.search([query], k=k)
        if as_json:
            _print_json({"hits": [write_hit(passage) for passage in passages]})
            return
        for passage in passages:
            out.print(f"[bold]{passage.score:.3f}[/bold] [cyan]{escape(passage.label)}[/cyan]")
            out.print(escape(passage.text), highlight=False)

    _in_house(_settings(), run)


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
    from agentic_rag.bootstrap import ingest_folder

    settings = _settings()
    try:
        with _Bars(err) as bars:
            report = ingest_folder(settings, folder, bars, strict=strict, engine=engine)
    except AgenticRagError as error:
        if as_json:
            _print_json({"error": str(error)} | _details(error))
        _fail(error)
    if as_json:
        _print_json(asdict(report))
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


def _details(error: AgenticRagError) -> dict[str, Any]:
    """Return what a program may want to know of a failed ingest beside the words."""
    if isinstance(error, FilesSkipped):
        return {"skipped": dict(error.skipped)}
    if isinstance(error, IndexUnproven):
        return {"missed": list(error.missed)}
    return {}


@index_app.command("list")
def list_versions(as_json: Json = False) -> None:
    """Show the index versions, newest first, and which one is live."""
    from agentic_rag.bootstrap import build_workshop

    standing = _or_exit(lambda: build_workshop(_settings()).shelf.inventory())
    if as_json:
        _print_json({"versions": [asdict(each) for each in standing]})
        return
    table = Table("", "version", "created", "documents", "passages", "MB", "embedder", box=None)
    for each in standing:
        table.add_row(*(escape(cell) for cell in _cells(each)))
    out.print(table if standing else "No index yet: `agentic-rag ingest` makes one.")


def _cells(each: "Standing") -> tuple[str, ...]:
    counts = (str(each.documents), str(each.passages), f"{each.size_bytes / 1e6:.1f}")
    mark = "live" if each.live else ""
    return (mark, each.name, each.created[:19], *counts, each.embedder)


@index_app.command("use")
def use(
    version: Annotated[str, typer.Argument(help="Its name, or as much as tells it apart.")],
    as_json: Json = False,
) -> None:
    """Make a version the live one; running servers move over to it."""
    from agentic_rag.bootstrap import build_workshop
    from agentic_rag.retrieval.ingesting.rollback import use as use_version

    name = _or_exit(lambda: use_version(version, build_workshop(_settings())))
    if as_json:
        _print_json({"version": name})
    else:
        out.print(f"Version {name} is live; running servers follow within seconds.")


@index_app.command("prune")
def prune(
    keep: Annotated[
        int | None, typer.Option(min=0, help="Old versions to keep. Default: INDEX_KEEP.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Remove old versions, but none that is live or open."""
    from agentic_rag.bootstrap import build_workshop
    from agentic_rag.retrieval.ingesting.ingest import prune as prune_shelf

    shop = build_workshop(_settings())
    removed = _or_exit(lambda: prune_shelf(shop, shop.keep if keep is None else keep))
    if as_json:
        _print_json({"removed": removed})
    else:
        out.print(f"Removed: {', '.join(removed) or 'none'}.")


@app.command("export-embedder")
def export(as_json: Json = False) -> None:
    """Write the embedder as ONNX graphs, so that the server starts without torch."""
    from agentic_rag.bootstrap import export_embedder

    settings = _settings()
    with err.status("reading the weights") as status:
        report, stale = _or_exit(lambda: export_embedder(settings, status.update))
    made = report.export.manifest
    if as_json:
        shown = made.model_dump(include={"model", "weights", "cosines"})
        where = {"folder": str(report.export.folder), "changed": report.changed}
        _print_json({**where, **shown, "index_is_stale": stale})
        return
    if report.changed:
        cosines = ", ".join(f"{name} {cosine:.4f}" for name, cosine in made.cosines.items())
        out.print(f"Exported {made.model} to {escape(str(report.export.folder))}.", soft_wrap=True)
        out.print(f"Least cosine to sentence-transformers: {cosines}.")
    else:
        out.print(f"Nothing to do: {escape(str(report.export.folder))} holds {made.model}.")
    if stale:
        out.print(
            "The index was built by another embedder: make it anew with `agentic-rag ingest`."
        )


@app.command()
def doctor(as_json: Json = False) -> None:
    """Say what is configured, what answers, and what to do about what does not."""
    from agentic_rag import doctor as checks

    findings = asyncio.run(checks.examine(_settings()))
    if as_json:
        _print_json({"ok": checks.fit(findings), "checks": [f.as_json() for f in findings]})
    else:
        table = Table("", "what", "found", "to do", box=None)
        marks = {
            "ok": "[green]ok[/green]",
            "warning": "[yellow]![/yellow]",
            "fault": "[red]x[/red]",
        }
        for finding in findings:
            cells = (finding.what, finding.found, finding.remedy)
            table.add_row(marks[finding.state], *(escape(cell) for cell in cells))
        out.print(table)
    if not checks.fit(findings):
        raise typer.Exit(1)


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
    settings = _settings()
    with _without_collector():
        from agentic_rag.evaluation.examine import examine, prepare

    order = _or_exit(
        lambda: prepare(settings, suite or ["golden"], suites=suites, pack=pack, wanted=thresholds)
    )
    with _Bars(err) as bars:
        report = _or_exit(lambda: asyncio.run(examine(order, bars)))
    if html:
        _write_page(report, html)
    _show_report(report, as_json=as_json)
    if gate and not report.passed:
        raise typer.Exit(1)


def _write_page(report: "Report", path: Path) -> None:
    from agentic_rag.evaluation.page import write_page

    try:
        path.write_text(write_page(report), encoding="utf-8")
    except OSError as error:
        _fail(Misconfigured(f"--html {path}: cannot be written: {error.strerror}"))


def _show_report(report: "Report", *, as_json: bool) -> None:
    from agentic_rag.evaluation import printing

    if as_json:
        _print_json(printing.as_json(report))
    else:
        for table in printing.tables(report):
            out.print(table)
        for fault in printing.faults(report):
            out.print(fault, highlight=False)
    for miss in printing.misses(report):
        err.print(f"[red]missed[/red] {escape(miss)}", highlight=False, soft_wrap=True)


def main() -> None:
    """Run the command line; what the operator has to mend is one line, not a traceback."""
    try:
        app()
    except Misconfigured as error:
        _fail(error)


def _settings() -> Settings:
    settings = _or_exit(read_settings)
    set_up_logging(
        settings.log_format, "error" if settings.log_level == "info" else settings.log_level
    )
    return settings


async def _open(house: "House", *, must: bool) -> None:
    try:
        await house.library.open()
    except RetrievalUnavailable as error:
        if must:
            raise
        warning = f"[yellow]warning:[/yellow] {escape(str(error))}"
        err.print(warning, highlight=False, soft_wrap=True)


def _in_house(
    settings: Settings, run: "Callable[[House], Coroutine[Any, Any, None]]", *, must: bool = True
) -> None:
    """Open the house, run something in it, close it; `must` it have its index for that?"""
    with _without_collector():
        from agentic_rag.bootstrap import build_house

    async def opened() -> None:
        house = build_house(settings)
        try:
            with err.status("opening the index"):
                await _open(house, must=must)
            await run(house)
        finally:
            await house.close()

    _or_exit(lambda: asyncio.run(opened()))


@contextmanager
def _without_collector() -> Iterator[None]:
    """Import without the garbage collector: it is a quarter of the time, and finds nothing."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _or_exit(work: Callable[[], T]) -> T:
    try:
        return work()
    except AgenticRagError as error:
        _fail(error)


def _fail(error: AgenticRagError) -> NoReturn:
    err.print(f"[red]error:[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
    sys.exit(2 if isinstance(error, Misconfigured) else 1)


def _print_json(value: object) -> None:
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")


def _show(answer: Answer, *, as_json: bool) -> None:
    if as_json:
        from agentic_rag.serving.wire import write_answer

        _print_json(write_answer(answer))
        return
    style = {Outcome.EMERGENCY: "bold red", Outcome.DECLINED: "yellow"}.get(answer.outcome, "")
    out.print(escape(answer.text), style=style, highlight=False)
    for citation in answer.citations:
        quote = " ".join(citation.quote.split())
        out.print(f"  [dim]\\[{citation.number}] {escape(citation.label)}: “{escape(quote)}”[/dim]")
    by = f"{answer.generator}" + (f", {answer.degraded}" if answer.degraded else "")
    out.print(f"  [dim]({answer.outcome} by {by}, {answer.timings['total']:.2f} s)[/dim]")
    for step in answer.trace or ():
        out.print_json(orjson.dumps(dict(step)).decode())


class _Bars:
    """Shows ingest's stages as bars."""

    def __init__(self, console: Console) -> None:
        columns = (TextColumn("{task.description:>10}"), BarColumn(), MofNCompleteColumn())
        self._progress = Progress(*columns, TimeElapsedColumn(), console=console)

    def __enter__(self) -> "_Bars":
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
