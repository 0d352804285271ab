"""Words that make a reader go back. The rules for prose are in CONTRIBUTING.md; these are the ones that a machine can hold."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from tests.architecture.repository import ROOT, plant, tracked

SHUNNED: Mapping[str, re.Pattern[str]] = {
    "say it again in full, for it stands where the reader looks": re.compile(r"\blikewise\b", re.IGNORECASE),
    "a docstring that only points elsewhere says nothing: delete it": re.compile(r'"""See the port\."""'),
}
"""What to do instead, and the words."""


def shunned(root: Path, paths: Iterable[str]) -> list[str]:
    return [
        f"{path}:{number} has `{match[0]}`: {advice}"
        for path in paths
        for number, line in enumerate((root / path).read_text().splitlines(), 1)
        for advice, words in SHUNNED.items()
        for match in words.finditer(line)
    ]


def test_sources_and_documents_are_plain() -> None:
    paths = [path for path in tracked() if path.endswith((".py", ".md")) and path.startswith(("src/", "docs/", "README", "ARCHITECTURE"))]
    assert shunned(ROOT, paths) == []


@pytest.mark.parametrize(
    ("text", "findings"),
    [
        ("# The other one has it too.", 0),
        ("# Likewise the other.", 1),
        ("# The other likewise, and this likewise.", 2),
        ('"""See the port."""', 1),
    ],
)
def test_a_shunned_word_is_found(tmp_path: Path, text: str, findings: int) -> None:
    assert len(shunned(tmp_path, plant(tmp_path, {"x.py": text + "\n"}))) == findings
