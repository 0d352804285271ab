"""`towpath profile`: what a running service computes, as a flame graph."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

_MAX_SECONDS = 120


def profile(target: str = "", /, *, seconds: int = 10, output: Annotated[Path, Parameter(alias="-o")] = Path("flame.html")) -> int:
    """Sample the stacks of a running service and draw a flame graph.

    Example: towpath profile 127.0.0.1:9090 --seconds 10 -o flame.svg

    Parameters
    ----------
    target
        The name of the service, if it runs here; or the address of its admin listener (HOST:PORT or unix:PATH), its service file, or the
        number of a process, which needs py-spy and the right to trace it. Without it, the one service of this user that runs here.
    seconds
        How long, 1 to 120.
    output
        The file that is written. Its name says what it is: .html or .svg (a flame graph), .json (for speedscope.app), .txt (collapsed
        stacks).
    """
    from towpath._core.errors import SetupError
    from towpath._telemetry.profile.flame_graph import flame_graph, page, speedscope, stacks_of

    if not 1 <= seconds <= _MAX_SECONDS:
        raise SetupError(f"--seconds: {seconds} is out of range; give 1 to {_MAX_SECONDS}")
    if output.suffix not in (".html", ".svg", ".json", ".txt"):
        raise SetupError(f"--output: {output} is of no known kind; name a file that ends in .html, .svg, .json or .txt")
    collapsed = _by_py_spy(int(target), seconds) if target.isdecimal() else _from_inside(target, seconds)
    stacks = stacks_of(collapsed)
    if not stacks:
        raise SetupError(f"{target}: nothing was sampled; the process may have ended")
    title = f"{target}, {seconds} s"
    text = {
        ".html": lambda: page(flame_graph(stacks, title), title),
        ".svg": lambda: flame_graph(stacks, title),
        ".json": lambda: speedscope(stacks, title),
        ".txt": lambda: collapsed,
    }[output.suffix]()
    try:
        output.write_text(text)
    except OSError as error:
        raise SetupError(f"{output} cannot be written: {error.strerror}") from error
    sys.stdout.write(f"{output}: {sum(stacks.values()):,} samples of {len(stacks):,} stacks\n")
    return 0


def _from_inside(target: str, seconds: int) -> str:
    import time

    from towpath._cli.live.admin_listener import asked, listener_of

    place = listener_of(target)
    asked(place, "/debug/profile/start")
    try:
        time.sleep(seconds)
    finally:
        collapsed = asked(place, "/debug/profile/stop")
    return collapsed


def _by_py_spy(process: int, seconds: int) -> str:
    import shutil
    import subprocess

    from towpath._core.errors import SetupError

    beside = Path(sys.executable).with_name("py-spy")
    program = str(beside) if beside.is_file() else shutil.which("py-spy")
    inside = "or give the name of the service, or its admin listener, instead of its process: it then samples itself"
    if program is None:
        raise SetupError(f"py-spy is not installed, which samples other processes: install it with `pip install py-spy`, {inside}")
    command = [
        program,
        "record",
        "--pid",
        str(process),
        "--duration",
        str(seconds),
        "--rate",
        "100",
        "--format",
        "raw",
        "--output",
        "/dev/stdout",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + 60)  # noqa: S603 - no shell
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise SetupError(f"py-spy cannot sample process {process}: {reason}; give it the right to (SYS_PTRACE), {inside}")
    return done.stdout
