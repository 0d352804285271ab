"""A plugin of pytest: the fixtures `serve` and `serve_system` for services on free ports, the `simulation` fixture, its seed on the command
line, and the seed in the report of a failed test.

    # conftest.py at the root of the repository
    pytest_plugins = ["towpath.testing.fixtures"]

The plugin is no entry point on purpose: a plugin that loads itself would import towpath in every run of pytest, before coverage can look.
It needs pytest (`pip install 'towpath[testing]'`); nothing else in the package does.
"""

from collections.abc import Callable, Coroutine, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest

from towpath._app.decision_callback import DecisionCallback
from towpath._app.settings.service_file import ServiceConfig
from towpath._core.service import Layer
from towpath._layers.idempotency.store import IdempotencyStore
from towpath.testing._link import LinkOptions
from towpath.testing._served import Member, Served, Serves
from towpath.testing._serving import System, serving, serving_system
from towpath.testing._simulation import Simulation, simulate

_T = TypeVar("_T")


class Simulate(Protocol):
    """`towpath.testing.simulate` with the seed of the command line."""

    def __call__(self, main: Callable[[Simulation], Coroutine[Any, Any, _T]], *, options: LinkOptions | None = None) -> _T:
        """Run `main(simulation)` and return its result."""
        ...


class Serve(Protocol):
    """`towpath.testing.serving` for the time of one test."""

    def __call__(
        self,
        serves: Serves,
        /,
        *,
        config: ServiceConfig | Path | None = None,
        layers: Sequence[Layer] = (),
        idempotency: IdempotencyStore | None = None,
        on_decision: DecisionCallback | None = None,
    ) -> Served:
        """Serve `serves`, in an event loop in a thread of its own, until the test has ended."""
        ...


class ServeSystem(Protocol):
    """`towpath.testing.serving_system` for the time of one test."""

    def __call__(self, members: Mapping[str, Serves | Member] | None = None, /, **named: Serves | Member) -> System:
        """Serve all of them, in an event loop in a thread of its own, until the test has ended."""
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


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A function that serves a service on a free port until the end of the test: `serve(Catalog()).sync_channel` is for sync clients, and
    `serve(Catalog()).connect()` for those of an `async def` test, which any plugin may run."""
    with ExitStack() as stack:

        def start(serves: Serves, /, **options: Any) -> Served:
            return stack.enter_context(serving(serves, **options))

        yield start


@pytest.fixture
def serve_system() -> Iterator[ServeSystem]:
    """A function that serves several services until the end of the test; they find one another by their names:
    `serve_system(catalog=FakeCatalogService(), checkout=main)`."""
    with ExitStack() as stack:

        def start(members: Mapping[str, Serves | Member] | None = None, /, **named: Serves | Member) -> System:
            return stack.enter_context(serving_system(members, **named))

        yield start


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
