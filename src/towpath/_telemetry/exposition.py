"""The metrics of a registry as scrapers read them: Prometheus' text format 0.0.4, or OpenMetrics 1.0 for those that ask for it.

An exposition is written in blocks of about a hundred lines. An event loop takes a turn between two blocks, so that a scrape of ten thousand
series holds up no call for longer than one block does. Examples (exemplars) are in OpenMetrics alone, where they belong to the format.

The histograms of calls write their own blocks (`towpath._telemetry.histogram`). Every other metric, such as a service's own, is written by
prometheus-client, a hundred samples at a time.
"""

import asyncio
import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import Final

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, Metric
from prometheus_client.exposition import choose_encoder, generate_latest
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from towpath._core.errors import SetupError
from towpath._telemetry.histogram import DurationFamily

_SAMPLES: Final = 100
"""Samples of a block that prometheus-client writes."""

_TURN: Final = 0.001
"""Seconds of writing after which an event loop has a turn."""

_LATER: Final = ("_created", "_gsum", "_gcount")
"""The ends of the names of samples that prometheus-client writes at the end of a family in the text format, as families of their own."""

_END: Final = "# EOF\n"

_write_openmetrics: Final = choose_encoder("application/openmetrics-text; version=1.0.0")[0]


class Format(Enum):
    """What an exposition is written in."""

    TEXT = CONTENT_TYPE_PLAIN_0_0_4
    """Prometheus' text format, which every scraper reads."""
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
    """OpenMetrics, which has examples."""


def format_for(accept: str) -> Format:
    """The format that the value of an `Accept` field prefers. It is OpenMetrics only where version 1 of it, or it without a version, is
    accepted at least as gladly as plain text."""
    best = {Format.TEXT: -1.0, Format.OPENMETRICS: -1.0}
    for option in accept.split(","):
        media, *parameters = (part.strip().lower() for part in option.split(";"))
        given = {name: value for name, _, value in (parameter.partition("=") for parameter in parameters)}
        weight = re.fullmatch(r"[01](\.\d*)?", given.get("q", "1"))
        quality = float(weight[0]) if weight else 0.0
        if media == "application/openmetrics-text" and given.get("version", "1").partition(".")[0] == "1":
            best[Format.OPENMETRICS] = max(best[Format.OPENMETRICS], quality)
        elif media in ("text/plain", "text/*", "*/*"):
            best[Format.TEXT] = max(best[Format.TEXT], quality)
    preferred = best[Format.OPENMETRICS] > 0 and best[Format.OPENMETRICS] >= best[Format.TEXT]
    return Format.OPENMETRICS if preferred else Format.TEXT


def blocks(registry: Collector, form: Format, *, fine: bool = False) -> Iterator[str]:
    """The exposition of `registry` in blocks. With `fine` the histograms of calls have all of their buckets, four an octave. Raises what a
    collector of a service raises."""
    openmetrics = form is Format.OPENMETRICS
    for family in registry.collect():
        if isinstance(family, DurationFamily):
            yield f"# HELP {family.name} {family.documentation}\n# TYPE {family.name} histogram\n"
            yield from family.blocks(openmetrics=openmetrics, fine=fine)
        else:
            yield ""  # a turn between what a collector took to make its samples, all at once, and the first block of them
            yield from _foreign(family, openmetrics=openmetrics)
    if openmetrics:
        yield _END


def exposition(registry: Collector, form: Format = Format.TEXT, *, fine: bool = False) -> str:
    """The whole exposition of `registry` at once (see `blocks`)."""
    return "".join(blocks(registry, form, fine=fine))


async def written(parts: Iterable[str]) -> bytes:
    """The blocks `parts` as one body. The event loop has a turn after each millisecond of writing."""
    found: list[bytes] = []
    due = time.perf_counter() + _TURN
    for part in parts:
        found.append(part.encode(errors="replace"))
        if time.perf_counter() >= due:
            await asyncio.sleep(0)
            due = time.perf_counter() + _TURN
    return b"".join(found)


def write_exposition(registry: Collector, path: Path) -> None:
    """Write all metrics of `registry` to `path` in Prometheus' text format, the histograms of calls with all of their buckets. The file is
    replaced at once: a reader never sees half of it.

    Raises SetupError when the file cannot be written.
    """
    write_file(path, blocks(registry, Format.TEXT, fine=True))


def write_file(path: Path, parts: Iterable[str]) -> None:
    """Write an exposition to `path`, which is replaced at once. Raises SetupError when the file cannot be written."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text("".join(parts), encoding="utf-8", errors="replace")
        partial.replace(path)
    except OSError as error:
        raise SetupError(f"metrics could not be written to {path}: {error.strerror}; name a writable file") from error


class _Part(Collector):
    """Some samples of a family, as a registry that prometheus-client writes."""

    def __init__(self, family: Metric, samples: Sequence[Sample]) -> None:
        self._part = Metric(family.name, family.documentation, family.type, family.unit)
        self._part.samples = list(samples)

    def collect(self) -> Iterable[Metric]:
        return (self._part,)


def _foreign(family: Metric, *, openmetrics: bool) -> Iterator[str]:
    """The blocks of a family that is not towpath's. The head of each block after the first is left out."""
    runs = [family.samples] if openmetrics else _runs(family)
    write = _write_openmetrics if openmetrics else generate_latest
    heads: set[str] = set()
    for run in runs:
        for start in range(0, len(run), _SAMPLES) or (0,):
            part = _Part(family, run[start : start + _SAMPLES])
            text = write(part).decode().removesuffix(_END)
            kept = [line for line in text.split("\n") if not (line.startswith("# ") and line in heads)]
            heads.update(line for line in kept if line.startswith("# "))
            yield "\n".join(kept)


def _runs(family: Metric) -> list[list[Sample]]:
    """The samples in the order of the text format: those of the family, then each kind that is a family of its own there."""
    later: dict[str, list[Sample]] = {family.name + end: [] for end in _LATER}
    own: list[Sample] = []
    for sample in family.samples:
        later.get(sample.name, own).append(sample)
    return [own, *(samples for samples in later.values() if samples)]
