"""`ask`: one question, or a conversation."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.markup import escape

from agentic_rag.cli.house import in_house, settings_or_exit
from agentic_rag.cli.terminal import Json, err, out, print_json, write_file
from agentic_rag.domain import (
    Answer,
    Degraded,
    LlmStatus,
    Outcome,
    Provisional,
    Question,
    Sentence,
    StepBegun,
    Turn,
)
from agentic_rag.errors import RetrievalUnavailable

if TYPE_CHECKING:
    from agentic_rag.bootstrap.house import House

app = typer.Typer()


@app.command()
def ask(
    question: Annotated[
        str | None, typer.Argument(help="The question; none starts a conversation.")
    ] = None,
    k: Annotated[
        int | None, typer.Option("--k", min=1, max=100, help="Passages to look at.")
    ] = None,
    debug: Annotated[bool, typer.Option(help="Show the journey.")] = False,
    receipt: Annotated[
        Path | None, typer.Option(help="Write what `verify` proves the answer by to this file.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Ask the clinic's documents."""
    settings = settings_or_exit()

    async def once(house: "House") -> None:
        from agentic_rag.serving.wire import read_question

        body = {"question": question, "k": k, "debug": debug}
        read = read_question(body, where="", settings=settings)
        answer = await _answered(read, house, watched=err.is_terminal and not as_json)
        _show(answer, as_json=as_json)
        if receipt:
            _write_receipt(answer, receipt)
        if answer.degraded is Degraded.RETRIEVAL_UNAVAILABLE:
            raise typer.Exit(1)

    # an emergency has its answer without an index
    in_house(settings, once if question is not None else _converse, must=False)


def _write_receipt(answer: Answer, path: Path) -> None:
    from agentic_rag.glass.receipts import receipt_for

    written = orjson.dumps(receipt_for(answer, at=time.time()), option=orjson.OPT_INDENT_2)
    write_file("--receipt", path, written.decode() + "\n")


async def _answered(question: Question, house: "House", *, watched: bool) -> Answer:
    """Answer a question; before somebody's eyes, what becomes of it, and the better answer too."""
    if not watched:
        from agentic_rag.agent.ask import ask as ask_agent

        return await ask_agent(question, deps=house.deps)
    from agentic_rag.agent.live import ask_live

    patience_s = house.settings.llm_wake_limit_s + house.settings.request_timeout_s
    answer: Answer | None = None
    with err.status("reading") as status:
        async for event in ask_live(replace(question, timeout_s=patience_s), deps=house.deps):
            if isinstance(event, Answer):
                answer = event
            elif isinstance(event, Provisional):
                err.print("[dim]Meanwhile, from the documents:[/dim]")
                err.print(escape(event.answer.text), style="dim", highlight=False)
            else:
                status.update(_in_a_line(event))
    if answer is None:  # the journey ends in an answer, whatever happens on it
        raise RetrievalUnavailable("the question was given up before it was answered")
    return answer


def _in_a_line(event: StepBegun | LlmStatus | Sentence) -> str:
    match event:
        case StepBegun():
            return event.step
        case Sentence():
            return escape(event.text)
    eta = "" if event.eta_s is None else f", about {event.eta_s:.0f} s more"
    return f"the model is {event.state}{eta}; Ctrl+C ends the wait"


async def _converse(house: "House") -> None:
    out.print(f"[bold]{escape(house.clinic.profile.name)}[/bold]: ask; an empty line ends it.")
    history: list[Turn] = []
    while said := (await asyncio.to_thread(_prompt)):
        question = Question(
            text=said, history=tuple(history[-10:]), when_cold=house.settings.llm_when_cold
        )
        answer = await _answered(question, house, watched=err.is_terminal)
        _show(answer, as_json=False)
        history += [Turn(role="user", text=said), Turn(role="assistant", text=answer.text)]


def _prompt() -> str:
    try:
        return out.input("[bold]> [/bold]").strip()
    except (EOFError, KeyboardInterrupt):
        return ""


def _show(answer: Answer, *, as_json: bool) -> None:
    if as_json:
        from agentic_rag.serving.writing import write_answer

        print_json(write_answer(answer))
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
