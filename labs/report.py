"""The result of an experiment: its question, the published claim, the findings, and the curves. This is data; `labs.writing` makes files.

An experiment is a module of `labs.experiments` with `experiment(seeds) -> Report`. It must give the same report for the same number of
seeds, so that a reader can check a figure in a report.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A published claim."""

    text: str
    source: str
    """Author, title, place and year."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the result."""

    what: str
    """The figure that was measured."""
    expected: str
    """The bound for the figure, from the claim or from towpath's own bar."""
    measured: str
    holds: bool
    """Whether the figure is within its bound. A finding about the naive system holds if that system fails as the claim says."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """One curve. Raises ValueError unless there are as many `x` as `y`."""

    name: str
    x: Sequence[float]
    y: Sequence[float]

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y):
            raise ValueError(f"series {self.name!r} has {len(self.x)} x and {len(self.y)} y; give as many")


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One plot of the picture."""

    title: str
    x_label: str
    y_label: str
    series: Sequence[Series]
    spans: Mapping[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])
    """Ranges of x to shade, such as the time of a fault, by name."""
    log_x: bool = False
    log_y: bool = False


@dataclass(frozen=True, kw_only=True)
class Report:
    """The whole result of an experiment."""

    title: str
    question: str
    claim: Claim
    setup: str
    """What was run, in enough detail for a reader to run it again."""
    findings: Sequence[Finding]
    panels: Sequence[Panel]
    figures: Mapping[str, Any]
    """Figures for programs. JSON must be able to hold them."""

    @property
    def holds(self) -> bool:
        """Whether every finding holds."""
        return all(finding.holds for finding in self.findings)
