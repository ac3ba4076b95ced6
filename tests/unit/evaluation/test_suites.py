"""What each suite makes of what came of its cases."""

from dataclasses import replace

import pytest

from agentic_rag.domain import Answer, Outcome
from agentic_rag.evaluation.cases import GoldenCase, RetrievalCase, SupportCase, TriageCase
from agentic_rag.evaluation.examine import SUITES
from agentic_rag.evaluation.golden import GOLDEN, Told
from agentic_rag.evaluation.proof import Statement
from agentic_rag.evaluation.retrieval import RETRIEVAL, Searched
from agentic_rag.evaluation.support import SUPPORT, Judged
from agentic_rag.evaluation.triage import TRIAGE, Heard

CASE = GoldenCase(
    id="g",
    question="How long?",
    kind="plain",
    outcome="answered",
    labels=(("faq.md#", "fees.md"),),
    facts=(("40 minutes", "forty minutes"),),
    never=("90 minutes",),
)
GOOD = Answer(
    text="It takes 40\nMinutes. [1]\nSource: faq.md#scaling",
    outcome=Outcome.ANSWERED,
    sources=("faq.md#scaling",),
    timings={"plan": 0.002, "total": 0.1},
)


def told(answer: Answer = GOOD, case: GoldenCase = CASE, *said: Statement) -> Told:
    return Told(case=case, answer=answer, statements=said)


def said(cited=1, right=1, *, carried=True, misnumbered=False) -> Statement:
    return Statement(
        text="So.", cited=cited, right=right, is_carried=carried, is_misnumbered=misnumbered
    )


def values(suite, seen) -> dict[str, float]:
    return {each.name.partition(".")[2]: each.value for each in suite.measure(seen)}


@pytest.mark.parametrize("suite", SUITES.values(), ids=lambda suite: suite.name.value)
def test_nothing_tried_is_nothing_measured(suite):
    assert suite.measure([]) == []


def test_every_figure_is_explained():
    seen = {
        "golden": [told(GOOD, CASE, said())],
        "triage": [heard("emergency", alarmed=True), heard("none")],
        "support": [judged(True, True), judged(False, False)],
        "retrieval": [searched("faq.md#a"), searched("", absent=True, outcome=Outcome.DECLINED)],
    }

    for name, suite in SUITES.items():
        assert all(suite.knows(measure.metric) for measure in suite.measure(seen[name]))


def test_a_right_answer_has_no_fault():
    assert told().wrong == ""
    assert GOLDEN.fault(told(GOOD, CASE, said())) is None


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"outcome": Outcome.DECLINED}, "declined, expected answered"),
        ({"text": "It takes long."}, "lacks 40 minutes or forty minutes"),
        ({"text": "Source: 40 minutes"}, "lacks 40 minutes or forty minutes"),
        ({"sources": ()}, "cites nothing"),
        ({"sources": ("other.md#x",)}, "cites other.md#x"),
        ({"text": "40 minutes, or 90 minutes"}, "says 90 minutes"),
    ],
)
def test_a_wrong_answer_is_told_what_is_wrong(change, wrong):
    assert told(replace(GOOD, **change)).wrong == wrong


def test_words_are_the_same_whatever_their_case_dashes_and_spaces():
    case = CASE.model_copy(update={"facts": (("inr 1,200 - 1,800",),)})

    assert told(replace(GOOD, text="INR\u00a01,200 \u2013 1,800"), case).is_right


def test_a_declined_question_may_cite_nothing():
    case = GoldenCase(id="d", question="?", kind="absent", outcome="declined")
    answer = Answer(text="I don't have that.", outcome=Outcome.DECLINED)

    assert told(answer, case).is_right
    cites = replace(answer, sources=("faq.md",))
    assert told(cites, case).wrong == "cites faq.md, where nothing is to be cited"


def test_who_never_answers_is_imprecise_in_declining():
    absent = GoldenCase(id="d", question="?", kind="absent", outcome="declined")
    answer = Answer(text="No.", outcome=Outcome.DECLINED)

    found = values(GOLDEN, [told(answer, absent), told(answer), told(answer)])

    assert found["abstention_recall"] == 1.0
    assert found["abstention_precision"] == pytest.approx(1 / 3)
    assert found["answered_right"] == 0.0


def test_emergencies_and_false_ones_are_counted_apart():
    urgent = GoldenCase(id="e", question="!", kind="emergency", outcome="emergency")
    alarm = Answer(text="Call.", outcome=Outcome.EMERGENCY)

    found = values(GOLDEN, [told(alarm, urgent), told(alarm), told(), told()])

    assert found["emergency_recall"] == 1.0
    assert found["false_alarms"] == pytest.approx(1 / 3)


def test_statements_are_counted_one_by_one():
    seen = [
        told(GOOD, CASE, said(), said(2, 1)),
        told(GOOD, CASE, said(0, 0), said(1, 0, carried=False, misnumbered=True)),
    ]

    found = values(GOLDEN, seen)

    assert found["citation_precision"] == pytest.approx(2 / 4)
    assert found["citation_recall"] == pytest.approx(2 / 4)
    assert found["support_rate"] == pytest.approx(3 / 4)
    assert found["wrong_numbers"] == pytest.approx(1 / 4)
    assert "unproven: So." in GOLDEN.fault(seen[1]).wrong


@pytest.mark.parametrize(
    ("kind", "metric"),
    [
        ("follow_up", "follow_ups_right"),
        ("two_part", "two_part_right"),
        ("conflict", "conflicts_right"),
        ("injected", "injections_resisted"),
    ],
)
def test_the_hard_kinds_have_figures_of_their_own(kind, metric):
    case = CASE.model_copy(update={"kind": kind})
    wrong = replace(GOOD, text="90 minutes")

    found = values(GOLDEN, [told(GOOD, case), told(wrong, case), told()])

    assert found[metric] == 0.5
    assert found[f"right (kind: {kind})"] == 0.5
    assert found["forbidden_said"] == pytest.approx(1 / 3)


def test_each_step_is_timed():
    found = values(GOLDEN, [told()])

    assert found["step_ms_p95 (step: plan)"] == pytest.approx(2)
    assert found["step_ms_p50 (step: total)"] == pytest.approx(100)


def heard(expected: str, *, alarmed=False, as_crisis=False, language="en") -> Heard:
    case = TriageCase(
        id="t",
        text="Help",
        language=language,
        expected=expected,
        category=None if expected == "none" else "bleeding",
        kind="plain",
    )
    return Heard(case=case, alarmed=alarmed, as_crisis=as_crisis, seconds=0.001)


def test_emergencies_are_counted_by_language_and_category():
    seen = [
        heard("emergency", alarmed=True),
        heard("emergency", language="hi"),
        heard("crisis", alarmed=True, as_crisis=True),
        heard("none", alarmed=True),
        heard("none"),
    ]

    found = values(TRIAGE, seen)

    assert found["emergency_recall"] == pytest.approx(2 / 3)
    assert found["emergency_recall (language: hi)"] == 0.0
    assert found["emergency_recall (category: bleeding)"] == pytest.approx(2 / 3)
    assert found["false_alarms"] == 0.5
    assert found["crisis_recall"] == 1.0
    assert found["crisis_invented"] == 0.0
    assert found["long_message_ms_p99"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("each", "wrong"),
    [
        (heard("emergency"), "missed: bleeding"),
        (heard("none", alarmed=True), "a false alarm"),
        (heard("crisis", alarmed=True), "not taken for a crisis"),
        (heard("emergency", alarmed=True, as_crisis=True), "taken for a crisis"),
    ],
)
def test_triage_names_its_fault(each, wrong):
    assert TRIAGE.fault(each).wrong == wrong


@pytest.mark.parametrize("expected", ["none", "emergency"])
def test_what_is_heard_right_is_no_fault(expected):
    assert TRIAGE.fault(heard(expected, alarmed=expected != "none")) is None


def judged(supported: bool, kept: bool) -> Judged:
    case = SupportCase(id="s", passage="So.", sentence="So.", supported=supported, kind="digit")
    return Judged(case, kept)


def test_pairs_are_counted_by_what_they_are():
    found = values(SUPPORT, [judged(True, True), judged(True, False), judged(False, True)])

    assert found["balanced_accuracy"] == 0.25
    assert found["true_kept"] == 0.5
    assert found["false_accepts (kind: digit)"] == 1.0
    assert SUPPORT.fault(judged(False, True)).wrong == "shown: digit"
    assert SUPPORT.fault(judged(True, False)).wrong == "dropped: digit"
    assert SUPPORT.fault(judged(True, True)) is None


def searched(*found: str, absent=False, outcome=Outcome.ANSWERED, held_out=False) -> Searched:
    case = RetrievalCase(
        id=f"{found}{absent}{outcome}{held_out}",
        question="?",
        labels=() if absent else ("faq.md#a",),
        kind="absent" if absent else "plain",
        held_out=held_out,
    )
    return Searched(case=case, found=found, outcome=outcome)


def test_a_search_is_right_within_the_first_three():
    seen = [
        searched("faq.md#a"),
        searched("b", "c", "faq.md#a"),
        searched("b", "c", "d", "faq.md#a"),
    ]

    found = values(RETRIEVAL, seen)

    assert found["found"] == pytest.approx(2 / 3)
    assert found["rr_at_10"] == pytest.approx((1 + 1 / 3 + 1 / 4) / 3)
    assert found["ndcg_at_10"] == pytest.approx((1 + 0.5 + 0.4307) / 3, abs=0.001)


def test_a_search_that_finds_nothing_is_ranked_last():
    found = values(RETRIEVAL, [searched(), searched("faq.md#a")])

    assert (found["found"], found["rr_at_10"]) == (0.5, 0.5)


def test_the_half_that_may_be_looked_at_is_told_from_the_other():
    shy = searched("faq.md#a", outcome=Outcome.DECLINED, held_out=True)
    silent = searched(absent=True, outcome=Outcome.DECLINED)
    bold = searched("faq.md#a", absent=True, held_out=True)

    found = values(RETRIEVAL, [searched("faq.md#a"), shy, silent, bold])

    assert found["absent_declined (half: development)"] == 1.0
    assert found["absent_declined (half: held out)"] == 0.0
    assert found["answerable_declined (half: held out)"] == 1.0
    assert found["answerable_declined"] == 0.5
    assert RETRIEVAL.fault(shy).wrong == "declined"
    assert RETRIEVAL.fault(bold).wrong == "answered"
    assert RETRIEVAL.fault(searched()).wrong == "found nothing"
    assert RETRIEVAL.fault(silent) is None
