"""The last rung: no model, the documents' own sentences, chosen for the question."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from agentic_rag.domain import UNEXPECTED, Draft, Likeness, Passage
from agentic_rag.kinds import tells_asked
from agentic_rag.language import (
    denial_over,
    field_name,
    leans,
    statement_spans,
    stem,
    terms,
    topic_words,
)

_WANT_WEIGHT, _ASPECT_WEIGHT, _WORDS_WEIGHT = 0.4, 0.3, 0.3
_PER_WANT = 3
_MOST = 6
_SHORT_SECTION = 4  # statements
_NEAR_SECTION = 0.6  # share of the best score that another of its section needs
_NEAR_BEST = 0.9  # share of the best score that a further sentence needs
_SAME = 0.6  # share of words in common from which two sentences say the same
_ANNOUNCES = re.compile(r"(?:How|Why|What|Whom|Which)\b")  # of a document, what it is about
_IDENTITY = {"code", "id", "name", "title"}  # fields that tell which item, and nothing about it
_RECORDS = (".json", ".jsonl")  # what stands in front of a colon there is a label, and no words
_KIND_WEIGHT = 0.1
_LEAD_WEIGHT = 0.05
_LIKE = 0.5  # cosine from which two questions may ask for the same
_ALIKE = {
    "hurt": "pain",
    "ach": "pain",
    "ache": "pain",
    "cost": "price",
    "charg": "price",
    "durat": "take",
}
_TRUST = 0.02  # what each place further back in the evidence costs

Embed = Callable[[Sequence[str]], Awaitable[NDArray[np.float32]]]


class Quotable(Protocol):
    """What is needed of a brief."""

    @property
    def wants(self) -> tuple[str, ...]: ...  # noqa: D102

    @property
    def passages(self) -> tuple[Passage, ...]: ...  # noqa: D102

    @property
    def expected(self) -> Mapping[str, Likeness]: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class _Statement:
    number: int
    label: str
    heading: str
    said: str
    in_context: str
    field: str
    is_on_foot: bool  # says "it" for what the one before has named


class ExtractiveWriter:
    """Quotes, for each part of the question, the statements that come closest to it."""

    def __init__(self, embed: Embed) -> None:
        self._embed = embed

    async def write(self, brief: Quotable) -> Draft:
        """Return quoted statements, each with the `[n]` of its passage.

        Raises:
            RetrievalUnavailable: the embedder cannot be used.
        """
        statements = [
            statement
            for number, passage in enumerate(brief.passages, start=1)
            for statement in _statements(number, passage)
        ]
        if not statements:
            return Draft(text="", generator="extractive")
        in_context = await self._embed([s.in_context for s in statements])
        chosen: list[int] = []
        for want in brief.wants:
            aspect = _aspect(want, " ".join(s.heading for s in statements))
            meant, asked = await self._embed([want, aspect])
            closeness = _WANT_WEIGHT * (in_context @ meant)
            closeness += _ASPECT_WEIGHT * (in_context @ asked)
            scores = _scores(want, statements, closeness)
            scores += _lead(brief.expected.get(want, UNEXPECTED), statements)
            best = _best(scores, statements, chosen)
            if best:
                best += _beside(best[0], want, scores, statements)
            best += [at - 1 for at in best if statements[at].is_on_foot]
            chosen += _in_order([at for at in best if at not in chosen], statements)
        kept = (statements[at] for at in chosen[:_MOST])
        text = "\n".join(f"{each.said} [{each.number}]" for each in kept)
        return Draft(text=text, generator="extractive")


def _statements(number: int, passage: Passage) -> list[_Statement]:
    subject = passage.heading.rpartition(" > ")[2]
    found: list[_Statement] = []
    for start, end in statement_spans(passage.text):
        said = passage.text[start:end]
        field = field_name(said)
        announces = not passage.section and _ANNOUNCES.match(said)
        if said.endswith(("?", ":")) or field.lower() in _IDENTITY or announces:
            continue
        told = said
        if field and said.endswith("."):  # a sentence says itself what it is about
            told = said[len(field) + 2 :] if passage.doc_id.endswith(_RECORDS) else said
        elif field and subject:
            told = f"{subject} \u2013 {said[0].lower()}{said[1:]}"
        elif denial := denial_over(passage.text, start, passage.heading):
            told = f"{denial} {said}"
        is_on_foot = bool(found) and leans(said)
        in_context = f"{found[-1].in_context if is_on_foot else passage.heading + ':'} {said}"
        where = number, passage.label, passage.heading
        found.append(_Statement(*where, told, in_context, field, is_on_foot))
    return found


def _scores(
    want: str, statements: Sequence[_Statement], closeness: NDArray[np.float32]
) -> NDArray[np.float32]:
    asked = _terms(want)
    shared = [len(asked & _terms(s.in_context)) / max(len(asked), 1) for s in statements]
    trust = [_TRUST * (s.number - 1) for s in statements]
    told = [tells_asked(want, s.said) for s in statements]
    closeness = closeness + _KIND_WEIGHT * np.array(told, dtype=np.float32)
    scores: NDArray[np.float32] = closeness + _WORDS_WEIGHT * np.array(shared) - np.array(trust)
    return scores


def _lead(expected: Likeness, statements: Sequence[_Statement]) -> NDArray[np.float32]:
    """Return what the statements gain of the section that such a question was expected of most."""
    found = [expected.answered.get(each.label, 0.0) for each in statements]
    likeness = np.array(found, dtype=np.float32)
    likest = likeness.max()
    is_led = (likeness == likest) & (likest >= _LIKE)
    lead: NDArray[np.float32] = np.where(is_led, _LEAD_WEIGHT * likeness, np.float32(0.0))
    return lead


def _terms(text: str) -> set[str]:
    """Return the stems of a text, those that patients say for one another as one."""
    return {_ALIKE.get(term, term) for term in terms(text)}


def _aspect(want: str, headings: str) -> str:
    """Return what is asked about a thing, without the thing: the words not in the headings.

    >>> _aspect("What does scaling cost?", "Scaling and polishing")
    'cost'
    """
    named = set(terms(headings))
    return " ".join(w for w in topic_words(want) if stem(w) not in named) or want


def _best(
    scores: NDArray[np.float32], statements: Sequence[_Statement], chosen: Sequence[int]
) -> list[int]:
    best: list[int] = []
    order = np.argsort(-scores, kind="stable")
    for at in (int(each) for each in order):
        if len(best) == _PER_WANT or scores[at] < _NEAR_BEST * scores[order[0]]:
            break
        if not any(_same(statements[at], statements[other]) for other in (*best, *chosen)):
            best.append(at)
    return best


def _beside(
    at: int, want: str, scores: NDArray[np.float32], statements: Sequence[_Statement]
) -> list[int]:
    """Return what else of its passage belongs to a statement.

    A sentence that was torn out of a short section may lack its footing. A price needs no more;
    but of a record each field that tells what was asked: how long a visit, and how long in all.
    """
    others = [n for n, each in enumerate(statements) if each.number == statements[at].number]
    fields = [statements[n].field for n in others]
    if tells_asked(want, statements[at].said):
        is_record = statements[at].field and len(set(fields)) == len(fields)  # no rows of a table
        figures = [n for n in others if is_record and not statements[n].said.endswith(".")]
        return [n for n in figures if tells_asked(want, statements[n].said)]
    if len(others) > _SHORT_SECTION or any(fields):
        return []
    return [n for n in others if scores[n] >= _NEAR_SECTION * scores[at]]


def _in_order(chosen: Sequence[int], statements: Sequence[_Statement]) -> list[int]:
    """Put what was chosen of one passage as the document has it."""
    places = list(dict.fromkeys(statements[at].number for at in chosen))
    return sorted(set(chosen), key=lambda at: (places.index(statements[at].number), at))


def _same(one: _Statement, other: _Statement) -> bool:
    first, second = set(terms(one.said)), set(terms(other.said))
    return len(first & second) >= _SAME * max(len(first | second), 1)
