"""Words and sentences of a text. Pure."""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import zip_longest

import Stemmer

_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)?")

_remembered = lru_cache(maxsize=4096)  # the same passages are read again for every question

STOP_WORDS = frozenset(
    """
    a about above after again all also am an and any are aren't as at be because been before
    being below between both but by can can't could couldn't did didn't do does doesn't
    doing don't down during each else etc few for from further had has have having he her
    here hers him his how i i'd i'll i'm i've if in into is isn't it it's its itself just
    let may me might more most my myself no nor not now of off on once only or other our ours out
    over own please same shall she should so some such than that that's the their theirs them
    then there these they this those through to too u under until up upon us very was wasn't
    we we're were weren't what what's whats when where which while who whom whose why will
    with won't would you your yours
    """.split()  # noqa: SIM905  # a list of words reads best as words
)
"""Words that carry no topic."""

GENERIC_WORDS = frozenset(
    """
    ask asking came come coming find get gets getting give go going happen happens hello
    help hi keep kind know like long lot make makes making many mean much need needed needs
    offer ok okay per question really right said say show something somewhere sort take
    takes taking tell thank thanks thing things use using want way wondering
    """.split()  # noqa: SIM905
)
"""Words that a question has around its topic: a passage that lacks them can still answer it."""

LIGHT_WORDS = frozenset(
    """
    able actual actually add affect allow almost alone already alright always amount anybody anyone
    anything anyway apart apply around arrange ask available away back bad badly become beforehand
    begin behalf behind best better big bit both bother bring broad call cannot careful carry
    case certain certainly change check choose clear close common complete consider
    correct couple current currently day deal decide differ different difficult doc
    doctor done due early easily easy eight eighteen eighty either eleven else end
    enough entire especially even ever every everybody everyone everything exact exactly
    expect explain extra fast feel felt fifteen fifty final finally find fine first five
    fix follow forget forgot forgotten forty four fourteen front full general generally
    give given good got gotten great guess half hand happy hard hear heard herself himself hold hope
    hour hundred idea immediate immediately important include inform instead issue just
    kind kindly know last late lately later least leave left less let little look lots
    low maam madam made main mainly major make manner matter maybe mention method middle might mind
    minor minute mode moment month mr mrs must near nearly never new next nice nine
    nineteen ninety nobody normal normally nothing notice now number often old one open
    opt option order ordinary others overall part particular patient people perhaps person pick
    place plan please plenty pls plz possible possibly prefer present previous proper
    properly provide put quick quickly quite range rather reach ready real reason recommend
    regard regular require rest rid same second see seem send serious set seven seventeen
    seventy several short simple simply single sir situation six sixteen sixty slight
    slightly small somebody someone soon speak special staff start stay step still stop
    straight strong stuff sudden suddenly suggest suitable suppose sure talk team
    ten themselves think third thirteen thirty three tmrw today together tomorrow tonight
    total totally tried true try turn twelve twenty two type understand usual usually
    various wait weak week well went whole wish without wonder work worry wrong year yes
    yesterday yet young
    """.split()  # noqa: SIM905
)
"""Words that say something, but never what a question is about: nobody misses them."""

KIN_WORDS = frozenset(
    """
    aunt auntie boss boyfriend brother colleague cousin dad daddy family father friend girlfriend
    grandchild granddad granddaughter grandfather grandma grandmother grandpa grandparent grandson
    guest husband law mama mom mother mum mummy neighbor neighbour nephew niece papa parent partner
    relative roommate sister spouse uncle wife
    """.split()  # noqa: SIM905
)
"""For whom somebody asks, or who told them: seldom what they ask about."""


@lru_cache(maxsize=1)
def _stemmer() -> Stemmer.Stemmer:
    return Stemmer.Stemmer("english")


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """Return the stem of an English word; words of other scripts come back in lower case."""
    return str(_stemmer().stemWord(word.lower()))


@_remembered
def words(text: str) -> tuple[str, ...]:
    """Return a text's words in lower case, in order, numbers among them."""
    return tuple(word.lower().replace("\u2019", "'") for word in _WORD.findall(text))


@_remembered
def terms(text: str) -> tuple[str, ...]:
    """Return the stems of a text's content words, in order.

    >>> terms("How long does the scaling take?")
    ('long', 'scale', 'take')
    """
    return tuple(stem(word) for word in words(text) if word not in STOP_WORDS)


@_remembered
def topic_words(text: str) -> tuple[str, ...]:
    """Return the words that say what a question is about, in order, each once.

    >>> topic_words("Could you tell me how long scaling takes?")
    ('scaling',)
    """
    told = (w for w in words(text) if w not in STOP_WORDS and w not in GENERIC_WORDS)
    return tuple(dict.fromkeys(told))


def is_light(word: str) -> bool:
    """Tell whether a word, in any form, is one that nobody misses; numbers are.

    >>> is_light("waited"), is_light("16"), is_light("you've"), is_light("crown")
    (True, True, True, False)
    """
    bare = word.partition("'")[0]
    return bare.isdecimal() or bare in STOP_WORDS or stem(bare) in _light_stems()


def is_kin(word: str) -> bool:
    """Tell whether a word, in any form, names somebody by what they are to the one who asks.

    >>> is_kin("grandson's"), is_kin("daughter"), is_kin("dentist")
    (True, False, False)
    """
    return stem(word.partition("'")[0]) in _kin_stems()


@lru_cache(maxsize=1)
def _light_stems() -> frozenset[str]:
    return frozenset(stem(word) for word in LIGHT_WORDS | GENERIC_WORDS)


@lru_cache(maxsize=1)
def _kin_stems() -> frozenset[str]:
    return frozenset(stem(word) for word in KIN_WORDS)


# A stop ends a sentence before a space and something that can begin one; not behind an
# abbreviation, an initial or a list number. The danda ends sentences in Hindi and Marathi.
# A run of stops is looked at once, from its beginning, however long it is.
_STOP = re.compile(
    r"""(?<![.!?।])[.!?।]++["')\]]*(?:\s*\[\d+\])*(?=\s+(?!\[\d+\])["'(\[]?[^\sa-z])|\n+"""
)
_ABBREVIATION = re.compile(
    r"(?:\b(?:dr|mr|mrs|ms|st|no|vs|etc|approx|e\.g|i\.e|a\.m|p\.m|rs|tel|ext)|\b[A-Z]|^\s*\d+)\.$",
    re.IGNORECASE,
)


@_remembered
def sentence_spans(text: str) -> tuple[tuple[int, int], ...]:
    """Return (start, end) of each sentence, without the white space around it.

    >>> text = "Dr. Rao is in. Come at 9.30 a.m. [1] Rest!"
    >>> [text[a:b] for a, b in sentence_spans(text)]
    ['Dr. Rao is in.', 'Come at 9.30 a.m. [1]', 'Rest!']
    """
    return tuple(_find_sentences(text))


def _find_sentences(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for stop in _STOP.finditer(text):
        if stop.group().startswith(".") and "[" not in stop.group():
            behind = text[max(start, stop.start() - 12) : stop.start() + 1]
            if _ABBREVIATION.search(behind):
                continue
        yield from _trimmed(text, start, stop.end())
        start = stop.end()
    yield from _trimmed(text, start, len(text))


def sentences(text: str) -> list[str]:
    """Return the sentences of a text.

    >>> sentences("Rest. Then call us.")
    ['Rest.', 'Then call us.']
    """
    return [text[start:end] for start, end in sentence_spans(text)]


_HEADING = re.compile(r"^#{1,6}\s")
_UNDERLINE = re.compile(r"^\s*([=~-])\1{2,}\s*$")
_FIELD = re.compile(r"^([A-Z][\w ]{0,40}): ")
BULLET = re.compile(r"\s*(?:(?:[-*+\u2022]|\d+[.)])\s+|>\s*)")
_MAX_FIELD_CHARS = 300


@_remembered
def statement_spans(text: str) -> tuple[tuple[int, int], ...]:
    """Return (start, end) of each statement of a document: what can be quoted on its own.

    A line `field: value` is one statement, so that the value keeps its name; headings, underlined
    lines, and lines without a stop above an empty one are none: but the last row of a table is.

    >>> text = "## Fees" + chr(10) + "Price band: INR 6 to 9" + chr(10) + "- Pay. In cash."
    >>> [text[a:b] for a, b in statement_spans(text)]
    ['Price band: INR 6 to 9', 'Pay.', 'In cash.']
    """
    return tuple(_find_statements(text))


def _find_statements(text: str) -> Iterator[tuple[int, int]]:
    at, before = 0, ""
    lines = text.splitlines(keepends=True)
    for line, following in zip_longest(lines, lines[1:], fillvalue="."):
        body = line.rstrip()
        bullet = BULLET.match(body)
        is_over = not following.strip() and (not before or before.endswith((".", "!", "?", ":")))
        is_title = body[-1:].isalnum() and (is_over or _UNDERLINE.match(following))
        is_title = not bullet and is_title
        before = "" if _HEADING.match(body) else body
        if field_name(body) and len(body) <= _MAX_FIELD_CHARS:
            yield from _trimmed(text, at, at + len(body))
        elif not is_title and not _HEADING.match(body) and not _UNDERLINE.match(body):
            start = at + (bullet.end() if bullet else 0)
            yield from (
                (start + a, start + b) for a, b in sentence_spans(text[start : at + len(body)])
            )
        at += len(line)


_LEANS = re.compile(r"(?:it|they|this|these|those|he|she)\b", re.IGNORECASE)


def leans(statement: str) -> bool:
    """Tell whether a statement speaks of what the one before it has named.

    >>> leans("It lasts 20 minutes."), leans("Scaling lasts 20 minutes.")
    (True, False)
    """
    return bool(_LEANS.match(statement))


def field_name(statement: str) -> str:
    """Return the name in front of a `field: value` line, else nothing.

    >>> field_name("Duration: 40 minutes"), field_name("Rest.")
    ('Duration', '')
    """
    found = _FIELD.match(statement)
    return found[1] if found else ""


_SAYS_NOT = re.compile(
    r"\b(?:not|never|no|nor|without|cannot|avoid\w*|refrain|skip|exclu(?:ded|sions)|forbidden"
    r"|prohibited)\b|n['\u2019]t\b",
    re.IGNORECASE,
)
_UNDER_IF = re.compile(r"(?:if|when|where|unless|in case)\b[^,]*$", re.IGNORECASE)


@_remembered
def _above_items(text: str) -> Mapping[int, str]:
    """Return the line above its list for each item, by where the item's words begin."""
    found, above, at = dict[int, str](), "", 0
    for line in text.split("\n"):
        bullet = BULLET.match(line)
        if bullet:
            found[at + bullet.end()] = above
        elif line.strip():
            above = line.strip()
        at += len(line) + 1
    return found


def denial_over(text: str, start: int, heading: str = "") -> str:
    """Return what says "not" of the item of a list that begins at `start`, if anything does.

    That is the line above the list, or else the last of the headings over an item without a stop.

    >>> text = "Do not:" + chr(10) + "- smoke" + chr(10) + "- eat nuts"
    >>> denial_over(text, text.index("eat")), denial_over("- ice", 2, "Braces > What to avoid")
    ('Do not:', 'What to avoid:')
    """
    above = _above_items(text).get(start)
    if above is None:
        return ""
    said = sentences(above)[-1] if above and not _HEADING.match(above) else ""
    if not said.endswith(":"):
        item = text[start:].partition("\n")[0].rstrip()
        said = "" if item.endswith((".", "!", "?")) else heading.rpartition(" > ")[2] + ":"
    return said if _SAYS_NOT.search(said) and not _UNDER_IF.match(said) else ""


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    piece = text[start:end]
    left = len(piece) - len(piece.lstrip())
    right = len(piece.rstrip())
    if right > left:
        yield start + left, start + right


def groups_in(text: str) -> list[list[str]]:
    """Return groups of words and phrases, one a line, between commas; "#" begins a comment.

    >>> groups_in("lift, elevator")
    [['lift', 'elevator']]
    """
    told = (line for line in text.splitlines() if line.strip() and not line.startswith("#"))
    return [[form.strip() for form in line.split(",")] for line in told]
