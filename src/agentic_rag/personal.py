"""Personal: finds what names or reaches a person, masks it, and puts it back. Pure."""

# ruff: noqa: E501  # a pattern is read in one piece

import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache

from agentic_rag.invisible import visible

HOME = "IN"
"""Where a phone number without a country code is taken to be from, unless told."""

_MOST_CHARS = 10_000  # that the phone library reads; the shapes below read all


@dataclass(frozen=True, slots=True)
class Found:
    """A piece of personal data, `start` to `end` of a text."""

    start: int
    end: int
    kind: str


_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_DATE = (
    r"\d{1,2}\s?[/.\-\s]\s?\d{1,2}\s?[/.\-\s]\s?\d{2,4}|\d{4}[/.-]\d{1,2}[/.-]\d{1,2}"
    rf"|\d{{1,2}}(?:st|nd|rd|th)?(?:\s+of)?[\s-]+{_MONTH}[\s,.-]+\d{{2,4}}"
    rf"|{_MONTH}\s+\d{{1,2}}(?:st|nd|rd|th)?[\s,]+\d{{2,4}}|(?:19|20)\d\d"
)
_SHAPES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(shape, re.IGNORECASE))
    for kind, shape in (
        ("EMAIL", r"(?<![\w.+%-])(?P<it>[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){0,8}\.[a-z]{2,24})\b"),
        ("UPI", r"(?<![\w.+%-])(?P<it>[\w.-]{2,64}@[a-z][a-z0-9]{1,30})\b(?![\w@-]|\.\w)"),
        ("GST", r"\b(?P<it>\d{2}[A-Z]{5}\d{4}[A-Z][A-Z\d]Z[A-Z\d])\b"),
        ("PAN", r"\b(?P<it>[A-Z]{5}\d{4}[A-Z]|(?-i:[A-Z]{5}[ -]\d{4}[ -][A-Z]))\b"),
        ("IFSC", r"\b(?P<it>[A-Z]{4}0[A-Z\d]{6})\b"),
        ("PASSPORT", r"\b(?P<it>[A-PR-WYZ][1-9]\d\s?\d{4}[1-9])\b"),
        ("PASSPORT", r"\bpassport\b[^\n\d]{0,24}?\b(?P<it>[A-Z]{0,2}\d{6,9})\b"),
        ("ACCOUNT", r"(?:\baccount\b|\ba/?c\b|\bacct\b|\bkhata\b|खाता|खाते)[^\n\d]{0,24}?(?P<it>\d[\d -]{6,22}\d)\b"),
        ("BIRTH", r"(?:\bborn\b|\bd\.?o\.?b\b\.?|\bdate\s+of\s+birth\b|\bbirth\s?-?da(?:te|y)\b|\bjan(?:a)?m\b"
         rf"|जन्म)[^\n\d]{{0,24}}?(?P<it>{_DATE})(?!\d)"),
        ("PHONE", r"(?P<it>(?<![\w+])(?:\+|00)\d[\d\s().-]{6,20}\d)\b"),
        ("PHONE", r"(?<![\w.,-])(?P<it>(?:\(?0?91\)?[\s-]?|0)?[6-9]\d{4}[\s-]?\d{5}"
         r"|(?:0?91[\s-]?|0)?[6-9]\d{2}[\s-]\d{3}[\s-]\d{4})(?![\w-]|[.,]\d)"),
        ("PHONE", r"\b(?:phone|mobile|cell|whats\s?app|landline|call\s+me|contact|reach\s+me|number\s+is|tel)\b"
         r"[^\n\d]{0,24}?(?P<it>\d[\d\s().-]{5,16}\d)\b"),
        ("CARD", r"(?<![\w-])(?P<it>\d{4}[\s-]\d{4}[\s-]\d{4}[\s-]\d{1,7}|\d{4}[\s-]\d{6}[\s-]\d{5})(?![\w-])"),
        ("AADHAAR", r"(?<![\w-])(?P<it>\d{4}[\s-]\d{4}[\s-]\d{4})(?![\w-]|[\s-]\d{4})"),
        ("NUMBER", r"(?<![\w.,-])(?P<it>\d{10,19})(?![\w-]|[.,]\d)"),
    )
)  # fmt: skip
"""What it looks like; whether its check digits are right matters little to who must not read it."""

_WORD = r"[^\W\d_](?:[\w'\u2019]|\.(?=\w)|[\u0900-\u097f])*"
_ENDS = (
    r"(?:and|i|i'm|im|im|my|from|a|an|the|is|was|but|with|here|calling|speaking|this|so|can|what"
    r"|how|when|who|do|does|please|hai|hoon|hun|aur|ahe|aahe|mala|mujhe|mera|meri|aani|ani|age|aged"
    r"|phone|email|or|to|of|in|at|on|for|need|want|have|has|you|your|it|we|है|हैं|और|आहे|आणि)(?![\w\u0900-\u097f])"
)
_NAME = rf"(?P<it>(?!{_ENDS}){_WORD}(?:[ ]+(?!{_ENDS}){_WORD}){{0,2}})"
_TITLE = (
    r"(?P<it>(?!(?:Not|Now|Very|From|In|On|At|The|An?|So|Also|Having|Taking|Sorry|Pregnant|Diabetic"
    r"|Allergic|Afraid|Worried|Just|Still|Going|Dr|Mr|Mrs|Ms|Indian|Over|Under|Here|Back|Sure|Ok|Fine"
    r"|Your|You|Urgent|Important|Emergency|Good|Great|My|What|How|Why|It|Hindu|Muslim|Type|Covid|Unable|Bleeding|Looking|Feeling|Suffering|Getting|Happy)\b)"
    r"[A-Z][a-z]+(?:[ ]+[A-Z](?:[a-z]+|\.)){0,2})"
)
_NAMES = (
    re.compile(rf"\b(?:my|patient'?s?|full|his|her|child'?s?)\s+(?:full\s+)?name(?:'s|\s+is|\s*[:=])\s*{_NAME}", re.IGNORECASE),
    re.compile(rf"\b(?:mera|meraa|mere|hamara|maze|majhe|mazhe|majha|maza|mazh?a)\s+(?:naam|nam|naav|nav|naw)\s+{_NAME}", re.IGNORECASE),
    re.compile(rf"(?:मेरा|माझे|माझं|माझ)\s+(?:नाम|नाव|नांव)\s+{_NAME}"),
    re.compile(rf"\b(?:[Ii]\s+[Aa]m|[Ii]['\u2019]?[Mm]|[Mm]yself|[Mm]ain|[Mm]ai|[Tt]his\s+is|[Cc]all\s+me)\s+{_TITLE}"),
    re.compile(rf"^\s*[Nn]ame\s*[:=]\s*{_NAME}", re.MULTILINE | re.IGNORECASE),
)  # fmt: skip

_HINT = re.compile(r"\d{4}|@|\d[\d\s().-]{5}|name|na+[mvw]\b|नाम|नाव|\b[Ii]\W{0,2}[Aa]?[Mm]\b|myself|main?\b|this is|call me", re.IGNORECASE)  # fmt: skip
_FEWEST_LETTERS = 3  # of a part of a name that is looked for by itself


def find_personal(text: str, region: str = HOME) -> list[Found]:
    """Return the personal data in a text, in order, none within another.

    >>> text = "I am Asha, call me on 98765 43210"
    >>> [(each.kind, text[each.start : each.end]) for each in find_personal(text)]
    [('NAME', 'Asha'), ('PHONE', '98765 43210')]
    """
    if not _HINT.search(text):
        return []
    found: list[Found] = []
    taken = bytearray(len(text))
    for each in _candidates(text, region):
        if not any(taken[each.start : each.end]):
            taken[each.start : each.end] = b"x" * (each.end - each.start)
            found.append(each)
    return sorted(found, key=lambda each: each.start)


def mask(text: str, keep: Set[str] = frozenset(), region: str = HOME) -> str:
    """Return a text with the kind of each piece of personal data in its place.

    >>> mask("I am Asha, asha@example.org")
    'I am <NAME>, <EMAIL>'
    """
    plain = visible(text)
    found = [f for f in find_personal(plain, region) if value_of(plain, f) not in keep]
    return _replaced(plain, [(each, f"<{each.kind}>") for each in found])


def values_in(text: str, region: str = HOME) -> frozenset[str]:
    """Return what looks personal in a text and is not: a clinic's own numbers, in its documents."""
    plain = visible(text)
    return frozenset(value_of(plain, each) for each in find_personal(plain, region))


def value_of(text: str, found: Found) -> str:
    """Return one spelling of a piece of data: of a number its last ten digits.

    >>> value_of("+91-98765-43210", Found(0, 15, "PHONE"))
    '9876543210'
    """
    said = text[found.start : found.end]
    digits = re.sub(r"\D", "", said)
    return digits[-10:] if len(digits) > len(said) / 2 else " ".join(said.casefold().split())


class Veil:
    """Takes personal data out of texts, the same for the same, and puts it back into others."""

    def __init__(self, keep: Set[str] = frozenset(), region: str = HOME) -> None:
        """Hide nothing yet.

        Args:
            keep: values, as `value_of` spells them, that are nobody's secret.
            region: where a phone number without a country code is from.
        """
        self._keep = keep
        self._region = region
        self._marks: dict[str, str] = {}
        self._said: dict[tuple[str, str], str] = {}
        self._counts: dict[str, int] = {}

    def hide(self, texts: Sequence[str]) -> list[str]:
        """Return the texts with a mark, `<PHONE_1>` say, in place of each piece of data."""
        plain = [visible(text) for text in texts]
        for text in plain:
            for kind, number in map(_kind_and_number, _MARK.finditer(text)):
                # the caller's own words may look like a mark: they keep theirs
                self._counts[kind] = max(self._counts.get(kind, 0), int(number))
        found = [
            [f for f in find_personal(t, self._region) if value_of(t, f) not in self._keep]
            for t in plain
        ]
        for text, each in zip(plain, found, strict=True):
            for piece in each:
                self._mark(text, piece)
        return [
            self._without_names(_replaced(text, [(f, self._mark(text, f)) for f in each]))
            for text, each in zip(plain, found, strict=True)
        ]

    def lift(self, text: str) -> str:
        """Return a text with the data in place of the marks, however a model spells them."""
        return _MARK.sub(lambda mark: self._said.get(_kind_and_number(mark), mark[0]), text)

    def _mark(self, text: str, found: Found) -> str:
        value = f"{found.kind} {value_of(text, found)}"
        if value not in self._marks:
            number = self._counts[found.kind] = self._counts.get(found.kind, 0) + 1
            self._marks[value] = f"<{found.kind}_{number}>"
            self._said[found.kind, str(number)] = text[found.start : found.end]
        return self._marks[value]

    def _without_names(self, text: str) -> str:
        """Hide a name that was told once wherever else it stands, and its parts."""
        for (kind, number), name in self._said.items():
            if kind == "NAME":
                for part in (name, *name.split()):
                    if len(part) >= _FEWEST_LETTERS:
                        text = re.sub(rf"(?<!\w){re.escape(part)}(?!\w)", f"<NAME_{number}>", text)
        return text


_KINDS = "|".join(dict.fromkeys([*(kind for kind, _ in _SHAPES), "NAME"]))
_MARK = re.compile(
    rf"[<\u2039\[({{\uff1c]{{1,2}}\s*({_KINDS})\s*[_\-\s]?\s*(\d{{1,6}})\s*[>\u203a\])}}\uff1e]{{1,2}}"
    rf"|(?<![\w<])({_KINDS})[_-](\d{{1,6}})(?!\w)",
    re.IGNORECASE,
)  # fmt: skip
"""A mark as a model may have spelled it: other brackets, other case, none at all."""


def _kind_and_number(mark: re.Match[str]) -> tuple[str, str]:
    return (mark[1] or mark[3]).upper(), str(int(mark[2] or mark[4]))


def _replaced(text: str, marks: Sequence[tuple[Found, str]]) -> str:
    pieces, at = [], 0
    for found, mark in marks:
        pieces += [text[at : found.start], mark]
        at = found.end
    return "".join([*pieces, text[at:]])


def _candidates(text: str, region: str) -> Iterator[Found]:
    """Yield what may be personal, the surest first."""
    for kind, shape in _SHAPES[:9]:
        yield from (Found(*match.span("it"), kind) for match in shape.finditer(text))
    yield from (
        Found(*match.span("it"), "NAME") for each in _NAMES for match in each.finditer(text)
    )
    yield from (Found(start, end, "PHONE") for start, end in _phones(text[:_MOST_CHARS], region))
    for kind, shape in _SHAPES[9:]:
        for match in shape.finditer(text):
            told = match["it"]
            yield Found(*match.span("it"), _number_kind(told) if kind == "NUMBER" else kind)


@lru_cache(maxsize=256)
def _phones(text: str, region: str) -> tuple[tuple[int, int], ...]:
    """Return where valid phone numbers stand, of any country that they name."""
    if not re.search(r"\d[\d\s().-]{5}", text):
        return ()
    import phonenumbers  # a tenth of a second: only who meets a number pays

    matches = phonenumbers.PhoneNumberMatcher(text, region)
    return tuple((match.start, match.end) for match in matches)


def _number_kind(digits: str) -> str:
    """Name a run of digits by its check digit; one that has none is somebody's account."""
    from stdnum import luhn
    from stdnum.in_ import aadhaar

    if aadhaar.is_valid(digits):
        return "AADHAAR"
    return "CARD" if luhn.is_valid(digits) else "ACCOUNT"


def region_of(phone: str) -> str:
    """Return the country that a phone number is from, by its code.

    >>> region_of("+353-21-400-0000"), region_of("14416")
    ('IE', 'IN')
    """
    import phonenumbers

    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse(phone, HOME)) or HOME
    except phonenumbers.NumberParseException:
        return HOME
