"""Where coverage is asked for, the tests that count towards it come first, and nothing is traced after them.

A test takes three to seven times as long with the tracer, and a line of the protocol that nothing but a test of the command line runs
through has no test. So what `make test` demands whole, it demands of the tests of those packages, and of the transport, whose tests put
every protocol through its paces; a long one among them that adds nothing is marked `untraced`.

The tracer is stopped once, and for good. pytest-cov's `no_cover` stops it for a test and starts it again, but the threads that a process
keeps are traced only if they began while it was on, and not any more once it was off: what they run through was covered or not by chance.
Nor does that stop it in a process of pytest-xdist, where pytest-cov starts a second tracer in front of one that it has forgotten.
"""

from pathlib import Path

import pytest
from coverage import Coverage

ROOT = Path(__file__).resolve().parent
TRACED = tuple(ROOT / room for room in ("core", "layers", "transport", "wire"))


def is_traced(item: pytest.Item) -> bool:
    """Whether what the test runs through counts as covered."""
    return item.get_closest_marker("untraced") is None and any(item.path.is_relative_to(room) for room in TRACED)


class Tracing:
    """A plugin of pytest's."""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Nobody asks for coverage: the order stays what it is."""
        if Coverage.current() is not None:
            items.sort(key=lambda item: not is_traced(item))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item):
        if not is_traced(item):
            while (coverage := Coverage.current()) is not None:
                coverage.stop()
        return (yield)
