"""The page about `towpath dev` shows what the command prints and takes. tests/cli/test_dev.py runs it."""

import inspect
import re
from pathlib import Path

from towpath._app.system.development import DEFAULT_POLL
from towpath._cli.call import call
from towpath._cli.dev import dev

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "dev.md").read_text()


def test_each_option_on_the_page_is_one():
    options = {name.removeprefix("--") for name in re.findall(r"--\w+", PAGE)}
    assert options <= {*inspect.signature(dev).parameters, "watch"}
    assert "verbose" in inspect.signature(call).parameters


def test_it_looks_as_often_as_the_page_says():
    assert DEFAULT_POLL == 0.5
    assert "looks at its files twice a second" in PAGE
