"""A service whose methods take and return `everything.v1.Everything`, and messages of it that take long to read."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any, ClassVar, Final

from everything.v1 import everything_pb2 as pb

from towpath._core.calls.asynchronous import BidiStreamingCall
from towpath._core.context import Context
from towpath._core.service import MethodKind, MethodSpec, Service, ServiceSpec
from towpath._transport.decoding_thread import THREAD

LIMIT: Final = 256 * 1024
"""A message limit with which `costly` is just let in."""

GIVE: Final = MethodSpec(service="everything.v1.Service", name="Give", request=pb.Everything, response=pb.Everything)
EACH: Final = MethodSpec(
    service="everything.v1.Service", name="Each", request=pb.Everything, response=pb.Everything, kind=MethodKind.BIDI_STREAMING
)


class Everything(Service):
    """Gives back what it is given, and keeps the sizes in `seen`."""

    spec: ClassVar[ServiceSpec] = ServiceSpec(
        name="everything.v1.Service", methods=(GIVE, EACH), attributes={"Give": "give", "Each": "each"}
    )

    def __init__(self) -> None:
        self.seen: list[int] = []

    async def give(self, request: pb.Everything, ctx: Context) -> pb.Everything:
        self.seen.append(request.ByteSize())
        return request

    async def each(self, requests: AsyncIterator[pb.Everything], ctx: Context) -> AsyncIterator[pb.Everything]:
        async for request in requests:
            self.seen.append(request.ByteSize())
            yield request


def stream(channel: Any) -> BidiStreamingCall[pb.Everything, pb.Everything]:
    """A call of `Each`."""
    return BidiStreamingCall(channel.bind_stream(EACH)(None, None), None)


def costly() -> pb.Everything:
    """A message whose bytes look like those of too many elements."""
    return pb.Everything(some_bytes=b"\x0a" * 26_000)


def crowded() -> pb.Everything:
    """A message of too many elements."""
    return pb.Everything(children=[pb.Everything()] * 7_000)


@contextmanager
def thread_taken() -> Iterator[Event]:
    """The thread that reads such messages is busy until the event is set, or to the end of the block."""
    begun, release = Event(), Event()

    def work() -> None:
        begun.set()
        release.wait()

    THREAD.submit(work)
    begun.wait()
    try:
        yield release
    finally:
        release.set()
