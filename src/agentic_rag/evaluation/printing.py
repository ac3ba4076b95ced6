"""Lays a report out: as a table for a person, as values for a program."""

from collections.abc import Iterator
from dataclasses import asdict

from rich.markup import escape
from rich.table import Table

from agentic_rag.evaluation.examine import Findings, Report
from agentic_rag.evaluation.gate import Verdict
from agentic_rag.evaluation.measures import Measure

_MOST_FAULTS = 10


def as_json(report: Report) -> dict[str, object]:
    """Return it as JSON values."""
    return {
        "passed": report.passed,
        "missed": [each.threshold.metric for each in report.missed],
        "suites": {str(each.suite): _suite_as_json(each) for each in report.findings},
        "thresholds": [_verdict_as_json(each) for each in report.verdicts],
    }


def _suite_as_json(findings: Findings) -> dict[str, object]:
    return {
        "cases": findings.cases,
        "wrong": len(findings.faults),
        "seconds": round(findings.seconds, 3),
        "measures": [asdict(each) for each in findings.measures],
        "faults": [asdict(each) for each in findings.faults],
    }


def _verdict_as_json(verdict: Verdict) -> dict[str, object]:
    told = verdict.threshold.model_dump(exclude_none=True, exclude_defaults=True)
    return told | {"found": verdict.found, "missed": verdict.is_missed}


def tables(report: Report) -> Iterator[Table]:
    """Yield a table for each suite: what was measured, between what, and what is wanted."""
    for findings in report.findings:
        title = f"{findings.suite}: {findings.cases} cases in {findings.seconds:.1f} s"
        columns = ("", "", "", "95%", "n", "wanted")
        table = Table(*columns, title=title, title_justify="left", box=None)
        wanted = [v for v in report.verdicts if v.threshold.metric.startswith(f"{findings.suite}.")]
        for measure in findings.measures:
            if not measure.of or measure.metric.endswith("_p95"):
                table.add_row(*(_row(measure, wanted)))
        yield table


def _row(measure: Measure, verdicts: list[Verdict]) -> tuple[str, ...]:
    mine = [each for each in verdicts if each.measure == measure]
    missed = any(each.is_missed for each in mine)
    mark = "[red]x[/red]" if missed else "[green]ok[/green]" if mine else ""
    wanted = ", ".join(each.threshold.wanted for each in mine)
    name = measure.name.partition(".")[2]
    return mark, escape(name), figure(measure), interval(measure), str(measure.count), wanted


def figure(measure: Measure) -> str:
    """Write a figure.

    >>> figure(Measure(metric="suite.right", value=0.9876, count=80))
    '.988'
    """
    return _short(measure.value) if measure.unit == "share" else f"{measure.value:.1f} ms"


def interval(measure: Measure) -> str:
    """Write its interval, or nothing."""
    if measure.low is None or measure.high is None:
        return ""
    return f"{_short(measure.low)} to {_short(measure.high)}"


def _short(share: float) -> str:
    return f"{share:.3f}".removeprefix("0")


def faults(report: Report) -> Iterator[str]:
    """Yield the first faults of each suite, as markup."""
    for findings in report.findings:
        for each in findings.faults[:_MOST_FAULTS]:
            yield f"[red]x[/red] {escape(f'{each.case}: {each.asked} ({each.wrong})')}"
        rest = len(findings.faults) - _MOST_FAULTS
        if rest > 0:
            yield f"  and {rest} more in {findings.suite}: --json or --html has them all"


def misses(report: Report) -> Iterator[str]:
    """Yield a line for each figure that misses what is wanted."""
    for each in report.missed:
        if each.measure and each.found is not None:
            told = "" if each.threshold.bound == "value" else f"{each.threshold.bound} "
            yield (
                f"{each.measure.name}: {told}{each.found:.3f}, wanted"
                f" {each.threshold.wanted.removeprefix(told)}: {each.threshold.why}"
            )
