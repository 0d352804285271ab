"""The page that explains the defaults has every setting with a default, and the default that the source has."""

import re
from pathlib import Path

import griffe

from tools.reference.settings import settings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "explanation" / "defaults.md").read_text()

NO_CHOICE = frozenset({("[service]", "name"), ("[targets.NAME]", "subset_client"), ("[[calls]]", "times"), ("[services.NAME]", "listen")})
"""Defaults that are the first number or a placeholder: nobody chose them among others."""

NO_DEFAULT = frozenset({"none", "required", "`false`", "what its class says"})


def explained() -> dict[tuple[str, str], str]:
    """The default of each row, by its table and key."""
    found: dict[tuple[str, str], str] = {}
    for section in PAGE.split("\n## ")[1:]:
        table = re.search(r"^`(\[.*?\])`\. ", section, re.MULTILINE)
        for key, default, why in re.findall(r"^\| `(\w+)` \| (.+?) \| (.+) \|$", section, re.MULTILINE):
            assert table is not None, key
            assert why.endswith("."), key
            found[table[1], key] = default
    return found


def test_each_default_is_explained_and_is_that_of_the_source() -> None:
    library = griffe.load("towpath", search_paths=[ROOT / "src"])
    assert isinstance(library, griffe.Module)
    missing: list[str] = []
    defaults = {
        (setting.table, setting.key): setting.default.partition(", a free port")[0]
        for setting in settings(library, missing)
        if setting.default not in NO_DEFAULT
    }
    assert missing == []
    assert {place: default for place, default in defaults.items() if place not in NO_CHOICE} == explained()
