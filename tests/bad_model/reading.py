"""Reads the prompt that the agent sent, as a model sees it: fenced passages and a question."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_PASSAGE = re.compile(
    r'<passage\b[^>]*?number="(?P<number>\d+)"(?:[^>]*?label="(?P<label>[^"]*)")?[^>]*>\n'
    r"(?P<text>.*?)\n</passage",
    re.DOTALL,
)
_QUESTION = re.compile(r"^Question: ?(.*)", re.MULTILINE | re.DOTALL)
_STOP = re.compile(r"(?<=[.!?])\s+(?=[A-Z])|\n+")
_FIELD = re.compile(r"^(?P<name>[A-Z][\w -]{0,30}): (?P<value>.+)$")
_BULLET = re.compile(r"^(?:[-*]|\d+\.) ")
_IDENTITY = {"Code", "Name", "Category", "Indications"}
_MEASURES = {"Duration", "Visits", "Price band"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A passage as the prompt shows it; without a label where the prompt tells none."""

    number: int
    label: str
    text: str

    @property
    def subject(self) -> str:
        """What it is about: the name of a treatment, else the last of its headings."""
        named = re.search(r"^Name: (.+)$", self.text, re.MULTILINE)
        if named:
            return named[1]
        first = next((line for line in self.text.splitlines() if line.strip()), "")
        if not first or first.endswith("."):  # a part of a document: its name has to do
            name = re.split(r"[/#]", self.label)[-1].split(".")[0].replace("-", " ")
            return name or "this treatment"
        return re.split("[>\u203a]", first)[-1].strip("# ?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A statement of a passage: a whole sentence, or the value of a field of its subject."""

    text: str
    number: int
    label: str
    subject: str
    field: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """All that a model was told."""

    system: str
    question: str
    passages: tuple[Shown, ...]


def read_prompt(messages: Sequence[dict[str, str]]) -> Prompt:
    """Read the messages of a chat request; no passages where it asks for something else."""
    told = "\n".join(m["content"] for m in messages if m["role"] == "system")
    asked = str(messages[-1]["content"])
    found = _QUESTION.findall(asked.rpartition("</documents")[2])
    return Prompt(
        system=told,
        question=found[-1].strip() if found else asked.strip(),
        passages=tuple(
            Shown(number=int(p["number"]), label=p["label"] or "", text=p["text"])
            for p in _PASSAGE.finditer(asked)
        ),
    )


def facts(passage: Shown) -> Iterator[Fact]:
    """Yield what a passage states; headings, titles and what only introduces a list state nothing.

    >>> shown = Shown(number=1, label="t", text="Name: Scaling" + chr(10) + "Visits: 1")
    >>> [(fact.subject, fact.field, fact.text) for fact in facts(shown)]
    [('Scaling', 'Visits', '1')]
    """
    for line in passage.text.splitlines():
        field = _FIELD.match(line)
        name = field["name"] if field and not line.endswith(":") else ""
        if name in _IDENTITY or line.startswith("#"):
            continue
        told = field["value"] if field and name else _BULLET.sub("", line.strip())
        for text in [told] if name in _MEASURES else split(told):
            if name in _MEASURES or text.endswith("."):
                yield Fact(
                    text=text,
                    number=passage.number,
                    label=passage.label,
                    subject=passage.subject,
                    field=name if name in _MEASURES else "",
                )


def split(text: str) -> list[str]:
    """Return the sentences of a text."""
    return [part.strip() for part in _STOP.split(text) if part.strip()]


def closeness(fact: Fact, question: str) -> int:
    """Count the words that a fact and a question share by their first five letters."""
    asked = {word[:5] for word in re.findall(r"[a-z]{4,}", question.lower())}
    said = f"{fact.text} {fact.field} {fact.subject if fact.field else ''}".lower()
    return len(asked & {word[:5] for word in re.findall(r"[a-z]{4,}", said)})
