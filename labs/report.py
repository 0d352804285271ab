"""What an experiment hands over: its question, the published claim, what was found, and the curves. Data only; `labs.writing` makes files.

An experiment is a module of `labs.experiments` with `experiment(seeds) -> Report`. It must give the same report for the same number of
seeds, so that a figure in a report can be checked by anybody.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What somebody has published. `source` names author, title, place and year."""

    text: str
    source: str


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the result: `what` was looked at, what was `expected` of it (by the claim, or by towpath's own bar), what was `measured`,
    and whether it `holds`. A finding about the naive system beside towpath's holds when it fails as the claim says."""

    what: str
    expected: str
    measured: str
    holds: bool


@dataclass(frozen=True, kw_only=True)
class Series:
    """One curve: as many x as y."""

    name: str
    x: Sequence[float]
    y: Sequence[float]

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y):
            raise ValueError(f"series {self.name!r} has {len(self.x)} x and {len(self.y)} y; give as many")


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One plot of the picture. `spans` are stretches of x to shade, such as the time of a fault, by name."""

    title: str
    x_label: str
    y_label: str
    series: Sequence[Series]
    spans: Mapping[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])
    log_x: bool = False
    log_y: bool = False


@dataclass(frozen=True, kw_only=True)
class Report:
    """All that an experiment has to say. `setup` tells what ran, so that a reader could do it again; `figures` is whatever JSON
    can hold."""

    title: str
    question: str
    claim: Claim
    setup: str
    findings: Sequence[Finding]
    panels: Sequence[Panel]
    figures: Mapping[str, Any]

    @property
    def holds(self) -> bool:
        """Whether every finding does."""
        return all(finding.holds for finding in self.findings)
