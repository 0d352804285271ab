"""A Dockerfile's steps, done in folders: each stage has one, in which the paths of its steps begin. No daemon and no base image is needed.

It knows what the template's Dockerfile uses, and anything else is an error. What needs root is only recorded (`useradd`).
"""

import fnmatch
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from json import loads
from pathlib import Path, PurePosixPath

PROGRAMS = {"python": f'exec "{sys.executable}" "$@"', "useradd": 'echo "$@" >> "$RECORD"'}
"""What a base image has, beside a shell."""


@dataclass
class Stage:
    """One `FROM` with its steps."""

    root: Path
    workdir: str = "/"
    env: dict[str, str] = field(default_factory=dict[str, str])
    user: str = "root"
    ports: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    users: str = ""
    """What was given to `useradd`."""

    def inside(self, path: str) -> Path:
        """Where `path` of the image is."""
        return self.root / PurePosixPath(self.workdir, path).relative_to("/")

    def mapped(self, text: str) -> str:
        """`text` with the paths of the image that the stage has, or is about to have, put where they are."""
        return re.sub(r"(?<![\w./])/(?=(app|build|etc)\b)", f"{self.root}/", text)


def build(context: Path, root: Path, arguments: Mapping[str, str], environ: Mapping[str, str]) -> Stage:
    """Do the steps of the Dockerfile in `context`, each stage in a folder of `root`, and return the last stage."""
    stages: dict[str, Stage] = {}
    stage = Stage(root)
    for step in _steps((context / "Dockerfile").read_text()):
        word, _, rest = step.partition(" ")
        if word == "FROM":
            name = rest.partition(" AS ")[2] or str(len(stages))
            stage = stages[name] = Stage(root / name)
            stage.root.mkdir(parents=True)
        elif word == "ARG":
            name, _, default = rest.partition("=")
            stage.env[name] = arguments.get(name, default)
        elif word == "WORKDIR":
            stage.workdir = rest
            stage.inside(".").mkdir(parents=True)
        elif word == "COPY":
            _copy(rest, context, stages, stage)
        elif word == "RUN":
            _run(rest, stage, environ)
        elif word == "ENV":
            stage.env |= dict(pair.split("=", 1) for pair in shlex.split(rest))
        elif word == "USER":
            stage.user = rest
        elif word == "EXPOSE":
            stage.ports = tuple(rest.split())
        elif word == "CMD":
            stage.command = tuple(loads(rest))
        else:
            raise ValueError(f"no step of a Dockerfile that is known here: {step}")
    return stage


def _steps(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return "\n".join(lines).replace("\\\n", " ").splitlines()


def _copy(rest: str, context: Path, stages: Mapping[str, Stage], stage: Stage) -> None:
    *options, source, target = rest.split()
    place = stage.inside(target)
    if options:
        (option,) = options
        _copied(stages[option.removeprefix("--from=")].inside(source), place)
    elif source == ".":
        for path in sorted(context.rglob("*")):
            name = path.relative_to(context).as_posix()
            if path.is_file() and not ignored(name, (context / ".dockerignore").read_text()):
                _copied(path, place / name)
    else:
        assert not ignored(source, (context / ".dockerignore").read_text()), f"{source} is not sent to the builder"
        _copied(context / source, place)


def _copied(path: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        shutil.copytree(path, place, symlinks=True)
    else:
        shutil.copy(path, place)


def ignored(name: str, rules: str) -> bool:
    """Whether a builder leaves the file `name` out by the `rules` of a .dockerignore: the last that fits it, or a folder it is in, wins."""
    out = False
    parts = PurePosixPath(name).parts
    places = ["/".join(parts[: index + 1]) for index in range(len(parts))]
    for rule in rules.split():
        pattern = rule.removeprefix("!")
        inner = pattern.removeprefix("**/")
        if any(fnmatch.fnmatchcase(place if inner == pattern else place.rpartition("/")[2], inner) for place in places):
            out = not rule.startswith("!")
    return out


def _run(rest: str, stage: Stage, environ: Mapping[str, str]) -> None:
    programs, record = stage.root / "programs", stage.root / "users"
    programs.mkdir(exist_ok=True)
    for name, text in PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    variables = {**environ, **stage.env, "PATH": f"{programs}{os.pathsep}{environ['PATH']}", "RECORD": str(record)}
    command = ["sh", "-euc", stage.mapped(rest)]
    ran = subprocess.run(command, cwd=stage.inside("."), env=variables, capture_output=True, text=True, check=False, timeout=1200)
    assert ran.returncode == 0, f"{rest}\n{ran.stdout}{ran.stderr}"
    stage.users = record.read_text() if record.exists() else ""
