"""The `bulkhead` role: a fixed bound of calls under way, so that a flood of one compartment leaves the others dry.

A bulkhead is for limits that an adaptive limit cannot learn: how many streams a server will hold open, or how many calls may share a pool
of ten connections to a database. Methods of one group share their places. No call waits: a call that finds no place is rejected at once,
since no one can tell how long the others will stay.

The error is RESOURCE_EXHAUSTED without a pushback, since the time at which there will be room is unknown.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from towpath._core.context import Context
from towpath._core.decisions import Decision, Signal, rejection, unheard
from towpath._core.errors import Code, RpcError
from towpath._core.service import Handler, MethodSpec

ROLE: Final = "bulkhead"
BULKHEAD_FULL: Final = "BULKHEAD_FULL"
"""The reason of a rejection."""


@dataclass(frozen=True, kw_only=True)
class Compartment:
    """The bound of one method. Raises ValueError unless `max_concurrent` is 1 or more."""

    max_concurrent: int
    """Calls under way at once, of all methods of `group` together. A method with a smaller `max_concurrent` than others of its group leaves
    them the rest."""
    group: str = ""
    """The group whose places the method shares; a method with an empty one has places of its own."""
    shadow: bool = False
    """True lets every call pass, and counts those that the bound would have rejected."""

    def __post_init__(self) -> None:
        if self.max_concurrent < 1:
            raise ValueError(f"max_concurrent is {self.max_concurrent}; give 1 or more")


class _Places:
    __slots__ = ("taken",)

    def __init__(self) -> None:
        self.taken = 0


class Bulkhead:
    """The layer, for a server or a client. `compartment_of` gives the bound of a method, or None for no bound; the layer asks it once per
    composition. A call or stream holds its place until it ends, even if the bound has changed by then. `signal` hears of each rejection, in
    shadow mode too."""

    role = ROLE

    def __init__(self, *, compartment_of: Callable[[MethodSpec[Any, Any]], Compartment | None], signal: Signal = unheard) -> None:
        self._compartment_of = compartment_of
        self._signal = signal
        self._groups: dict[str, _Places] = {}
        self._alone: dict[str, _Places] = {}

    @property
    def taken(self) -> dict[str, int]:
        """The places taken, by the name of a group, or by a method that has places of its own."""
        return {name: places.taken for name, places in (*self._groups.items(), *self._alone.items())}

    def wrap(self, method: MethodSpec[Any, Any], following: Handler) -> Handler:
        """`following` itself for a method without a bound."""
        compartment = self._compartment_of(method)
        if compartment is None:
            return following
        max_concurrent, shadow, signal = compartment.max_concurrent, compartment.shadow, self._signal
        if compartment.group:
            places = self._groups.setdefault(compartment.group, _Places())
        else:
            places = self._alone.setdefault(method.full_name, _Places())

        # The call is counted when it begins, not when its coroutine is made: a coroutine that is never awaited would keep its place.
        async def handle(request: Any, ctx: Context) -> Any:
            if places.taken >= max_concurrent:
                signal(Decision(method.full_name, ROLE, BULKHEAD_FULL, shadow, ctx, not shadow))
                if not shadow:
                    raise _full(method, compartment)
            places.taken += 1
            try:
                return await following(request, ctx)
            finally:
                places.taken -= 1

        return handle


def _full(method: MethodSpec[Any, Any], compartment: Compartment) -> RpcError:
    name = compartment.group or method.full_name
    return rejection(
        Code.RESOURCE_EXHAUSTED,
        method,
        role=ROLE,
        reason=BULKHEAD_FULL,
        why=f"{compartment.max_concurrent} calls of {name} are under way, and no more are let in",
        figures={"max_concurrent": str(compartment.max_concurrent), "group": compartment.group},
    )
