"""The picture: one way through, one bounded way back, three ways out."""

import time
from collections.abc import Awaitable, Callable
from functools import cache, wraps
from typing import Any, Literal, cast, get_args, get_type_hints

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command

from agentic_rag.agent.deps import Deps
from agentic_rag.agent.state import Journey
from agentic_rag.agent.steps.cite import cite
from agentic_rag.agent.steps.compose import compose
from agentic_rag.agent.steps.decline import decline
from agentic_rag.agent.steps.escalate import escalate
from agentic_rag.agent.steps.generate import generate
from agentic_rag.agent.steps.grade import grade
from agentic_rag.agent.steps.greet import greet
from agentic_rag.agent.steps.plan import plan
from agentic_rag.agent.steps.retrieve import retrieve
from agentic_rag.agent.steps.triage import triage
from agentic_rag.agent.trace import describe
from agentic_rag.domain import StepBegun
from agentic_rag.tracing import span

Step = Callable[[Journey, Runtime[Deps]], Awaitable[Journey]]
Choice = Callable[[Journey, Deps], str]
"""Names the step that comes next."""

_STEPS: tuple[Step, ...] = (
    triage, plan, retrieve, grade, compose, generate, cite, escalate, greet, decline,
)  # fmt: skip
Graph = CompiledStateGraph[Journey, Deps, Journey, Journey]


@cache
def build_graph() -> Graph:
    """Wire the steps as the drawing in the README has them."""
    graph = StateGraph(Journey, context_schema=Deps)
    choices: dict[str, Choice] = {
        "triage": after_triage,
        "plan": after_plan,
        "grade": after_grade,
    }
    for step in _STEPS:
        name, done = step.__name__, _timed(step)
        if choice := choices.get(name):
            ways = get_args(get_type_hints(choice)["return"])
            graph.add_node(name, cast(Any, _choosing(done, choice)), destinations=ways)
        else:
            graph.add_node(name, cast(Any, done))
    graph.add_edge(START, "triage")
    graph.add_edge("retrieve", "grade")
    graph.add_edge("compose", "generate")
    graph.add_edge("generate", "cite")
    graph.add_edge("cite", END)
    graph.add_edge("escalate", END)
    graph.add_edge("greet", END)
    graph.add_edge("decline", END)
    return graph.compile()


async def rushed(journey: Journey, deps: Deps) -> Journey | None:
    """Go an emergency's way, past every queue and what it costs to walk a graph; None: it is none.

    The same steps stand in the graph, which does not trust that this was asked.
    """
    for step in (triage, escalate):
        written = await _timed(step)(journey, Runtime(context=deps))
        journey = {
            **journey,
            **written,
            "timings": {**journey["timings"], **written["timings"]},
            "trace": (*journey["trace"], *written.get("trace", ())),
        }
        if not journey["alarm"]:
            return None
    return journey


def after_triage(state: Journey, _deps: Deps) -> Literal["escalate", "decline", "plan"]:
    """A red flag leaves at once, before anything that could fail; then what is nobody's to know."""
    if state["alarm"]:
        return "escalate"
    return "decline" if state["pries"] else "plan"


def after_plan(state: Journey, _deps: Deps) -> Literal["greet", "retrieve"]:
    """A message that asks nothing needs no search."""
    return "greet" if state["small_talk"] else "retrieve"


def after_grade(state: Journey, deps: Deps) -> Literal["compose", "plan", "decline"]:
    """Look again, while that is allowed, for what no passage answers, or may know better."""
    can_look_again = state["attempts"] < deps.limits.max_attempts
    wants_to = state["unheld"] or state["doubtful"] or not state["relevant"]
    if can_look_again and not state["trouble"] and wants_to:
        return "plan"
    return "compose" if state["relevant"] else "decline"


def _choosing(
    step: Step, choice: Choice
) -> Callable[[Journey, Runtime[Deps]], Awaitable[Command[str]]]:
    """Let a step say where it goes on: a conditional edge would read all of the state anew."""

    async def run(state: Journey, runtime: Runtime[Deps]) -> Command[str]:
        written = await step(state, runtime)
        goes_to = choice(cast(Journey, {**state, **written}), runtime.context)
        return Command(update=written, goto=goes_to)

    return run


def _timed(step: Step) -> Step:
    """Add what a step took and, for who wants to know, that it begins and what it wrote."""

    @wraps(step)
    async def run(state: Journey, runtime: Runtime[Deps]) -> Journey:
        start, name = time.perf_counter(), step.__name__
        if runtime.context.live:
            runtime.stream_writer(StepBegun(step=name))
        with span(f"step {name}"):
            written = await step(state, runtime)
        spent = state.get("timings", {}).get(name, 0.0) + time.perf_counter() - start
        written["timings"] = {name: spent}
        if state["question"].debug:
            written["trace"] = (describe(name, written),)
        return written

    return run
