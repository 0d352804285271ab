"""The tutorial from a template to a service that holds on a bad day is followed from its first block to its last."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, blocks
from tests.docs.walkthrough import argv, environment, reader
from tests.ports import free_port
from towpath._cli.explained.table import Explained

TUTORIAL = "docs/tutorial/from-template-to-mended.md"
BLOCKS = blocks(TUTORIAL, (ROOT / TUTORIAL).read_text())


@pytest.mark.timeout(1800)
def test_the_tutorial_is_followed_to_its_end(tmp_path: Path) -> None:
    with free_port() as catalogue, free_port() as cart, free_port() as admin, reader(tmp_path, {}) as one:
        made = next(number for number, block in enumerate(BLOCKS) if "towpath dev" in block.body)
        one.follow(BLOCKS[:made])
        given = {"8080": str(catalogue), "8081": str(cart)}
        for file in ("system.toml", "cart/towpath.toml", "catalogue/towpath.toml"):  # which the template gave the usual ports
            path = tmp_path / "shop" / file
            path.write_text(re.sub(r"\b808[01]\b", lambda found: given[found[0]], path.read_text()))
        settings = tmp_path / "shop/cart/towpath.toml"  # the page says in a sentence that its table goes
        settings.write_text(re.sub(r"(?m)^\[settings\]\ngreeting = .*\n", "", settings.read_text()))
        one.ports = {"8081": cart, "9090": admin}
        told = next(number for number, block in enumerate(BLOCKS) if block.kind == "text")
        one.follow(BLOCKS[made:told])
        assert [line for line in BLOCKS[told].body.splitlines() if line not in [*explained(tmp_path / "shop/cart"), "..."]] == []
        one.follow(BLOCKS[told:])
    assert sum(bool(re.search(r"starts anew", line)) for line in one.said) >= 2
    assert [line for line in one.said if "main reads none of them" in line] == []


def explained(folder: Path) -> list[str]:
    """What `towpath explain` prints to a reader's terminal about the cart's calls."""
    command = argv("towpath explain CatalogueService/Greet --side client --json")
    (told,) = json.loads(subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=True).stdout)
    rows = [(row["name"], row["value"], row["source"]) for row in told["values"]]
    table = Explained(method=told["method"], side=told["side"], stack=told["stack"], rows=rows)
    return table.table(80, colour=False).splitlines()
