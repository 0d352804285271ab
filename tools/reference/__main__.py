"""Writes docs/reference from the source: public names, commands, settings, variables, metrics and the reasons of decisions.

`python -m tools.reference` writes the pages, and with `--check` it only says whether they are what the source says; both need the packages
of requirements/dev.lock. A public name or a setting that is not documented is an error, since its place in the reference would be empty.
"""

import argparse
import sys
from pathlib import Path
from typing import Final, cast

import griffe

from tools.reference.commands import commands_page
from tools.reference.names import AUDIENCES, names_page
from tools.reference.settings import settings_page
from tools.reference.vocabulary import metrics_page, reasons_page, variables_page

ROOT: Final = Path(__file__).resolve().parents[2]
PAGES: Final = ROOT / "docs" / "reference"


class Undocumented(Exception):
    """Names without a docstring; its text lists them."""


def pages() -> dict[Path, str]:
    """Every page by its path. Raises Undocumented."""
    library = cast("griffe.Module", griffe.load("towpath", search_paths=[ROOT / "src"]))
    missing: list[str] = []
    written = {PAGES / file: names_page(library, title, modules, missing) for file, (title, modules) in AUDIENCES.items()}
    written[PAGES / "command-line.md"] = commands_page()
    written[PAGES / "settings.md"] = settings_page(library, missing)
    written[PAGES / "variables.md"] = variables_page()
    written[PAGES / "metrics.md"] = metrics_page()
    written[PAGES / "reasons.md"] = reasons_page()
    if missing:
        raise Undocumented("\n".join(missing))
    return written


def main() -> int:
    """Write the pages or, with `--check`, compare them. The exit status is 1 where a page is not what the source says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a page would change")
    check = cast("bool", parser.parse_args().check)
    try:
        written = pages()
    except Undocumented as error:
        sys.stderr.write(f"error: these names have no docstring:\n{error}\n")
        return 1
    stale = [path for path, content in written.items() if not path.is_file() or path.read_text() != content]
    if check:
        sys.stderr.writelines(f"{path.relative_to(ROOT)} is not what the source says\n" for path in stale)
        return 1 if stale else 0
    PAGES.mkdir(exist_ok=True)
    for path in stale:
        path.write_text(written[path])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
