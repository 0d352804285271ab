"""One performance of the demonstration: start the system, drive traffic through it, stop it, report."""

import asyncio
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from skyline.data import Dataset
from skyline.demo import progress
from skyline.demo.bookings import bookings
from skyline.demo.driver import Outcome, drive
from skyline.demo.hops import Hop, hops_of, read_hops, since
from skyline.demo.report import print_report, print_slowest, print_trouble
from skyline.demo.scrape import administration, scrape
from skyline.demo.slowest import Recordings, Slowest
from skyline.demo.traffic import Query, queries
from skyline.demo.trouble import CRASHED, SLOW, STOPPED, Maker, Trouble, decisions
from skyline.search.v1.search_towpath import SearchServiceClient
from towpath import connect
from towpath.system import System

SYSTEM_FILE: Final = Path(__file__).resolve().parents[3] / "system.toml"
"""What `towpath up` starts as Skyline."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to play: `seed` decides the questions, `calls` how many, `concurrency` how many at a time; with `trouble`
    so many more are asked while each of three services is in trouble, and once more after, and as many seats are held; 0 for none."""

    seed: int = 2013
    calls: int = 2_000
    concurrency: int = 8
    trouble: int = 100
    system: Path = SYSTEM_FILE


async def perform(options: Options, console: Console) -> bool:
    """Play it; whether every call succeeded. The system is stopped when this returns or raises, cancelled or not.

    Raises SetupError for what a person has to mend, and ServiceDied if a service ends on its own.
    """
    # Before anything is started: without data there is nothing to ask.
    asked = queries(Dataset.open().flights(), seed=options.seed, count=options.calls)
    with tempfile.TemporaryDirectory() as folder:
        metrics = Path(folder)
        calm, trouble, names = await _play(options, asked, metrics, console)
        dumps = {name: metrics / f"{name}.prom" for name in names}
        hops, decided = read_hops(dumps), decisions(dumps.values())
    outcome = calm.outcome
    _report(console, outcome, calm.hops)
    if trouble is not None:
        print_trouble(console, trouble, since(hops, calm.hops), decided)
    print_slowest(console, {"before any trouble": calm.slowest, **(trouble.slowest if trouble is not None else {})})
    return not (outcome.failures or (trouble is not None and trouble.failures))


@dataclass(frozen=True)
class Calm:
    """What was asked before the trouble, what each hop had counted by then, and where the slowest search was slow."""

    outcome: Outcome
    hops: list[Hop]
    slowest: Slowest | None


async def _play(options: Options, asked: Iterable[Query], metrics: Path, console: Console) -> tuple[Calm, Trouble | None, list[str]]:
    places: dict[str, str] = {}

    def say(name: str, line: str) -> None:
        place = administration(line)
        if place is not None:
            places[name] = place
            return
        console.print(f"{name:<9} | {line}", markup=False, highlight=False, soft_wrap=True)

    # What is held is forgotten with the folder: another performance has the same travellers.
    own = {"TOWPATH_ADMIN": "127.0.0.1:0", "TOWPATH_RUNTIME_DIRECTORY": str(metrics)}
    env: dict[str, dict[str, str]] = dict.fromkeys(_services(options.system), own)
    env[CRASHED] = {**env.get(CRASHED, {}), "TOWPATH_IDEMPOTENCY": f"sqlite:///{metrics / 'holds.db'}"}
    async with System.start(options.system, emit=say, metrics=metrics, env=env) as system:
        acts = asyncio.ensure_future(_acts(options, asked, system, console, places, Recordings(metrics)))
        watching = asyncio.ensure_future(system.wait())
        try:
            await asyncio.wait((acts, watching), return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                watching.result()
            return *await acts, list(system.file.services)
        finally:
            acts.cancel()
            watching.cancel()
            await asyncio.gather(acts, watching, return_exceptions=True)


def _services(file: Path) -> list[str]:
    """The names of the services; none of a file that cannot be read, of which `System.start` says what is wrong with it."""
    try:
        return list(tomllib.loads(file.read_text(encoding="utf-8")).get("services", {}))
    except (OSError, ValueError):
        return []


async def _acts(
    options: Options, asked: Iterable[Query], system: System, console: Console, places: Mapping[str, str], recordings: Recordings
) -> tuple[Calm, Trouble | None]:
    began = time.monotonic()
    console.print(f"{options.calls:,} calls to search, {options.concurrency} at a time, seed {options.seed}", highlight=False)
    async with connect(system.address("search")) as channel:
        with progress.shown(console, options.calls) as advance:
            outcome = await drive(SearchServiceClient(channel), asked, concurrency=options.concurrency, progress=advance)
    hops = [hop for name, text in (await scrape(places)).items() for hop in hops_of(name, text)]
    calm = Calm(outcome, hops, await recordings.slowest(began))
    return calm, await _trouble(options, system, console, recordings) if options.trouble else None


async def _trouble(options: Options, system: System, console: Console, recordings: Recordings) -> Trouble:
    told = f"{STOPPED} hangs, then {SLOW} is slow, then {CRASHED} is killed, for {options.trouble:,} calls each"
    console.print(told, highlight=False, soft_wrap=True)
    flights = Dataset.open().flights()
    asked = list(queries(flights, seed=options.seed + 1, count=options.trouble))
    booked = bookings(flights, seed=options.seed, count=options.trouble)
    return await Maker(system, asked, booked, recordings, concurrency=options.concurrency).make()


def _report(console: Console, outcome: Outcome, hops: list[Hop]) -> None:
    python = Path(sys.executable)
    shown = python.relative_to(Path.cwd()) if python.is_relative_to(Path.cwd()) else python
    print_report(console, outcome, hops, python=str(shown))
