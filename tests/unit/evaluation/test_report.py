"""A report, for a person, for a program and as a page."""

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from io import StringIO

import orjson
import pytest
from rich.console import Console

from agentic_rag.evaluation import printing
from agentic_rag.evaluation.cases import SuiteName
from agentic_rag.evaluation.examine import Findings, Report
from agentic_rag.evaluation.gate import Threshold, judge
from agentic_rag.evaluation.measures import by, times
from agentic_rag.evaluation.page import write_page
from agentic_rag.evaluation.suite import Fault

HOSTILE = "<script>alert('x')</script> [red]&amp;{{ 7 * 7 }}[/red]"


@pytest.fixture
def report() -> Report:
    """Two languages, one with a hostile name, a time, a fault and a threshold that is missed."""
    seen = [("en", True)] * 9 + [(HOSTILE, False)]
    measures = (
        *by("triage.emergency_recall", seen, lambda e: e[1], {"language": lambda e: e[0]}),
        *times("triage.long_message_ms", [0.001, 0.002]),
    )
    faults = tuple(Fault(case=f"t-{n}", asked=HOSTILE, wrong="missed") for n in range(12))
    findings = Findings(
        suite=SuiteName.TRIAGE, cases=10, seconds=1.5, measures=measures, faults=faults
    )
    wanted = [
        Threshold(metric="triage.emergency_recall", at_least=0.98, why="none is missed"),
        Threshold(metric="triage.emergency_recall", bound="low", at_least=0.5, why="so many"),
        Threshold(metric="triage.crisis_recall", at_least=0.95, why="kindly"),
    ]
    return Report((findings,), judge(measures, wanted))


def test_a_report_names_what_misses(report):
    assert not report.passed
    assert list(printing.misses(report)) == [
        "triage.emergency_recall: 0.900, wanted at least 0.98: none is missed"
    ]


def test_an_interval_that_misses_says_that_it_is_its_end(report):
    wanted = Threshold(metric="triage.emergency_recall", bound="low", at_least=0.95, why="enough")
    missed = Report(report.findings, judge(report.findings[0].measures, [wanted]))

    [line] = printing.misses(missed)

    assert line == "triage.emergency_recall: low 0.596, wanted at least 0.95: enough"


def test_a_program_gets_every_figure_and_every_fault(report):
    told = orjson.loads(orjson.dumps(printing.as_json(report)))

    assert (told["passed"], told["missed"]) == (False, ["triage.emergency_recall"])
    suite = told["suites"]["triage"]
    assert (suite["cases"], suite["wrong"], len(suite["faults"])) == (10, 12, 12)
    assert suite["measures"][0]["metric"] == "triage.emergency_recall"
    assert told["thresholds"][2] == {
        "metric": "triage.crisis_recall",
        "at_least": 0.95,
        "why": "kindly",
        "found": None,
        "missed": False,
    }


def test_a_person_gets_a_table_and_the_first_faults(report):
    console = Console(width=120, record=True, file=StringIO())

    for each in (*printing.tables(report), *printing.faults(report)):
        console.print(each)

    shown = console.export_text()
    assert "emergency_recall" in shown
    assert "at least 0.98, low at least 0.5" in shown
    assert HOSTILE[:20] in shown
    assert "and 2 more in triage" in shown


class Page(HTMLParser):
    """Keeps which elements and attributes a page has."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name in {"src", "href", "xlink:href"}]


def test_a_page_stands_alone_and_escapes_what_it_shows(report):
    page = write_page(report)

    read = Page()
    read.feed(page)
    assert "script" not in read.tags
    assert read.links == []
    assert "url(" not in page
    assert "@import" not in page
    assert "alert(&#39;x&#39;)" in page
    assert "{{ 7 * 7 }}" in page


def test_the_plots_of_a_page_are_well_formed_and_stay_in_their_frame(report):
    page = write_page(report)

    plots = [ET.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]

    assert len(plots) == 3
    bars = [each for plot in plots for each in plot.iter("rect")]
    assert all(0 <= float(bar.get("width")) <= 400 for bar in bars)


def test_a_page_says_whether_the_gate_is_passed(report):
    assert "1 of 3 figures miss what is wanted" in write_page(report)
    assert "All that is wanted is reached" in write_page(Report(report.findings, ()))
