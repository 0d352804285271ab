"""Running protoc: sources in, descriptors and protobuf's own Python modules out.

The compiler is the one inside grpcio-tools (the `gen` extra), in a process of its own: it writes faults to the process's standard error
from C, and a crash of it must not be one of ours. All output comes from one run, so that descriptors and modules cannot disagree.
"""

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from towpath._contracts.diagnostics import ContractError, SourceLocation
from towpath._contracts.sources import Source, include_arguments
from towpath._core.errors import SetupError

_PLACED: Final = re.compile(r"(?P<file>.+?):(?P<line>\d+):(?P<column>\d+): (?P<warning>warning: )?(?P<message>.+)")
_NOT_FOUND: Final = re.compile(r"(?P<file>.+): File not found\.")
_IMPORT: Final = re.compile(r'Import "(?P<file>.+)" was not found or had errors\.')


@dataclass(frozen=True, kw_only=True)
class Compiled:
    """The output of protoc: a serialized FileDescriptorSet, and each generated file's text by its path below the output directory."""

    descriptors: bytes
    modules: dict[Path, str]
    warnings: tuple[str, ...]


def compile_sources(sources: Sequence[Source], roots: Sequence[Path]) -> Compiled:
    """Compile `sources`, with source info and all their imports. Raises `ContractError` for the first fault in a contract and `SetupError`
    if protoc is not installed or fails for a reason of its own."""
    if find_spec("grpc_tools") is None:
        raise SetupError("towpath gen needs protoc, which is not installed; run: pip install 'towpath[gen]'")
    with TemporaryDirectory(prefix="towpath-gen-") as directory:
        out = Path(directory, "modules")
        out.mkdir()
        descriptors = Path(directory, "descriptors")
        # -P: a module of the user's that happens to lie in the working directory must not stand in for one of the compiler's.
        command = [sys.executable, "-P", "-m", "grpc_tools.protoc", *include_arguments(roots)]
        command += ["--include_source_info", "--include_imports", "--retain_options", f"--descriptor_set_out={descriptors}"]
        command += [f"--python_out={out}", f"--pyi_out={out}", *(str(source.path) for source in sources)]
        # The arguments are ours and the paths that the user gave; no shell reads them.
        ran = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace", check=False)  # noqa: S603
        if ran.returncode:
            raise fault(ran.stderr, roots)
        return Compiled(
            descriptors=descriptors.read_bytes(),
            modules={file.relative_to(out): file.read_text("utf-8") for file in sorted(out.rglob("*")) if file.is_file()},
            warnings=tuple(line for line in ran.stderr.splitlines() if (match := _PLACED.fullmatch(line)) and match["warning"]),
        )


def fault(output: str, roots: Sequence[Path]) -> SetupError:
    """The one error that `output`, protoc's standard error, is about: its first line. The lines behind it are consequences."""
    missing = {match["file"] for line in output.splitlines() if (match := _NOT_FOUND.fullmatch(line))}
    for line in output.splitlines():
        match = _PLACED.fullmatch(line)
        if match is None or match["warning"]:
            continue
        location = SourceLocation(file=match["file"], line=int(match["line"]), column=int(match["column"]))
        imported = _IMPORT.fullmatch(match["message"])
        if imported and imported["file"] in missing:
            searched = ", ".join(map(str, roots))
            return ContractError(
                f'import "{imported["file"]}" was not found',
                location=location,
                hint=f"imports start from {searched}; correct the name, add the root that has it with --proto-root, or install the "
                "package of contracts that has it",
            )
        return ContractError(match["message"].rstrip("."), location=location, hint=_hint(match["message"]))
    return SetupError(f"protoc failed: {output.strip() or 'it said nothing'}")


def _hint(message: str) -> str:
    for words, hint in _HINTS:
        if words in message:
            return hint
    return "correct the contract at this place; nothing was generated"


_HINTS: Final = (
    ("already defined", "names are unique within their package, service or message: rename one of the two"),
    ("is not defined", "correct the name, or import the contract that defines it"),
    ("not imported", "add the import that the message names"),
    ("recursively imports", "move what both need into a contract of its own"),
    ("Expected", "this is where the syntax stops making sense; the mistake may be at the end of the line before"),
)
