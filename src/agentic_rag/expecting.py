"""Expecting: has a model write what patients may ask of each section, while it is awake.

What it writes is only ever compared with what patients ask: nobody reads it, and nothing is proven
by it. It helps to find what answers, and what nothing does, while the model sleeps.
"""

import asyncio
import json
import re
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from agentic_rag.agent.deps import Brief, Writer
from agentic_rag.agent.prompts import questions_prompt
from agentic_rag.clinic.profile import Clinic, read_questions
from agentic_rag.domain import Passage, SectionQuestions, WhenCold, rank_among
from agentic_rag.errors import LlmPromptRefused, LlmUnavailable, Misconfigured
from agentic_rag.injection import talks_to_models
from agentic_rag.retrieval.index import IndexVersion
from agentic_rag.retrieval.ingesting.engine import Progress

_AT_ONCE = 4  # sections
_MOST_TOKENS = 2_000  # in Devanagari a word is many
_MOST_CHARS, _MOST_QUESTIONS = 200, 20
_TEXT_CHARS = 6_000  # of a section; a longer one is more than anybody asks about
_JSON = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the live index: its label, the digest of its words, and those."""

    label: str
    digest: str
    heading: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a run did.

    Attributes:
        sections: those that questions were written for.
        questions: how many.
        failed: why by label of a section that none were written for.
        kept: sections whose questions were at hand.
    """

    sections: int
    questions: int
    failed: dict[str, str]
    kept: int


def sections_of(version: IndexVersion, clinic: Clinic) -> list[Section]:
    """Return the sections that may be evidence, those that talk to models left out."""
    found = (
        (passages, mark)
        for entry in version.entries().values()
        if not _is_noisy(entry.doc_id, clinic)
        for passages, mark in zip(_by_section(entry.passages), entry.marks, strict=True)
    )
    return [
        Section(
            label=passages[0].label,
            digest=mark.digest,
            heading=passages[0].heading,
            text="\n".join(each.text for each in passages)[:_TEXT_CHARS],
        )
        for passages, mark in found
        if not any(each.injected for each in passages)
    ]


async def write_questions(
    path: Path,
    sections: Sequence[Section],
    writer: Writer,
    progress: Progress,
    *,
    timeout_s: float,
) -> Written:
    """Have questions written for all sections that have none, or have changed since.

    Whatever is written is in the file at once: a run that is cut off goes on where it was.

    Args:
        path: `questions.jsonl`; of other sections what has no digest stays.
        sections: of the live index.
        writer: the model.
        progress: shows how far it is.
        timeout_s: for each section.

    Raises:
        Misconfigured: the file cannot be read or written.
    """
    known = {each.label for each in sections}
    rows = {e.section: e for e in read_questions(path) if e.section in known or not e.digest}
    wanted = [
        each
        for each in sections
        if each.label not in rows or rows[each.label].digest not in {"", each.digest}
    ]
    if wanted:
        _save(path, rows.values())  # who cannot be written to is told before a model is woken
    run = _Run(path, rows, writer, timeout_s)
    advance = progress.start("questions", len(wanted))
    async with asyncio.TaskGroup() as together:
        for each in wanted:
            together.create_task(run.write(each, advance))
    if run.unsaved:
        raise run.unsaved
    new = [rows[each.label] for each in wanted if each.label not in run.failed]
    return Written(
        sections=len(new),
        questions=sum(len(each.answered) + len(each.unanswered) for each in new),
        failed=run.failed,
        kept=len(sections) - len(wanted),
    )


class _Run:
    """Writes sections, few at once; a model that is away is not waited for again."""

    def __init__(
        self, path: Path, rows: dict[str, SectionQuestions], writer: Writer, timeout_s: float
    ) -> None:
        self.failed: dict[str, str] = {}
        self.unsaved: Misconfigured | None = None
        self._path, self._rows = path, rows
        self._writer, self._timeout_s = writer, timeout_s
        self._away: LlmUnavailable | None = None
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def write(self, section: Section, advance: Callable[[int], None]) -> None:
        """Write one, and save; where nothing can be saved, nothing more is written."""
        async with self._places:
            if self.unsaved:
                return
            try:
                self._rows[section.label] = await self._written(section)
                _save(self._path, self._rows.values())
            except (LlmUnavailable, ValueError) as error:
                self.failed[section.label] = str(error)
            except Misconfigured as error:
                self.unsaved = error
        advance(1)

    async def _written(self, section: Section) -> SectionQuestions:
        if self._away:
            raise self._away
        try:
            return await _written(section, self._writer, self._timeout_s)
        except LlmPromptRefused:
            raise  # that of another section may be to its taste
        except LlmUnavailable as error:
            self._away = error
            raise


async def _written(section: Section, writer: Writer, timeout_s: float) -> SectionQuestions:
    laid_out = orjson.dumps({"heading": section.heading, "text": section.text}).decode()
    draft = await writer.write(
        Brief(
            messages=(("system", questions_prompt()), ("user", laid_out)),
            wants=(),
            passages=(),
            max_tokens=_MOST_TOKENS,
            temperature=0.0,
            when_cold=WhenCold.WAIT,
            deadline=time.monotonic() + timeout_s,
        )
    )
    answered, unanswered = read_written(draft.text)
    return SectionQuestions(
        section=section.label, digest=section.digest, answered=answered, unanswered=unanswered
    )


def read_written(said: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Read what a model wrote: the questions that a section answers, and those it does not.

    Raises:
        ValueError: it holds no such JSON.

    >>> read_written('Sure! {"answered": ["What is it?"], "unanswered": ["Who made it?"]} {}')
    (('What is it?',), ('Who made it?',))
    """
    for found in re.finditer(r"\{", said):
        with suppress(json.JSONDecodeError, RecursionError):
            read, _ = _JSON.raw_decode(said, found.start())
            answered, unanswered = (_usable(read.get(key)) for key in ("answered", "unanswered"))
            if answered or unanswered:
                return answered, unanswered
    raise ValueError("the model wrote no questions")


def _usable(listed: object) -> tuple[str, ...]:
    texts = (each for each in listed if isinstance(each, str)) if isinstance(listed, list) else ()
    told = (" ".join(each.split()) for each in texts)
    usable = (each for each in told if 0 < len(each) <= _MOST_CHARS and not talks_to_models(each))
    return tuple(dict.fromkeys(usable))[:_MOST_QUESTIONS]


def _save(path: Path, rows: Iterable[SectionQuestions]) -> None:
    """Write the file in one step."""
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        beside.write_bytes(b"".join(orjson.dumps(asdict(each)) + b"\n" for each in rows))
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise Misconfigured(f"{path}: cannot be written: {error.strerror or error}") from error


def _by_section(passages: Iterable[Passage]) -> list[list[Passage]]:
    cut: list[list[Passage]] = []
    for passage in passages:
        if passage.part == 0:
            cut.append([])
        cut[-1].append(passage)
    return cut


def _is_noisy(doc_id: str, clinic: Clinic) -> bool:
    noisy = clinic.profile.noisy_sources
    return rank_among(noisy, doc_id) < len(noisy)
