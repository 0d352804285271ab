"""`towpath trace --many`: what hops and phases contribute to the quantiles of a method, and what has grown."""

from collections.abc import Iterator, Sequence

from towpath._cli import screen
from towpath._cli.traces.terminal import style
from towpath._cli.traces.waterfall import Style, hop_name, milliseconds
from towpath._core.disclosure.printable import printable, shortened
from towpath._core.errors import SetupError
from towpath._telemetry.flight_recorder.keeping import ONE_IN
from towpath._telemetry.traces.comparison import FEWEST, QUANTILES, Growth, Sample, growths
from towpath._telemetry.traces.rings import Rings, Wanted

_SHOWN = 12
"""Hops and phases that are shown one by one."""
_SHOWN_GROWN = 5


def show_many(rings: Rings, method: str, *, since: float | None, versus: tuple[float, float] | None, json: bool) -> int:
    """Print it. Raises SetupError for a method that is not there, and for too few traces."""
    name = _method(rings, method)
    sample, words = _sample(rings, name, float("-inf") if since is None else since, float("inf"), "the time asked for")
    before, before_words = (None, "") if versus is None else _sample(rings, name, *versus, "the time to compare with")
    if json:
        import json as writer

        print(writer.dumps(_fields(name, sample, before), indent=2))
    else:
        if before is None:
            lines = _contributions(f"{hop_name('', name)}  {words}", sample, style())
        else:
            lines = _growths(f"{hop_name('', name)}  {before_words} before, {words} after", before, sample, style())
        print("\n".join(line.rstrip() for line in lines))
    return 0


def _method(rings: Rings, given: str) -> str:
    names = {name for file in rings.files for name in file.frame.names if "/" in name}
    found = sorted(name for name in names if name == given or name.endswith(f".{given}"))
    if given in found:
        return given
    if len(found) > 1:
        raise SetupError(f"{given} may be {' or '.join(map(printable, found[:5]))}; give the whole name")
    if not found:
        some = ", ".join(printable(name) for name in sorted(names)[:5])
        raise SetupError(f"no call of {given} is recorded; " + (f"there are calls of {some}" if some else "there are no calls at all"))
    return found[0]


def _sample(rings: Rings, method: str, since: float, until: float, when: str) -> tuple[Sample, str]:
    """The traces of one time, and which these are in words."""
    heads, some = rings.sample(Wanted(since=since, until=until, methods=frozenset({method})), FEWEST)
    traces = rings.traces(head.place for head in heads)
    sample = Sample(trace.root for trace in traces if trace.root.method == method)
    if len(sample) < FEWEST:
        raise SetupError(
            f"{len(sample)} traces begin with {method} in {when}, and quantiles need {FEWEST}; ask for a longer time, or for the method of "
            "the first hop of traces"
        )
    return sample, f"{len(sample):,} traces" + (f" (1 in {ONE_IN:,})" if some else "")


def _contributions(head: str, sample: Sample, style: Style) -> Iterator[str]:
    quantiles = [sample.quantile(quantile) for quantile in QUANTILES]
    names = [f"p{quantile * 100:g}" for quantile in QUANTILES]
    whole = "  ".join(f"{name} {milliseconds(found.total)} ms" for name, found in zip(names, quantiles, strict=True))
    yield from screen.wrapped(f"{head}  {whole}", style.columns, then="  ")
    yield ""
    keys = {key for found in quantiles for key in found.parts}
    # What makes p95 may be nothing of p99: a line is for what takes a large share of any quantile.
    shares = {key: max(found.parts.get(key, 0.0) / max(1, found.total) for found in quantiles) for key in keys}
    order = sorted(keys, key=shares.__getitem__, reverse=True)
    rest = order[_SHOWN:]
    order = sorted(order[:_SHOWN], key=lambda key: quantiles[-1].parts.get(key, 0.0), reverse=True)
    room = style.columns - 3 * 9
    labels = [f"{hop_name(key[0], key[1])}  {key[2]}" for key in order]
    name = min(max(map(len, labels), default=20), max(12, room))
    title = f"{'of it, in ms':<{name}}" + "".join(f"{quantile:>9}" for quantile in names)
    yield screen.painted(title, screen.BOLD, colour=style.colour)
    for label, key in zip(labels, order, strict=True):
        figures = "".join(f"{milliseconds(found.parts.get(key, 0.0)):>9}" for found in quantiles)
        first, *more = screen.wrapped(label, max(12, name), then="  ")
        yield f"{first:<{name}}{figures}"
        yield from more
    if rest:
        figures = "".join(f"{milliseconds(sum(found.parts.get(key, 0.0) for key in rest)):>9}" for found in quantiles)
        yield f"{f'... {len(rest)} more':<{name}}{figures}"


def _growths(head: str, before: Sample, sample: Sample, style: Style) -> Iterator[str]:
    yield from screen.wrapped(f"{head}; +- holds in 95 of 100 cases", style.columns, then="  ")
    for quantile, (whole, *parts) in zip(QUANTILES, growths(before, sample), strict=True):
        text = f"p{quantile * 100:g}  {milliseconds(whole.before)} -> {milliseconds(whole.after)} ms  ({_signed(whole)})"
        text += "" if whole.sure else "  no more than chance"
        yield from screen.wrapped(text, style.columns, then="     ")
        yield from _grown(parts, style)


def _grown(parts: Sequence[Growth], style: Style) -> Iterator[str]:
    """The parts that grew or shrank by more than chance; those that matter least in one line."""
    largest = abs(parts[0].difference) if parts else 0.0
    shown = [part for part in parts if part.sure and abs(part.difference) >= largest / 20][:_SHOWN_GROWN]
    for part in shown:
        if part.key is not None:
            label = f"     {hop_name(part.key[0], part.key[1])}  {part.key[2]}  "
            line = label + f"{milliseconds(part.before)} -> {milliseconds(part.after)} ms  ({_signed(part)})"
            narrow = len(line) > style.columns
            first, *more = screen.wrapped(line, style.columns, indent="     ", then="       ") if narrow else [line]
            yield screen.painted(first, screen.RED if part.difference > 0 else screen.GREEN, colour=style.colour)
            yield from more
    rest = [abs(part.difference) for part in parts if part not in shown]
    if rest:
        yield f"     all else below {milliseconds(max(rest) + 5)} ms"


def _signed(growth: Growth) -> str:
    return f"{'+' if growth.difference >= 0 else ''}{milliseconds(growth.difference)} +-{milliseconds(growth.error)}"


def _fields(method: str, sample: Sample, before: Sample | None) -> dict[str, object]:
    from towpath._cli.traces.fields import contribution_fields, growth_fields

    quantiles = [sample.quantile(quantile) for quantile in QUANTILES]
    described = list[dict[str, object]]()
    for quantile, found in zip(QUANTILES, quantiles, strict=True):
        parts = sorted(found.parts.items(), key=lambda part: part[1], reverse=True)
        described.append({"quantile": quantile, "ms": found.total / 1000, "contributions": [contribution_fields(*part) for part in parts]})
    fields: dict[str, object] = {"method": shortened(method, 1000), "traces": len(sample), "quantiles": described}
    if before is not None:
        fields["traces_before"] = len(before)
        fields["growth"] = [
            {"quantile": quantile, "whole": growth_fields(whole), "parts": [growth_fields(part) for part in parts]}
            for quantile, (whole, *parts) in zip(QUANTILES, growths(before, sample), strict=True)
        ]
    return fields
