"""What a situation is: an ordinary day on which something is not as it should be."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from labs.experiments.do_no_harm.load import Outcome
from labs.experiments.do_no_harm.sides import Side
from towpath.testing import Simulation


@dataclass(frozen=True, kw_only=True)
class Situation:
    """One of the twenty."""

    what: str
    """What happens, in a line."""
    counted: str
    """Whose calls count: those that would succeed if the fault stayed where it is."""
    run: Callable[[Simulation, Side], Awaitable[Outcome]]
    fewer_failures: float | None = None
    """How many times as many calls fail without policies, where these are meant to help; None where they must only do no harm."""
