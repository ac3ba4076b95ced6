"""Escalate: the clinic's emergency text, the number first."""

from langgraph.runtime import Runtime

from agentic_rag.agent.deps import Deps
from agentic_rag.agent.state import Journey
from agentic_rag.domain import Answer, Citation, Outcome


async def escalate(state: Journey, runtime: Runtime[Deps]) -> Journey:
    """Write the answer from what was read at the start; leans on no other part."""
    deps, alarm = runtime.context, state["alarm"]
    phones, passage = deps.profile.phones, deps.emergency.passage
    reason = f" This may be an emergency: {alarm.reason}." if alarm else ""
    text = (
        f"Call {phones.emergency} now (by day also {phones.front_desk}).{reason}\n"
        + "\n".join(f"{line} [1]" for line in deps.emergency.advice)
        + f"\nSource: {passage.label}"
    )
    citation = Citation(
        number=1,
        label=passage.label,
        doc_id=passage.doc_id,
        section=passage.section,
        quote=passage.text,
        start=passage.start,
        end=passage.end,
        digest=passage.digest,
        support=1.0,
    )
    answer = Answer(
        text=text,
        outcome=Outcome.EMERGENCY,
        citations=(citation,),
        sources=(passage.label,),
        generator="rules",
    )
    return {"answer": answer}
