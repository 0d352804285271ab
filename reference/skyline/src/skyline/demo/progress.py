"""Progress while traffic runs: a bar where somebody watches, a line now and then where a log does."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from skyline.demo.driver import Outcome

_LINES = 10


@contextmanager
def shown(console: Console, total: int) -> Generator[Callable[[Outcome], None]]:
    """Within the `with` block, hand each outcome to the callable that it gives; `total` is how many calls there will be."""
    if console.is_terminal:
        with Progress(
            TextColumn("asking search"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[failed]} failed"),
            TimeElapsedColumn(),
            console=console,
        ) as progress:
            task = progress.add_task("", total=total, failed=0)
            yield lambda outcome: progress.update(task, completed=outcome.calls, failed=outcome.failures)
    else:
        step = max(1, total // _LINES)

        def line(outcome: Outcome) -> None:
            if outcome.calls % step == 0 or outcome.calls == total:
                console.print(f"{outcome.calls:,} of {total:,} calls, {outcome.failures:,} failed", highlight=False)

        yield line
