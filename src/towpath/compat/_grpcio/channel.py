"""`GrpcioChannel`: what the stubs of grpcio's plugin take for a channel of `grpc.aio`, over a towpath channel."""

import asyncio
from collections.abc import Callable
from typing import Any, Self

from towpath._core.calls.asynchronous import BidiStreamingCall, Binder, ClientStreamingCall, ServerStreamingCall
from towpath._core.context import CallOptions, Reply
from towpath._core.errors import SetupError
from towpath.compat._grpcio.calls import StreamCall, UnaryCall
from towpath.compat._grpcio.contract import method_at
from towpath.compat._grpcio.library import aio, grpc, pairs_of, sent, value_of

_KEY = "idempotency-key"


class GrpcioChannel:
    """Lets stubs that grpcio's plugin made call over `channel`: `XStub(GrpcioChannel(channel))`.

    Calls behave as those of `grpc.aio`, and raise `grpc.aio.AioRpcError`. They go through the default stack of `channel`, with its retries,
    its metrics and the context of the call that is being handled. A call has no timeout where neither the stub's caller, the service file
    nor the contract gives one. The code that made `channel` closes it. Raises SetupError for a stub whose messages are not protobuf's.
    """

    def __init__(self, channel: Binder) -> None:
        self._channel = channel

    def unary_unary(self, method: str, *_: Any, **__: Any) -> Callable[..., UnaryCall]:
        """Called by stubs, for a unary method. The serializers are protobuf's."""
        call = self._channel.bind(method_at(method))

        def begin(request: Any, **options: Any) -> UnaryCall:
            chosen = _options(options)
            return UnaryCall(call(request, chosen), method, chosen)

        return begin

    def unary_stream(self, method: str, *_: Any, **__: Any) -> Callable[..., StreamCall]:
        """Called by stubs, for a method whose responses stream."""
        start = self._channel.bind_stream(method_at(method))

        def begin(request: Any, **options: Any) -> StreamCall:
            chosen = _options(options)
            return StreamCall(ServerStreamingCall(start(request, chosen)), method, chosen)

        return begin

    def stream_unary(self, method: str, *_: Any, **__: Any) -> Callable[..., StreamCall]:
        """Called by stubs, for a method whose requests stream."""
        start = self._channel.bind_stream(method_at(method))

        def begin(request_iterator: Any = None, **options: Any) -> StreamCall:
            chosen = _options(options)
            call: ClientStreamingCall[Any, Any] = ClientStreamingCall(start(None, chosen), request_iterator)
            return StreamCall(call, method, chosen, writes=request_iterator is None)

        return begin

    def stream_stream(self, method: str, *_: Any, **__: Any) -> Callable[..., StreamCall]:
        """Called by stubs, for a method of which both sides stream."""
        start = self._channel.bind_stream(method_at(method))

        def begin(request_iterator: Any = None, **options: Any) -> StreamCall:
            chosen = _options(options)
            call: BidiStreamingCall[Any, Any] = BidiStreamingCall(start(None, chosen), request_iterator)
            return StreamCall(call, method, chosen, writes=request_iterator is None)

        return begin

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self, grace: float | None = None) -> None:
        """Nothing: the towpath channel is closed by the code that made it."""

    def get_state(self, try_to_connect: bool = False) -> Any:  # noqa: FBT002 # grpcio's signature
        """READY, since a call connects on demand."""
        return grpc.ChannelConnectivity.READY

    async def wait_for_state_change(self, last_observed_state: Any) -> None:
        """Wait for ever if `last_observed_state` is READY, which it stays."""
        if last_observed_state is grpc.ChannelConnectivity.READY:
            await asyncio.get_running_loop().create_future()

    async def channel_ready(self) -> None:
        """Nothing: a call connects on demand, and waits for that with `wait_for_ready`."""


def _options(given: dict[str, Any]) -> CallOptions:
    """The options of one call. Raises SetupError for what has no place in towpath."""
    if given.get("credentials") is not None:
        raise SetupError("credentials of one call are not sent; put the token into its metadata, and give the towpath channel its TLS")
    timeout, metadata, waits = given.get("timeout"), given.get("metadata"), bool(given.get("wait_for_ready"))
    if timeout is not None:
        timeout = max(float(timeout), 0.0)
    if not metadata:
        return CallOptions(timeout=timeout, reply=Reply(), wait_for_ready=waits)
    pairs = pairs_of(metadata)
    return CallOptions(timeout=timeout, metadata=sent(pairs), reply=Reply(), wait_for_ready=waits, idempotency_key=value_of(pairs, _KEY))


aio.Channel.register(GrpcioChannel)
