"""The replies that need no documents. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from agentic_rag.agent.planning.small_talk import SmallTalk
from agentic_rag.agent.planning.tongue import ENGLISH
from agentic_rag.clinic.profile import Profile
from agentic_rag.domain import Answer, Degraded, Outcome
from agentic_rag.yaml_files import read_yaml

_TEXTS = Path(__file__).with_name("texts.yaml")


def declined(profile: Profile, degraded: Degraded | None, language: str = ENGLISH) -> Answer:
    """Say plainly that the documents do not hold it, or cannot be read now, and whom to call."""
    is_away = degraded is Degraded.RETRIEVAL_UNAVAILABLE
    text = say(profile, "unavailable" if is_away else "declined", language)
    return Answer(text=text, outcome=Outcome.DECLINED, generator="rules", degraded=degraded)


def chatted(profile: Profile, kind: SmallTalk | None, language: str) -> Answer:
    """Answer small talk in one friendly line."""
    text = say(profile, kind or SmallTalk.GREETING, language)
    return Answer(text=text, outcome=Outcome.ANSWERED, generator="rules")


def noted(answer: Answer, profile: Profile, unheld: Sequence[str], language: str) -> Answer:
    """Say below an answer what of the question it lacks, and that it is in another language."""
    notes = [say(profile, "unheld", language, what=what) for what in unheld]
    if language != ENGLISH:
        notes.append(say(profile, "quoted", language))
    said, line, sources = answer.text.rpartition("\nSource: ")
    text = "\n".join([said, *notes]) + line + sources
    return replace(answer, text=text, notes=tuple(notes)) if notes and line else answer


def say(profile: Profile, name: str, language: str, *, what: str = "") -> str:
    """Return a text in a language: the pack's own, else the shipped one."""
    own = next((texts for code, texts in profile.texts.items() if code == language), None)
    text: str = (getattr(own, name) if own else None) or _shipped()[language][name]
    for mark, value in (
        ("{clinic}", profile.name),
        ("{front_desk}", profile.phones.front_desk),
        ("{emergency}", profile.phones.emergency),
        ("{what}", what),  # the patient's words come last, so that no mark in them is filled
    ):
        text = text.replace(mark, value)
    return text


@lru_cache(maxsize=1)
def _shipped() -> dict[str, dict[str, str]]:
    read: dict[str, dict[str, str]] = read_yaml(_TEXTS)
    return read


def untold(profile: Profile) -> Answer:
    """Say, in a friendly way, that how this works inside is not told; and what is."""
    text = (
        "How I am set up is something I keep to myself. I am glad to look up anything about"
        f" {profile.name}: treatments, prices, appointments or aftercare."
    )
    return Answer(text=text, outcome=Outcome.DECLINED, generator="rules")
