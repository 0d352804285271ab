"""Linting contracts with buf, offline, whatever they import.

buf finds imports only in its own modules and in its registry: to lint a contract that imports google/api from sources it needs a network.
So protoc resolves the imports, as for `towpath gen`, and buf gets the result as an image. The image marks files that are only imported, and
buf leaves them alone. Rules are buf's set STANDARD; a `buf:lint:ignore` comment excuses a finding at its place.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from towpath._contracts.protoc import compile_sources
from towpath._contracts.sources import Source
from towpath._core.errors import SetupError

_CONFIG: Final = '{"version": "v2", "lint": {"use": ["STANDARD"]}}'
_FINDINGS: Final = 100
"""buf's exit status when it has found something; others mean that it failed."""

# An image is a FileDescriptorSet whose files carry field 8042, a message whose field 1 says that the file is an import
# (buf/alpha/image/v1/image.proto): the two tags, the length of the message and `true`, in the encoding of protobuf.
_IS_IMPORT: Final = b"\xd2\xf6\x03" + b"\x02" + b"\x08\x01"
_FINDING: Final = re.compile(r"(?P<name>.+?)(?P<rest>:\d+:\d+:.+)")


def lint(sources: Sequence[Source], roots: Sequence[Path]) -> tuple[str, ...]:
    """The findings of buf in `sources`, as `file:line:column: message`; empty if there are none.

    Raises `ContractError` if the sources do not compile, and `SetupError` if buf or protoc is missing or buf fails.
    """
    buf = shutil.which("buf", path=str(Path(sys.executable).parent)) or shutil.which("buf")
    if buf is None:
        raise SetupError("linting contracts needs buf, which is not installed; run: pip install 'towpath[gen]'")
    paths = {source.name: source.path for source in sources}
    with TemporaryDirectory(prefix="towpath-lint-") as directory:
        image = Path(directory, "image.binpb")
        image.write_bytes(_image(compile_sources(sources, roots).descriptors, paths))
        command = [buf, "lint", str(image), "--config", _CONFIG]
        # The arguments are ours; no shell reads them.
        ran = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace", check=False)  # noqa: S603
    if ran.returncode not in {0, _FINDINGS}:
        raise SetupError(f"buf failed: {ran.stderr.strip() or 'it said nothing'}")
    return tuple(_on_disk(line, paths) for line in ran.stdout.splitlines())


def _image(descriptors: bytes, own: Collection[str]) -> bytes:
    # A set is the concatenation of its files' fields, so each file can be written apart, with its mark behind it.
    image = FileDescriptorSet()
    for file in FileDescriptorSet.FromString(descriptors).file:
        added = image.file.add()
        added.MergeFromString(file.SerializeToString() + (b"" if file.name in own else _IS_IMPORT))
    return image.SerializeToString()


def _on_disk(finding: str, paths: dict[str, Path]) -> str:
    match = _FINDING.fullmatch(finding)
    return f"{paths[match['name']]}{match['rest']}" if match and match["name"] in paths else finding
