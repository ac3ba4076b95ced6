"""Suites are read by their schema, and refused by file, line and field."""

import json

import pytest

from agentic_rag.clinic.profile import read_clinic
from agentic_rag.errors import BadSuite
from agentic_rag.evaluation.cases import (
    SHIPPED_SUITES,
    GoldenCase,
    RetrievalCase,
    SupportCase,
    TriageCase,
    read_suite,
)
from agentic_rag.retrieval.passages.documents import Document, label_of
from agentic_rag.retrieval.passages.loaders import find_files, load
from agentic_rag.safety.redflags import read_rules

GOLDEN = {"id": "a", "question": "How?", "kind": "plain", "outcome": "answered"}
TRIAGE = {"id": "a", "text": "Help", "language": "en", "expected": "none", "kind": "plain"}


@pytest.fixture
def write(tmp_path):
    def to_file(*rows: object):
        path = tmp_path / "suite.jsonl"
        lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
        path.write_text("\n".join(lines), "utf-8")
        return path

    return to_file


def shipped(name: str, kind):
    return read_suite(SHIPPED_SUITES / f"{name}.jsonl", kind)


def labels_of(folder) -> set[str]:
    read = (load(path, folder) for path in find_files(folder))
    documents = [each for each in read if isinstance(each, Document)]
    return {label_of(d.doc_id, section.slug) for d in documents for section in d.sections}


def test_the_shipped_golden_set_is_large_and_has_every_kind():
    cases = shipped("golden", GoldenCase)

    assert len(cases) >= 200
    assert len({(case.pack, case.question, case.history) for case in cases}) == len(cases)
    assert {case.kind for case in cases} == set(GoldenCase.model_fields["kind"].annotation.__args__)


def test_every_golden_source_is_one_of_its_packs():
    packs = {"atharva": read_clinic(), "lakeside": read_clinic(SHIPPED_SUITES / "packs/lakeside")}
    labels = {name: labels_of(clinic.documents) for name, clinic in packs.items()}

    unknown = [
        (case.id, prefix)
        for case in shipped("golden", GoldenCase)
        for group in case.labels
        for prefix in group
        if not any(label.startswith(prefix) for label in labels[case.pack])
    ]

    assert unknown == []


def test_the_shipped_triage_set_is_large_and_in_every_language():
    cases = shipped("triage", TriageCase)
    urgent = [case for case in cases if case.expected != "none"]

    assert len(cases) >= 600
    assert {case.language for case in cases} == {"en", "hi", "mr", "hi-latn", "mr-latn", "mixed"}
    assert len({case.category for case in urgent}) >= 14
    assert all(case.category for case in urgent)
    assert not any(case.category for case in cases if case.expected == "none")


def test_the_shipped_pairs_are_many_and_even():
    cases = shipped("support", SupportCase)

    assert len(cases) >= 400
    assert 0.45 < sum(case.supported for case in cases) / len(cases) < 0.55


def test_the_shipped_searches_are_80_answerable_and_60_absent_ones_no_two_alike():
    cases = shipped("retrieval", RetrievalCase)
    kinds = [case.kind for case in cases]

    assert [kinds.count(kind) for kind in ("plain", "paraphrased", "absent")] == [40, 40, 60]
    assert len({case.question.lower() for case in cases}) == 140
    for kind in ("plain", "paraphrased", "absent"):
        held_out = [case.held_out for case in cases if case.kind == kind]
        assert sum(held_out) * 2 == len(held_out)


def test_every_search_is_for_a_section_and_every_document_of_evidence_is_searched_for():
    clinic = read_clinic()
    labels = labels_of(clinic.documents)

    named = {label for case in shipped("retrieval", RetrievalCase) for label in case.labels}

    assert named <= labels
    documents = {label.partition("#")[0] for label in labels}
    assert {label.partition("#")[0] for label in named} == documents - set(
        clinic.profile.noisy_sources
    )


def test_no_search_is_an_emergency():
    red_flags = read_rules()

    asked = [case.question for case in shipped("retrieval", RetrievalCase)]

    assert [each for each in asked if red_flags.find([each])] == []


def test_a_suite_is_read_line_by_line_and_blank_ones_are_none(write):
    path = write(
        "\ufeff" + json.dumps(GOLDEN), "", {**GOLDEN, "id": "b", "facts": [["५00", "500"]]}
    )

    cases = read_suite(path, GoldenCase)

    assert [case.id for case in cases] == ["a", "b"]
    assert cases[1].facts == (("५00", "500"),)


def test_a_line_without_an_id_is_called_by_its_number(write):
    path = write({"question": "Where?", "labels": ["faq.md"], "kind": "plain"}, "")

    [case] = read_suite(path, RetrievalCase)

    assert (case.id, case.held_out) == ("line-1", False)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({**GOLDEN, "outcome": "maybe"}, ":1: outcome: "),
        ({**GOLDEN, "kind": "folow_up"}, ":1: kind: "),
        ({**GOLDEN, "facts": [[]]}, ":1: facts.0: "),
        ({**GOLDEN, "facts": "40 minutes"}, ":1: facts: "),
        ({**GOLDEN, "labels": [["faq.md", 7]]}, ":1: labels.0.1: "),
        ({**GOLDEN, "question": "  "}, ":1: question: "),
        ({**GOLDEN, "pack": "../../etc"}, ":1: pack: "),
        ({**GOLDEN, "fact": []}, ":1: fact: "),
        ({**GOLDEN, "history": [{"role": "system", "text": "x"}]}, ":1: history.0.role: "),
        ({**GOLDEN, "outcome": "declined", "labels": [["x"]]}, ":1: labels: a declined question"),
        ({"id": "a"}, ":1: question: "),
        ("[1, 2]", ":1: "),
        ('{"id": ', ":1: "),
        ("nothing", ":1: "),
    ],
)
def test_a_bad_line_is_refused_by_file_line_and_field(row, told, write):
    path = write(row)

    with pytest.raises(BadSuite) as caught:
        read_suite(path, GoldenCase)

    assert f"{path}{told}" in str(caught.value)


def test_what_a_bad_line_says_is_not_repeated(write):
    path = write({**TRIAGE, "expected": "my secret trouble"})

    with pytest.raises(BadSuite) as caught:
        read_suite(path, TriageCase)

    assert "secret" not in str(caught.value)


def test_two_lines_with_one_id_are_refused(write):
    path = write(TRIAGE, TRIAGE)

    with pytest.raises(BadSuite, match=r":2: id: a is another line's already"):
        read_suite(path, TriageCase)


@pytest.mark.parametrize(
    ("row", "fits"),
    [
        ({"question": "?", "labels": [], "kind": "plain"}, False),
        ({"question": "?", "labels": ["a"], "kind": "absent"}, False),
        ({"question": "?", "labels": [], "kind": "absent"}, True),
    ],
)
def test_only_absent_topics_have_no_label(row, fits, write):
    path = write(row)

    if fits:
        assert read_suite(path, RetrievalCase)
        return
    with pytest.raises(BadSuite, match="labels: an absent topic has none"):
        read_suite(path, RetrievalCase)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\xfe{}", None])
def test_a_file_that_holds_no_case_is_refused(content, tmp_path):
    path = tmp_path / "suite.jsonl"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)

    with pytest.raises(BadSuite, match=r"suite\.jsonl: "):
        read_suite(path, SupportCase)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(BadSuite, match="there is no such file"):
        read_suite(tmp_path / "none.jsonl", SupportCase)
