"""The files of a project that an addition edits, and the writing of all of them at once."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from towpath._contracts.codegen.output import write_files
from towpath._core.errors import SetupError
from towpath._scaffold.contracts import ROOT, compiled
from towpath._scaffold.project import write_error
from towpath._scaffold.record import Record, read_record


@dataclass(frozen=True, kw_only=True)
class Addition:
    """What was added."""

    written: tuple[Path, ...]
    """The files that were written."""
    following: str
    """What a person does next."""


@dataclass(kw_only=True)
class Edits:
    """The texts of a project's files as they are to be."""

    folder: Path
    record: Record
    texts: dict[PurePosixPath, str] = field(default_factory=dict[PurePosixPath, str])
    beside: dict[Path, str] = field(default_factory=dict[Path, str])
    """Files outside of the folder, such as the system file above it."""

    def text(self, path: PurePosixPath | str) -> str:
        """A file as it is to be. Raises SetupError if there is none."""
        place = PurePosixPath(path)
        try:
            return self.texts[place] if place in self.texts else (self.folder / place).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SetupError(f"{self.folder / place} cannot be read, and this adds to it; bring it back, or add by hand") from error

    def exists(self, path: PurePosixPath | str) -> bool:
        """Whether there is such a file, or is to be."""
        return PurePosixPath(path) in self.texts or (self.folder / path).exists()

    def write(self, following: str) -> Addition:
        """Compile the contracts as they are to be, and write all files or none. Raises SetupError if a contract is faulty, or if a file
        cannot be written."""
        contents: Mapping[PurePosixPath, bytes] = {path: text.encode() for path, text in self.texts.items()}
        if any(path.is_relative_to(ROOT) for path in self.texts):
            contents = {**contents, **compiled(self.folder, self.texts)}
        changed = {self.folder / path: content for path, content in contents.items() if _content(self.folder / path) != content}
        outside = {path: text.encode() for path, text in self.beside.items()}
        try:
            write_files({**changed, **outside}, ())
        except OSError as error:
            raise write_error(error, Path(error.filename) if isinstance(error.filename, str) else self.folder) from error
        told = (Path(os.path.normpath(self.folder / os.path.relpath(path, self.folder.resolve()))) for path in outside)
        return Addition(written=(*changed, *told), following=following)


def edits_of(folder: Path, what: str) -> Edits:
    """No edits yet of the service in `folder`. Raises SetupError if `folder` holds no service that `towpath new` made."""
    record = read_record(folder)
    if record.kind != "service":
        raise SetupError(f"{folder} is a system, and a {what} is added to a service; run this in the folder of one of its services")
    return Edits(folder=folder, record=record)


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
