"""`docs/howto/stores-under-faults.md`: every store has a row for every fault, and every row names a test that there is."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/howto/stores-under-faults.md").read_text(encoding="utf-8")
FOLDERS = ("tests/layers/idempotency", "tests/stores", "tests/conformance")
FAULTS = [
    "cannot be reached at the start",
    "stopped",
    "lost in a claim",
    "lost in a commit",
    "silent",
    "takes no writes",
    "full",
    "locked",
    "restarted",
    "clock step",
]


def rows() -> dict[str, list[list[str]]]:
    """The cells of each section's table, without its head."""
    found: dict[str, list[list[str]]] = {}
    for section in PAGE.split("\n## ")[1:]:
        lines = [line for line in section.splitlines() if line.startswith("| ")]
        found[section.partition("\n")[0]] = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]
    return found


def named_in(file: str) -> set[str]:
    for folder in FOLDERS:
        path = ROOT / folder / file
        if path.exists():
            return {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    return set()


def test_every_store_is_there() -> None:
    assert list(rows()) == ["In memory", "SQLite", "PostgreSQL", "Redis and Valkey", "Quotas in Redis"]


@pytest.mark.parametrize("store", list(rows()))
def test_every_store_says_what_it_does_under_every_fault(store: str) -> None:
    assert [cells[0] for cells in rows()[store]] == FAULTS


@pytest.mark.parametrize(("store", "cells"), [(store, cells) for store, table in rows().items() for cells in table])
def test_every_row_names_a_test_that_there_is(store: str, cells: list[str]) -> None:
    assert len(cells) == 3, store
    named = re.fullmatch(r"`(\w+\.py)::(test_\w+)`", cells[2].rstrip(" |"))
    assert named is not None, cells[2]
    assert named[2] in named_in(named[1])
