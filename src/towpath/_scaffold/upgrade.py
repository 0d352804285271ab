"""Bringing a project up to the template of today, by a three-way merge of each file: what the template made, what it makes now, and what
the project has.

A change of the template arrives, a change of the project stays. Where both changed the same lines, the file gets git's marks and is
reported. A file that the project deleted stays away, and one that the template no longer has is deleted only if nobody edited it. All files
are written together or not at all, over a tree without uncommitted changes, so that git can take everything back.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Final, Literal

from towpath._contracts.codegen.output import write_files
from towpath._core.errors import SetupError
from towpath._scaffold import git
from towpath._scaffold.contracts import ROOT, compiled
from towpath._scaffold.project import write_error
from towpath._scaffold.record import PLACE, Record, read_record
from towpath._scaffold.template import Template, read_template

What = Literal["added", "changed", "merged", "removed", "generated", "conflict", "kept"]

_LEFT: Final = ("conflict", "kept")


@dataclass(frozen=True, kw_only=True)
class Change:
    """What happened to one file."""

    what: What
    path: PurePosixPath
    """The file's path in the folder that was upgraded."""
    note: str = ""
    """What a person has to know of it, or to do; empty if nothing."""
    content: bytes | None = None
    """The new content; None if the file is not written."""

    @property
    def left(self) -> bool:
        """Whether something is left to a person."""
        return self.what in _LEFT


@dataclass(frozen=True, kw_only=True)
class Upgrade:
    """What an upgrade did, or would do."""

    versions: tuple[tuple[str, int, int], ...]
    """Each project below the folder, with the template's number before and after; the folder itself is `.`."""
    changes: tuple[Change, ...]

    @property
    def complete(self) -> bool:
        """Whether nothing is left to a person."""
        return not any(change.left for change in self.changes)


def upgrade(folder: Path, *, template: Path | None = None, dry_run: bool = False) -> Upgrade:
    """Bring the project in `folder` to the template of this towpath, or of the folder `template`. A system brings each of its services.

    With `dry_run` nothing is written. Raises SetupError, with nothing written, for a folder that `towpath new` did not make, for changes
    that are not committed, for a project of a later template, and if a file cannot be written.
    """
    records = {PurePosixPath(): read_record(folder)}
    if records[PurePosixPath()].kind == "system":
        records |= {
            PurePosixPath(place.parent.parent.name): read_record(place.parent.parent) for place in sorted(folder.glob(f"*/{PLACE}"))
        }
    if dirty := git.changed(folder):
        more = f" and {len(dirty) - 3} more" if len(dirty) > 3 else ""
        files = ", ".join(line[3:] for line in dirty[:3])
        raise SetupError(
            f"{folder} has changes that are not committed ({files}{more}); commit or stash them first, so that git can take this back"
        )
    changes: list[Change] = []
    versions: list[tuple[str, int, int]] = []
    for place, record in records.items():
        source = read_template(record.kind, template)
        if record.version > source.version:
            raise SetupError(
                f"{folder / place} was made by version {record.version} of the template, and this towpath has {source.version}; "
                "upgrade towpath"
            )
        versions.append((str(place), record.version, source.version))
        changes += _project(folder, place, record, source)
    if not dry_run:
        _write(folder, changes)
    return Upgrade(versions=tuple(versions), changes=tuple(change for change in changes if change.path.name != PLACE.name))


def _project(folder: Path, place: PurePosixPath, record: Record, source: Template) -> Iterator[Change]:
    now = source.rendered(record.answers.words())
    merged = [
        change
        for path in sorted({*record.files, *now})
        for change in _file(folder / place, path, record.files.get(path), now.get(path), source)
    ]
    fresh = replace(record, version=source.version, files=now)
    if fresh != record:
        merged.append(Change(what="changed", path=PLACE, content=fresh.text().encode()))
    if record.kind == "service":
        merged += _code(folder / place, merged)
    yield from (replace(change, path=place / change.path) for change in merged)


def _file(folder: Path, path: PurePosixPath, base: str | None, new: str | None, source: Template) -> Iterator[Change]:
    """What happens to one file, which the template made as `base` and makes as `new`; None is no file."""
    if base == new:
        return
    mine = _read(folder / path)
    if new is None:
        if mine is not None and base is not None and _same(mine, base):
            yield Change(what="removed", path=path)
        elif mine is not None:
            yield Change(what="kept", path=path, note="the template has it no more, but it was edited here; delete it if nothing needs it")
    elif mine is None:
        if base is None:
            yield Change(what="added", path=path, content=new.encode())
        else:
            yield Change(what="kept", path=path, note="it was deleted here, and the template has changed it; nothing was brought back")
    elif not _same(mine, new):
        yield _merge(path, mine, base or "", new, source)


def _merge(path: PurePosixPath, mine: bytes, base: str, new: str, source: Template) -> Change:
    if _same(mine, base):
        return Change(what="changed", path=path, content=git.merge(mine, base.encode(), new.encode(), ("", "", "")).content)
    merged = git.merge(mine, base.encode(), new.encode(), ("yours", "the template before", f"template {source.version}"))
    if not merged.conflicts:
        return Change(what="merged", path=path, content=merged.content)
    places = f"{merged.conflicts} place{'s' if merged.conflicts > 1 else ''}"
    return Change(what="conflict", path=path, content=merged.content, note=f"both sides changed {places}; look for <<<<<<< in it")


def _code(folder: Path, changes: Iterable[Change]) -> Iterator[Change]:
    """The generated code, which follows from the contracts as they are after `changes`."""
    contracts = [change for change in changes if change.path.is_relative_to(ROOT)]
    if any(change.what == "conflict" for change in contracts):
        yield Change(what="kept", path=ROOT, note="its code was not generated; mend the contract, then run make gen")
        return
    try:
        made = compiled(folder, {change.path: change.content.decode() for change in contracts if change.content is not None})
    except SetupError as error:
        yield Change(what="kept", path=ROOT, note=f"its code was not generated: {error}")
        return
    for path, content in made.items():
        if _read(folder / path) != content:
            yield Change(what="generated", path=path, content=content)


def _same(mine: bytes, text: str) -> bool:
    return mine.replace(b"\r\n", b"\n") == text.encode()


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SetupError(f"{path} cannot be read: {(error.strerror or '').lower()}; mend that first") from error


def _write(folder: Path, changes: Iterable[Change]) -> None:
    contents = {folder / change.path: change.content for change in changes if change.content is not None}
    stale = [folder / change.path for change in changes if change.what == "removed"]
    try:
        write_files(contents, stale)
    except OSError as error:
        raise write_error(error, Path(error.filename) if isinstance(error.filename, str) else folder) from error
