"""Writes a report as one HTML page that needs nothing else; the only room that knows Jinja."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from agentic_rag.evaluation.examine import SUITES, Findings, Report
from agentic_rag.evaluation.gate import Verdict
from agentic_rag.evaluation.measures import Measure
from agentic_rag.evaluation.printing import figure, interval

_TEMPLATE = "page.html.j2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A figure as it is drawn, in hundredths of the plot's width; `limits` are thresholds."""

    name: str
    told: str
    interval: str
    count: int
    length: float
    low: float | None
    high: float | None
    limits: tuple[float, ...]
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """Bars of one kind under one title."""

    title: str
    says: str
    bars: tuple[Bar, ...]


def write_page(report: Report) -> str:
    """Return the page; whatever it shows of cases and answers is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    plots = {each.suite: list(_plots(each, report.verdicts)) for each in report.findings}
    return environment.get_template(_TEMPLATE).render(report=report, plots=plots)


def _plots(findings: Findings, verdicts: Sequence[Verdict]) -> list[Plot]:
    """Return the figures over all cases, then each that is split, by what it is split."""
    says = SUITES[findings.suite].metrics
    whole = [each for each in findings.measures if not each.of and each.unit == "share"]
    plots = [Plot(title="All cases", says="", bars=tuple(_bar(m, verdicts, 1.0) for m in whole))]
    split: dict[tuple[str, str], list[Measure]] = {}
    for each in findings.measures:
        if each.of or each.unit == "ms":
            stem = each.metric.partition(".")[2].partition("_ms_")[0]
            split.setdefault((stem, each.of.partition(":")[0]), []).append(each)
    for (name, by), measures in split.items():
        widest = max(m.value for m in measures) if measures[0].unit == "ms" else 1.0
        plots.append(
            Plot(
                title=f"{name} by {by}" if by else name,
                says=says.get(name) or says.get(f"{name}_ms", ""),
                bars=tuple(_bar(measure, verdicts, widest or 1.0) for measure in measures),
            )
        )
    return plots


def _bar(measure: Measure, verdicts: Sequence[Verdict], widest: float) -> Bar:
    mine = [each for each in verdicts if each.measure == measure]
    limits = (each.threshold.at_least or each.threshold.at_most or 0.0 for each in mine)
    verdict = "missed" if any(each.is_missed for each in mine) else "met" if mine else ""
    return Bar(
        name=_name(measure),
        told=figure(measure),
        interval=interval(measure),
        count=measure.count,
        length=100 * min(measure.value / widest, 1.0),
        low=None if measure.low is None else 100 * measure.low,
        high=None if measure.high is None else 100 * measure.high,
        limits=tuple(100 * limit / widest for limit in limits if limit <= widest),
        verdict=verdict,
    )


def _name(measure: Measure) -> str:
    name = measure.of.partition(": ")[2] or measure.metric.partition(".")[2]
    _, _, hundredth = measure.metric.partition("_ms_")
    return f"{name} {hundredth}" if measure.of and hundredth else name
