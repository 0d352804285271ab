"""`towpath upgrade`: brings a service or system that `towpath new` made up to the template of today."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def upgrade(
    folder: Path = Path(),
    /,
    *,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    json: Annotated[bool, Parameter(negative="")] = False,
    template: Annotated[Path | None, Parameter(negative="")] = None,
) -> int:
    """Bring a service or system up to the template of this towpath, and keep what was edited.

    Commit first. Afterwards look at git diff. The exit status is 1 if something is left to do by hand.

    Example: towpath upgrade --dry-run

    Parameters
    ----------
    folder
        The folder that towpath new made; this one without it.
    dry_run
        Write nothing, and say what would be done.
    json
        Print one JSON object: projects (each with folder, and from and to, the numbers of its template), and changes (each with what, path
        and note).
    template
        A folder with a template of your own, in folders service and system, instead of towpath's.
    """
    # Each command loads only what it needs.
    from towpath._scaffold.upgrade import upgrade as upgraded

    done = upgraded(folder, template=template, dry_run=dry_run)
    if json:
        import json as writer

        changes = [{"what": change.what, "path": str(change.path), "note": change.note} for change in done.changes]
        projects = [{"folder": place, "from": before, "to": after} for place, before, after in done.versions]
        print(writer.dumps({"projects": projects, "changes": changes}, indent=2))
        return 0 if done.complete else 1
    for place, before, after in done.versions:
        print(f"{folder / place}: template {before} -> {after}" if before != after else f"{folder / place}: template {after}, as before")
    for change in done.changes:
        print(f"  {change.what:<9} {change.path}", end=f": {change.note}\n" if change.note else "\n")
    if not done.changes:
        print("nothing to do")
    elif dry_run:
        print("nothing was written; leave --dry-run out to do it")
    elif done.complete:
        print("look at git diff, run make check and make test, and commit")
    else:
        print("mend the files that say conflict or kept, run make check and make test, and commit", file=sys.stderr)
    return 0 if done.complete else 1
