"""A clinic evaluates itself: its own pack, its own suites, its own thresholds."""

import json
import shutil
from pathlib import Path

import pytest

from agentic_rag.errors import BadSuite
from agentic_rag.evaluation.examine import examine, prepare
from agentic_rag.retrieval.ingesting.engine import Silent

GOLDEN = [
    {
        "id": "parking",
        "question": "Is there parking at the harbour?",
        "kind": "plain",
        "outcome": "answered",
        "labels": [["faq.md#is-there-parking"]],
        "facts": [["harbour office"]],
        "never": ["9 euro"],
    },
    {
        "id": "france",
        "question": "What is the capital of France?",
        "kind": "absent",
        "outcome": "declined",
    },
]
TRIAGE = [
    {"text": "How long is a visit?", "language": "en", "expected": "none", "kind": "ordinary"}
]


def write_suites(folder: Path, **suites: list[dict[str, object]]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, rows in suites.items():
        lines = (json.dumps(row) for row in rows)
        (folder / f"{name}.jsonl").write_text("\n".join(lines), "utf-8")
    return folder


async def test_a_pack_that_brings_its_suites_is_examined_by_them(pack, settings):
    write_suites(pack.folder / "suites", golden=GOLDEN, triage=TRIAGE)

    report = await examine(prepare(settings(), ["all"], pack=str(pack.folder)), Silent())

    assert {each.suite: each.faults for each in report.findings} == {"golden": (), "triage": ()}
    assert {v.threshold.metric.partition(".")[0] for v in report.verdicts} == {"golden", "triage"}
    # beside the index of the clinic that is set, which nobody asked to change
    data_dir = settings().data_dir
    assert [path.name for path in (data_dir / "evaluation").iterdir()] == ["harbour"]
    assert not (data_dir / "index").exists()


async def test_cases_can_name_a_pack_that_lies_beside_them(pack, settings, tmp_path):
    suites = write_suites(tmp_path / "suites", golden=[row | {"pack": "bay"} for row in GOLDEN])
    shutil.copytree(pack.folder, suites / "packs" / "bay")

    report = await examine(prepare(settings(), ["golden"], suites=suites), Silent())

    [found] = report.findings
    assert (found.cases, found.faults) == (2, ())


async def test_a_pack_that_is_nowhere_is_named(settings, tmp_path):
    suites = write_suites(tmp_path / "suites", golden=[GOLDEN[0] | {"pack": "atlantis"}])

    with pytest.raises(BadSuite, match="packs/atlantis: there is no such pack"):
        await examine(prepare(settings(), ["golden"], suites=suites), Silent())


async def test_rules_alone_are_examined_without_an_index(settings, tmp_path):
    suites = write_suites(tmp_path / "suites", triage=TRIAGE)

    report = await examine(prepare(settings(), ["triage"], suites=suites), Silent())

    assert report.findings[0].faults == ()
    assert not settings().data_dir.exists()


def test_a_pack_without_suites_takes_the_shipped_ones(pack, settings):
    plan = prepare(settings(), ["triage"], pack=str(pack.folder))

    assert len(plan.suites["triage"]) > 600


def test_only_the_cases_of_a_pack_can_be_tried(settings):
    plan = prepare(settings(), ["all"], pack="lakeside")

    assert {case.pack for cases in plan.suites.values() for case in cases} == {"lakeside"}
    assert set(plan.suites) == {"golden"}


def test_a_pack_that_no_case_names_is_refused(settings):
    with pytest.raises(BadSuite, match="no case of golden names the pack atlantis"):
        prepare(settings(), ["golden"], pack="atlantis")


def test_a_folder_without_suites_is_refused(settings, tmp_path):
    with pytest.raises(BadSuite, match="holds no suite"):
        prepare(settings(), ["all"], suites=tmp_path)


def test_a_suite_that_is_not_in_the_folder_is_refused(settings, tmp_path):
    write_suites(tmp_path / "suites", triage=TRIAGE)

    with pytest.raises(BadSuite, match=r"golden\.jsonl: there is no such file"):
        prepare(settings(), ["golden"], suites=tmp_path / "suites")
