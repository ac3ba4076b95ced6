"""The picture: the graph is what is drawn, its way back bounded, its steps true to their keys."""

import re
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import get_type_hints

import pytest
from tests.unit.agent.parts import Pen, Scores, Shelf, make_passage

import agentic_rag.agent.state as state_room
from agentic_rag.agent.ask import ask
from agentic_rag.agent.graph import build_graph
from agentic_rag.agent.state import Journey
from agentic_rag.domain import Likeness, Outcome, Question, Turn
from agentic_rag.errors import RetrievalUnavailable

REPO = Path(__file__).resolve().parents[3]

DRAWING = {
    ("__start__", "triage"),
    ("triage", "escalate"),
    ("triage", "decline"),
    ("triage", "plan"),
    ("plan", "retrieve"),
    ("plan", "greet"),
    ("greet", "__end__"),
    ("retrieve", "grade"),
    ("grade", "compose"),
    ("grade", "plan"),
    ("grade", "decline"),
    ("compose", "generate"),
    ("generate", "cite"),
    ("cite", "__end__"),
    ("escalate", "__end__"),
    ("decline", "__end__"),
}
MAIN_WAY = ["triage", "plan", "retrieve", "grade", "compose", "generate", "cite"]


def owners() -> dict[str, set[str]]:
    """Read, from the comment beside each key of the journey, which steps write it."""
    lines = Path(state_room.__file__).read_text("utf-8").splitlines()
    found = {}
    for line in lines:
        key = re.match(r"    (\w+): [^#]*#\s*(.+)$", line)
        if key:
            found[key[1]] = set(re.findall(r"\w+", key[2].partition(":")[0])) - {"or", "and"}
    return found


def test_the_graph_is_what_is_drawn():
    edges = {(edge.source, edge.target) for edge in build_graph().get_graph().edges}

    assert edges == DRAWING


def test_the_readme_draws_the_same_steps_in_the_same_order():
    readme = (REPO / "README.md").read_text("utf-8")
    fences = re.findall(r"```[^\n]*\n(.*?)```", readme, re.DOTALL)

    drawings = [fence for fence in fences if all(re.search(rf"\b{s}\b", fence) for s in MAIN_WAY)]

    assert drawings, "no fenced block of README.md names every step"
    places = [re.search(rf"\b{step}\b", drawings[0]).start() for step in MAIN_WAY]
    assert all(one < other for one, other in pairwise(places))
    assert re.search(r"\bescalate\b", drawings[0])
    assert re.search(r"\bdecline\b", drawings[0])


def test_every_key_of_the_journey_names_who_writes_it():
    written = owners()
    steps = {node for edge in DRAWING for node in edge} - {"__start__", "__end__"}

    assert written.keys() == get_type_hints(Journey).keys()
    for key, names in written.items():
        assert names <= steps or names & {"caller", "every"}, f"{key}: {names}"


JOURNEYS = {
    "answered": ("How long does scaling take?", {}),
    "a second search": ("What about zirconium?", {"judge": Scores(otherwise=0.1, missing=("a",))}),
    "nothing found": ("What about zirconium?", {"retriever": Shelf()}),
    "no index": ("How long?", {"retriever": Shelf(error=RetrievalUnavailable("away"))}),
    "no judge": ("How long?", {"judge": Scores(error=RetrievalUnavailable("no weights"))}),
    "an emergency": ("I can't breathe", {}),
    "small talk": ("Thank you!", {}),
    "a draft that nothing carries": ("How long?", {"ladder": Pen("The moon is made of cheese.")}),
}


@pytest.mark.parametrize(("text", "parts"), JOURNEYS.values(), ids=JOURNEYS.keys())
async def test_a_step_writes_no_key_of_another(make_deps, text, parts):
    answer = await ask(Question(text=text, debug=True), deps=make_deps(**parts))

    written = owners()
    for step in answer.trace:
        for key in step.keys() - {"step"}:
            assert step["step"] in written[key], f"{step['step']} wrote {key}"


async def test_a_step_changes_nothing_that_it_was_given(make_deps):
    passages = [make_passage("Scaling takes 40 minutes.", score=0.5)]
    shelf = Shelf(passages)
    history = (Turn(role="user", text="Tell me about scaling."),)

    await ask(Question(text="How long is it?", history=history), deps=make_deps(retriever=shelf))

    assert shelf.passages == [make_passage("Scaling takes 40 minutes.", score=0.5)]


@pytest.mark.parametrize("attempts", [1, 2, 3, 5])
@pytest.mark.parametrize("passages", [(), (make_passage("Parking is free."),)], ids=["none", "one"])
async def test_a_search_that_finds_nothing_ends(make_deps, attempts, passages):
    shelf = Shelf(passages)
    deps = make_deps(retriever=shelf, judge=Scores(otherwise=0.0, missing=("zirconium",)))
    limits = replace(deps.limits, max_attempts=attempts, max_steps=6 + 3 * attempts)

    answer = await ask(Question(text="zirconium?"), deps=replace(deps, limits=limits))

    assert answer.outcome is Outcome.DECLINED
    assert len(shelf.asked) == attempts


@pytest.mark.parametrize("away", ["the index", "the judge"])
async def test_a_search_that_cannot_be_made_or_judged_is_not_tried_again(make_deps, away):
    error = RetrievalUnavailable("away")
    shelf = Shelf([make_passage("Rest.")], error=error if away == "the index" else None)
    judge = Scores(error=error if away == "the judge" else None)

    await ask(Question(text="How long?"), deps=make_deps(retriever=shelf, judge=judge))

    assert len(shelf.asked) == 1


async def test_what_answers_at_the_last_attempt_is_still_used(make_deps):
    class Slow(Shelf):
        async def search(self, queries, *, k):
            await super().search(queries, k=k)
            return self.passages if len(self.asked) == 2 else []

    shelf = Slow([make_passage("Scaling takes 40 minutes.")])

    answer = await ask(Question(text="How long is scaling?"), deps=make_deps(retriever=shelf))

    assert answer.outcome is Outcome.ANSWERED


async def test_a_journey_that_searches_again_asks_the_same_version_of_the_index(make_deps):
    @dataclass
    class Library(Shelf):
        lent: list[Shelf] = field(default_factory=list)

        @asynccontextmanager
        async def pinned(self):
            self.lent.append(Shelf(self.passages, version=f"v{len(self.lent)}"))
            yield self.lent[-1]

    library = Library([make_passage("Rest.")])
    deps = make_deps(retriever=library, judge=Scores(otherwise=0.0, missing=("zirconium",)))

    answer = await ask(Question(text="How long is zirconium?", debug=True), deps=deps)

    assert [len(shelf.asked) for shelf in library.lent] == [2]
    assert library.asked == []
    named = [step["index"] for step in answer.trace if step["step"] == "retrieve"]
    assert named == ["v0", "v0"]


async def test_a_journey_gives_its_version_back_when_it_fails(make_deps):
    class Library(Shelf):
        lent = 0

        @asynccontextmanager
        async def pinned(self):
            self.lent += 1
            try:
                yield self
            finally:
                self.lent -= 1

    library = Library(error=RuntimeError("nobody foresaw it"))

    with pytest.raises(RuntimeError):
        await ask(Question(text="How long?"), deps=make_deps(retriever=library))

    assert library.lent == 0


async def test_an_emergency_touches_no_other_part(make_deps):
    shelf, judge, pen = Shelf(), Scores(), Pen()
    deps = make_deps(retriever=shelf, judge=judge, ladder=pen, quoter=pen)

    answer = await ask(Question(text="I can't breathe", debug=True), deps=deps)

    assert [step["step"] for step in answer.trace] == ["triage", "escalate"]
    assert (shelf.asked, judge.asked, pen.briefs) == ([], [], [])


def test_the_graph_is_built_once():
    assert build_graph() is build_graph()


async def test_what_stands_beside_a_found_passage_can_answer(make_deps):
    class Long(Shelf):
        async def beside(self, found):
            return [make_passage("Scaling takes 40 minutes.", label="faq.md#next", part=1)]

    shelf, pen = Long([make_passage("Parking is free.")]), Pen()

    deps = make_deps(retriever=shelf, ladder=pen)
    await ask(Question(text="How long is scaling?"), deps=deps)

    assert "Scaling takes 40 minutes." in [passage.text for passage in pen.briefs[0].passages]


async def test_what_was_expected_is_told_to_the_judge_and_to_who_writes(make_deps):
    like = Likeness(answered={"faq.md#scaling": 0.8}, unanswered=0.2)
    shelf = Shelf([make_passage("Scaling takes 40 minutes.")], likeness=like)
    judge, pen, quoter = Scores(), Pen("It is free. [1]"), Pen()

    deps = make_deps(retriever=shelf, judge=judge, ladder=pen, quoter=quoter)
    await ask(Question(text="How long is scaling?"), deps=deps)

    assert set(map(id, judge.expected)) == {id(like)}
    assert pen.briefs[0].expected == {"How long is scaling?": like}
    assert quoter.briefs[0].expected == pen.briefs[0].expected
