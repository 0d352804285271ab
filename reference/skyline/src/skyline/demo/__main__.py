"""`python -m skyline.demo`: the demonstration from the command line.

Exits with status 0 if every call succeeded, 1 if one failed or a service died, 2 for what a person has to mend first, and 130 after
Ctrl-C. Nothing is left running in any case.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence

from rich.console import Console

from skyline.demo.performance import Options, perform
from towpath import SetupError
from towpath.system import ServiceDied, stopping

_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration; returns the exit status."""
    options = _parsed(arguments)
    try:
        return asyncio.run(_perform(options, Console(highlight=False)))
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except ServiceDied as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


async def _perform(options: Options, console: Console) -> int:
    with stopping() as asked:
        try:
            return 0 if await perform(options, console) else 1
        except asyncio.CancelledError:
            if not asked:
                raise
            return _INTERRUPTED


def _parsed(arguments: Sequence[str] | None) -> Options:
    standard = Options()
    parser = argparse.ArgumentParser(
        prog="python -m skyline.demo", description="Start Skyline, drive seeded traffic through it, and report.", allow_abbrev=False
    )
    parser.add_argument("--seed", type=int, default=standard.seed, help="decides what is asked (default: %(default)s)")
    parser.add_argument("--calls", type=_positive, default=standard.calls, help="searches in all (default: %(default)s)")
    parser.add_argument("--concurrency", type=_positive, default=standard.concurrency, help="searches at a time (default: %(default)s)")
    parser.add_argument(
        "--trouble",
        type=_natural,
        default=standard.trouble,
        help="searches while each of three services is in trouble, and seats to hold (default: %(default)s)",
    )
    given = parser.parse_args(arguments)
    return Options(seed=given.seed, calls=given.calls, concurrency=given.concurrency, trouble=given.trouble)


def _natural(text: str) -> int:
    return 0 if text == "0" else _positive(text)


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
