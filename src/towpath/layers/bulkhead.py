"""The `bulkhead` role: a fixed bound of calls under way, so that what floods one compartment leaves the others dry.

For what an adaptive limit cannot learn: how many streams a server will hold open, how many calls may share a pool of ten connections to
a database. Methods of one group share their places. Nobody waits: who finds no place is refused at once, since how long one stays in
a compartment is nobody's guess.

It refuses with RESOURCE_EXHAUSTED and no pushback: when there will be room cannot be known.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from towpath.core.context import Context
from towpath.core.errors import Code, RpcError
from towpath.core.service import Handler, MethodSpec
from towpath.core.signals import Signal, refusal, unheard

ROLE: Final = "bulkhead"
BULKHEAD_FULL: Final = "BULKHEAD_FULL"
"""The reason of a refusal."""


@dataclass(frozen=True, kw_only=True)
class Compartment:
    """`most` calls under way at once, shared by all methods of `group`; a method without a group (empty, the default) has its own.
    Raises ValueError unless `most` is 1 or more."""

    most: int
    group: str = ""

    def __post_init__(self) -> None:
        if self.most < 1:
            raise ValueError(f"most is {self.most}; give 1 or more")


class _Places:
    __slots__ = ("most", "taken")

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken = 0


class Bulkhead:
    """The layer, for a server or a client. `compartment_of` says where a method belongs, or None for no bound; it is asked once per method.
    A call or stream holds its place until it ends, however it ends. In `shadow` everybody passes and `signal` is told.

    `wrap` raises ValueError if two methods of one group disagree on its size.
    """

    role = ROLE

    def __init__(
        self, *, compartment_of: Callable[[MethodSpec[Any, Any]], Compartment | None], shadow: bool = False, signal: Signal = unheard
    ) -> None:
        self._compartment_of = compartment_of
        self._shadow = shadow
        self._signal = signal
        self._groups: dict[str, _Places] = {}

    def wrap(self, method: MethodSpec[Any, Any], following: Handler) -> Handler:
        """`following` itself for a method without a bound."""
        compartment = self._compartment_of(method)
        if compartment is None:
            return following
        places = self._places(compartment)

        # Counted where the call begins, not where its coroutine is made: one that is never awaited would keep its place.
        async def handle(request: Any, ctx: Context) -> Any:
            if places.taken >= places.most:
                self._signal(method.full_name, ROLE, BULKHEAD_FULL, self._shadow)
                if not self._shadow:
                    raise _full(method, compartment)
            places.taken += 1
            try:
                return await following(request, ctx)
            finally:
                places.taken -= 1

        return handle

    def _places(self, compartment: Compartment) -> _Places:
        if not compartment.group:
            return _Places(compartment.most)
        places = self._groups.setdefault(compartment.group, _Places(compartment.most))
        if places.most != compartment.most:
            raise ValueError(f"bulkhead group {compartment.group} has {places.most} places and {compartment.most}; give one number")
        return places


def _full(method: MethodSpec[Any, Any], compartment: Compartment) -> RpcError:
    name = compartment.group or method.full_name
    return refusal(
        Code.RESOURCE_EXHAUSTED,
        method,
        role=ROLE,
        reason=BULKHEAD_FULL,
        why=f"{compartment.most} calls of {name} are under way, and no more are let in",
        figures={"most": str(compartment.most), "group": compartment.group},
    )
