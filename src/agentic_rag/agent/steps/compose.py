"""Compose: lays the safety prompt, the fenced passages and the question out. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from langgraph.runtime import Runtime

from agentic_rag.agent.deps import Deps, Limits
from agentic_rag.agent.planning.tongue import ENGLISH
from agentic_rag.agent.prompts import IN_ENGLISH, fenced, safety_prompt, unfenced
from agentic_rag.agent.state import Journey
from agentic_rag.domain import Passage
from agentic_rag.language import sentence_spans

_TURNS, _TURN_CHARS = 6, 600  # of the conversation, so that a long one fits a small model
_FEWEST_CHARS = 80  # a shorter rest of a passage says too little to be worth its place


async def compose(state: Journey, runtime: Runtime[Deps]) -> Journey:
    """Write `evidence`, the passages that fit the budget, and the `messages` for a model."""
    deps, question = runtime.context, state["question"]
    # each part of a question that something answers has its own share of places
    parts = max(1, len(state.get("held", ())))
    snippets = parts * deps.limits.max_ctx_snippets
    snippets = min(snippets, deps.limits.most_snippets or snippets)
    evidence = within_budget(state["relevant"], replace(deps.limits, max_ctx_snippets=snippets))
    history = [
        (turn.role, unfenced(turn.text[:_TURN_CHARS])) for turn in question.history[-_TURNS:]
    ]
    asked = f"{fenced(evidence)}\n\nQuestion: {unfenced(question.text)}"
    if state.get("language", ENGLISH) != ENGLISH:
        asked += f"\n{IN_ENGLISH}"
    messages = [("system", safety_prompt(deps.profile)), *history, ("user", asked)]
    return {"evidence": evidence, "messages": tuple(messages)}


def within_budget(passages: Sequence[Passage], limits: Limits) -> tuple[Passage, ...]:
    """Keep the first passages that fit; the last may lose its end."""
    kept: list[Passage] = []
    room = limits.max_ctx_chars
    for passage in passages[: limits.max_ctx_snippets]:
        text = _whole_sentences(passage.text, room)
        if len(text) < min(_FEWEST_CHARS, len(passage.text)):
            break
        kept.append(replace(passage, text=text, end=passage.start + len(text)))
        room -= len(text)
    return tuple(kept)


def _whole_sentences(text: str, room: int) -> str:
    """Cut a text to its room behind a sentence, so that no number and no "not" is cut off."""
    if len(text) <= room:
        return text
    whole = max((end for _, end in sentence_spans(text) if end <= room), default=0)
    return text[: whole or text.rfind(" ", 0, room + 1) + 1 or room]
