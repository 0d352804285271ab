"""The code of a project's contracts: what `towpath gen` would make of `proto/` after an edit, before anything is written."""

import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Final

from towpath._contracts.codegen.generator import GenerateOptions, generate
from towpath._core.errors import SetupError

ROOT: Final = PurePosixPath("proto")
"""Where a project has its contracts."""

SOURCES: Final = PurePosixPath("src")
"""Where a project has its code."""


def compiled(folder: Path | None, edits: Mapping[PurePosixPath, str]) -> dict[PurePosixPath, bytes]:
    """The generated files of the project in `folder`, or of a new one, by their paths in it, with `edits` of its contracts. Writes nothing.

    Raises SetupError for the first fault in a contract, and SetupError if protoc is missing."""
    with TemporaryDirectory(prefix="towpath-contracts-") as directory:
        staged = Path(directory)
        if folder is not None and (folder / ROOT).is_dir():
            shutil.copytree(folder / ROOT, staged / ROOT)
        for path, text in edits.items():
            if path.is_relative_to(ROOT):
                (staged / path).parent.mkdir(parents=True, exist_ok=True)
                (staged / path).write_text(text, encoding="utf-8", newline="")
        try:
            result = generate(GenerateOptions(paths=[staged / ROOT], proto_roots=[staged / ROOT], out=staged / SOURCES))
        except SetupError as error:  # a person knows the project and not the folder in which it is tried
            raise SetupError(str(error).replace(f"{staged}/", "" if folder is None else f"{folder}/")) from error
        return {PurePosixPath(path.relative_to(staged).as_posix()): path.read_bytes() for path in result.written}
