"""The retrieval questions: what they are, how they are counted, and what is said of them."""

from dataclasses import replace

import pytest
from tests.unit.agent.parts import Scores, Shelf, make_passage

from agentic_rag.bootstrap import build_house
from agentic_rag.clinic.profile import read_clinic
from agentic_rag.evaluation.retrieval import (
    Case,
    Report,
    Result,
    Shares,
    best_relevances,
    read_cases,
)
from agentic_rag.retrieval.passages.documents import Document, label_of
from agentic_rag.retrieval.passages.loaders import find_files, load
from agentic_rag.safety.redflags import read_rules


def result(kind: str, found: str = "", outcome: str = "answered", *, held_out=False) -> Result:
    labels = () if kind == "absent" else ("faq.md#parking",)
    case = Case(question=f"A {kind} one?", labels=labels, kind=kind, held_out=held_out)
    return Result(case=case, found=(found,) if found else (), outcome=outcome)


RIGHT = result("plain", "faq.md#parking")
LOST = result("plain", "faq.md#other")
SHY = result("paraphrased", "faq.md#parking", "declined")
SILENT = result("absent", outcome="declined")
BOLD = result("absent", "faq.md#parking", held_out=True)


def test_the_shipped_cases_are_80_answerable_and_60_absent_ones_no_two_alike():
    cases = read_cases()
    kinds = [case.kind for case in cases]

    assert [kinds.count(kind) for kind in ("plain", "paraphrased", "absent")] == [40, 40, 60]
    assert len({case.question.lower() for case in cases}) == 140


def test_each_half_has_its_share_of_every_kind():
    cases = read_cases()

    for kind in ("plain", "paraphrased", "absent"):
        held_out = [case.held_out for case in cases if case.kind == kind]
        assert sum(held_out) * 2 == len(held_out)


def test_every_label_is_one_of_the_clinics_and_every_document_of_evidence_is_asked_about():
    clinic = read_clinic()
    documents = [load(path, clinic.documents) for path in find_files(clinic.documents)]
    read = [each for each in documents if isinstance(each, Document)]
    labels = {label_of(d.doc_id, section.slug) for d in read for section in d.sections}

    named = {label for case in read_cases() for label in case.labels}

    assert named <= labels
    asked_about = {label.partition("#")[0] for label in named}
    assert asked_about == {d.doc_id for d in read} - set(clinic.profile.noisy_sources)


def test_only_absent_topics_have_no_label():
    assert all(bool(case.labels) == (case.kind != "absent") for case in read_cases())


def test_no_case_is_an_emergency():
    red_flags = read_rules()

    assert [c.question for c in read_cases() if red_flags.find([c.question])] == []


def test_shares_are_of_the_cases_that_they_are_about():
    shares = Shares.of([RIGHT, LOST, SHY, RIGHT, SILENT, BOLD])

    assert (shares.found, shares.declined, shares.wrongly_declined) == (0.75, 0.5, 0.25)
    assert not shares.passed


def test_nothing_asked_is_nothing_measured():
    shares = Shares.of([])

    assert shares.as_json() == dict.fromkeys(
        ("found", "absent_declined", "answerable_declined"), None
    )
    assert next(Report(()).lines()).endswith("answerable ones declined -")


@pytest.mark.parametrize(
    ("each", "fault"),
    [
        (RIGHT, ""),
        (SILENT, ""),
        (LOST, "found faq.md#other"),
        (SHY, "declined"),
        (BOLD, "answered"),
        (result("plain", "", "declined"), "found nothing; declined"),
    ],
)
def test_a_result_says_what_is_wrong_with_it(each, fault):
    assert each.fault == fault


@pytest.mark.parametrize(
    ("results", "passed"),
    [
        ([RIGHT] * 97 + [LOST] * 3 + [SILENT] * 9 + [BOLD], True),
        ([RIGHT] * 96 + [LOST] * 4 + [SILENT], False),
        ([RIGHT] * 97 + [SHY] * 3 + [SILENT], True),
        ([RIGHT] * 96 + [SHY] * 4 + [SILENT], False),
        ([RIGHT] + [SILENT] * 89 + [BOLD] * 11, False),
    ],
)
def test_the_gate_stands_where_it_is_said_to(results, passed):
    assert Report(tuple(results)).passed is passed


def test_a_report_parts_what_may_be_looked_at_from_what_may_not():
    told = Report((RIGHT, SILENT, BOLD)).as_json()

    assert told["development"] == {
        "found": 1.0,
        "absent_declined": 1.0,
        "answerable_declined": 0.0,
    }
    assert told["held out"] == {
        "found": None,
        "absent_declined": 0.0,
        "answerable_declined": None,
    }
    assert told["cases"] == 3
    assert [each["question"] for each in told["wrong"]] == ["A absent one?"]


def test_a_report_for_people_names_the_faults_and_what_is_wanted():
    lines = list(Report((RIGHT, LOST, SHY, SILENT)).lines())

    assert lines[0] == "x  plain: A plain one?  (found faq.md#other)"
    assert lines[-1] == "wanted: at least 97%, at least 90%, at most 3%"
    assert "right label in the first 3 66.7%" in lines[-2]


async def test_the_passage_that_fits_best_counts_wherever_it_stands(settings):
    shelf = Shelf([make_passage("One.", label="a.md"), make_passage("Two.", label="b.md")])
    judge = Scores({"a.md": 0.2, "b.md": 0.7})
    deps = replace(build_house(settings()).deps, retriever=shelf, judge=judge)

    assert await best_relevances(deps, [RIGHT.case, BOLD.case]) == [0.7, 0.7]
    assert shelf.asked == [
        (("A plain one?",), deps.limits.top_k),
        (("A absent one?",), deps.limits.top_k),
    ]


async def test_where_nothing_is_found_nothing_is_relevant(settings):
    deps = replace(build_house(settings()).deps, retriever=Shelf(), judge=Scores())

    assert await best_relevances(deps, [RIGHT.case]) == [0.0]
    assert await best_relevances(deps, []) == []
