"""Grade: what answers is kept, best first; what is missing is named."""

import pytest
from langgraph.runtime import Runtime
from tests.unit.agent.parts import Scores, make_passage

from agentic_rag.agent.steps.grade import grade
from agentic_rag.domain import Degraded
from agentic_rag.errors import RetrievalUnavailable

A, B, C = (make_passage(f"Passage {n}.", label=f"{n}.md") for n in "abc")


@pytest.fixture
def graded(make_deps, profile):
    async def run(passages, judge, *, wants=("scaling",), precedence=()):
        known = profile.model_copy(update={"precedence": precedence})
        deps = make_deps(judge=judge, profile=known)
        return await grade({"passages": tuple(passages), "wants": wants}, Runtime(context=deps))

    return run


def labels(made) -> list[str]:
    return [passage.label for passage in made["relevant"]]


async def test_only_what_fits_well_enough_is_kept(graded):
    made = await graded([A, B, C], Scores({"a.md": 0.59, "b.md": 0.6, "c.md": 0.9}))

    assert labels(made) == ["c.md", "b.md"]
    assert [passage.score for passage in made["relevant"]] == [0.9, 0.6]


async def test_nothing_passes_because_nothing_better_came(graded):
    made = await graded([A, B], Scores(otherwise=0.4, missing=("zirconium",)))

    assert made["relevant"] == ()
    assert made["missing"] == ("zirconium",)


async def test_nothing_found_is_nothing_kept(graded):
    assert await graded([], Scores()) == {"relevant": (), "missing": ()}


async def test_nothing_is_missing_where_something_answers(graded):
    made = await graded([A], Scores(missing=("price",)))

    assert made["missing"] == ()


async def test_a_passage_may_answer_any_part(graded):
    judge = Scores({"a.md": 0.9})

    made = await graded([A], judge, wants=("hours", "insurance"))

    assert labels(made) == ["a.md"]
    assert judge.asked == ["hours", "insurance"]


async def test_among_the_equally_good_the_most_trusted_comes_first(graded):
    judge = Scores({"a.md": 0.90, "b.md": 0.85, "c.md": 0.80})

    made = await graded([A, B, C], judge, precedence=("c.*", "b.*"))

    assert labels(made) == ["c.md", "b.md", "a.md"]


async def test_trust_does_not_lift_what_fits_far_worse(graded):
    judge = Scores({"a.md": 1.0, "c.md": 0.65})

    made = await graded([A, C], judge, precedence=("c.*",))

    assert labels(made) == ["a.md", "c.md"]


async def test_what_search_thought_of_a_passage_counts_too(graded):
    passages = [make_passage("A.", label="a.md", score=0.2), make_passage("B.", score=0.9)]

    made = await graded(passages, Scores())

    assert labels(made) == ["faq.md#scaling", "a.md"]


async def test_a_judge_that_is_away_is_trouble(graded):
    made = await graded([A], Scores(error=RetrievalUnavailable("no weights")))

    assert made["trouble"] is Degraded.RETRIEVAL_UNAVAILABLE
    assert made["relevant"] == ()
