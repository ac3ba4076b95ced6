"""Thresholds: what is wanted of each figure, and which ones miss it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from agentic_rag.errors import BadSuite
from agentic_rag.evaluation.cases import Line, name_faults
from agentic_rag.evaluation.measures import Measure
from agentic_rag.yaml_files import read_yaml

SHIPPED_THRESHOLDS = Path(__file__).with_name("thresholds.yaml")


class Threshold(BaseModel):
    """What is wanted of a figure.

    Attributes:
        of: which of the suite's cases, as reports name them; empty: all.
        bound: what is compared: the figure itself, or an end of its interval.
        why: why it stands where it does.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: Line
    of: str = ""
    bound: Literal["value", "low", "high"] = "value"
    at_least: float | None = Field(None, allow_inf_nan=False)
    at_most: float | None = Field(None, allow_inf_nan=False)
    why: Line

    @model_validator(mode="after")
    def _wants_something(self) -> Self:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("expected either at_least or at_most")
        return self

    @property
    def wanted(self) -> str:
        """Say what is wanted.

        >>> Threshold(metric="triage.recall", bound="low", at_least=0.95, why="-").wanted
        'low at least 0.95'
        """
        word, limit = (
            ("at least", self.at_least) if self.at_most is None else ("at most", self.at_most)
        )
        return f"{'' if self.bound == 'value' else self.bound + ' '}{word} {limit:g}"

    def is_met(self, found: float) -> bool:
        """Tell whether a figure is good enough."""
        if self.at_most is None:
            return found >= (self.at_least or 0.0)
        return found <= self.at_most


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A threshold beside the figure that it is about; None where no case was about it."""

    threshold: Threshold
    measure: Measure | None

    @property
    def found(self) -> float | None:
        """What is compared; an interval that cannot be told is as good as its figure."""
        if self.measure is None:
            return None
        end: float | None = getattr(self.measure, self.threshold.bound)
        return self.measure.value if end is None else end

    @property
    def is_missed(self) -> bool:
        """Tell whether it is not met; what nobody asked about cannot be missed."""
        return self.found is not None and not self.threshold.is_met(self.found)


def read_thresholds(path: Path, knows: Callable[[str], bool]) -> tuple[Threshold, ...]:
    """Read thresholds of metrics that somebody knows.

    Raises:
        BadSuite: names the file, the entry, the field and what was expected.
    """
    try:
        rows = read_yaml(path)
    except FileNotFoundError:
        raise BadSuite(f"{path}: there is no such file") from None
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise BadSuite(f"{path}: cannot be read as YAML: {error}") from error
    if not isinstance(rows, list) or not rows:
        raise BadSuite(f"{path}: expected a list of metric, at_least or at_most, and why")
    return tuple(
        _read_threshold(f"{path}: entry {number}", row, knows)
        for number, row in enumerate(rows, start=1)
    )


def _read_threshold(where: str, row: object, knows: Callable[[str], bool]) -> Threshold:
    try:
        threshold = Threshold.model_validate(row)
    except ValidationError as error:
        raise BadSuite(f"{where}: {name_faults(error)}") from None
    if not knows(threshold.metric):
        raise BadSuite(f"{where}: metric: no suite has {threshold.metric}")
    return threshold


def judge(measures: Iterable[Measure], thresholds: Sequence[Threshold]) -> tuple[Verdict, ...]:
    """Lay every threshold beside its figure."""
    by_name = {(each.metric, each.of): each for each in measures}
    return tuple(
        Verdict(threshold=each, measure=by_name.get((each.metric, each.of))) for each in thresholds
    )
