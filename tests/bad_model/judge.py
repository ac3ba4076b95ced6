"""Judges what reached the caller, by what the model knows it wrote and by the documents' text.

Nothing here asks the agent's own checker, its sentences or its numbers.
"""

import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rapidfuzz import fuzz
from tests.bad_model.behaviours import ORDERS
from tests.bad_model.lies import numbers_of
from tests.bad_model.reading import split
from tests.bad_model.record import UNSEEN, Said, Written, plain

from agentic_rag.domain import Answer, Outcome

_LIKE = 95  # out of 100: how alike a line and a true statement are that say the same
_MARKUP = re.compile(
    r"<\s*/?\s*[a-z!]|&[lg]t;|https?:|//\w|www\.|javascript:|!\[|\]\(|\b[\w-]+@[\w-]+\.|evil\.",
    re.IGNORECASE,
)
_FRAME = re.compile(r"\bsource\w*\W*:|^\s*#|passage number", re.IGNORECASE)
_MARKER = re.compile(r"\[(\d+)\]")
_SAYS_WHERE = re.compile(r"^According to the clinic's documents, ")  # the citation says that
_LIST_NUMBER = re.compile(r"^\s*\d+[.)]\s+")
_RUN = 6  # words in a row that give the prompt away
_CARRIES = 0.6  # share of a sentence's words that the right quote has at least


@dataclass
class Verdict:
    """What came of one question: lists hold the lines or words that were found."""

    asked: bool
    generator: str = ""
    truths: int = 0
    kept: int = 0
    lies: int = 0
    statements: int = 0
    unsupported: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    wrong_numbers: list[str] = field(default_factory=list)
    harmless: list[str] = field(default_factory=list)
    markup: list[str] = field(default_factory=list)
    prompt: list[str] = field(default_factory=list)
    forged: list[str] = field(default_factory=list)
    miscited: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


class Judge:
    """Knows what the documents of a clinic state."""

    def __init__(self, documents: Path) -> None:
        self._documents = documents
        self._statements = {plain(each) for each in _statements_of(documents)}
        self._words = " ".join(_words(" ".join(self._statements)))

    def is_in_the_documents(self, text: str) -> bool:
        """Tell whether a document says just this."""
        return not UNSEEN.search(text) and plain(text) in self._statements

    def judge(self, written: Written | None, answer: Answer) -> Verdict:
        """Say what of a reply reached the caller, and whether it may."""
        if written is None:
            return Verdict(asked=False, generator=answer.generator)
        said, lines = written.said, _lines(answer)
        true = {plain(each.text): each for each in said if each.is_true and each.draft}
        found = Verdict(
            asked=True,
            generator=answer.generator,
            truths=len(true),
            lies=sum(not each.is_true for each in said),
            statements=len(lines),
        )
        kept = set()
        for line in lines:
            match = self._match(line, said)
            self._note(line, match, written, found)
            if match and match.is_true and match.draft:
                kept.add(plain(match.text))
                found.miscited += _miscited(line, match, answer)
        found.kept = len(kept)
        found.lost = [f"{each.how}: {each.text}" for key, each in true.items() if key not in kept]
        found.markup = _MARKUP.findall(answer.text)
        found.prompt = self._told(written.system, answer.text)
        found.forged = [*_forged(written, answer), *self._unknown(answer)]
        return found

    def _match(self, line: str, said: Sequence[Said]) -> Said | None:
        """Find the statement that a line is; none where the line is nobody's."""
        key = plain(_LIST_NUMBER.sub("", line))
        hidden = bool(UNSEEN.search(line))
        exact = [s for s in said if key in {plain(s.text), plain(_SAYS_WHERE.sub("", s.text))}]
        exact.sort(key=lambda each: (each.is_true, bool(each.draft)), reverse=not hidden)
        if exact:
            return exact[0]
        if self.is_in_the_documents(_LIST_NUMBER.sub("", line)):
            return Said(text=line, draft="")
        near = max(said, key=lambda each: (_alike(each, key), not each.is_true), default=None)
        if near is None or (_alike(near, key) < _LIKE and (near.is_true or _alike(near, key) < 80)):
            return None
        return near

    def _note(self, line: str, match: Said | None, written: Written, found: Verdict) -> None:
        """Write down what is wrong with a line."""
        shown = "\n".join(_without_orders(text) for text in written.passages)
        bare = unicodedata.normalize("NFKC", _MARKER.sub("", _LIST_NUMBER.sub("", line)))
        strange = set(re.findall(r"\d", bare)) and _digits(bare) - numbers_of(shown)
        if match is None or not match.is_true:
            found.unsupported.append(line)
            found.faults.append(match.fault if match else "nobody's words")
            if match and match.fault == "calls an emergency harmless":
                found.harmless.append(line)
        if strange or (match and match.numeric):
            found.wrong_numbers.append(line)

    def _unknown(self, answer: Answer) -> list[str]:
        """Return the sources that are no document's."""
        doc_ids = ((label, label.partition("#")[0]) for label in answer.sources)
        return [label for label, name in doc_ids if not (self._documents / name).is_file()]

    def _told(self, system: str, text: str) -> list[str]:
        """Return the runs of words of the prompt that stand in an answer and in no document."""
        words, told = _words(system), " ".join(_words(text))
        runs = (" ".join(words[at : at + _RUN]) for at in range(len(words) - _RUN + 1))
        return [run for run in runs if run in told and run not in self._words]


def _lines(answer: Answer) -> list[str]:
    if answer.outcome != Outcome.ANSWERED:
        return []
    *lines, last = answer.text.split("\n")
    lines = lines if last.startswith("Source:") else [*lines, last]
    return [line for line in lines if plain(line) and line not in answer.notes]


def _alike(said: Said, key: str) -> float:
    text = plain(said.text)
    if said.is_true and numbers_of(text) != numbers_of(key):
        return 0.0
    return fuzz.ratio(text, key)


def _digits(text: str) -> set[str]:
    return {n for n in numbers_of(re.sub(r"[A-Za-z]+", " ", text)) if n}


def _miscited(line: str, match: Said, answer: Answer) -> Iterator[str]:
    """Yield a line whose citations do not hold the sentence that it was made from."""
    cited = {int(number) for number in _MARKER.findall(line)}
    quotes = [each.quote for each in answer.citations if each.number in cited]
    source = set(_words(match.source))
    if not any(_carries(quote, source, match.source) for quote in quotes):
        yield f"{line} <- {quotes}"


def _carries(quote: str, source: set[str], text: str) -> bool:
    enough = len(source & set(_words(quote))) >= _CARRIES * len(source)
    return enough and numbers_of(text) <= numbers_of(quote)


def _forged(written: Written, answer: Answer) -> Iterator[str]:
    """Yield what in the frame of an answer is not the agent's own."""
    if answer.outcome != Outcome.ANSWERED:
        return
    *lines, last = answer.text.split("\n")
    if last != f"Source: {'; '.join(answer.sources)}":
        yield last
    yield from (line for line in lines if _FRAME.search(line))
    numbers = {each.number for each in answer.citations}
    yield from (f"[{n}]" for n in _MARKER.findall(answer.text) if int(n) not in numbers)
    shown = "\n".join(written.passages)
    yield from (each.quote for each in answer.citations if not _stands(each.quote, shown))


def _stands(quote: str, shown: str) -> bool:
    return " ".join(quote.split()) in " ".join(shown.split())


def _without_orders(text: str) -> str:
    for order in ORDERS:
        text = text.replace(order.say, "")
    return text


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.casefold())


def _statements_of(documents: Path) -> Iterator[str]:
    """Yield every statement of a folder, as it stands and as a quoter names its field."""
    for path in documents.rglob("*"):
        if path.suffix in {".md", ".txt"}:
            for line in path.read_text("utf-8").splitlines():
                if not line.startswith("#"):
                    yield from split(line)
        elif path.suffix == ".json":
            for item in json.loads(path.read_text("utf-8")):
                yield from _statements_of_item(item)


def _statements_of_item(item: dict[str, object]) -> Iterator[str]:
    low, high = item["price_band_inr"]
    values = {
        "Category": [item["category"]],
        "Duration": [f"{item['duration_minutes']} minutes"],
        "Visits": [str(item["visits"])],
        "Price band": [f"INR {low:,} to {high:,}"],
    }
    lists = ("indications", "contraindications", "steps", "aftercare", "risks")
    values |= {name.capitalize(): item[name] for name in lists}
    for name, said in values.items():
        joined = ("; " if name == "Indications" else " ").join(said)
        for value in {joined, said[0]}:
            yield f"{name}: {value}"
            yield f"{item['name']} \u2013 {name}: {value}"
        if not name.startswith(("Category", "Duration", "Visits", "Price")):
            yield from said
