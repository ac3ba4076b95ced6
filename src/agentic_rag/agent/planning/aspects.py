"""Aspects: what can be asked about a thing, and the words for people and times. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from agentic_rag.language import is_light, stem, topic_words, words


def stems(said: str) -> frozenset[str]:
    """Return the stems of a list of words."""
    return frozenset(stem(word) for word in words(said))


@dataclass(frozen=True, slots=True)
class Aspect:
    """One thing that is asked of many: how a question asks it, and the question in full."""

    pattern: re.Pattern[str]
    asked: str
    name: str


def _aspect(name: str, pattern: str, asked: str) -> Aspect:
    return Aspect(re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE), asked, name)


_ASPECTS = (
    _aspect(
        "visits",
        r"how many (?:visits?|sittings?|sessions?|appointments?|times)|(?:number of )?(?:visits"
        r"|sittings"
        r"|sessions) (?:needed|required)|visits|sittings|sessions",
        "How many visits does {topic} need?",
    ),
    _aspect("how often", r"how often|how frequently|how regularly", "How often is {topic} needed?"),
    _aspect(
        "lasting",
        r"(?:how long|will|does) .{0,40}\blasts?|lasts? longer|permanent|(?:how long"
        r"|will) .{0,30}\b(?:stay|hold)",
        "How long does {topic} last?",
    ),
    _aspect(
        "fee",
        r"how much(?! (?!money|does|is|are|do|will|would|for|to|it|that|they|should|can|about"
        r"|extra|more|per|cost)\w)"
        r"|prices?|pricing|costs?|costly|cheap(?:er|est)?"
        r"|free|expensive|charges?|fees?|rates?|afford|budget|rupees|inr",
        "How much does {topic} cost?",
    ),
    _aspect(
        "duration",
        r"how long|how many (?:minutes|hours|days|weeks|months)|duration|how much time"
        r"|time (?:taken|needed)"
        r"|(?:long|short|quick|fast)(?:er|est)",
        "How long does {topic} take?",
    ),
    _aspect(
        "pain",
        r"hurts?|hurting|pain|pains|painful|painless|paining|sore|soreness|uncomfortable|ache|aches",
        "Is {topic} painful?",
    ),
    _aspect(
        "aftercare",
        r"aftercare|after-care|look after|take care|precautions?|recovery|recover|heal(?:ing)?",
        "What aftercare is needed after {topic}?",
    ),
    _aspect(
        "risks",
        r"risks?|risky|side[ -]effects?|complications?|dangers?|dangerous|downsides?|go wrong",
        "What are the risks of {topic}?",
    ),
    _aspect("safe", r"safe|unsafe|harmful", "Is {topic} safe?"),
    _aspect(
        "steps",
        r"how (?:is|are) (?:it|they|that) done|steps|procedure steps",
        "How is {topic} done?",
    ),
)

ASPECT_STEMS = stems(
    "aftercare charge cost costly cheap cheaper cheapest expensive duration fee hour hurt minute "
    "month pain painful painless price pricing rate free risk risky session sitting step time "
    "visit visits week year rupee inr much safe sore longer shorter quicker quick slower faster"
)
"""What can be asked about a thing: a follow-up asks another, so these are not lent to it."""

PEOPLE_STEMS = stems(
    "child children kid kids toddler baby babies infant teenager teen adult adults elderly senior "
    "seniors grandmother grandfather mother father mom dad mum parents husband wife son daughter "
    "pregnant pregnancy breastfeeding diabetic diabetics diabetes women woman men man boy girl "
    "students smoker smokers me myself him her people patient patients"
)
TIME_STEMS = stems(
    "monday tuesday wednesday thursday friday saturday sunday sundays saturdays weekend weekends "
    "weekday weekdays morning mornings afternoon evening evenings night nights noon lunch today "
    "tomorrow tonight holiday holidays"
)
_PEOPLE_AND_TIMES = PEOPLE_STEMS | TIME_STEMS

NAMING_STEMS = stems("open opening close closed closing check notice change")
"""Light words that a clinic's patients name a thing with: "are you open?"."""

_VAGUE_STEMS = stems(
    "treatment procedure operation process thing option work done treat range band estimate detail "
    "details info approximate approx"
)
"""Names for what the talk is about, whatever it is."""


def aspect_of(text: str) -> Aspect | None:
    """Return the first aspect that a question asks."""
    return next((aspect for aspect in _ASPECTS if aspect.pattern.search(text)), None)


def about(aspect: Aspect, topic: str) -> str:
    """Ask it of a topic in full.

    >>> about(aspect_of("how much?"), "scaling")
    'How much does scaling cost?'
    """
    return aspect.asked.replace("{topic}", topic)


def heavy(text: str) -> list[str]:
    """Return the words that name what a question is about: no aspect, nothing that is vague.

    >>> heavy("How much does a root canal treatment cost?")
    ['root', 'canal']
    """
    return [word for word in topic_words(text) if is_heavy(word)]


def is_heavy(word: str) -> bool:
    """Tell whether a topic word names a thing."""
    said = stem(word)
    return said in NAMING_STEMS or (
        not is_light(word) and said not in ASPECT_STEMS and said not in _VAGUE_STEMS
    )


def is_person_or_time(said: Iterable[str]) -> bool:
    """Tell whether all words are of people, or of times."""
    return all(stem(word) in _PEOPLE_AND_TIMES for word in said)
