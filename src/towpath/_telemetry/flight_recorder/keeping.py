"""Which rows are kept beyond the ring's turn: those of slow and of failed calls, within budgets."""

from typing import Any, Final

from towpath._core.context import Context
from towpath._core.service import MethodSpec
from towpath._telemetry.flight_recorder.ring import Writer

NEVER_SLOW: Final = float("inf")


class Slow:
    """From when on the calls of one method are slow."""

    __slots__ = ("after",)

    def __init__(self) -> None:
        self.after = NEVER_SLOW

    def count(self, seconds: float) -> None:
        """A call took so long."""


class Keeping:
    """Keeps rows."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def slow(self, method: MethodSpec[Any, Any]) -> Slow:
        return Slow()

    def ended(self, number: int, info: Any, method: str, code: int, seconds: float, slow: Slow) -> None:
        pass

    def root_ended(self, number: int, method: str, seconds: float, slow: Slow) -> None:
        pass

    def failed(self, number: int, ctx: Context, code: int) -> None:
        pass
