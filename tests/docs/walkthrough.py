"""A reader who follows a page from its first block to its last: writes the files, types the commands, and compares what is printed.

A command may be answered otherwise for a moment, while a server starts anew or the machine is busy. So it is typed again until it prints
what the page says, or until `PATIENCE` is over.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from tests.app.stage import PATIENCE
from tests.docs.blocks import Block
from tests.programs import needed

NUMBER = r"[0-9.e+-]+"


class Reader:
    """One reader, who begins in `folder`. `ports` are used in place of those of the page."""

    def __init__(self, folder: Path, ports: Mapping[str, int]) -> None:
        self.root = self.folder = folder
        self.ports = ports
        self._servers: list[subprocess.Popen[str]] = []
        self._listeners: list[Thread] = []
        self.said: list[str] = []
        """What the commands that go on have printed."""

    def follow(self, blocks: Sequence[Block]) -> None:
        """Do what the blocks say."""
        for block in blocks:
            if block.kind == "console":
                self._type(self._mine(block.body))
            elif block.kind in {"python", "toml", "proto"}:
                self._write(self._mine(block.body))

    def stop(self) -> None:
        """End what goes on."""
        for server in self._servers:
            server.send_signal(signal.SIGTERM)
            try:
                server.wait(PATIENCE)
            finally:
                server.kill()
        for listener in self._listeners:
            listener.join(PATIENCE)

    def _mine(self, text: str) -> str:
        return re.sub(r"\b(?:" + "|".join(self.ports) + r")\b", lambda found: str(self.ports[found[0]]), text) if self.ports else text

    def _write(self, body: str) -> None:
        """A file, whose path stands in the first line: from the folder in which the reader has made it."""
        found = re.match(r"# (\S+?)(?:, (added|below (\w+)))?\n(.*)", body, re.DOTALL)
        assert found is not None, f"no file is named: {body}"
        name, how, below, text = found.groups()
        path = self.place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if how is None:
            path.write_text(text)
        elif how == "added":
            path.write_text(f"{path.read_text()}\n{text}")
        else:
            path.write_text(re.sub(rf"(?m)^({below} = .*\n)", lambda line: line[1] + text, path.read_text(), count=1))

    @property
    def place(self) -> Path:
        """The folder from which the page names files: the one that a command made, or the first."""
        made = [self.root / part for part in self.folder.relative_to(self.root).parts[:1]]
        return made[0] if made else self.root

    def _type(self, body: str) -> None:
        for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
            command, _, printed = part.partition("\n")
            command = re.sub(r"\s+# .*", "", command)
            if command.startswith("cd "):
                self.folder = (self.folder / command[3:]).resolve()
            elif command.startswith("towpath dev"):
                self._serve(command)
            else:
                self._until(command, printed.strip())

    def _serve(self, command: str) -> None:
        environ = {**environment(), "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(
            argv(command), cwd=self.folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8"
        )
        self._servers.append(process)
        listener = Thread(target=self._listen, args=(process,), daemon=True)
        listener.start()
        self._listeners.append(listener)

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout:
            self.said.extend(process.stdout)

    def _until(self, command: str, printed: str) -> None:
        """Type `command` until it prints `printed`, with another figure at its end. Without such a text it has to succeed. A pipe may print
        other lines too: a slow machine adds decisions that the page does not show."""
        in_shell = "|" in command or command.startswith("curl")
        command = command.replace("curl ", "curl --silent --show-error ", 1)  # it draws a table where it finds no terminal
        pattern = re.escape(printed)
        pattern = re.sub(r"(?<= )\\?\d+\\\.\d+$", NUMBER, pattern)
        ends = time.monotonic() + PATIENCE
        while True:
            done = subprocess.run(
                command if in_shell else argv(command),
                shell=in_shell,
                cwd=self.folder,
                env=environment(),
                capture_output=True,
                text=True,
                check=False,
                timeout=PATIENCE,
            )
            output = (done.stdout + done.stderr).strip()
            found = re.search(rf"^{pattern}$", output, re.MULTILINE) if "|" in command else re.fullmatch(pattern, output)
            if found if printed else done.returncode == 0:
                return
            if time.monotonic() > ends:
                pytest.fail(
                    f"{command} printed {output!r} with status {done.returncode}, and not {printed!r}; servers: {''.join(self.said)}"
                )
            time.sleep(0.1)  # between two looks at a condition


def argv(command: str) -> list[str]:
    """A command as the reader's environment has it."""
    program, *arguments = shlex.split(command)
    if program == "towpath":
        return [sys.executable, "-m", "towpath", *arguments]
    return [sys.executable if program == "python" else program, *arguments]


def environment() -> dict[str, str]:
    """The reader's variables: none of towpath's own, and Python finds what this process finds."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TOWPATH_", "PYTEST_", "COV_", "GIT_"))}
    return {**kept, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "PYTHONDONTWRITEBYTECODE": "1"}


@contextmanager
def reader(folder: Path, ports: Mapping[str, int]) -> Iterator[Reader]:
    """A reader whose servers end with the block."""
    needed("curl")
    needed("git")
    one = Reader(folder, ports)
    try:
        yield one
    finally:
        one.stop()
