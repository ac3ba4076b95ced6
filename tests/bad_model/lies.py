"""Turns a true sentence into a false one: each returns nothing where it finds no hold."""

import re
from collections.abc import Callable, Sequence
from random import Random

from tests.bad_model.reading import Fact
from tests.bad_model.truths import lowered

Lie = Callable[[str, Random, str], str | None]
"""Takes the sentence, a source of chance, and all that the prompt shows."""

_UNIT = r"(?P<unit>minute|hour|day|week|month|year)(?P<many>s?)\b"
_TIMED = re.compile(
    r"(?P<count>\d+|one|two|three|four|five|six|seven|eight|ten)(?P<gap>[ -])" + _UNIT
)
_OTHER_UNITS = {
    "minute": "hour",
    "hour": "day",
    "day": "week",
    "week": "month",
    "month": "year",
    "year": "month",
}
_NUMBER = re.compile(r"(?<![\w+.-])\d[\d,]*(?:[.:]\d+)?(?![\w-])")
_WORD = r"\b(one|two|three|four|five|six|seven|eight|nine|ten)\b"
_WORDS = "one two three four five six seven eight nine ten".split()  # noqa: SIM905
_PHONE = re.compile(r"\+91-[\d-]+\d")
_PHONES = ("+91-20-4000-0000", "+91-99-9999-9999")


def numbers_of(text: str) -> set[str]:
    """Return the numbers of a text, without commas; words up to ten are numbers too.

    >>> sorted(numbers_of("INR 1,200 at 9:30, two visits"))
    ['1200', '2', '9.30']
    """
    found = {n.replace(",", "").replace(":", ".") for n in re.findall(r"\d[\d,.:]*\d|\d", text)}
    return found | {str(_WORDS.index(w) + 1) for w in re.findall(_WORD, text.lower())}


def another_digit(text: str, rng: Random, shown: str) -> str | None:
    """Change one digit of one number, to a number that the prompt does not show."""
    known, spots = numbers_of(shown), [m for m in _NUMBER.finditer(text)]
    tries = [
        text[:at] + digit + text[at + 1 :]
        for spot in spots
        for at in range(spot.start(), spot.end())
        for digit in "123456789"
        if text[at].isdigit() and text[at] != digit
    ]
    rng.shuffle(tries)
    fitting = (each for each in tries if numbers_of(each) - known)
    return next(fitting, None) or _another_word(text, rng, known)


def _another_word(text: str, rng: Random, known: set[str]) -> str | None:
    found = re.search(_WORD, text[1:])
    others = [word for at, word in enumerate(_WORDS, start=1) if str(at) not in known and at > 1]
    if not found or not others:
        return None
    return text[: found.start() + 1] + rng.choice(others) + text[found.end() + 1 :]


def other_unit(text: str, _rng: Random, _shown: str) -> str | None:
    """Count hours where there were minutes, weeks where there were days."""
    found = _TIMED.search(text)
    if not found:
        return None
    other = f"{found['count']}{found['gap']}{_OTHER_UNITS[found['unit']]}{found['many']}"
    return text[: found.start()] + other + text[found.end() :]


_NEGATED = (
    (
        r"^(Avoid|Ask|Bite|Bring|Brush|Call|Clean|Come|Cover|Cut|Eat|Have|Hold|Keep|Rinse|Take|Tell"
        r"|Wait|Wear|Please)\b",
        (r"Do not \1", r"Never \1", r"There is no need to \1"),
    ),
    (r"\b(can|could|should|must)\b(?! not)", (r"\1 not", "need not")),
    (r"\bmay\b(?! not)", ("never", "will not")),
    (r"\b(is|are|was)\b(?! not)", (r"\1 not", r"\1 never", r"\1n't")),
    (
        r"\b(needs|takes|lasts|costs|accepts|speaks|has|helps|explains|keeps|books)\b",
        (r"never \1",),
    ),
)


def negated(text: str, rng: Random, _shown: str) -> str | None:
    """Say "not" where the document does not."""
    if re.search(r"\b(?:not|no|never|cannot|without)\b", text):
        return None
    for pattern, others in _NEGATED:
        if re.search(pattern, text):
            said = re.sub(pattern, rng.choice(others), text, count=1)
            return re.sub(
                r"^(Do not|Never|There is no need to) ([A-Z])",
                lambda m: f"{m[1]} {m[2].lower()}",
                said,
            )
    return None


_AFFIRMED = (
    (r"^(?:Please do|Do) not (\w)", lambda m: m[1].upper()),
    (r"^Never (\w)", lambda m: m[1].upper()),
    (r"\b(do|does|is|are|may|should|must) not\b", r"\1"),
    (r"\bcannot\b", "can"),
    (r"\bnever\b", "always"),
    (r"\bnot ", ""),
    (r"\bwithout\b", "with"),
    (r"\bexcept for\b", "including"),
    (r"\bno (?=pain|later|treatment)", ""),
    (r"^Avoid\b", "Enjoy"),
)


def affirmed(text: str, _rng: Random, _shown: str) -> str | None:
    """Leave out the "not" of a sentence."""
    for pattern, other in _AFFIRMED:
        if re.search(pattern, text):
            return re.sub(pattern, other, text, count=1)
    return None


def swapper(pairs: Sequence[tuple[str, str]]) -> Lie:
    """Return a lie that puts the second of a pair for the first, or the other way round."""
    rules = [*pairs, *((b, a) for a, b in pairs)]

    def swap(text: str, _rng: Random, _shown: str) -> str | None:
        for one, other in rules:
            found = re.search(rf"\b{one}\b", text, re.IGNORECASE)
            if found:
                said = other.capitalize() if found[0][0].isupper() else other
                return text[: found.start()] + said + text[found.end() :]
        return None

    return swap


_both_ways = re.compile(r"adults (?:too|and)|for adults|check-up every")
"""Where the documents say the same of the others."""


def who(text: str, rng: Random, shown: str) -> str | None:
    """Say of one what the document says of another."""
    return None if _both_ways.search(text) else _swap_people(text, rng, shown)


_swap_people = swapper(
    [
        ("children", "adults"),
        ("the child", "the parent"),
        ("a child", "an adult"),
        ("an adult tooth", "a milk tooth"),
        ("adult tooth", "milk tooth"),
        ("under 18", "over 18"),
        ("back tooth", "front tooth"),
        ("the patient", "the dentist"),
        ("the dentist", "the insurer"),
        ("parent or guardian", "friend or neighbour"),
        ("older patients", "young patients"),
        ("every patient", "every dentist"),
        ("patients", "the staff"),
        ("a relative", "a stranger"),
        ("a patient", "a dentist"),
        ("the clinic", "the hospital"),
    ]
)
when = swapper(
    [
        ("before", "after"),
        ("within", "after"),
        ("until", "from when"),
        ("at least", "at most"),
        ("more than", "less than"),
        ("no later than", "no earlier than"),
        ("first", "last"),
        ("at night", "by day"),
        ("morning", "evening"),
        ("beginning", "end"),
        ("during", "outside"),
        ("the next day", "the same day"),
        ("while", "before"),
        ("late", "early"),
        ("opening", "closing"),
    ]
)
_CERTAIN = (
    (r"\bmay be\b", "are always"),
    (r"\bmay (?=\w)", "always "),
    (r"\bcan (?=\w)", "will always "),
    (r"\b(?:usually|often|most often|normally)\b", "always"),
    (r"\brarely\b", "never"),
    (r"\b(?:most|some|many)\b", "all"),
    (r"\bMost\b|\bSome\b|\bMany\b", "All"),
    (r"\babout (?=\d|one|two|three)", "never less than "),
    (r"\bshould\b", "must always"),
    (r"\bhelps?\b", "always cures"),
)


def certain(text: str, _rng: Random, _shown: str) -> str | None:
    """Say always where the document says sometimes."""
    for pattern, other in _CERTAIN:
        if re.search(pattern, text):
            return re.sub(pattern, other, text, count=1)
    return None


def another_phone(text: str, rng: Random, _shown: str) -> str | None:
    """Change one digit of a phone number, or give the clinic's other one."""
    found = _PHONE.search(text)
    if not found or len(set(_PHONE.findall(text))) > 1:
        return None
    other = next(phone for phone in _PHONES if phone != found[0])
    if rng.random() < 0.5:
        at = rng.choice([at for at, each in enumerate(found[0]) if each.isdigit() and at > 3])
        digit = rng.choice([d for d in "123456789" if d != found[0][at]])
        other = found[0][:at] + digit + found[0][at + 1 :]
    return text[: found.start()] + other + text[found.end() :]


def another_currency(text: str, rng: Random, _shown: str) -> str | None:
    """Ask for dollars where there were rupees."""
    other = rng.choice(("USD ", "$", "EUR ", "\u20ac", "GBP "))
    return re.sub(r"\bINR ", other, text) if "INR " in text else None


def no_range(text: str, rng: Random, _shown: str) -> str | None:
    """Make one figure of a range: the least or the most, as if it were exact."""
    found = re.search(r"(?:from )?([\d,:]+|two|three) (?:to|or) ((?:[\d,:]*\d)|three|five)", text)
    if not found:
        return None
    one = rng.choice((f"exactly {found[1]}", found[1], f"only {found[1]}", f"at most {found[1]}"))
    return text[: found.start()] + one + text[found.end() :]


_TREATMENTS = (
    "an extraction",
    "scaling",
    "whitening",
    "implant surgery",
    "a filling",
    "a root canal treatment",
    "wisdom tooth removal",
    "deep cleaning",
)


def another_treatment(text: str, rng: Random, _shown: str) -> str | None:
    """Say of one treatment what the document says of another."""
    bare = {name: re.sub("^an? ", "", name) for name in _TREATMENTS}
    others = [name for name in _TREATMENTS if bare[name] not in text.lower()]
    for name in bare.values():
        found = re.search(rf"\b(?:an? )?{name}\b", text, re.IGNORECASE)
        if found:
            other = rng.choice(others)
            said = other.capitalize() if found.start() == 0 else other
            return text[: found.start()] + said + text[found.end() :]
    return None


def another_number(text: str, rng: Random, shown: str) -> str | None:
    """Give a count of the same unit that the prompt shows for something else."""
    found = _TIMED.search(text)
    if not found:
        return None
    others = {
        m["count"]
        for m in _TIMED.finditer(shown)
        if m["unit"] == found["unit"] and not numbers_of(m["count"]) & numbers_of(text)
    }
    if not others:
        return None
    count = rng.choice(sorted(others))
    return text[: found.start("count")] + count + text[found.end("count") :]


def both(true: str, false: str) -> str:
    """Join a true claim and a false one in a sentence.

    >>> both("Scaling takes 40 minutes.", "It is free.")
    'Scaling takes 40 minutes, and it is free.'
    """
    return f"{true.rstrip('.')}, and {lowered(false)}"


_ODD = str.maketrans({"o": "\u043e", "a": "\u0430", "e": "\u0435", "n": "\u0578"})


def disguised_not(text: str, rng: Random, shown: str) -> str | None:
    """Say "not" with letters of other scripts."""
    denied = negated(text, rng, shown)
    return re.sub(r"not|never|no", lambda m: m[0].translate(_ODD), denied) if denied else None


def disguised_number(text: str, rng: Random, shown: str) -> str | None:
    """Hide a wrong number behind characters that are not what they seem."""
    false, spot = another_digit(text, rng, shown), _NUMBER.search(text)
    if not false or not spot:
        return None
    kind = rng.randrange(4)
    if kind == 1:  # wide digits
        return re.sub(r"\d", lambda m: chr(ord(m[0]) + 0xFEE0), false)
    if kind == 2 and spot[0] != spot[0][::-1]:  # shown from right to left
        return f"{text[: spot.start()]}\u202e{spot[0]}\u202c{text[spot.end() :]}"
    if kind == 3:  # Devanagari's digits
        return re.sub(r"\d", lambda m: chr(ord(m[0]) - ord("0") + 0x966), false)
    return f"{text[: spot.end()]}\u200b0{text[spot.end() :]}"  # a digit more, at no distance


def pick(facts: Sequence[Fact], lie: Lie, rng: Random, shown: str) -> list[tuple[Fact, str]]:
    """Return each fact that a lie gets hold of, with what becomes of it."""
    made = ((fact, lie(fact.text, rng, shown)) for fact in facts)
    return [(fact, said) for fact, said in made if said and said != fact.text]
