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

UNWRITTEN: frozenset[str] = frozenset(
    {
        "src/towpath/_app/client.py",
        "src/towpath/_app/sync_client.py",
        "src/towpath/_core/calls/synchronous.py",
        "src/towpath/_layers/context.py",
        "src/towpath/_layers/fallback.py",
        "src/towpath/_transport/connection_driver.py",
        "src/towpath/_wire/http2/fields.py",
    }
)
"""Files whose prose is still to be rewritten."""


def shunned(root: Path, paths: Iterable[str], unwritten: frozenset[str] = UNWRITTEN) -> list[str]:
    findings: list[str] = []
    unseen = set(unwritten)
    for path in paths:
        found = [
            f"{path}:{number} has `{match[0]}`: {advice}"
            for number, line in enumerate((root / path).read_text().splitlines(), 1)
            for advice, words in SHUNNED.items()
            for match in words.finditer(line)
        ]
        if found and path in unwritten:
            unseen.discard(path)
        else:
            findings += found
    findings += [f"{path} is written anew: take it out of UNWRITTEN" for path in sorted(unseen)]
    return findings


def test_sources_and_documents_are_plain() -> None:
    paths = [path for path in tracked() if path.endswith((".py", ".md")) and path.startswith(("src/", "docs/", "README", "ARCHITECTURE"))]
    assert shunned(ROOT, paths) == []


@pytest.mark.parametrize(
    ("text", "unwritten", "findings"),
    [
        ("# The other one has it too.", frozenset(), 0),
        ("# Likewise the other.", frozenset(), 1),
        ("# The other likewise, and this likewise.", frozenset(), 2),
        ('"""See the port."""', frozenset(), 1),
        ("# Likewise the other.", frozenset({"x.py"}), 0),
        ("# The other one has it too.", frozenset({"x.py"}), 1),
    ],
)
def test_a_shunned_word_is_found(tmp_path: Path, text: str, unwritten: frozenset[str], findings: int) -> None:
    assert len(shunned(tmp_path, plant(tmp_path, {"x.py": text + "\n"}), unwritten)) == findings
