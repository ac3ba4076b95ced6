"""Figures with their 95% intervals; the only room that knows the library of statistics."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from scipy import stats

CONFIDENCE = 0.95
_RESAMPLES = 2000
_SEED = 20240229  # the same cases give the same interval on every run
_FEWEST = 2  # cases from which resampling says anything

T = TypeVar("T")
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A figure about some cases.

    Attributes:
        metric: `suite.name`.
        of: which of the suite's cases, e.g. "language: hi"; empty: all that it is about.
        low: lower end of the interval; None where there is none, as for a time.
        count: cases, or the parts of cases that are counted, that it rests on.
    """

    metric: str
    of: str = ""
    value: float
    low: float | None = None
    high: float | None = None
    count: int
    unit: Literal["share", "ms"] = "share"

    @property
    def name(self) -> str:
        """Name it with its cases.

        >>> Measure(metric="triage.recall", of="language: hi", value=1.0, count=3).name
        'triage.recall (language: hi)'
        """
        return f"{self.metric} ({self.of})" if self.of else self.metric


def share(metric: str, flags: Iterable[bool], of: str = "") -> list[Measure]:
    """Measure how many are so, with Wilson's interval; nothing where there is no case.

    >>> [each] = share("suite.right", [True] * 9 + [False])
    >>> each.value, round(each.low, 2), round(each.high, 2)
    (0.9, 0.6, 0.98)
    """
    seen = list(flags)
    if not seen:
        return []
    found = stats.binomtest(sum(seen), len(seen)).proportion_ci(CONFIDENCE, method="wilson")
    return [
        Measure(
            metric=metric,
            of=of,
            value=sum(seen) / len(seen),
            low=float(found.low),
            high=float(found.high),
            count=len(seen),
        )
    ]


def by(
    metric: str, seen: Sequence[T], so: Callable[[T], bool], slices: "Slices[T]"
) -> list[Measure]:
    """Measure a share over all, and over each value that the slices see."""
    measured = share(metric, map(so, seen))
    for name, value_of in slices.items():
        values = sorted({value for each in seen if (value := value_of(each)) is not None})
        for value in values:
            flags = (so(each) for each in seen if value_of(each) == value)
            measured += share(metric, flags, f"{name}: {value}")
    return measured


Slices = Mapping[str, Callable[[T], str | None]]
"""What tells cases apart, by name; None for a case that belongs nowhere."""


def ratio(metric: str, parts: Iterable[tuple[int, int]], of: str = "") -> list[Measure]:
    """Measure (so many, of so many) summed over cases; cases are resampled, not their parts.

    The sentences of one answer stand or fall together: counted one by one they would promise
    a narrower interval than there is.
    """
    counted = np.array([(so, whole) for so, whole in parts if whole], dtype=float)
    if not len(counted):
        return []
    so, whole = counted.T
    value = float(so.sum() / whole.sum())
    if value in (0.0, 1.0):  # resampling cases that are all alike would promise certainty
        [alike] = share(metric, [bool(value)] * len(counted))
        low, high = alike.low, alike.high
    else:
        low, high = _resampled((so, whole), _ratio_of_sums, paired=True)
    return [Measure(metric=metric, of=of, value=value, low=low, high=high, count=int(whole.sum()))]


def mean_of_shares(metric: str, one: Sequence[bool], other: Sequence[bool]) -> list[Measure]:
    """Measure the mean of two shares: balanced accuracy, where each class is one of them."""
    if not one or not other:
        return []
    samples = np.array(one, dtype=float), np.array(other, dtype=float)
    low, high = _resampled(samples, _mean_of_means, paired=False)
    value = float((samples[0].mean() + samples[1].mean()) / 2)
    return [Measure(metric=metric, value=value, low=low, high=high, count=len(one) + len(other))]


def mean(metric: str, values: Sequence[float]) -> list[Measure]:
    """Measure a mean."""
    sample = np.array(values, dtype=float)
    if not len(sample):
        return []
    low, high = _resampled((sample,), np.mean, paired=False)
    value = float(sample.mean())
    return [Measure(metric=metric, value=value, low=low, high=high, count=len(values))]


def times(metric: str, seconds: Sequence[float], of: str = "") -> list[Measure]:
    """Measure the half, the 95th and the 99th of a hundred times, as `metric_p50` and so on."""
    if not seconds:
        return []
    found = np.percentile(np.array(seconds) * 1000, (50, 95, 99))
    return [
        Measure(metric=f"{metric}_{at}", of=of, value=float(each), count=len(seconds), unit="ms")
        for at, each in zip(("p50", "p95", "p99"), found, strict=True)
    ]


def _resampled(
    samples: tuple[Floats, ...], statistic: Callable[..., Any], *, paired: bool
) -> tuple[float, float] | tuple[None, None]:
    if min(len(sample) for sample in samples) < _FEWEST:
        return None, None
    found = stats.bootstrap(
        samples,
        statistic,
        paired=paired,
        n_resamples=_RESAMPLES,
        batch=100,
        vectorized=True,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(_SEED),
    )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def _ratio_of_sums(so: Floats, whole: Floats, axis: int) -> Floats:
    return cast(Floats, so.sum(axis=axis) / whole.sum(axis=axis))


def _mean_of_means(one: Floats, other: Floats, axis: int) -> Floats:
    return cast(Floats, (one.mean(axis=axis) + other.mean(axis=axis)) / 2)
