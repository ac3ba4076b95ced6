"""Writes the page's parts as HTML; whatever people and documents say is escaped."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from agentic_rag.page.chat import Exchange
from agentic_rag.page.doors import Clinic
from agentic_rag.page.reading import calls, dial, lines, place

HERE = Path(__file__).parent

STEPS = {
    "triage": "Reading your question",
    "plan": "Reading your question",
    "retrieve": "Looking in the clinic's documents",
    "grade": "Choosing what answers it",
    "compose": "Writing the answer",
    "generate": "Writing the answer",
    "cite": "Checking every sentence",
}
"""The agent's steps in a patient's words; one that is not here goes by in an instant."""

WHOSE = {
    "front_desk": "front desk",
    "emergency": "the clinic's emergency number",
    "ambulance": "ambulance",
    "all_emergencies": "all emergencies",
    "crisis": "somebody to talk to",
}


def conversation(exchanges: Sequence[Exchange], clinic: Clinic, now: float) -> str:
    """Return the conversation as it stands."""
    return _template("conversation.html.j2").render(exchanges=exchanges, clinic=clinic, now=now)


def head(clinic: Clinic) -> str:
    """Return the top of the page: whose it is, and how to reach a person."""
    return _template("head.html.j2").render(clinic=clinic)


@cache
def _template(name: str) -> Template:
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    told = {"steps": STEPS, "whose": WHOSE, "lines": lines, "calls": calls, "dial": dial}
    told |= {"place": place}
    environment.globals |= told
    return environment.get_template(name)
