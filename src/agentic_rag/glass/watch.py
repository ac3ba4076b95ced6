"""The watch: every final answer passes here once, on its way out, and every request at its end."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from agentic_rag.callers import caller
from agentic_rag.domain import Answer, Question
from agentic_rag.glass import events, meters
from agentic_rag.glass.keeper import Keeper
from agentic_rag.glass.records import Seen, hashed
from agentic_rag.glass.visits import Visit, visit
from agentic_rag.telemetry import request_id
from agentic_rag.tracing import span

_AGENT = "invoke_agent rag-agent"
_CALLED = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "rag-agent"}


class Watch:
    """Hands each answer to whoever keeps or counts it; what came through no door is not kept.

    Attributes:
        keeper: of records; None where none are kept.
    """

    def __init__(self, keeper: Keeper | None) -> None:
        self.keeper = keeper

    @contextmanager
    def visiting(self, door: Callable[[], str], headers: Mapping[str, str]) -> Iterator[Visit]:
        """Look at one request while it lasts, at a door that may become known meanwhile."""
        here, start = Visit(door), time.perf_counter()
        token = visit.set(here)
        try:
            with span(_AGENT, _CALLED, after=headers) as traced:
                try:
                    yield here
                finally:
                    if traced:
                        traced.set_attributes(_attributes(here))
        finally:
            visit.reset(token)
            seconds = time.perf_counter() - start
            meters.count_request(here.door(), here.status, seconds)
            events.tell(here, seconds)

    def see(self, question: Question, answer: Answer) -> None:
        """Take note of an answer right before it goes out."""
        here = visit.get()
        if here is None:
            return
        name, session_id = caller.get().name, question.session_id
        here.answers.append(answer)
        meters.count_answer(answer, here.door())
        here.session = hashed(name, session_id) if session_id else None
        if self.keeper:
            self.keeper.keep(
                Seen(
                    question=question,
                    answer=answer,
                    visit=here.key,
                    caller=hashed(name),
                    session=here.session,
                    door=here.door(),
                    at=time.time(),
                )
            )


def _attributes(here: Visit) -> Mapping[str, str | int]:
    """Return what a trace is told of a request, as OpenTelemetry's conventions name it."""
    told: dict[str, str | int] = {
        "http.route": here.door(),
        "agentic_rag.status": here.status,
        "agentic_rag.request_id": request_id.get(),
    }
    for answer in here.answers[:1]:
        told |= {
            "agentic_rag.outcome": answer.outcome.value,
            "agentic_rag.generator": answer.generator,
            "agentic_rag.degraded": str(answer.degraded or "none"),
        }
    tokens = [answer.usage for answer in here.answers]
    told["gen_ai.usage.input_tokens"] = sum(each.prompt_tokens for each in tokens)
    told["gen_ai.usage.output_tokens"] = sum(each.completion_tokens for each in tokens)
    return told
