"""The `towpath` command: finds the command by its name, and turns an error into a message and an exit status.

The exit status is 0 for success, 1 for a bad result of the command (a check that failed, a service that died), and 2 for a mistake that a
person has to mend first. Each command's module is imported when the command is called, so that `towpath explain` does not load a compiler.
"""

import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from towpath._core.errors import SetupError

COMMANDS: Final = {
    "add": ("towpath._cli.add:add", "Add a method, a client of another service, a store, or a service of a system."),
    "blocks": ("towpath._cli.live.blocks:blocks", "Print what kept the event loop of a running service from turning."),
    "call": ("towpath._cli.call:call", "Call a method with JSON and print what it answers as JSON, one line for each response."),
    "check": (
        "towpath._cli.check:check",
        "Check who calls whom, as service files declare it, and exit with status 1 if anything is found but notes.",
    ),
    "config": ("towpath._cli.config:config", "Print every setting that is in force, with its source; secrets are hidden."),
    "dev": (
        "towpath._cli.dev:dev",
        "Serve while you work: compile contracts as they are saved, and start anew each service that a change concerns.",
    ),
    "doctor": (
        "towpath._cli.doctor:doctor",
        "Look whether the service could start here: one line for each check, and exit with status 1 if one has failed.",
    ),
    "explain": (
        "towpath._cli.explain:explain",
        "Print the stack of a method, in order, and its resolved values with their sources.",
    ),
    "gen": ("towpath._cli.gen:gen", "Compile .proto files to messages and typed services."),
    "new": ("towpath._cli.new:new", "Make a new service, or a system of several, whose checks and tests pass as made."),
    "profile": ("towpath._cli.live.profile:profile", "Sample the stacks of a running service and draw a flame graph."),
    "tasks": ("towpath._cli.live.tasks:tasks", "Print the tree of waiting tasks of a running service, and any deadlock."),
    "top": ("towpath._cli.top.top:top", "Show rate, errors, percentiles and rejections of running services, as they are now."),
    "trace": (
        "towpath._cli.traces.trace:trace",
        "Show where the time of a call went: which hop, which phase, and what is usual there.",
    ),
    "up": ("towpath._cli.up:up", "Start every service of a system file and stop them together."),
    "upgrade": ("towpath._cli.upgrade:upgrade", "Bring a service or system up to the template of this towpath, and keep what was edited."),
}
"""Where each command is, and the first line of its help, for the list of commands: a list imports none of them."""


_PIPE: Final = 141
"""The exit status that a shell gives to a command that SIGPIPE ended."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command in `arguments` (default: those of the process) and return its exit status."""
    missing = [package for package in ("cyclopts", "rich") if importlib.util.find_spec(package) is None]
    if missing:
        sys.stderr.write(f"error: the command line needs {' and '.join(missing)}; install with: pip install 'towpath[cli]'\n")
        return 2
    try:
        return _dispatch(sys.argv[1:] if arguments is None else arguments)
    except SetupError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of the output has gone, as `head` does. Python flushes the rest of the buffer at exit, and that must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _PIPE


def _dispatch(arguments: Sequence[str]) -> int:
    from cyclopts import App, CycloptsError

    app = App(name="towpath", help="The golden path for Python services.", version=_version, result_action="return_value")
    for name, (where, line) in COMMANDS.items():
        if arguments and arguments[0] == name:
            app.command(where, name=name)  # its own help is longer than one line
        else:
            app.command(where, name=name, help=line)
    app.register_install_completion_command()  # pyright: ignore[reportUnknownMemberType] # its **kwargs have no type
    try:
        status = app(list(arguments), exit_on_error=False)
    except CycloptsError:
        return 2  # cyclopts has printed what is wrong with the arguments
    return status if isinstance(status, int) else 0


def _version() -> str:
    try:
        return f"towpath {version('towpath')}"
    except PackageNotFoundError:
        return "towpath, run from its sources without being installed"
