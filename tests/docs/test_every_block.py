"""Every block of code that a reader copies is taken out of its page by a test, which runs it, or says why none does.

A test that runs a block takes its text from the page and keeps it in a constant of its module: `FILES`, `COMMANDS`. So a block that no
constant of any module has is run by nobody. A comment before the block, `<!-- not run: REASON -->`, excuses it.
"""

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, RUN, Block, blocks, taken

PAGES = [
    "README.md",
    *(str(path.relative_to(ROOT)) for folder in ("tutorial", "howto", "explanation") for path in (ROOT / "docs" / folder).glob("*.md")),
]
MODULES = [f"tests.docs.{path.stem}" for path in Path(__file__).parent.glob("test_*.py") if path != Path(__file__)]

EXCUSED = 5
"""How many blocks have a reason not to be run. It only shrinks."""


def not_run(found: Iterable[Block], texts: Iterable[str]) -> list[str]:
    """The blocks of which a part is in none of `texts`."""
    whole = "\0".join(texts)
    return [
        f"{block.page}:{block.line}: no test runs {part.splitlines()[0]!r}"
        for block in found
        if block.kind in RUN and not block.why
        for part in block.parts
        if part not in whole
    ]


def all_blocks() -> list[Block]:
    return [block for page in sorted(PAGES) for block in blocks(page, (ROOT / page).read_text())]


def test_every_block_is_run() -> None:
    texts = [text for module in (*MODULES, "tests.tools.test_dist") for text in taken(import_module(module))]
    assert not_run(all_blocks(), texts) == []


def test_few_blocks_are_excused() -> None:
    assert len([block for block in all_blocks() if block.why]) == EXCUSED


@pytest.mark.parametrize(
    ("page", "texts", "missing"),
    [
        ("```python\n# x.py\nf()\n```\n", ["f()\n"], []),
        ("```python\n# x.py\nf()\n```\n", ["g()"], ["page.md:1: no test runs 'f()'"]),
        ("```console\n$ one   # which\nprinted\n$ two\n```\n", ["one"], ["page.md:1: no test runs 'two'"]),
        ("<!-- not run: it needs a phone -->\n```console\n$ call\n```\n", [], []),
        ("```text\nprinted\n```\n", [], []),
        ("- a list\n\n  ```toml\n  a = 1\n  ```\n", [], ["page.md:3: no test runs 'a = 1'"]),
    ],
)
def test_a_block_that_nobody_takes_is_found(page: str, texts: list[str], missing: list[str]) -> None:
    assert not_run(blocks("page.md", page), texts) == missing


def test_a_whole_page_in_a_constant_takes_no_block() -> None:
    class Module:
        PAGE = "Text\n```python\nf()\n```\n"

    assert list(taken(Module)) == []  # type: ignore[arg-type] # it has what of a module counts
