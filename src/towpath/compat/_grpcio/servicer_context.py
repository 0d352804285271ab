"""The context that a servicer gets: grpcio's words for a call of towpath's. An asynchronous servicer awaits some of its methods, and a
blocking one does not, so that each has its own."""

import asyncio
from collections.abc import Callable
from typing import Any, NoReturn

from towpath._core.calls.stream_handler import Exchange
from towpath._core.context import Context
from towpath._core.errors import Code, RpcError
from towpath.compat._grpcio.library import OK, STATUS, aio, answered, code_of, details_in, grpc, pairs_of, without_details

_BY_CERTIFICATE = "x509_subject_alternative_name"


class Aborted(RpcError, aio.AbortError):
    """What `abort` raises. A servicer that catches grpcio's own finds it."""


class SharedContext:
    """What both contexts have in common."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._code: Code | None = None
        self._details = ""
        self._error_details: list[Any] = []
        self.callbacks: list[Callable[[], Any]] = []
        """What is called when the call has ended."""
        self._done = self._cancelled = False

    def invocation_metadata(self) -> tuple[tuple[str, Any], ...]:
        """What the caller sent, without what gRPC and towpath's context own."""
        return tuple(self._ctx.metadata)

    def peer(self) -> str:
        """The caller's address, as `ipv4:127.0.0.1:50000`."""
        peer = self._ctx.peer
        if not peer or peer.startswith("/"):
            return f"unix:{peer}"
        return f"ipv{6 if peer.count(':') > 1 else 4}:{peer}"

    def peer_identities(self) -> list[bytes] | None:
        """The name in the caller's certificate; None without one."""
        return [self._ctx.caller.encode()] if self._ctx.caller else None

    def peer_identity_key(self) -> str | None:
        """Where that name was; None without one."""
        return _BY_CERTIFICATE if self._ctx.caller else None

    def auth_context(self) -> dict[str, list[bytes]]:
        """The same as a mapping."""
        identities = self.peer_identities()
        return {} if identities is None else {_BY_CERTIFICATE: identities}

    def time_remaining(self) -> float | None:
        """Seconds until the deadline, 0 once it has passed; None without a deadline."""
        remaining = self._ctx.remaining()
        return None if remaining is None else max(remaining, 0.0)

    def set_code(self, code: Any) -> None:
        """The code with which the call ends."""
        self._code = code_of(code)

    def set_details(self, details: Any) -> None:
        """The text with which the call ends."""
        self._details = details.decode() if isinstance(details, bytes) else str(details)

    def code(self) -> Any:
        """The code that was set; OK before."""
        return STATUS[OK if self._code is None else self._code]

    def details(self) -> str:
        """The text that was set."""
        return self._details

    def set_trailing_metadata(self, trailing_metadata: Any) -> None:
        """The metadata that go after the last response. Raises ValueError for what gRPC owns."""
        pairs = pairs_of(trailing_metadata)
        self._error_details = details_in(pairs)
        self._ctx.reply.trailers = answered(without_details(pairs))

    def trailing_metadata(self) -> tuple[tuple[str, Any], ...]:
        """What was set."""
        return tuple(self._ctx.reply.trailers)

    def set_compression(self, compression: Any) -> None:
        """Nothing: `service.compression` decides."""

    def disable_next_message_compression(self) -> None:
        """Nothing: `service.compression` decides."""

    def _send_headers(self, initial_metadata: Any) -> None:
        self._ctx.reply.headers = answered(pairs_of(initial_metadata))

    def _abort(self, code: Any, details: Any, trailing_metadata: Any) -> NoReturn:
        status = code_of(code)
        if status is None:
            raise ValueError("abort() needs another code than OK")
        if trailing_metadata:
            self.set_trailing_metadata(trailing_metadata)
        self._code = status
        self.set_details(details)
        raise Aborted(status, self._details, self._error_details)

    # For the server.

    def check(self) -> None:
        """Raise the error that the servicer has set, if it is one."""
        if self._code is not None:
            raise RpcError(self._code, self._details, self._error_details)

    def failed(self, error: BaseException) -> None:
        """The servicer has raised. Raises RpcError where it has set a code before, by which its caller is told."""
        if isinstance(error, asyncio.CancelledError):
            self._cancelled = True
        elif isinstance(error, Exception) and not isinstance(error, RpcError) and self._code is not None:
            raise RpcError(self._code, self._details, self._error_details) from error

    def ended(self) -> None:
        """Call the callbacks that were added."""
        self._done = True
        callbacks, self.callbacks = self.callbacks, []
        for callback in callbacks:
            try:
                callback()
            except Exception as fault:  # noqa: BLE001 # the call has ended, and others want to hear of it
                asyncio.get_running_loop().call_exception_handler({"message": "a callback of a servicer failed", "exception": fault})


class AioContext(SharedContext):
    """The context of an asynchronous servicer. `exchange` is that of a stream."""

    def __init__(self, ctx: Context, exchange: Exchange | None = None) -> None:
        super().__init__(ctx)
        self._exchange = exchange

    async def abort(self, code: Any, details: Any = "", trailing_metadata: Any = ()) -> NoReturn:
        """End the call with an error, which this raises."""
        self._abort(code, details, trailing_metadata)

    async def abort_with_status(self, status: Any) -> NoReturn:
        """`abort` by a `grpc.Status`."""
        self._abort(status.code, status.details, status.trailing_metadata)

    async def send_initial_metadata(self, initial_metadata: Any) -> None:
        """The metadata that go before the first response. Those of a stream are sent when the servicer waits next."""
        self._send_headers(initial_metadata)

    async def read(self) -> Any:
        """The next request, or `grpc.aio.EOF`."""
        return await anext(self._stream(), aio.EOF)

    async def write(self, message: Any) -> None:
        """Send a response. Waits while the caller does not read."""
        await self._stream().send(message)

    def _stream(self) -> Any:
        if self._exchange is None:
            raise RuntimeError(f"{self._ctx.method} does not stream: it gets its request as an argument, and returns its response")
        return self._exchange

    def add_done_callback(self, callback: Callable[[Any], Any]) -> None:
        """Call `callback` with this context when the call has ended."""
        self.callbacks.append(lambda: callback(self))

    def done(self) -> bool:
        """Whether the call has ended."""
        return self._done

    def cancelled(self) -> bool:
        """Whether the caller, or the deadline, has cancelled the call."""
        return self._cancelled


class SyncContext(SharedContext):
    """The context of a blocking servicer, which runs in a thread."""

    def abort(self, code: Any, details: Any = "", trailing_metadata: Any = ()) -> NoReturn:
        """End the call with an error, which this raises."""
        self._abort(code, details, trailing_metadata)

    def abort_with_status(self, status: Any) -> NoReturn:
        """`abort` by a `grpc.Status`."""
        self._abort(status.code, status.details, status.trailing_metadata)

    def send_initial_metadata(self, initial_metadata: Any) -> None:
        """The metadata that go before the first response."""
        self._send_headers(initial_metadata)

    def add_callback(self, callback: Callable[[], Any]) -> bool:
        """Call `callback` when the call has ended. Returns False if it has."""
        if not self._done:
            self.callbacks.append(callback)
        return not self._done

    def is_active(self) -> bool:
        """Whether somebody waits for the answer."""
        return not (self._done or self._ctx.expired())

    def cancel(self) -> bool:
        """Nothing: the caller cancels a call, and a servicer ends it by `abort`."""
        return False


aio.ServicerContext.register(AioContext)
grpc.ServicerContext.register(SyncContext)
