"""Making a project: everything is put together in a hidden folder beside its place, which is moved there as the last step.

So the place has a whole project or none: not when the disk is full, not when a contract does not compile, and not after Ctrl-C.
"""

import errno
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import unquote, urlsplit

from towpath._core.errors import SetupError
from towpath._scaffold import git
from towpath._scaffold.answers import Answers, checked
from towpath._scaffold.contracts import compiled
from towpath._scaffold.record import PLACE, Record
from towpath._scaffold.system import with_services
from towpath._scaffold.template import Kind, read_template

_LOCAL: Final = PurePosixPath("local.mk")
_NO_SPACE: Final = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, kw_only=True)
class Made:
    """What was made."""

    folder: Path
    files: int
    """How many files it has."""
    repository: bool
    """Whether it became a git repository of its own."""


def make_service(answers: Answers, into: Path, *, template: Path | None = None, alone: bool = True) -> Made:
    """Make a service in a new folder of `into` that has its name. One that is not `alone` is part of a system, whose environment it uses.
    Raises SetupError, with nothing left behind, if the folder exists, if it
    cannot be written, or if the template or its contract is faulty."""
    target = _free(into / answers.name)
    files = {**service_files(answers, template), **(_local(answers) if alone else {})}
    return _put(target, files)


def make_system(answers: Answers, services: Sequence[str], into: Path, *, template: Path | None = None) -> Made:
    """Make a system in a new folder of `into`, with one folder for each of `services` and a system file. The first service has the port of
    `answers`, and each of the others the next one. Raises SetupError as `make_service` does, and for two services of one name."""
    if len(set(services)) != len(services):
        raise SetupError(f"--system: {', '.join(services)} has a name twice; each service needs a name of its own")
    target = _free(into / answers.name)
    members = [checked(name, port=answers.port + index, python=answers.python) for index, name in enumerate(services)]
    files = _with_record(answers, "system", template)
    files[PurePosixPath("system.toml")] = with_services(files[PurePosixPath("system.toml")].decode(), members, "the template").encode()
    for member in members:
        files |= {PurePosixPath(member.name) / path: content for path, content in service_files(member, template).items()}
    return _put(target, {**files, **_local(answers)})


def service_files(answers: Answers, template: Path | None = None) -> dict[PurePosixPath, bytes]:
    """The files of a service, with the code of its contract and its record. Raises SetupError for a faulty template."""
    files = _with_record(answers, "service", template)
    texts = {path: content.decode() for path, content in files.items()}
    return {**files, **compiled(None, texts)}


def write_error(error: OSError, place: Path) -> SetupError:
    """What a person can do about `error`, which happened while `place` was written."""
    reason = (error.strerror or type(error).__name__).lower()
    remedy = "make room on the disk" if error.errno in _NO_SPACE else "choose a folder that you may write to"
    return SetupError(f"{place} cannot be written: {reason}; {remedy}. Nothing was changed")


def _with_record(answers: Answers, kind: Kind, template: Path | None) -> dict[PurePosixPath, bytes]:
    source = read_template(kind, template)
    files = source.rendered(answers.words())
    record = Record(kind=source.kind, version=source.version, answers=answers, files=files)
    return {**{path: text.encode() for path, text in files.items()}, PLACE: record.text().encode()}


def _free(target: Path) -> Path:
    if target.exists() or target.is_symlink():
        raise SetupError(f"{target} exists already; choose another name, or another folder with --into")
    if not target.parent.is_dir():
        raise SetupError(f"--into: {target.parent} is not a folder; create it first")
    return target


def _put(target: Path, files: Mapping[PurePosixPath, bytes]) -> Made:
    staging = target.with_name(f".{target.name}.towpath-new-{os.getpid()}")
    try:
        for path, content in files.items():
            (staging / path).parent.mkdir(parents=True, exist_ok=True)
            (staging / path).write_bytes(content)
        repository = git.start(staging)
        staging.rename(target)
    except OSError as error:
        raise write_error(error, target) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return Made(folder=target, files=len(files), repository=repository)


def _local(answers: Answers) -> dict[PurePosixPath, bytes]:
    """`local.mk`, if towpath was installed from a folder or a file of this machine: then an index may not have it. It names the Python that
    runs this too, since `python3` may be an older one, unless the service needs a newer one still."""
    try:
        where = str(json.loads(distribution("towpath").read_text("direct_url.json") or "{}").get("url", ""))
    except (PackageNotFoundError, ValueError):
        return {}
    url = urlsplit(where)
    if url.scheme != "file" or "$" in where:
        return {}
    text = f"# Where towpath was installed from when this was made. git ignores this file.\nTOWPATH := {unquote(url.path)}\n"
    python = Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
    if sys.version_info >= tuple(map(int, answers.python.split("."))) and python.is_file() and "$" not in str(python):
        text += f"# A PYTHON of the command line or of the environment wins.\nifeq ($(origin PYTHON),file)\nPYTHON := {python}\nendif\n"
    return {_LOCAL: text.encode()}
