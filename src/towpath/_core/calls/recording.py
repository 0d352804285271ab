"""What the transport and the layers tell of each call to a recorder. It costs nothing where nothing is recorded.

Times are seconds of the clock; 0 stands for one that the call did not come to.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol, runtime_checkable

from towpath._core.context import Context
from towpath._core.decisions import reason_of, role_of
from towpath._core.errors import Code, RpcError, first_cause
from towpath._core.service import Layer, MethodSpec

BEGAN: Final = 0
"""In `Context.call`: when the call began."""

BRANCH: Final = 1
"""In `Context.call`: the task that made the call, as a number."""

ATTEMPTS: Final = 2
"""In `Context.call`: how many attempts have ended."""

LAST: Final = 3
"""In `Context.call`: the code of the last attempt that failed; 0 if none has."""

ENDED: Final = 4
"""In `Context.call`: when an attempt was answered; 0 if none was."""

KEPT: Final = 5
"""In `Context.call`: whether a server keeps the call, as slow or failed."""

KEPT_FIELD: Final = "towpath-kept"
"""The trailer by which a server says that it keeps the call."""

PIN_FIELD: Final = b"towpath-pin"
"""The header by which a caller asks for what its server has of traces."""


class Threshold(Protocol):
    """From when on the calls of a method are slow."""

    @property
    def after(self) -> float:
        """Seconds."""
        ...


class ReceivedRows(Protocol):
    """Records the received calls of one method."""

    @property
    def slow(self) -> Threshold:
        """From when on they are slow."""
        ...

    def next_serial(self) -> int:
        """The number of the next received call."""
        ...

    def keeps(self, ctx: Context, code: int, /) -> bool:
        """Decide, once, whether a call is kept that is slow or has failed with `code`."""
        ...

    def ended(
        self, ctx: Context, branch: int, code: int, times: tuple[float, float, float, float, float], request: int, response: int, /
    ) -> None:
        """A call has ended with `code`, whose task is `branch`. `times` are those when its request was there, when it was let in, when its
        task ran, when its handler returned, and when its answer was handed to the connection. `request` and `response` are bytes."""
        ...

    def pinned(self, traces: bytes, /) -> None:
        """A caller that is trusted keeps these traces, and asks for what is here of them."""
        ...

    def rejected(self, extra: Any, peer: str, /) -> None:
        """A call was rejected by its head alone, whose fields `extra` has."""
        ...


class AttemptRows(Protocol):
    """Records the attempts of one method's calls."""

    @property
    def pins(self) -> Mapping[str, Any]:
        """The servers, by their addresses, that are to be told of traces."""
        ...

    @property
    def take_pins(self) -> Callable[[str], bytes]:
        """What is to be told to the server with an address, in the next request to it."""
        ...

    def succeeded(self, ctx: Context, peer: str, times: tuple[float, float, float, float], request: int, response: int, /) -> None:
        """An attempt has its answer. `times` are those when it began, when it had its connection and was sent, when the head of the answer
        was read, and when the answer was read whole; `request` and `response` are bytes."""
        ...

    def failed(self, ctx: Context, peer: str, times: tuple[float, float, float, float], request: int, error: BaseException, /) -> None:
        """An attempt has ended with `error`, which is no RpcError for one that was cancelled."""
        ...


class CallRecorder(Protocol):
    """Records calls."""

    def received(self, method: MethodSpec[Any, Any], /) -> ReceivedRows:
        """What records the received calls of `method`."""
        ...

    def attempts(self, method: MethodSpec[Any, Any], /) -> AttemptRows:
        """What records the attempts of calls of `method`."""
        ...

    def begun(self, ctx: Context, /) -> None:
        """The current task begins a client's call."""
        ...

    def call_ended(self, ctx: Context, error: BaseException | None, /) -> None:
        """A client's call has ended, with an answer if `error` is None."""
        ...


@runtime_checkable
class RecordsCalls(Protocol):
    """A layer with which received calls are recorded."""

    def received(self, method: MethodSpec[Any, Any], /) -> ReceivedRows:
        """What records those of `method`."""
        ...


def received_rows(layers: Sequence[Layer], method: MethodSpec[Any, Any]) -> ReceivedRows | None:
    """What records the received calls of `method`; None if no layer does."""
    return next((layer.received(method) for layer in layers if isinstance(layer, RecordsCalls)), None)


def code_of(error: BaseException, ctx: Context) -> Code:
    """The code of a call that ended with `error`. A caller that no longer listens does not get it."""
    cause = first_cause(error)
    if isinstance(cause, RpcError):
        code = getattr(cause, "code", None)  # a handler's subclass of RpcError may have lost it
        return code if isinstance(code, Code) else Code.INTERNAL
    if isinstance(cause, (asyncio.CancelledError, GeneratorExit)):
        # A handler is cancelled both when its deadline passes and when its caller goes away.
        return Code.DEADLINE_EXCEEDED if ctx.expired() else Code.CANCELLED
    return Code.INTERNAL


def reason_in(error: BaseException) -> str:
    """The role that rejected a call which ended with `error`, and why, such as "admission/QUEUE_DELAY"; empty if none has."""
    cause = first_cause(error)
    if isinstance(cause, RpcError) and cause.details:
        reason = reason_of(cause)
        return f"{role_of(cause)}/{reason}" if reason else ""
    return ""


def note_kept(ctx: Context) -> None:
    """The server of a client's call keeps it, so that its caller is to keep it too."""
    if ctx.server is not None:
        ctx.server.kept = True
    if hasattr(ctx, "call"):
        ctx.call[KEPT] = True
