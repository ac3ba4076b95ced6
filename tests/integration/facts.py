"""What a right answer has: the questions that the product must show, and what an error may tell."""

import re
from dataclasses import dataclass

import httpx
from tests.integration.doors import Answer

FRONT_DESK = "+91-20-4000-0000"
EMERGENCY_PHONE = "+91-99-9999-9999"
RED_FLAGS = "policies/emergency.md#red-flags"


@dataclass(frozen=True, slots=True)
class Case:
    """A question and what its answer must have.

    Attributes:
        facts: all stand in the text.
        labels: beginnings of labels; each source begins with one of them.
        cited: beginnings of labels, each of which must be among the sources.
    """

    question: str
    outcome: str
    facts: tuple[str, ...]
    labels: tuple[str, ...] = ()
    cited: tuple[str, ...] = ()


SUNDAY = "Are you open on Sundays?"
ROOT_CANAL = "Whats the price range for Root Canal Therapy?"
SCALING = "How long does scaling take and what aftercare is needed?"
RESCHEDULE = "Can I reschedule my visit?"
SWOLLEN = "My face is badly swollen and I have a high fever after an extraction. What should I do?"
BLEEDING = "My gums are bleeding and won't stop"
DOGS = "Do you treat dogs?"
CAR = "What is a crown for my car worth?"

_CLINIC = ("faq.md", "policies/", "treatments.json#", "aftercare/", "about-", "services/")

MUST_SHOW = (
    Case(
        SUNDAY,
        "answered",
        ("emergency slots",),
        ("faq.md#", "policies/appointments.md", "policies/emergency.md"),
    ),
    Case(
        ROOT_CANAL,
        "answered",
        ("6,000", "9,500"),
        ("treatments.json#TX-RCT-01", "faq.md#", "policies/billing.md"),
        ("treatments.json#TX-RCT-01",),
    ),
    Case(
        SCALING,
        "answered",
        ("40 minutes", "hot or cold food"),
        _CLINIC,
        ("treatments.json#TX-SCALE-01",),
    ),
    Case(RESCHEDULE, "answered", ("24 hours",), _CLINIC, ("policies/cancellations.md",)),
    Case(SWOLLEN, "emergency", (EMERGENCY_PHONE,), (RED_FLAGS,), (RED_FLAGS,)),
    Case(BLEEDING, "emergency", (EMERGENCY_PHONE,), (RED_FLAGS,), (RED_FLAGS,)),
    Case(DOGS, "declined", (FRONT_DESK,)),
    Case(CAR, "declined", (FRONT_DESK,)),
)

_VARIES = {"timings", "latency_seconds", "request_id"}


def essence(answer: Answer) -> Answer:
    """Return what of an answer must not depend on the door, the moment or the request's name."""
    return {name: value for name, value in answer.items() if name not in _VARIES}


# What an error must never show: Python's insides, places in the file system or the network.
_LEAK = re.compile(
    r"Traceback|\.py\b|site-packages|line \d+, in|\b[A-Z]\w*(?:Error|Exception)\b"
    r"|\w+://|(?<![\w.])/\w[\w.-]*/|object at 0x|127\.0\.0\.1|localhost"
)


def leak(text: str) -> str:
    """Return the first thing in an error's text that it must not tell, or nothing."""
    found = _LEAK.search(text)
    return found[0] if found else ""


def assert_refused(reply: httpx.Response, status: int, *fields: str) -> None:
    """Hold an error to its form: JSON with `error`, the field named, nothing leaked."""
    assert reply.status_code == status, f"{reply.status_code}: {reply.text[:300]}"
    body = reply.json()
    assert isinstance(body.get("error"), str), body
    assert body["error"].strip(), body
    for named in fields:
        assert named in body["error"], body
    assert not leak(reply.text), leak(reply.text)
