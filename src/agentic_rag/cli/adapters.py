"""`adapters`: LoRA adapters, from the registry to live and back; a command for each step."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.markup import escape

from agentic_rag.cli.house import settings_or_exit
from agentic_rag.cli.terminal import Json, fail, or_exit, out, print_json, write_file
from agentic_rag.errors import AdapterRefused

if TYPE_CHECKING:
    from agentic_rag.adapters.bench import Bench
    from agentic_rag.adapters.steps.done import Done

app = typer.Typer(
    name="adapters",
    help="LoRA adapters: from the registry to live, and back.",
    no_args_is_help=True,
)
Which = Annotated[str, typer.Argument(help="alias:candidate, version:7, and the like.")]
Kept = Annotated[
    Path | None, typer.Option("--result", help="Write what came of it to this file, as JSON.")
]


@app.command()
def fingerprint(
    folder: Annotated[
        Path, typer.Argument(help="With the adapter, where vLLM sees it, too.", resolve_path=True)
    ],
    prompt: Annotated[list[str], typer.Option(help="To be answered; may be repeated.")],
    max_tokens: Annotated[int, typer.Option(help="Of each answer.")] = 24,
    result: Kept = None,
    as_json: Json = False,
) -> None:
    """Take down what an adapter answers, by which it is told apart once it is registered."""
    from agentic_rag.adapters.steps.fingerprint import fingerprint as step

    _do(lambda bench: step(bench, folder, prompt, max_tokens=max_tokens), result, as_json=as_json)


@app.command()
def register(
    folder: Annotated[Path, typer.Argument(help="With adapter_config.json and the weights.")],
    lineage: Annotated[
        list[str] | None, typer.Option(help="Where it comes from: name=value; may be repeated.")
    ] = None,
    result: Kept = None,
    as_json: Json = False,
) -> None:
    """Put an adapter into the registry, with its digests, as the candidate."""
    from agentic_rag.adapters.steps.register import register as step

    told = dict(_pair(each) for each in lineage or ())
    _do(lambda bench: step(bench, folder, told), result, as_json=as_json)


@app.command()
def load(which: Which, result: Kept = None, as_json: Json = False) -> None:
    """Copy a version, and load it on every replica beside what is live."""
    from agentic_rag.adapters.steps.load import load as step
    from agentic_rag.adapters.versions import read_reference

    reference = or_exit(lambda: read_reference(which))
    _do(lambda bench: step(bench, reference), result, as_json=as_json)


@app.command()
def smoke(
    which: Which,
    requests: Annotated[int, typer.Option(help="Of each replica: so many, and no fewer.")] = 6,
    most_s: Annotated[float, typer.Option(help="Seconds that an answer may take.")] = 10.0,
    result: Kept = None,
    as_json: Json = False,
) -> None:
    """Ask every replica known prompts: what answers is this version, or it fails."""
    from agentic_rag.adapters.steps.smoke import smoke as step
    from agentic_rag.adapters.versions import read_reference

    reference = or_exit(lambda: read_reference(which))
    _do(
        lambda bench: step(bench, reference, requests=requests, most_s=most_s),
        result,
        as_json=as_json,
    )


@app.command()
def stage(
    which: Which,
    share: Annotated[
        float, typer.Option(help="Of the sessions that it answers; needs the first gate.")
    ] = 0.0,
    result: Kept = None,
    as_json: Json = False,
) -> None:
    """Let a version that was smoked wait beside the live one."""
    from agentic_rag.adapters.steps.stage import stage as step
    from agentic_rag.adapters.versions import read_reference

    reference = or_exit(lambda: read_reference(which))
    _do(lambda bench: step(bench, reference, share=share), result, as_json=as_json)


@app.command()
def evaluate(which: Which, result: Kept = None, as_json: Json = False) -> None:
    """Ask the golden questions of a version and of who is live; fails where it is worse."""
    from agentic_rag.adapters.steps.evaluate import evaluate as step
    from agentic_rag.adapters.versions import read_reference
    from agentic_rag.cli.bars import Bars

    reference = or_exit(lambda: read_reference(which))
    settings = settings_or_exit()
    with Bars() as bars:
        _do(
            lambda bench: step(bench, reference, settings=settings, progress=bars),
            result,
            as_json=as_json,
        )


@app.command("load-test")
def load_test(
    which: Which,
    requests: Annotated[
        int, typer.Option(help="Of the version, and as many of who is live.")
    ] = 200,
    at_once: Annotated[int, typer.Option(help="Requests under way at once.")] = 8,
    result: Kept = None,
    as_json: Json = False,
) -> None:
    """Ask a version and who is live under load; fails where it is slower than it may be."""
    from agentic_rag.adapters.steps.load_test import load_test as step
    from agentic_rag.adapters.versions import read_reference

    reference = or_exit(lambda: read_reference(which))
    _do(
        lambda bench: step(bench, reference, requests=requests, at_once=at_once),
        result,
        as_json=as_json,
    )


@app.command()
def promote(
    which: Which,
    force: Annotated[bool, typer.Option("--force", help="Pass over the gates.")] = False,
    reason: Annotated[str, typer.Option(help="Why; is written down.")] = "",
    result: Kept = None,
    as_json: Json = False,
) -> None:
    """Make a version that came through its gates the live one, everywhere, in one step."""
    from agentic_rag.adapters.steps.promote import promote as step
    from agentic_rag.adapters.versions import read_reference

    reference = or_exit(lambda: read_reference(which))
    forced_for = reason if force else None
    _do(lambda bench: step(bench, reference, forced_for=forced_for), result, as_json=as_json)


@app.command()
def rollback(result: Kept = None, as_json: Json = False) -> None:
    """Make who was live before live again."""
    from agentic_rag.adapters.steps.rollback import rollback as step

    _do(step, result, as_json=as_json)


@app.command()
def restore(result: Kept = None, as_json: Json = False) -> None:
    """Put what is live and staged where a replica that starts finds it, or fail."""
    from agentic_rag.adapters.steps.restore import restore as step

    _do(step, result, as_json=as_json)


@app.command()
def follow(
    every: Annotated[
        float | None, typer.Option(help="Seconds between looks. Default: look once.")
    ] = None,
    result: Kept = None,
    as_json: Json = False,
) -> None:
    """Give replicas that came later what is live, and finish what was broken off."""
    from agentic_rag.adapters.steps.follow import follow as step
    from agentic_rag.adapters.steps.follow import follow_on

    if every is None:
        _do(step, result, as_json=as_json)
    else:
        _do(lambda bench: follow_on(bench, every_s=every), result, as_json=as_json)


@app.command()
def restart(
    workload: Annotated[str, typer.Argument(help="Of the replicas: deployment/llm-predictor.")],
    namespace: Annotated[str, typer.Option("--namespace", "-n")] = "default",
    limit: Annotated[float, typer.Option(help="Seconds that it may take.")] = 900.0,
    result: Kept = None,
    as_json: Json = False,
) -> None:
    """Start the replicas anew, one after another, by kubectl; the last resort."""
    from agentic_rag.adapters.steps.restart import restart as step
    from agentic_rag.deploying.cluster import Kubectl

    rollout = or_exit(Kubectl)
    _do(
        lambda bench: step(bench, rollout, workload=workload, namespace=namespace, limit_s=limit),
        result,
        as_json=as_json,
    )


@app.command()
def status(result: Kept = None, as_json: Json = False) -> None:
    """Tell what answers where, by its digest; fails where that is not what is said."""
    from agentic_rag.adapters.steps.status import status as step

    _do(step, result, as_json=as_json)


def _do(step: "Callable[[Bench], Awaitable[Done]]", result: Path | None, *, as_json: bool) -> None:
    from agentic_rag.adapters.bench import opened

    settings = settings_or_exit()

    async def run() -> "Done":
        async with opened(settings) as bench:
            return await step(bench)

    done = or_exit(lambda: asyncio.run(run()))
    if result:
        text = orjson.dumps(done.as_json(), option=orjson.OPT_INDENT_2).decode()
        write_file("--result", result, text)
    _show(done, as_json=as_json)
    if not done.passed:
        raise typer.Exit(1)


def _show(done: "Done", *, as_json: bool) -> None:
    if as_json:
        print_json(done.as_json())
        return
    which = f"{done.name} {done.version}" if done.version else f"{done.name}: no version"
    how = "" if done.changed else ", as it was"
    out.print(f"{done.step}: {escape(which)}{how}", highlight=False, soft_wrap=True)
    for name, value in done.details.items():
        out.print(f"  {name}: {escape(str(value))}", highlight=False, soft_wrap=True)


def _pair(told: str) -> tuple[str, str]:
    name, is_pair, value = told.partition("=")
    if not (name and is_pair):
        fail(AdapterRefused("lineage", f"expected name=value, and not {told}"))
    return name, value
