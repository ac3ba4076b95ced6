"""Grade: what answers is kept, best first; what is missing is named."""

import pytest
from langgraph.runtime import Runtime
from tests.unit.agent.parts import Scores, make_passage

from agentic_rag.agent.steps.grade import grade
from agentic_rag.domain import UNEXPECTED, Degraded, Question
from agentic_rag.errors import RetrievalUnavailable

A, B, C = (make_passage(f"Passage {n}.", label=f"{n}.md") for n in "abc")


@pytest.fixture
def graded(make_deps, profile):
    async def run(passages, judge, *, wants=("scaling",), precedence=(), state=None):
        known = profile.model_copy(update={"precedence": precedence})
        deps = make_deps(judge=judge, profile=known)
        asked = Question(text=" and ".join(wants))
        journey = {"question": asked, "passages": tuple(passages), "wants": wants} | (state or {})
        return await grade(journey, Runtime(context=deps))

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
    made = await graded([], Scores())

    assert (made["relevant"], made["held"], made["missing"]) == ((), (), ())


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


class ByWant(Scores):
    """A judge that knows for each want which label answers it."""

    def __init__(self, answers):
        super().__init__()
        self.answers = answers

    async def judge(self, question, passages, expected=UNEXPECTED):
        self.by_label, self.otherwise = {self.answers.get(question, "-"): 0.9}, 0.1
        self.missing = tuple(question.split())
        return await super().judge(question, passages, expected)


async def test_each_want_gets_its_best_passage_before_any_gets_its_second(graded):
    judge = ByWant({"hours": "c.md", "insurance": "a.md"})

    made = await graded([A, B, C], judge, wants=("hours", "insurance"))

    assert labels(made) == ["c.md", "a.md"]
    assert made["held"] == ("hours", "insurance")
    assert made["unheld"] == ()


async def test_the_part_that_nothing_answers_is_named_and_the_other_is_held(graded):
    made = await graded([A], ByWant({"hours": "a.md"}), wants=("hours", "do you treat dogs"))

    assert made["held"] == ("hours",)
    assert made["unheld"] == ("dogs",)
    assert "dogs" in made["missing"]


async def test_what_is_named_holds_no_number_and_is_short(graded):
    long = "call 9876543210 about " + " ".join(f"thing{letter}" for letter in "abcdefgh")

    made = await graded([A], ByWant({"hours": "a.md"}), wants=("hours", long))

    assert "9876543210" not in made["unheld"][0]
    assert len(made["unheld"][0].split()) <= 4


async def test_words_that_may_mean_one_thing_are_not_named_while_a_passage_has_them(graded):
    judge = Scores({"a.md": 0.9}, otherwise=0.1)

    made = await graded([A], judge, wants=("scaling", "polishing"), state={"loose": ("polishing",)})

    assert made["unheld"] == ()


async def test_a_second_look_keeps_what_the_first_found(graded):
    made = await graded([B], Scores(), state={"relevant": (A,)})

    assert set(labels(made)) == {"a.md", "b.md"}


OLD = make_passage("Scaling costs INR 900.", label="leaflets/old.md#prices", heading="Prices")
NEW = make_passage("Price band: INR 1,200 to 1,800", label="treatments.json#S", heading="Scaling")
PRECEDENCE = ("treatments.json", "leaflets/**")


async def test_of_two_prices_the_more_trusted_documents_is_told_alone(graded):
    judge = Scores({OLD.label: 1.0, NEW.label: 0.7})

    made = await graded([OLD, NEW], judge, precedence=PRECEDENCE)

    assert labels(made) == [NEW.label]
    assert made["disputed"] == (OLD.label,)


async def test_a_trusted_passage_that_fits_less_well_still_knows_better(graded):
    judge = Scores({OLD.label: 1.0, NEW.label: 0.5})

    made = await graded([OLD, NEW], judge, precedence=PRECEDENCE)

    assert labels(made) == [NEW.label]


async def test_without_precedence_nobody_decides(graded):
    made = await graded([OLD, NEW], Scores())

    assert set(labels(made)) == {OLD.label, NEW.label}


async def test_a_number_of_a_less_trusted_document_is_looked_up_again(graded):
    alone = await graded([OLD], Scores(), precedence=PRECEDENCE)
    trusted = await graded([NEW], Scores(), precedence=PRECEDENCE)

    assert alone["doubtful"] == ("Scaling costs INR 900.",)
    assert trusted["doubtful"] == ()


async def test_the_reading_that_something_fits_best_is_held(graded):
    judge = ByWant({"lasik age": "a.md"})

    made = await graded([A], judge, state={"readings": {"scaling": ("lasik age",)}})

    assert made["held"] == ("lasik age",)


@pytest.mark.parametrize(
    ("score", "missing", "held"),
    [(0.7, (), "I am pregnant. scaling"), (0.7, ("pregnant",), "scaling"), (0.3, (), "scaling")],
)
async def test_what_was_told_beside_it_counts_where_a_passage_speaks_of_all_of_it(
    graded, score, missing, held
):
    told = "I am pregnant. scaling"

    class Told(Scores):
        async def judge(self, question, passages, expected=UNEXPECTED):
            fuller = question == told
            self.by_label = {"b.md": score} if fuller else {"a.md": 0.9}
            self.otherwise, self.missing = 0.1, missing if fuller else ()
            return await super().judge(question, passages, expected)

    made = await graded([A, B], Told(), state={"readings": {"scaling": (told,)}})

    assert made["held"] == (held,)


async def test_a_doubtful_number_that_nobody_contradicts_stands_as_it_was(graded):
    state = {"doubtful": ("Passage b.",), "relevant": (B, A), "held": ("scaling",), "missing": ()}

    made = await graded([C], Scores(), state=state)

    assert labels(made) == ["b.md", "a.md"]
    assert made["held"] == ("scaling",)
    assert made["doubtful"] == ()


async def test_a_doubtful_number_gives_way_to_a_trusted_one_that_is_found_late(graded):
    state = {"doubtful": ("Scaling costs INR 900.",), "relevant": (OLD,), "held": ("scaling",)}

    made = await graded([NEW], Scores(), precedence=PRECEDENCE, state=state)

    assert labels(made) == [NEW.label]


@pytest.mark.parametrize(
    ("want", "text", "is_held"),
    [
        ("How much does a gown cost?", "A gown is blue.", False),
        ("How much does a gown cost?", "A gown is INR 200.", True),
        ("How much does a gown cost?", "A gown is free of charge.", True),
        ("How many years does a gown last?", "A gown takes 2 visits.", False),
        ("How many years does a gown last?", "A gown lasts long.", True),
        ("Are you open on Holi?", "On Holi wear a gown.", False),
        ("Are you open on Holi?", "On Holi we are closed.", True),
    ],
)
async def test_what_fits_and_tells_nothing_of_the_asked_kind_is_no_answer(
    graded, want, text, is_held
):
    made = await graded([make_passage(text)], Scores(), wants=(want,))

    assert bool(made["relevant"]) is is_held
