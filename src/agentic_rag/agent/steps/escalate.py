"""Escalate: the clinic's emergency text, the number first; for a crisis, the line that listens."""

from langgraph.runtime import Runtime

from agentic_rag.agent.deps import Deps
from agentic_rag.agent.state import Journey
from agentic_rag.clinic.profile import Profile
from agentic_rag.domain import Answer, Citation, Outcome
from agentic_rag.safety.redflags import Alarm
from agentic_rag.safety.tongue import Tongue, tongue_of

_NEEDS_AN_AMBULANCE = frozenset(
    (
        "breathing",
        "swallowing",
        "chest_pain",
        "stroke",
        "collapse",
        "reaction",
        "head_injury",
        "sepsis",
        "poisoning",
        "inhaled",
    )
)


async def escalate(state: Journey, runtime: Runtime[Deps]) -> Journey:
    """Write the answer from what was read at the start; leans on no other part."""
    deps, alarm = runtime.context, state["alarm"]
    tongue = tongue_of(state["question"].text)
    if alarm and alarm.is_crisis:
        return {"answer": _comfort(deps.profile, tongue)}
    passage = deps.emergency.passage
    text = (
        _whom_to_call(deps.profile, alarm, tongue)
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


def _whom_to_call(profile: Profile, alarm: Alarm | None, tongue: Tongue) -> str:
    phones = profile.phones
    lines = [f"Call {phones.emergency} now (by day also {phones.front_desk})."]
    if alarm:
        lines[0] += f" This may be an emergency: {alarm.reason}."
    if own := profile.emergency_lines.get(tongue):
        lines.insert(0, own)
    rescue = [number for number in (phones.ambulance, phones.all_emergencies) if number]
    if rescue and alarm and alarm.category in _NEEDS_AN_AMBULANCE:
        lines.append(f"Call an ambulance first if it is severe: {' or '.join(rescue)}.")
    return "\n".join(lines) + "\n"


def _comfort(profile: Profile, tongue: Tongue) -> Answer:
    """Answer somebody in a crisis with people to talk to, and with no word of teeth."""
    crisis = profile.crisis
    kind = crisis.texts.get(tongue) or crisis.texts.get("en") or _KIND
    phones = profile.phones
    numbers = {
        f"{crisis.name}: ": crisis.phone,
        "Ambulance: ": phones.ambulance,
        "Emergencies: ": phones.all_emergencies,
    }
    known = [f"{what}{number}" for what, number in numbers.items() if number]
    if not known:
        known = [f"Call your local emergency number, or {phones.emergency}."]
    text = "\n".join([kind, *known])
    return Answer(text=text, outcome=Outcome.EMERGENCY, generator="rules")


_KIND = (
    "I am glad that you told me, and I am sorry that it hurts so much. You do not have to carry "
    "this "
    "alone: please talk to somebody now, and stay near a person you trust. If you are in danger at "
    "this moment, call for help at once."
)
