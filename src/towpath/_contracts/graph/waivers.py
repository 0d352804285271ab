"""Waivers: findings that somebody has decided to live with, until a day.

A waiver without an end is a rule switched off, so each has a last day, an owner and a reason. An expired waiver excuses nothing and is
itself a finding. A waiver that excuses nothing any more is a finding too: it would hide the next fault at the same place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase

from towpath._contracts.graph.model import Finding, Severity


@dataclass(frozen=True, kw_only=True)
class Waiver:
    """Excuses findings of `rule` whose way matches `path` (with `*` and `?`, as for file names), up to and including the day `until`."""

    rule: str
    path: str
    until: date
    owner: str
    why: str
    where: str


def apply(waivers: Sequence[Waiver], findings: Sequence[Finding], today: date) -> tuple[Finding, ...]:
    """The findings that no waiver excuses `today`, and after them the faults of the waivers."""
    left = [finding for finding in findings if not any(_excuses(waiver, finding) for waiver in waivers if today <= waiver.until)]
    for waiver in waivers:
        if today > waiver.until:
            message = f"ran out on {waiver.until}; {waiver.owner} gave it because: {waiver.why}"
            left.append(_finding("waiver-expired", waiver, message, "mend what it excuses, or agree on another day with its owner"))
        elif not any(_excuses(waiver, finding) for finding in findings):
            left.append(_finding("waiver-unused", waiver, f"excuses no finding of the rule {waiver.rule}", "take it out"))
    return tuple(left)


def _excuses(waiver: Waiver, finding: Finding) -> bool:
    return waiver.rule == finding.rule and fnmatchcase(finding.way, waiver.path)


def _finding(rule: str, waiver: Waiver, message: str, remedy: str) -> Finding:
    return Finding(rule=rule, severity=Severity.WARNING, path=(waiver.path,), message=message, remedy=remedy, where=(waiver.where,))
