"""`towpath top`: rate, errors, percentiles and rejections of running services, as they are now."""

import asyncio
import json as json_format
import shutil
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Final

from cyclopts import Parameter

from towpath._cli import screen
from towpath._cli.top.figures import Look, ServiceFigures, figures
from towpath._cli.top.keyboard import keyboard
from towpath._cli.top.processes import Processes
from towpath._cli.top.table import COLUMNS, TREND, View, lines
from towpath._core.errors import SetupError

_HELP: Final = "q quit  s sort  / find"
_HOME: Final = "\x1b[H"
_TO_END_OF_LINE: Final = "\x1b[K"
_TO_END_OF_SCREEN: Final = "\x1b[J"
_OTHER_SCREEN: Final = "\x1b[?1049h\x1b[?25l"
_BACK: Final = "\x1b[?25h\x1b[?1049l"


def top(
    *addresses: str,
    every: float = 1.0,
    once: Annotated[bool, Parameter(negative="")] = False,
    json: Annotated[bool, Parameter(negative="")] = False,
    insecure: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Show rate, errors, percentiles and rejections of running services, as they are now.

    Without a terminal it prints one table and ends, as with --once. Figures are those between two looks at each process, so the first ones
    come after the second look.

    Parameters
    ----------
    addresses
        Names of services or ids of processes that run here, or admin addresses of processes (service.admin), such as 10.0.0.7:9090;
        without one, all processes of this user on this machine.
    every
        Seconds between two looks, 0.1 to 60.
    once
        Print the figures of one interval and end.
    json
        One JSON object for each service; with it, as with --once, one interval.
    insecure
        Ask addresses beyond this machine without TLS, which admin listeners do not have.
    """
    if not 0.1 <= every <= 60:
        raise SetupError(f"--every is {every:g}; give 0.1 to 60 seconds")
    watch = _Watch(addresses, every, insecure=insecure)
    if once or json or not sys.stdout.isatty():
        return asyncio.run(watch.once(json=json))
    return asyncio.run(watch.live())


@dataclass
class _Watch:
    """Looks at processes now and then, and keeps what is needed of the looks before."""

    addresses: Sequence[str]
    every: float
    insecure: bool = field(kw_only=True)
    _before: dict[str, Look] = field(default_factory=dict[str, Look])
    _trends: dict[str, deque[float]] = field(default_factory=dict[str, "deque[float]"])
    _services: list[ServiceFigures] = field(default_factory=list[ServiceFigures])

    async def once(self, *, json: bool) -> int:
        async with Processes(self.addresses, insecure=self.insecure) as processes:
            await self._look(processes)
            self._demand(processes)
            await asyncio.sleep(self.every)
            await self._look(processes)
            self._demand(processes)
        for address, why in processes.silent.items() if self.addresses else ():
            sys.stderr.write(f"left out: {address}: {why}\n")
        if json:
            for service in self._services:
                print(json_format.dumps(asdict(service)))
        else:
            columns = screen.width() or shutil.get_terminal_size((120, 24)).columns
            print("\n".join(lines(self._services, {}, self._view(columns))))
        return 0

    async def live(self) -> int:
        view = View(columns=80, colour=screen.coloured(), unicode=_writes_unicode())
        finding = False
        async with Processes(self.addresses, insecure=self.insecure) as processes:
            await self._look(processes)
            self._demand(processes)
            with keyboard() as keys:
                sys.stdout.write(_OTHER_SCREEN)
                try:
                    next_look = asyncio.get_running_loop().time() + self.every
                    while True:
                        self._draw(view, processes.silent, finding=finding)
                        key = await keys.pressed(next_look)
                        if key is None:
                            await self._look(processes)
                            next_look = asyncio.get_running_loop().time() + self.every
                        elif finding:
                            view, finding = _found(view, key)
                        elif key in ("q", "\x03", "\x04"):
                            return 0
                        elif key == "s":
                            view = replace(view, sort=(view.sort + 1) % len(COLUMNS))
                        elif key == "/":
                            view, finding = replace(view, find=""), True
                finally:
                    sys.stdout.write(_BACK)
                    sys.stdout.flush()

    async def _look(self, processes: Processes) -> None:
        now = await processes.looks()
        self._services = figures((self._before[address], look) for address, look in now.items() if address in self._before)
        for service in self._services:
            self._trends.setdefault(service.name, deque(maxlen=TREND)).append(service.p99 or 0.0)
        self._before = now

    def _demand(self, processes: Processes) -> None:
        if not self._before:
            if processes.silent:
                address, why = next(iter(processes.silent.items()))
                raise SetupError(f"no process answers; {address}: {why}")
            raise SetupError("no service of this user runs here; start one, or name the admin address of a process (service.admin)")

    def _view(self, columns: int) -> View:
        return View(columns=columns, colour=screen.coloured() and sys.stdout.isatty(), unicode=_writes_unicode())

    def _draw(self, view: View, silent: Mapping[str, str], *, finding: bool) -> None:
        size = shutil.get_terminal_size()
        shown = lines(self._services, self._trends, replace(view, columns=size.columns, lines=size.lines - 1))
        if not self._services:
            shown = ["looking ..."]
        foot = f"find: {view.find}_" if finding else f"{_HELP}  by {COLUMNS[view.sort].title}"
        if silent and not finding:
            foot += f"  no answer: {', '.join(silent)}"
        # One write of the whole screen, line over line: nothing is cleared first, so nothing flickers.
        shown += [""] * (size.lines - 1 - len(shown)) + [foot[: size.columns - 1]]
        sys.stdout.write(_HOME + "\n".join(line + _TO_END_OF_LINE for line in shown) + _TO_END_OF_SCREEN)
        sys.stdout.flush()


def _found(view: View, key: str) -> tuple[View, bool]:
    """The view after `key` of somebody who types what to find, and whether more is to come."""
    if key in ("\r", "\n"):
        return view, False
    if key == "\x1b":
        return replace(view, find=""), False
    if key in ("\x7f", "\b"):
        return replace(view, find=view.find[:-1]), True
    return (replace(view, find=view.find + key) if key.isprintable() else view), True


def _writes_unicode() -> bool:
    try:
        "▁█".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
