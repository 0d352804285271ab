"""A plugin of pytest: the `simulation` fixture, its seed on the command line, and the seed in the report of a failed test.

    # conftest.py at the root of the repository
    pytest_plugins = ["towpath.testing.fixtures"]

The plugin is no entry point on purpose: a plugin that loads itself would import towpath in every run of pytest, before coverage can look.
It needs pytest (`pip install 'towpath[testing]'`); nothing else in the package does.
"""

from collections.abc import Callable, Coroutine, Generator
from typing import Any, Protocol, TypeVar

import pytest

from towpath.testing._link import LinkOptions
from towpath.testing._simulation import Simulation, simulate

_T = TypeVar("_T")


class Simulate(Protocol):
    """`towpath.testing.simulate` with the seed of the command line."""

    def __call__(self, main: Callable[[Simulation], Coroutine[Any, Any, _T]], *, options: LinkOptions | None = None) -> _T:
        """Run `main(simulation)` and return its result."""
        ...


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--towpath-seed N`, default 0."""
    group = parser.getgroup("towpath", "simulation")
    group.addoption("--towpath-seed", type=int, default=0, help="the seed of every simulation (default: 0)")


@pytest.fixture
def simulation(request: pytest.FixtureRequest) -> Simulate:
    """Runs an async function in a simulation: `simulation(main)`."""
    seed = _seed(request.config)

    def run(main: Callable[[Simulation], Coroutine[Any, Any, _T]], *, options: LinkOptions | None = None) -> _T:
        return simulate(main, seed=seed, options=options)

    return run


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say which seed a failed simulation had."""
    report = yield
    if report.failed and simulation.__name__ in getattr(item, "fixturenames", ()):
        seed = _seed(item.config)
        report.sections.append(("towpath", f"the simulation had the seed {seed}; see it again with --towpath-seed {seed}"))
    return report


def _seed(config: pytest.Config) -> int:
    return config.getoption("--towpath-seed", default=0) or 0  # no such option if only a test module asked for this plugin
