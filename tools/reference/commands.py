"""The page of the command line: what `towpath COMMAND --help` says of each command."""

import re
from importlib import import_module

from cyclopts import App

from towpath._cli.main import COMMANDS


def commands_page() -> str:
    """The page of the command line, which is what `towpath COMMAND --help` says."""
    app = App(name="towpath", help="The golden path for Python services.", version_flags=[], help_flags=[])
    for name, (where, _) in COMMANDS.items():
        module, _, function = where.partition(":")
        app.command(getattr(import_module(module), function), name=name)
    generated = app.generate_docs(output_format="markdown", recursive=True, heading_level=2)
    generated = re.sub(r"^(towpath \w+) -m \S+", r"\1", generated, flags=re.MULTILINE)  # the module that this process was started as
    _, _, body = generated.partition("**Commands**:\n")
    return f"# The command line\n\n{body.strip().replace('<', '&lt;')}\n"
