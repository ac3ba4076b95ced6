"""Tells whether a passage carries a sentence, and in which words. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from agentic_rag.language import sentence_spans
from agentic_rag.safety.numbers import is_carried
from agentic_rag.safety.reading import Figure, Reading, Word, read
from agentic_rag.safety.wording import Dictionary, dictionary, plain

_MOST_CHARS = 600  # a longer sentence is none, and cannot be judged
_LONGEST_STATEMENT = 1200  # of a document: what is longer without a stop is no statement


@dataclass(frozen=True, slots=True)
class Support:
    """The span `start` to `end` of a passage's text that carries a sentence, 0 to 1 of it."""

    score: float
    start: int
    end: int


NOTHING = Support(0.0, 0, 0)


@dataclass(frozen=True, slots=True)
class _Statement:
    """A statement of a passage; `lent` are the meanings that stand over it."""

    start: int
    end: int
    reading: Reading
    lent: frozenset[str]
    lent_figures: tuple[Figure, ...]
    is_priced: bool = False
    nearby: frozenset[str] = frozenset()


def find_support(
    sentence: str, text: str, heading: str, words: Dictionary | None = None
) -> Support:
    """Return the span of `text` that carries the sentence; NOTHING where none does.

    >>> text = "Scaling takes 40 minutes. Crowns take longer."
    >>> find_support("Scaling takes 40 minutes.", text, "").score
    1.0
    >>> find_support("Scaling takes 90 minutes.", text, "") is NOTHING
    True
    """
    words = words or dictionary()
    if len(sentence) > _MOST_CHARS or sentence.rstrip().endswith("?"):
        return NOTHING
    said = read(sentence, words)
    if not (said.figures or any(not word.is_light for word in said.words)):
        return NOTHING
    statements = _statements(text, heading, words)
    return _find(said, statements) or _find_in_two(sentence, statements, words) or NOTHING


def _says_enough(half: Reading) -> bool:
    """Tell whether half a sentence says something that can be judged on its own."""
    return len(half.figures) + sum(not word.is_light for word in half.words) > 1


def _find(said: Reading, statements: Sequence[_Statement]) -> Support | None:
    best: Support | None = None
    for each in statements:
        if not _may_carry(said, each) or _refusal(said, each):
            continue
        support = Support(_score(said, each.reading), each.start, each.end)
        if (
            best is None
            or support.score > best.score
            or (support.score == best.score and support.end - support.start < best.end - best.start)
        ):
            best = support
    return best


def _may_carry(said: Reading, statement: _Statement) -> bool:
    """Look first, cheaply, whether every word has its like."""
    there, lent = statement.reading.meanings, statement.lent | statement.nearby
    for word in said.words:
        if not word.is_light and word.meanings.isdisjoint(there) and word.meanings.isdisjoint(lent):
            if not _told_by_the_clock(word, said):
                return False
    return True


_HALVES = {"morn": (0, 12), "afternoon": (12, 18), "even": (16, 24)}


def _told_by_the_clock(word: Word, said: Reading) -> bool:
    """Tell whether "in the morning" only says what a time beside it does."""
    first, last = _HALVES.get(word.root, (0, 0))
    clocks = [f.quantity.low for f in said.figures if f.quantity.kind == "clock"]
    hours = [low[0] / 60 for low in clocks if isinstance(low, tuple)]
    return bool(hours) and all(first <= hour <= last for hour in hours)


def _score(said: Reading, carrier: Reading) -> float:
    """Return the share of a sentence's words that a statement has itself; its own stem counts whole."""
    own = {word.root for word in carrier.words}
    counted = [word for word in said.words if not word.is_light]
    if not counted:
        return 1.0
    points = sum(1.0 if word.root in own else 0.9 for word in counted)
    return points / len(counted)


def _refusal(said: Reading, statement: _Statement) -> str:
    """Return why a statement does not carry what is said, or nothing."""
    there = statement.reading
    if said.roots == there.roots and said.flags == there.flags:
        return ""
    if not any(
        not w.is_light and not w.meanings.isdisjoint(there.meanings) for w in said.words
    ) and not _only_numbers(said, there):
        return "nothing in common"
    pairs: list[tuple[Word, Word]] = []
    lends, leans, doubtful = False, False, ""
    for word in said.words:
        likes = [w for w in there.words if not w.meanings.isdisjoint(word.meanings)]
        if not likes:
            if word.is_light:
                continue
            if not statement.nearby.isdisjoint(word.meanings):
                leans = True
            elif statement.lent.isdisjoint(word.meanings):
                if _told_by_the_clock(word, said):
                    continue
                return f"unsupported: {word.root}"
            lends = True
            continue
        fitting = [w for w in likes if w.negated == word.negated and _words_fit(word, w)]
        if not fitting and any(f == f"@{word.tag}" for f, _ in there.flags):
            fitting = [w for w in likes if w.negated == word.negated and not w.tag]
        if not fitting and word.is_light:
            continue
        if not fitting and not word.negated and not word.tag and word.meanings & statement.lent:
            lends = True
            continue
        if not fitting and not any(w.negated == word.negated for w in likes):
            named = {c for f, c in there.flags if f == "@it"}
            spoken = {w.clause for w in there.words if w.negated == word.negated}
            fitting = [
                w for w in likes
                if named & spoken or ((w.tag or word.tag) and _words_fit(word, w))
            ]  # fmt: skip
            if not fitting:
                return f"polarity: {word.root}"
            doubtful = word.root
        if not fitting:
            return f"relation: {word.root}"
        pairs += [(word, w) for w in fitting]
    if doubtful and not any(a.negated and b.negated and not a.is_light for a, b in pairs):
        return f"polarity: {doubtful}"
    met = frozenset(id(w) for _, w in pairs)
    return (
        _swapped(said, there, pairs)
        or (
            leans
            and any(not w.is_light and id(w) not in met for w in there.words[1:])
            and "more is said"
        )
        or _other_subject(there, met, statement.lent, lends)
        or _dropped(said, there, met, statement.lent)
        or _figures(said, statement)
        or _flags(said, there, pairs)
    )


def _only_numbers(said: Reading, there: Reading) -> bool:
    return bool(said.figures) and bool(said.words)


def _swapped(said: Reading, there: Reading, pairs: Sequence[tuple[Word, Word]]) -> str:
    """Refuse where two have changed places: teachers treat students, students treat teachers."""
    places = {id(word): at for at, word in enumerate(w for w in said.words if not w.is_light)}
    order: dict[int, int] = {}
    for word, like in pairs:
        if id(word) in places:
            order.setdefault(places[id(word)], like.at)
    ats = [order[at] for at in sorted(order)]
    middle = ats[1:-1]
    if (
        len(ats) >= 3
        and ats[0] == max(ats)
        and ats[-1] == min(ats)
        and middle == sorted(middle)
        and len(ats) == len(places)
        and said.is_active == there.is_active
    ):
        return "changed places"
    return ""


def _words_fit(said: Word, carried: Word) -> bool:
    """Tell whether two words stand in the same relation; far behind a "before" nothing is sure."""
    if _tags_fit(said.tag, carried.tag):
        return True
    far = 1
    return (not said.tag and carried.depth > far) or (not carried.tag and said.depth > far)


def _tags_fit(said: str, carried: str) -> bool:
    if said == carried:
        return True
    if {said, carried} <= {"only if", "if", "after", "unless"} and "unless" not in (said, carried):
        return True
    loose = {"", "if", "while", "because", "despite"}
    return said in loose and carried in loose and said != "because"


def _other_subject(there: Reading, met: frozenset[int], lent: frozenset[str], lends: bool) -> str:
    """Refuse a heading's subject where the statement has another one of its own."""
    if not lends:
        return ""
    for word in there.words:
        if id(word) in met:
            return ""
        if (
            not word.is_light
            and word.meanings.isdisjoint(lent)
            and word.root not in there.field_roots
        ):
            return f"another subject: {word.root}"
    return ""


_HARD = frozenset(
    {"only if", "if", "unless", "except", "until", "than", "instead", "before", "after"}
)


def _dropped(said: Reading, there: Reading, met: frozenset[int], lent: frozenset[str]) -> str:
    """Refuse where a condition, a limit or the people that it is about were left out."""
    groups: dict[tuple[str, int], bool] = {}
    for word in there.words:
        if word.tag in _HARD and not word.is_light:
            key = (word.tag, word.group)
            groups[key] = (
                groups.get(key, False) or id(word) in met or not word.meanings.isdisjoint(lent)
            )
    either = {f for f, _ in there.flags}
    for (tag, group), kept in groups.items():
        if not kept and f"@or {group}" not in either:
            return f"dropped: {tag}"
    for word in there.words:
        if word.root in _WHO and id(word) not in met and word.meanings.isdisjoint(lent):
            return f"dropped: {word.root}"
    return ""


_WHO = (
    frozenset(
        dictionary()._of(
            "child adult baby infant pregnant pregnancy diabetic smoker senior woman man parent student newborn elderly teenager"
        )
    )
    if False
    else frozenset()
)
_FIELDS = frozenset()


def _figures(said: Reading, statement: _Statement) -> str:
    """Refuse a number that the statement has not, or has of something else."""
    there = statement.reading.figures
    for figure in said.figures:
        quantity = figure.quantity
        if quantity.per in _SPANS and (
            quantity.per in statement.lent or quantity.per in statement.reading.meanings
        ):
            quantity = replace(quantity, per="")
        fitting = [f for f in there if is_carried(quantity, f.quantity)]
        if not fitting and _each(figure, statement.reading):
            continue
        if not fitting and statement.is_priced and figure.quantity.kind.startswith("money:"):
            bare = replace(figure.quantity, kind="count", nouns=())
            fitting = [f for f in there if not f.quantity.nouns and is_carried(bare, f.quantity)]
        if not fitting:
            if any(is_carried(figure.quantity, f.quantity) for f in statement.lent_figures):
                continue
            return f"number: {figure.quantity.kind} {figure.quantity.low}"
        if not any(f.negated == figure.negated for f in fitting) and not (
            any(w.negated for w in said.words) and any(w.negated for w in statement.reading.words)
        ):
            return "polarity of a number"
        fitting = [f for f in fitting if _figures_fit(figure, f)]
        if not fitting:
            return "relation of a number"
        own = {w.clause for w in statement.reading.words}
        if not any(f.clause in own for f in fitting):
            continue  # "from 11 to 12 and from 4 to 7": what it is of stands before
        rivals = [f for f in there if f.quantity.kind == figure.quantity.kind and f not in fitting]
        if rivals and max(_bound_to(said, statement.reading, f) for f in rivals) > max(
            _bound_to(said, statement.reading, f) for f in fitting
        ):
            return "number of another thing"
    return ""


def _figures_fit(said: Figure, carried: Figure) -> bool:
    """Tell whether two numbers stand in the same relation: "after 15 minutes", "15 minutes later"."""
    ours, theirs = {said.tag, said.quantity.side}, {carried.tag, carried.quantity.side}
    return _tags_fit(said.tag, carried.tag) or bool((ours & theirs) - {""})


def _each(figure: Figure, there: Reading) -> bool:
    """Tell whether "once a week" is what "every week" says."""
    quantity = figure.quantity
    once = quantity.per and quantity.low == quantity.high == 1 and quantity.nouns == ("time",)
    return bool(once) and any(f == "all" for f, _ in there.flags) and quantity.per in there.meanings


def _bound_to(said: Reading, there: Reading, figure: Figure) -> int:
    """Count how much of a number's clause is in the sentence, less what is not."""
    points = 0
    for word in there.words:
        if word.clause == figure.clause and not word.is_light:
            points += 1 if not word.meanings.isdisjoint(said.meanings) else -1
    return points


_OPPOSITE = (
    ("~up", "~down"), ("~in", "~out"), ("~on", "~off"), ("~above", "~below"), ("~over", "~under"),
    ("~inside", "~outside"), ("~upstairs", "~downstairs"),
)  # fmt: skip


def _flags(said: Reading, there: Reading, pairs: Sequence[tuple[Word, Word]]) -> str:
    clauses = frozenset(w.clause for _, w in pairs)
    ours, theirs = said.flags_in(None), there.flags_in(clauses or None)
    every = there.flags_in(None)
    if ("neednot" in ours) != ("neednot" in theirs):
        return "need not"
    if ("not only" in ours) != ("not only" in theirs):
        return "not only"
    for one, other in _OPPOSITE:
        for a, b in ((one, other), (other, one)):
            if a in ours and b in theirs and a not in every:
                return f"opposite: {a}"
    if ("other" in theirs) > ("other" in ours):
        return "other dropped"
    loose = {"may", "can", "sometimes", "some", "rarely"}
    if "must" in ours and not {"must", "need", "should"} & every and (loose | {"advise"}) & theirs:
        return "must"
    if "should" in ours and not {"must", "need", "should", "advise"} & every and loose & theirs:
        return "should"
    if {"may", "can"} & ours and {"must", "need", "should"} & theirs and not loose & every:
        return "may"
    if "may" in ours and not loose & every:
        return "may"
    if {"may", "sometimes"} & theirs and not (loose | {"usually", "advise"}) & ours:
        return "certain"
    if "can" in theirs and not (loose | {"must", "should"}) & ours and False:
        return "certain"
    if "always" in ours and not {"always", "all"} & every:
        return "always"
    if "usually" in ours and not {"usually", "most"} & every:
        return "usually"
    if "sometimes" in ours and not loose & every:
        return "sometimes"
    if "all" in ours and not {"all", "always"} & every:
        return "all"
    if "most" in ours and not {"most", "usually"} & every:
        return "most"
    if "only" in ours and not (
        {"only"} & every or any(w.tag in ("unless", "until", "except") for w in there.words)
    ):
        return "only"
    if {"usually", "most"} & theirs and not {"usually", "most", "may", "can", "sometimes"} & ours:
        return "usually dropped"
    if "rarely" in theirs and "rarely" not in ours:
        return "rarely dropped"
    if "some" in theirs and not loose & ours:
        return "some dropped"
    if "rarely" in ours and "rarely" not in every:
        return "rarely"
    return ""


_LINE = re.compile(r"[^\n]+")
_BULLET = re.compile(r"\s*(?:(?:[-*+\u2022]|\d{1,2}[.)])\s+|>\s*)")
_SEPARATOR = re.compile(r";\s*|,(?: and)? then |\band then |\Z")
_FIELD = re.compile(r"\s*([A-Za-z][\w ()/%-]{0,40}?)\s*:\s+(?=\S)")
_HEADING = re.compile(r"\s*#{1,6}\s")


@lru_cache(maxsize=1024)
def _statements(text: str, heading: str, words: Dictionary) -> tuple[_Statement, ...]:
    """Take a passage apart, once for all the sentences that it is asked about."""
    spans = list(_spans(text))
    names = " ".join(text[a:b] for a, b, name in spans if name.lower() in _NAMES)
    above = read(f"{heading} {names}", words)
    priced = bool(_PRICED.search(f"{heading} {text}"))
    lent = above.lendable | above.meanings
    found = [
        _Statement(a, b, read(text[a:b], words, name), lent, above.figures, priced)
        for a, b, name in spans
    ]
    found = [
        replace(each, nearby=before.reading.meanings)
        if before
        and (("@it" in {f for f, _ in each.reading.flags}) or _goes_on(text, before, each))
        else each
        for before, each in zip([None, *found], found, strict=False)
    ]
    cells = [
        _Statement(a, b, read(said, words), lent, above.figures, priced)
        for a, b, said in _cells(text)
    ]
    return (*found, *_records(found), *cells)


def _goes_on(text: str, before: _Statement, each: _Statement) -> bool:
    """Tell whether a statement is the rest of the sentence before it."""
    between = text[before.end : each.start]
    return "\n" not in between and not text[before.end - 1 : before.end].strip(")\"'") in (
        ".",
        "!",
        "?",
    )


_SPANS = frozenset({"day", "week", "month", "year", "night", "hour"})
_PRICED = re.compile(r"\b(?:fees?|prices?|tariff|charges?|costs?|rates?)\b", re.IGNORECASE)
_CELL = re.compile(r"\s+\|\s+|\t+")


def _cells(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield each cell of a table with what names its row and its column, and the row's span."""
    header: list[str] = []
    for line in _LINE.finditer(text):
        cells = _CELL.split(line[0].strip().strip("|").strip())
        if len(cells) < 2:
            header = []
        elif len(header) != len(cells):
            header = cells
        else:
            for name, cell in zip(header[1:], cells[1:], strict=True):
                yield line.start(), line.end(), f"{cells[0]} {name} {cell}"


_NAMES = {"name", "title", "item", "treatment", "service", "product"}


def _records(found: Sequence[_Statement]) -> Iterator[_Statement]:
    """Yield the runs of lines that only give a figure each, taken together."""
    run: list[_Statement] = []
    for each in (*found, None):
        reading = each.reading if each else None
        if (
            each
            and reading
            and reading.field_roots
            and reading.figures
            and all(w.root in reading.field_roots or w.is_light for w in reading.words)
        ):
            run.append(each)
            continue
        for first in range(len(run)):
            for last in range(first + 1, len(run)):
                yield _together(run[first : last + 1])
        run = []


def _together(parts: Sequence[_Statement]) -> _Statement:
    step = 1000
    readings = [part.reading for part in parts]
    merged = Reading(
        words=tuple(
            replace(w, clause=w.clause + step * n) for n, r in enumerate(readings) for w in r.words
        ),
        figures=tuple(
            replace(f, clause=f.clause + step * n)
            for n, r in enumerate(readings)
            for f in r.figures
        ),
        flags=frozenset((f, c + step * n) for n, r in enumerate(readings) for f, c in r.flags),
        meanings=frozenset().union(*(r.meanings for r in readings)),
        lendable=frozenset(),
        roots=tuple(x for r in readings for x in r.roots),
        field_roots=frozenset().union(*(r.field_roots for r in readings)),
    )
    return _Statement(parts[0].start, parts[-1].end, merged, parts[0].lent, parts[0].lent_figures)


def _spans(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield (start, end, field name) of each statement."""
    for line in _LINE.finditer(text):
        if _HEADING.match(line[0]):
            continue
        bullet = _BULLET.match(line[0])
        at = line.start() + (bullet.end() if bullet else 0)
        body = text[at : line.end()]
        name = _FIELD.match(body)
        field = name[1] if name else ""
        for start, end in sentence_spans(body):
            for separator in _SEPARATOR.finditer(body, start, end):
                until = start + len(body[start : separator.start()].rstrip())
                if start < until <= start + _LONGEST_STATEMENT:
                    yield at + start, at + until, field
                start = separator.end()


_CONNECTOR = re.compile(
    r"(?:[,;]\s+(?:and|but|while|so|or|whereas|because)?\s*|\s+(?:and|but)\s+|\s+-\s+)"
)


def _find_in_two(
    sentence: str, statements: Sequence[_Statement], words: Dictionary
) -> Support | None:
    """Find two neighbours that carry a half of the sentence each."""
    if not all(
        any(not word.meanings.isdisjoint(s.reading.meanings | s.lent) for s in statements)
        for word in read(sentence, words).words
        if not word.is_light
    ):
        return None
    for cut in _CONNECTOR.finditer(sentence):
        halves = [read(half, words) for half in (sentence[: cut.start()], sentence[cut.end() :])]
        if not all(_says_enough(half) for half in halves):
            continue
        first = _find(halves[0], statements)
        if not first:
            continue
        lent = [replace(s, lent=s.lent | halves[0].meanings) for s in statements]
        second = _find(halves[1], lent)
        if second:
            return Support(
                min(first.score, second.score),
                min(first.start, second.start),
                max(first.end, second.end),
            )
    return None
