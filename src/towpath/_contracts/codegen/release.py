"""The version of a package of contracts: that of the newest release in git, if the contracts are still what they were then.

A release is a tag, `v1.4.0` or `1.4.0`, or with the name of the package in front where a repository makes several: `shop-contracts-1.4.0`.
Contracts that differ from their release have no version yet. So two packages of one version have the same contracts, and a commit that
touches no contract needs no release.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from towpath._core.errors import SetupError

_VERSION: Final = re.compile(
    r"""
    v?(?P<release>\d+(?:\.\d+)*)
    (?:[-._]?(?P<stage>alpha|a|beta|b|rc)[-._]?(?P<count>\d+))?
    (?:\.post(?P<post>\d+))?
    (?:[-.]?dev(?P<dev>\d+))?
    (?:\+(?P<local>[a-z0-9]+(?:[._-][a-z0-9]+)*))?
    """,
    re.VERBOSE | re.IGNORECASE,
)
_STAGES: Final = {"alpha": "a", "beta": "b"}
_SHOWN: Final = 3
"""Contracts that an error names."""


@dataclass(frozen=True, kw_only=True)
class _Version:
    text: str
    """As Python's packages write it."""
    order: tuple[tuple[int, ...], bool, str, int, int, bool, int]
    """What versions are sorted by: 1.0.dev1, 1.0a1, 1.0rc1, 1.0, 1.0.post1."""


def _version(text: str) -> _Version | None:
    match = _VERSION.fullmatch(text)
    if match is None:
        return None
    release = [int(part) for part in match["release"].split(".")]
    stage = _STAGES.get((match["stage"] or "").lower(), (match["stage"] or "").lower())
    count, post, dev = (None if match[name] is None else int(match[name]) for name in ("count", "post", "dev"))
    parts = [".".join(map(str, release)), f"{stage}{count}" if stage else ""]
    parts += [f".post{post}" if post is not None else "", f".dev{dev}" if dev is not None else ""]
    parts += [f"+{match['local'].lower()}" if match["local"] else ""]
    while release[-1:] == [0]:
        del release[-1]
    final = bool(stage) or post is not None or dev is None
    order = tuple(release), final, stage or "z", count or 0, -1 if post is None else post, dev is None, dev or 0
    return _Version(text="".join(parts), order=order)


def normal_version(text: str) -> str | None:
    """`text` as Python's packages write versions (`v1.4.0-rc.1` is `1.4.0rc1`); None if it is no version."""
    version = _version(text)
    return None if version is None else version.text


def release_of(name: str, paths: Sequence[Path]) -> str:
    """The version of the newest release of the package `name` whose contracts are those in `paths`. Raises SetupError, which says what to
    do, if there is none: no repository, no tag, or contracts that have changed since."""
    folder = paths[0] if paths[0].is_dir() else paths[0].parent
    newest = newest_release(name, _git(["tag", "--merged", "HEAD"], folder, name).splitlines())
    if newest is None:
        raise _unknown(
            name,
            f"no tag of a release, such as v1.0.0 or {name}-1.0.0, is on the way to this commit; tag the release, fetch the tags that a "
            "shallow clone has not (git fetch --tags --unshallow)",
        )
    tag, version = newest
    top = Path(_git(["rev-parse", "--show-toplevel"], folder, name).removesuffix("\n"))
    named = ["--", *(str(path.resolve()) for path in paths)]
    changed = _git(["diff", "--name-only", "--no-relative", "-z", tag, *named], folder, name)
    changed += _git(["ls-files", "--others", "--full-name", "-z", *named], folder, name)
    given = [path.resolve() for path in paths]
    contracts = sorted({file for file in changed.split("\0") if file.endswith(".proto") and _is_compiled(top / file, given)})
    if contracts:
        more = f" and {len(contracts) - _SHOWN} more" if len(contracts) > _SHOWN else ""
        raise _unknown(name, f"{', '.join(contracts[:_SHOWN])}{more} changed since the release {tag}; tag a release of them")
    return version


def _is_compiled(contract: Path, given: Sequence[Path]) -> bool:
    """Whether `contract` is one of `given`, or below one of them and in no hidden folder there."""
    below = (contract.relative_to(path) for path in given if contract.is_relative_to(path))
    return any(not any(part.startswith(".") for part in path.parts[:-1]) for path in below)


def newest_release(name: str, tags: Sequence[str]) -> tuple[str, str] | None:
    """The tag of the newest release of the package `name`, and its version; None without one. Tags with the name in front are the only ones
    that count, if there are any."""
    own: list[tuple[_Version, str]] = []
    plain: list[tuple[_Version, str]] = []
    for tag in tags:
        bare = tag.removeprefix(name)
        version = _version(bare.lstrip("-/@_") if bare != tag else tag)
        if version is not None:
            (plain if bare == tag else own).append((version, tag))
    newest = max(own or plain, key=lambda found: found[0].order, default=None)
    return None if newest is None else (newest[1], newest[0].text)


def _git(arguments: Sequence[str], folder: Path, name: str) -> str:
    git = shutil.which("git")
    if git is None:
        raise _unknown(name, "git, whose tags say it, is not installed; install it")
    env = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}  # a hook's name its own repository
    # The arguments are ours, and names of files behind `--`; no shell reads them.
    ran = subprocess.run([git, *arguments], cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False)  # noqa: S603
    if ran.returncode:
        said = ran.stderr.decode(errors="replace").strip().partition("\n")[0].removeprefix("fatal: ")
        raise _unknown(name, f"git, whose tags say it, failed in {folder}: {said}; mend that")
    return ran.stdout.decode(errors="surrogateescape")


def _unknown(name: str, reason: str) -> SetupError:
    return SetupError(f"the version of {name} is not known: {reason}, or give --version, such as --version 1.0.0")
