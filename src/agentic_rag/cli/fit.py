"""`fit`: whether a model fits on a GPU, and the flags that vLLM needs there."""

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from agentic_rag.cli.terminal import Json, or_exit, out, print_json

if TYPE_CHECKING:
    from agentic_rag.fit.memory import Wish
    from agentic_rag.fit.verdict import Verdict

app = typer.Typer()
Own = Annotated[float | None, typer.Option(help="Of a model that is not in the table.")]


@app.command()
def fit(  # noqa: PLR0913, PLR0917  # each is an option of the command line
    model: Annotated[str | None, typer.Option(help="As in docs/models.md, or on the hub.")] = None,
    gpu: Annotated[str, typer.Option(help="T4, L4, A10, A100-80GB, H100-80GB, ...")] = "L4",
    gpus: Annotated[int, typer.Option(help="How many, to split it over.")] = 1,
    context: Annotated[int, typer.Option(help="Tokens of a question and its answer.")] = 8192,
    sequences: Annotated[int, typer.Option(help="At once, all of that length.")] = 1,
    gpu_memory_utilization: Annotated[float, typer.Option(help="vLLM's share.")] = 0.9,
    kv_bits: Annotated[int, typer.Option(help="Of the KV cache: 16, or 8 for FP8.")] = 16,
    params: Own = None,
    layers: Own = None,
    heads: Own = None,
    kv_heads: Own = None,
    head_size: Own = None,
    hidden: Own = None,
    vocabulary: Own = None,
    bits: Annotated[int, typer.Option(help="Of your own model's weights: 16, 8 or 4.")] = 16,
    table: Annotated[bool, typer.Option("--table", help="Write what docs/models.md has.")] = False,
    as_json: Json = False,
) -> None:
    """Work out whether a model fits on a GPU under vLLM; fails, and says what would, if not."""
    from agentic_rag.fit.figures import choose_model
    from agentic_rag.fit.memory import Wish
    from agentic_rag.fit.page import write_page
    from agentic_rag.fit.verdict import judge

    if table:
        sys.stdout.write(write_page())
        return
    own = {
        "params": params,
        "layers": layers,
        "heads": heads,
        "kv_heads": kv_heads,
        "head_size": head_size,
        "hidden": hidden,
        "vocabulary": vocabulary,
    }
    wish = Wish(
        gpu=gpu,
        gpus=gpus,
        utilization=gpu_memory_utilization,
        context=context,
        sequences=sequences,
        kv_bits=kv_bits,
    )
    verdict = or_exit(lambda: judge(choose_model(model, own, bits=bits), wish))
    if as_json:
        print_json({"wish": asdict(wish), **asdict(verdict)})
    else:
        _show(verdict, wish)
    if not verdict.fits:
        raise typer.Exit(1)


def _show(verdict: "Verdict", wish: "Wish") -> None:
    said = "[green]yes[/green]" if verdict.fits else "[red]no[/red]"
    out.print(f"{said}: {escape(verdict.reason)}", highlight=False, soft_wrap=True)
    room = verdict.room
    rows = {
        "vLLM may use, of each GPU": f"{room.may_use / 2**30:.2f} GiB",
        "weights": f"{room.weights / 2**30:.2f} GiB",
        "work": f"{room.work / 2**30:.2f} GiB",
        "left for the KV cache": f"{room.cache / 2**30:.2f} GiB",
        "a token of it": f"{room.per_token / 1024:.0f} KiB",
        "longest context": f"{verdict.longest:,} tokens",
        f"at once, of {wish.context:,} tokens": f"{verdict.sequences}",
        "can be split over": f"{', '.join(map(str, verdict.split))} GPUs",
    }
    table = Table(box=None, show_header=False)
    for what, value in rows.items():
        table.add_row(what, value)
    out.print(table)
    for remedy in verdict.remedies:
        out.print(f"fits with {escape(remedy)}", highlight=False, soft_wrap=True)
    if verdict.flags:
        out.print(escape(" ".join(verdict.flags)), highlight=False, soft_wrap=True)
