"""The tutorial from a template to a service that holds on a bad day is followed from its first block to its last."""

import re
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, blocks
from tests.docs.walkthrough import reader
from tests.ports import free_port

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
        one.ports = {"8081": cart, "9090": admin}
        one.follow(BLOCKS[made:])
    assert sum(bool(re.search(r"starts anew", line)) for line in one.said) >= 2
