"""Whoever reads `src/towpath/a/b.py` finds its tests as `tests/a/test_b.py`, and the other way round."""

from collections.abc import Collection, Mapping
from pathlib import PurePosixPath

import pytest

from tests.architecture.repository import tracked

WHOLE = frozenset({"architecture", "conformance", "docs", "e2e", "hostile", "typing"})
"""Folders of tests that are about no single module."""

TOGETHER = frozenset({"conformance", "differential", "rfc7541", "rfc9113", "interop", "robustness", "load"})
"""First words of tests that are about all modules of a package at once: against a port, a reference, a specification, a peer, an enemy."""

TREES: Mapping[str, tuple[str, ...]] = {
    "tests": ("src/towpath", "."),  # "." for tests/bench, tests/labs and tests/tools
    "reference/skyline/tests": ("reference/skyline/src/skyline", "reference/skyline"),
}
"""Each tree of tests with where the path of a test is looked for."""


def astray(paths: Collection[str], trees: Mapping[str, tuple[str, ...]] = TREES) -> list[str]:
    """Test files without a module of their own. `test_x.py` and `test_x_<aspect>.py` belong to `x.py`, `x/` or `x.toml`."""
    sources = {PurePosixPath(path).with_suffix("") for path in paths if path.endswith((".py", ".toml")) and "tests/" not in path}
    known = sources | {package for source in sources for package in source.parents}
    findings: list[str] = []
    for path in map(PurePosixPath, paths):
        tests = next((tree for tree in trees if path.is_relative_to(tree)), None)
        if tests is None or not path.match("test_*.py") or path.relative_to(tests).parts[0] in WHOLE:
            continue
        folder, words = path.relative_to(tests).parent, path.stem.removeprefix("test_").split("_")
        names = ["_".join(words[:length]) for length in range(1, len(words) + 1)]
        folders = (folder, PurePosixPath(f"_{folder}"))  # tests/wire is about src/towpath/_wire
        roots = [source / place for source in map(PurePosixPath, trees[tests]) for place in folders]
        wanted = [root / f"{mark}{name}" for root in roots for name in names for mark in ("", "_")]
        if words[0] in TOGETHER and len(folder.parts) > 0:
            wanted += roots
        if known.isdisjoint(wanted):
            module = PurePosixPath(trees[tests][0]) / folder / f"{names[-1]}.py"
            findings.append(f"{path} tests no module: there is no {module}; name it test_<module>.py or test_<module>_<aspect>.py")
    return findings


def test_tests_lie_where_their_module_lies() -> None:
    assert astray(tracked()) == []


@pytest.mark.parametrize(
    "test",
    [
        "a/test_b.py",
        "a/test_b_closing.py",
        "a/test_c.py",
        "test_a.py",
        "test_d.py",
        "a/test_interop_grpcio.py",
        "e2e/test_x.py",
        "a/harness.py",
    ],
)
def test_a_test_at_its_module_is_fine(test: str) -> None:
    assert astray(["src/towpath/a/__init__.py", "src/towpath/a/b.py", "src/towpath/a/_c.py", "src/towpath/d.toml", f"tests/{test}"]) == []


@pytest.mark.parametrize("test", ["a/test_bb.py", "b/test_b.py", "test_b.py", "a/x/test_b.py", "b/test_interop.py", "test_load.py"])
def test_a_test_without_a_module_is_found(test: str) -> None:
    (finding,) = astray(["src/towpath/a/__init__.py", "src/towpath/a/b.py", f"tests/{test}"])
    assert finding.startswith(f"tests/{test} tests no module")
