"""The replies that need no documents. Pure."""

from agentic_rag.clinic.profile import Profile
from agentic_rag.domain import Answer, Degraded, Outcome


def declined(profile: Profile, degraded: Degraded | None) -> Answer:
    """Say plainly that the documents do not hold it, or cannot be read now, and whom to call."""
    why = (
        "I cannot look into the clinic's documents at the moment."
        if degraded is Degraded.RETRIEVAL_UNAVAILABLE
        else f"I don't have that in the documents of {profile.name}."
    )
    text = f"{why} Please call the front desk on {profile.phones.front_desk}."
    return Answer(text=text, outcome=Outcome.DECLINED, generator="rules", degraded=degraded)


def untold(profile: Profile) -> Answer:
    """Say, in a friendly way, that how this works inside is not told; and what is."""
    text = (
        "How I am set up is something I keep to myself. I am glad to look up anything about"
        f" {profile.name}: treatments, prices, appointments or aftercare."
    )
    return Answer(text=text, outcome=Outcome.DECLINED, generator="rules")
