"""README's quickstart is followed: a service from the template, served, and called in two ways."""

from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, RUN, blocks
from tests.docs.walkthrough import reader
from tests.ports import free_port

BLOCKS = [block for block in blocks("README.md", (ROOT / "README.md").read_text()) if block.kind in RUN and not block.why]
*COMMANDS, SHOWN = BLOCKS


@pytest.mark.timeout(1800)
def test_the_quickstart_answers_as_it_says(tmp_path: Path) -> None:
    with free_port() as port, reader(tmp_path, {"8080": port}) as one:
        make, call = COMMANDS
        made, _, served = make.body.partition("$ towpath dev")
        one.follow([make._replace(body=made)])
        settings = tmp_path / "order-book" / "towpath.toml"
        settings.write_text(settings.read_text().replace("8080", str(port)))
        one.follow([make._replace(body=f"$ towpath dev{served}"), call])
    handler = (tmp_path / "order-book" / "src" / "order_book" / "service.py").read_text()
    assert SHOWN.parts[0] in handler
