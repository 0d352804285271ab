"""A unary call that waits to be admitted, in any protocol but gRPC, whose own calls are such calls themselves."""

from typing import Protocol

from towpath._core.early_rejection import Rejection
from towpath._core.errors import RpcError


class Call(Protocol):
    """What has come whole, and of which nothing was decompressed or decoded."""

    @property
    def over(self) -> bool:
        """Whether nobody waits for the answer any more."""
        ...

    def let_in(self) -> None:
        """Run the handler, in a task of its own."""
        ...

    async def run(self) -> None:
        """Run the handler in the task that calls this."""
        ...

    def fail(self, error: RpcError) -> None:
        """End the call."""
        ...


class Held:
    """The call as early rejection has it (`towpath._core.early_rejection.PendingCall`): a call's own `begin` is something else."""

    __slots__ = ("_call",)

    def __init__(self, call: Call) -> None:
        self._call = call

    @property
    def over(self) -> bool:
        """Whether nobody waits for it any more."""
        return self._call.over

    def begin(self) -> None:
        """Let it in, in a task of its own."""
        self._call.let_in()

    async def run(self) -> None:
        """Let it in, in this task."""
        await self._call.run()

    def reject(self, rejection: Rejection) -> None:
        """End the call."""
        self._call.fail(rejection.error)
