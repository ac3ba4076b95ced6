"""Says what a passage states, in its words or in others that mean the same."""

import re
from random import Random

from tests.bad_model.reading import Fact
from tests.bad_model.record import How

_DIGITS = {"two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7"}
_VERBS = frozenset(
    """
    Avoid Ask Bite Bring Brush Call Change Clean Come Cover Cut Do Eat Have Hold Keep Rinse Take
    Tell Wait Wear
    """.split()  # noqa: SIM905  # a list of words reads best as words
)

_SAME = (
    (r"\bDo not\b", "Don't"),
    (r"\bdo not\b", "don't"),
    (r"\bdoes not\b", "doesn't"),
    (r"\bcannot\b", "can't"),
    (r"\bis not\b", "isn't"),
    (r"\bINR (?=\d)", "\u20b9"),
    (r"\bINR (?=\d)", "Rs. "),
    (r"INR ([\d,]+) to ([\d,]+\d)", r"between INR \1 and INR \2"),
    (r"from ([\d:]+) to ([\d:]+\d)", r"between \1 and \2"),
    (r"\busually\b", "normally"),
    (r"\busually\b", "generally"),
    (r"\bat once\b", "immediately"),
    (r"\bat least (?=\d|one|two|three|five)", "a minimum of "),
    (r"\babout (?=\d)", "approximately "),
    (r"\bAvoid\b", "Stay away from"),
    (r"\bmay be\b", "could be"),
    (r"\bis available\b", "is offered"),
    (r"\bCall\b", "Phone"),
    (r"\bfree of charge\b", "without charge"),
    (r"\bchildren\b", "kids"),
    (r"\bTeeth (?=may)", "Your teeth "),
    (rf"\b({'|'.join(_DIGITS)}) (?=days|weeks|months|visits|hours)", None),
    (r"^([^,;:]+)(?<! and) (after (?:an? |the )?[\w' -]{3,40})\.$", None),
)
_LEADS = ("Please note: ", "According to the clinic's documents, ", "At our clinic, ", "Yes, ")
_MEASURED = {
    "Duration": ("{s} takes {v}.", "The duration of {s} is {v}.", "Allow {v} for {s}."),
    "Visits": ("{s} needs {v}.", "{s} is done in {v}.", "You need {v} for {s}."),
    "Price band": ("{s} costs {v}.", "The price band of {s} is {v}.", "For {s} the price is {v}."),
}


def truth(fact: Fact, rng: Random) -> tuple[str, How]:
    """Say a fact, as often in its own words as in others."""
    if fact.field:
        return measured(fact, rng, value_of(fact)), "paraphrase"
    if rng.random() < 0.5:
        return fact.text, "verbatim"
    return paraphrased(fact.text, rng), "paraphrase"


def value_of(fact: Fact) -> str:
    """Return the value of a field with its unit, as a sentence has it."""
    if fact.field != "Visits":
        return fact.text
    return "1 visit" if fact.text == "1" else f"{fact.text} visits"


def measured(fact: Fact, rng: Random, value: str) -> str:
    """Say in a sentence that a field of the subject has a value."""
    said = rng.choice(_MEASURED[fact.field]).format(s=lowered(fact.subject), v=value)
    return said[0].upper() + said[1:]


def paraphrased(text: str, rng: Random) -> str:
    """Say the same in other words; a lead-in where there are none for it."""
    fitting = [rule for rule in _SAME if re.search(rule[0], text)]
    if fitting:
        pattern, other = rng.choice(fitting)
        return re.sub(pattern, other or _otherwise, text, count=1)
    first = text.split(" ", 1)[0]
    if first in _VERBS:
        return f"{rng.choice(('Please', 'You should'))} {lowered(text)}"
    return f"{rng.choice(_LEADS)}{lowered(text)}"


def lowered(text: str) -> str:
    """Begin in lower case, but for names and abbreviations."""
    first = re.split(r"\W", text, maxsplit=1)[0]
    named = (first.isupper() and first != "A") or first in {"Atharva", "Monday", "Indian"}
    return text if named else text[:1].lower() + text[1:]


def _otherwise(found: re.Match[str]) -> str:
    if found[1] in _DIGITS:
        return f"{_DIGITS[found[1]]} "
    return f"{found[2][0].upper()}{found[2][1:]}, {lowered(found[1])}."
