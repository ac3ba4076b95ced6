"""Puts turns of phrase that read badly word by word in plainer words. Pure."""

import re

_NUMBER = (
    r"\d[\d,]*|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
    r"|(?:thir|four|fif|six|seven|eigh|nine)teen|(?:twen|thir|for|fif|six)ty(?:-\w+)?"
)
_RANGE = rf"(?:{_NUMBER})(?:\s?(?:to|and|or|-)\s?(?:{_NUMBER}))?"
_HOUR = r"\d[\d:.]*(?:\s?[ap]\.?m\b\.?)?"
_NO_UNIT = r"(?!\d|[.,:]\d|\s?-?(?:year|month|week|day|hour|minute)s?\b|\s?[ap]\.?m\b)"
_UNPAID = r"\b(?:(?:do|will) not|don't|won't) (?:have to |need to )?(?:be charged|pay)"
_TURNS = (
    # what says nothing
    (r"\b(?:right now|at the moment|at present|of course|in fact|for (?:example|instance))\b", " "),
    (r"\b(?:please note|keep in mind|bear in mind)(?: that)?\b|\bin addition\b,?", " "),
    (r"\bas well\b(?! as)", " "),
    # what says "not", or joins two, within a word or a phrase
    (r"\bnon-?(?=[a-z]{4})", "non"),
    (r"\b(?:is|are) (?:up to you|your (?:choice|decision))\b", "is optional"),
    (r"\b(?:is|are) too (\w+)", r"is not over\1"),  # too strong: not for all, nor "not strong"
    (r"\bfails? to\b", "does not"),
    (r"\bwith (\w+) or without (?:it|them)\b", r"with \1 or without \1"),
    (r"\bwith or without (\w+)\b", r"with \1 or without \1"),
    (r"\b(?:do not|don't|never) stop (?!taking|using)(?=\w+ing\b)", "keep "),
    (r"\b(?:(?:do|must|should|may) not|don't|never|cannot) (\w+) (?:(?:anything|weights?|things) )?"
     r"(?:more|longer|later|heavier) than "
     rf"(?=(?:a |{_NUMBER})\b)",
     r"\1 at most "),
    (r"\bmore (slow|quick|loud|deep|clear)ly\b", r"\1er"),
    (r"\bhelps? to\b", " "),
    (rf"{_UNPAID}(?: anything)? (?:for|to)\b|{_UNPAID} anything\b", "free of charge"),
    (r"\bhalf (?:of )?(?=the (?:fee|price|cost|amount|bill|rate)\b)", "50% of "),
    (r"\b(?:the )?full (?=(?:fee|price|cost|amount|bill|rate)\b)", "100% of the "),
    (r"(?<![\d.,])\b(?:0|zero) ?(?:%|per ?cent\b)", "no"),
    (rf"\bup ?to (?=(?:about )?(?:an?|{_NUMBER}) (?:minute|hour|day|week|month)s? before\b)",
     "until "),
    (r"\bas (?:usual|normal)\b", " "),
    (r"\bover (?=(?:the |a )?(?:phone|telephone|video)\b)", "by "),
    # relations
    (r"(?<=[,]) as (?=(?:the|it|you|this|that|there|they|we|your)\b)", " because "),
    (r"\b(times|twice) as (\w+) as\b", r"\1 \2 than"),
    (rf"(?<!times )\bas long as\b(?! (?:{_NUMBER})\b)", "while"),
    (r"\bas soon as(?! possible)\b", "when"),
    (r"\bafter (?:that|this)(?=,| (?:it|you|we|they|the|there|please|is|are|costs?)\b)", "then"),
    (r"\bmak(?:e|es|ing) (it|them)\b(?! sure)", r"causes \1 to"),
    # numbers
    (rf"\b(?:opens?|opening|starts?|begins?)(?: at| from)? ({_HOUR}) and "
     rf"(?:closes?|closing|shuts?|ends?|finish(?:es)?)(?: at)? ({_HOUR})", r"open from \1 to \2"),
    (r"\b(?:24|twenty-four) hours a day\b|\b24\s?/\s?7\b", "around the clock"),
    (rf"\b(?:aged?|(?:the )?ages?(?: of)?) ({_RANGE})\b{_NO_UNIT}",
     r"\1 years"),
    (rf"\b(day|week|month) ({_NUMBER}) (to|and) (?:day|week|month) ({_NUMBER})\b", r"\1 \2 \3 \4"),
    (rf"\b(day|week|month)s (?=(?:{_NUMBER})\b)", r"\1 "),
)  # fmt: skip
_PLAINER = tuple((re.compile(turn, re.IGNORECASE), plainly) for turn, plainly in _TURNS)


def plainer(text: str) -> str:
    """Return a plain text with the turns of phrase that mean the same made one.

    >>> plainer("Children aged 3 to 12 may take it with or without food.")
    'Children 3 to 12 years may take it with food or without food.'
    """
    for turn, plainly in _PLAINER:
        text = turn.sub(plainly, text)
    return text
