"""The repository is the same everywhere: no path of one machine and no address of one package index is written down in it."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.architecture.repository import ROOT, plant, tracked

# Written so that no pattern matches its own text.
LOCAL = {
    "a path of one machine": re.compile(r"(?<![\w.~-])/(?:work|root|farm|home|Users)/|(?<![\w.])/tm[p]/"),
    "an address or option of one package index": re.compile(
        r"--(?:extra-)?index-url|--find-link[s]|/simpl[e]/|pypi\.or[g]|pythonhosted\.or[g]|registry\.npmj[s]|fil[e]:///"
    ),
}


def local(root: Path, paths: Iterable[str]) -> list[str]:
    findings: list[str] = []
    for path in paths:
        content = (root / path).read_bytes()
        if b"\0" in content:
            continue
        for number, line in enumerate(content.decode(errors="replace").splitlines(), 1):
            findings += [f"{path}:{number} has {what}: {found[0]}" for what, pattern in LOCAL.items() if (found := pattern.search(line))]
    return findings


def test_no_tracked_file_knows_a_machine_or_an_index() -> None:
    assert local(ROOT, tracked()) == []


@pytest.mark.parametrize(
    "line",
    [
        "open('/" + "work/main/x')",
        "cd /" + "root/x",
        "log = '/" + "tmp/x'",
        "--" + "index-url x",
        "--" + "find-links x",
        "https://host/" + "simple/towpath/",
        "https://" + "pypi." + "org/p/towpath",
    ],
)
def test_what_is_local_is_found(tmp_path: Path, line: str) -> None:
    assert len(local(tmp_path, plant(tmp_path, {"x.txt": f"fine\n{line}\n"}))) == 1


@pytest.mark.parametrize("line", ["src/work/x", "docs/home/x.md", "~/home/x", "a /workshop/ of ideas", "http://example.com/tmp.html"])
def test_what_only_looks_local_is_fine(tmp_path: Path, line: str) -> None:
    assert local(tmp_path, plant(tmp_path, {"x.txt": line})) == []
