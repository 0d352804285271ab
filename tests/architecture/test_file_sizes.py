"""A file that is read in one sitting: 400 lines unless there is a reason, 600 never."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from tests.architecture.repository import ROOT, plant, tracked, written_by_hand

TYPICAL = 400
MOST = 600

REASONS: Mapping[str, str] = {}
"""Files between the two limits, each with why it is one concept all the same."""


def oversized(root: Path, paths: Iterable[str], reasons: Mapping[str, str] = REASONS) -> list[str]:
    findings: list[str] = []
    excused = set(reasons)
    for path in paths:
        lines = len((root / path).read_text().splitlines())
        if lines > MOST:
            findings.append(f"{path} has {lines} lines; {MOST} is the most: split it by concept")
        elif lines > TYPICAL and path not in reasons:
            findings.append(f"{path} has {lines} lines; split it, or give the reason in REASONS of tests/architecture/test_file_sizes.py")
        elif lines > TYPICAL:
            excused.discard(path)
    findings += [f"{path} needs no reason any more; take it out of REASONS" for path in sorted(excused)]
    return findings


def test_files_are_short() -> None:
    assert oversized(ROOT, written_by_hand(tracked(), under=("src/", "reference/", "bench/", "labs/", "tools/", "tests/"))) == []


@pytest.mark.parametrize(
    ("lines", "reasons", "finding"),
    [
        (400, {}, None),
        (401, {}, "x.py has 401 lines; split it"),
        (600, {"x.py": "a table of the RFC"}, None),
        (601, {}, "x.py has 601 lines; 600 is the most"),
        (10, {"x.py": "was long once"}, "x.py needs no reason any more"),
    ],
)
def test_a_long_file_is_found(tmp_path: Path, lines: int, reasons: dict[str, str], finding: str | None) -> None:
    found = oversized(tmp_path, plant(tmp_path, {"x.py": "n = 1\n" * lines}), reasons)
    assert [text for text in found if finding and text.startswith(finding)] == found
    assert bool(found) == (finding is not None)
