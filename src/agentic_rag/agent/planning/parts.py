"""Parts: splits a message that asks several things. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from agentic_rag.agent.planning.aspects import aspect_of, heavy, is_heavy
from agentic_rag.agent.planning.follow_up import Context, compared, of_cited, resolved
from agentic_rag.agent.planning.small_talk import small_talk, without_greeting
from agentic_rag.language import STOP_WORDS, sentences, topic_words, words

MOST_PARTS = 4
_LONGEST_CHARS = 1200
_FEW_WORDS = 5

_QUESTION_WORD = (
    r"(?:who|what|what's|whats|which|why|how|(?:when|where)(?!\s+(?:i|my|the|it|you)\b)|is|are|do|does|did|can|could"
    r"|will|would|should|have you|has|may i|must i|am i|if so)\b"
)
_QUESTION = (  # "till what time"
    r"(?:(?:after|for|in|until|till|from|at|by|with|on|to|since)\s+(?=how|what|which|when))?"
    rf"{_QUESTION_WORD}"
)
_BETWEEN = re.compile(
    rf"(?<=\?)\s+|\s*;\s*|\n+|\s*,?\s*\b(?:and|also|plus|but|or)\b(?:\s+(?:also|then))?,?\s+"
    rf"(?={_QUESTION})"
    r"|,\s+(?=(?:how|is|are|do|does|can|what|which|(?:cost|price|fees?|charges?) (?:of|for))\b)",
    re.IGNORECASE,
)
_JOINED = re.compile(
    r"\s+(?:and|&|as well as|along with|plus)\s+(?:also\s+|for\s+)?", re.IGNORECASE
)
_SAYS_MORE = re.compile(
    r"^(?:i|i'm|i've|my|we|he|she|it|they|then|now|not|so|the)\b", re.IGNORECASE
)
_ENDING = re.compile(
    r"\s+(?:after|before|for|during|of|on|with|in|at)\s+(?:(?:a|an|the|my)\s+)?[\w' -]{2,40}$",
    re.IGNORECASE,
)

_CASE = re.compile(r"(?:and |but )?(?:if|once|since|because|as|in case|suppose)\b", re.IGNORECASE)
_TELLS = re.compile(  # a verb that a question would begin with, behind what it speaks of
    r"^(?:[\w'-]+ ){1,4}(?:is|are|was|were|has|have|had|will|can|cannot|wants?|needs?|says?|gets?"
    r"|takes?|just)\b|^(?:there|it|he|she|they|you)'\w+",
    re.IGNORECASE,
)
_ASKS = re.compile(  # without a question mark
    rf"(?:(?:so|and|but|also|ok|okay|please|pls|plz|sir|madam|doctor),?\s+)*{_QUESTION}"
    r"|also\s+(?!i\b|i'm|my\b|he\b|she\b|we\b)|.*\b(?:too|as well|also)\W*$"
    r"|(?:also,?\s+)?(?:i|we|i'd|we'd)(?:\s+(?:also|just|would))*\s+(?:want|need|like|wish)\b"
    r"|.*\b(?:want|need|like|wish|ask)\w*\s+(?:to\s+(?:know|ask)\s+\w|about\b)"
    r"|.*\b(?:can|could|do|does|will|would|should|is|are)\s+(?:i|you|we|it|he|she|they)\b"
    r"|.*\b(?:how\s+(?:much|many|long)|what\s+is)\b",
    re.IGNORECASE,
)
_SPEAKS = re.compile(  # of somebody or something, and asks for nothing
    r"(?:(?:actually|basically|so|and|but|because|as|since)\s+)*(?:i|i'm|im|i've|me|my|myself|we"
    r"|our|he|she|they|his|her|it|this|that|there)\b",
    re.IGNORECASE,
)
_CLOSES = re.compile(  # who asks, thanks, a signature: nothing that a question is about
    r"(?:(?:many|best|warm|kind|with)\s+)*(?:thanks?|thx|regards|sincerely|yours|dhanya[vw]aa?d"
    r"|shukriya|धन्यवाद|शुक्रिया)\b(?:\W+\w+){0,5}\W*$"
    r"|(?:please|pls|plz|kindly)\s+(?:reply|respond|answer)\b.{0,30}$"
    r"|(?:waiting|awaiting)\s+(?:for\s+)?(?:your|ur|the)?\s*(?:reply|answer|response)\b.{0,30}$"
    r"|(?:[\w'-]+\s+){1,4}(?:asks?|is asking|want(?:s|ed) to know)\W*$",
    re.IGNORECASE,
)
_ASKED = re.compile(r"(?<=\?)\s+")
_NOBODY = re.compile(  # an "it" that stands for nothing
    r"\bis it (?:ok|okay|all right|fine|normal|safe|possible|allowed|true|right|good|bad|common"
    r"|necessary|needed|required|compulsory|too (?:late|early|much))\b",
    re.IGNORECASE,
)
_MOST_TOLD_WORDS = 40  # beside a question; a longer story stays in it
_LEAD = re.compile(rf"[.,;!]\s+(?:(?:and|but|so)\s+)?(?={_QUESTION_WORD})", re.IGNORECASE)
_POINTS = re.compile(r"\b(?:it|its|that|this|they|them|those|these|he|him|his|she|her)\b", re.I)
_HOURS = re.compile(
    r"\b(?:what time|which time|when|until when|till when|how late|how early)\b.{0,25}"
    r"\b(?:you|clinic|hospital|it|place)\b.{0,12}\b(?:open|close|closes|opens|shut|closing)\b",
    re.IGNORECASE,
)
_WEEKDAY = re.compile(
    r"\b((?:mon|tues|wednes|thurs|fri|satur|sun)day|weekends?|holidays?)s?\b", re.IGNORECASE
)
_MOST_HOURS_WORDS = 12


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that is asked.

    Attributes:
        asked: in full, with what it leaned on.
        bare: as the patient put it.
        loose: whether the words may have meant one thing together: "scaling and polishing".
        told: what stands around the question, and may be what it is about.
        leaning: what is asked, if it leans on what the last answer cited.
    """

    asked: str
    bare: str
    loose: bool = False
    told: str = ""
    leaning: tuple[str, ...] = ()


def parts_of(message: str, context: Context) -> list[Part]:
    """Return what a message asks, each put in full; at least one.

    >>> [part.asked for part in parts_of("cost and duration of scaling?", Context())]
    ['cost of scaling', 'duration of scaling']
    """
    text, told = _point_of(without_greeting(_tidy(message)))
    things = compared(text, context)
    aspect = aspect_of(text) if things else None
    if things and aspect:
        return [Part(aspect.asked.replace("{topic}", each), text) for each in things]
    pieces = [piece for clause in _clauses(text) for piece in _joined(clause)]
    pieces = [piece for piece in pieces if _asks(piece.bare) and not small_talk(piece.bare)]
    if len(pieces) < 2:  # noqa: PLR2004  # one part
        return [Part(_of_hours(of_cited(text, context)), text, told=told)]
    return [replace(part, told=told) for part in _in_full(pieces[:MOST_PARTS], context)]


def _point_of(text: str) -> tuple[str, str]:
    """Return what asks in a message, and what is told around it; in doubt, all as one.

    >>> _point_of("My son has exams. Are you open on Sunday? Thanks, Asha")
    ('Are you open on Sunday?', 'My son has exams.')
    >>> _point_of("I broke a tooth. How much?")
    ('I broke a tooth. How much?', '')
    """
    said = [each for sentence in sentences(text) for each in _ASKED.split(sentence)]
    said = [each for each in said if _is_question(each) or not _CLOSES.match(each)] or said
    text = text[: text.rindex(said[-1]) + len(said[-1])] if said else text
    asked = [each for each in said if _is_question(each) or not _only_speaks(each)]
    told = " ".join(each for each in said if each not in asked)
    if not asked or not told or len(words(told)) > _MOST_TOLD_WORDS:
        return text, ""
    if points(_NOBODY.sub("", asked[0])) or not any(map(heavy, asked)):
        return text, ""  # what it is about was told
    return " ".join(asked), told if heavy(told) else ""


def _tidy(message: str) -> str:
    """Cut a message to what is read of it, and white space to one space or one line break."""
    lines = (" ".join(line.split()) for line in message[:_LONGEST_CHARS].splitlines())
    return "\n".join(line for line in lines if line)


def _only_speaks(sentence: str) -> bool:
    """Tell whether a sentence, if it is no question, says something of somebody."""
    return bool(_SPEAKS.match(sentence) or _TELLS.search(sentence))


def _is_question(sentence: str) -> bool:
    """Tell whether a sentence asks or requests something, with a question mark or without."""
    asks = sentence.endswith("?") or _ASKS.match(sentence) or aspect_of(sentence)
    return bool(asks or _BETWEEN.search(sentence))


def _in_full(pieces: Sequence[Part], context: Context) -> list[Part]:
    """Let each part lean on the one before it, and a first one without a topic on the next."""
    first, second, *_ = pieces
    if not context.topic and not heavy(first.bare) and not _stands_alone(first.bare):
        context = Context().after(second.bare)
    made: dict[str, Part] = {}
    for piece in pieces:
        said = f"and {piece.bare}" if piece.loose and made else piece.bare
        asked = resolved(said, context)
        asked = _of_hours(piece.bare if asked == said else asked)
        context = context.after(asked)
        made.setdefault(asked.lower(), Part(asked, piece.bare, piece.loose))
    return list(made.values())


def _stands_alone(bare: str) -> bool:
    """Tell whether light words name what is asked about: "how long is a first visit"."""
    aspect = aspect_of(bare)
    rest = aspect.pattern.sub(" ", bare) if aspect else bare
    return len(topic_words(rest)) > 1 and not points(_NOBODY.sub("", bare))


def _clauses(text: str) -> list[str]:
    """Cut between questions; what only tells something stays with the question behind it."""
    pieces = [piece.strip(" ,.?") for piece in _BETWEEN.split(text)]
    kept: list[str] = []
    told = ""
    asking = [each for each in pieces if _asks(each)]
    for piece, following in zip_longest(asking, asking[1:], fillvalue=""):
        if not kept and not told and (_only_tells(piece) or _sets_out(piece, following)):
            told = f"{piece}, " if _CASE.match(piece) else f"{piece}. "
            continue
        kept.append(told + piece)
        told = ""
    return kept or [text]


def _of_hours(asked: str) -> str:
    """Ask for the opening hours by their name, and keep the days.

    >>> _of_hours("Until what time are you open on Saturday evenings?")
    'What are the opening hours on Saturday?'
    """
    if not _HOURS.search(asked) or len(words(asked)) > _MOST_HOURS_WORDS:
        return asked
    days = "".join(f" on {day}" for day in dict.fromkeys(_WEEKDAY.findall(asked)))
    return f"What are the opening hours{days}?"


def _asks(piece: str) -> bool:
    return bool(topic_words(piece) or aspect_of(piece))


def _only_tells(piece: str) -> bool:
    return bool(
        re.match(
            r"(?:i|i'm|i've|im|my|we)\b(?!.*\b(?:want|need|like) to know\b)", piece, re.IGNORECASE
        )
    )


def _sets_out(piece: str, following: str) -> bool:
    """Tell whether a piece only tells of whom, or of which case, the next one asks.

    >>> _sets_out("dad is 78", "does he pay less"), _sets_out("if it bleeds", "do I come back")
    (True, True)
    >>> _sets_out("price of scaling", "does it hurt"), _sets_out("is it safe", "does it hurt")
    (False, False)
    """
    if not following or re.match(_QUESTION, piece, re.IGNORECASE) or aspect_of(piece):
        return False
    return bool(_CASE.match(piece) or _TELLS.search(piece))


def question_alone(asked: str) -> str:
    """Return a question without what was told before it, where it names things of its own.

    >>> question_alone("grandma cannot climb stairs, is there an elevator?")
    'is there an elevator?'
    >>> question_alone("his grandmother will come, is that allowed?")
    ''
    """
    found = list(_LEAD.finditer(asked))
    alone = asked[found[-1].end() :] if found else ""
    return alone if heavy(alone) and not points(alone) else ""


def points(asked: str) -> bool:
    """Tell whether a word stands for something that was named elsewhere.

    >>> points("how long will it take"), points("how long does scaling take")
    (True, False)
    """
    return bool(_POINTS.search(asked))


def _joined(clause: str) -> list[Part]:
    """Cut a clause at its last "and", where single things stand on both sides of it."""
    found = list(_JOINED.finditer(clause))
    if not found:
        return [Part(clause, clause)]
    left, right = clause[: found[-1].start()], clause[found[-1].end() :]
    core = _ENDING.sub("", right)
    if not _is_thing(core) or not topic_words(left) or len(words(core)) > _FEW_WORDS:
        return [Part(clause, clause)]
    ending = right[len(core) :]
    if ending and not _ENDING.search(left):
        left += ending
    return [Part(left, left), Part(right, right, loose=not aspect_of(core))]


def _is_thing(said: str) -> bool:
    told = [word for word in topic_words(said) if word not in STOP_WORDS]
    is_named = bool(aspect_of(said)) or any(is_heavy(word) for word in told)
    return is_named and not _SAYS_MORE.match(said)
