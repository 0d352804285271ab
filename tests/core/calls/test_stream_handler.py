"""What stands between a streaming method and the handler that layers wrap."""

from collections.abc import AsyncIterator
from typing import Any, Self

import pytest

from towpath._core.calls.stream_handler import TakesExchange, exchange_handler
from towpath._core.context import Context
from towpath._core.service import MethodKind

CTX = Context("test")


class Fake:
    """An exchange over lists; shorter than a connection, and all that the handlers see."""

    def __init__(self, requests: list[Any]) -> None:
        self.requests = requests
        self.sent: list[Any] = []

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        if not self.requests:
            raise StopAsyncIteration
        return self.requests.pop(0)

    async def only(self) -> Any:
        (request,) = self.requests
        return request

    async def send(self, message: Any) -> None:
        if message == "refused":
            raise ValueError(message)
        self.sent.append(message)


class Counting:
    """An iterator that is no generator, and has nothing to close."""

    def __init__(self, last: int) -> None:
        self.next = iter(range(last))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> int:
        for number in self.next:
            return number
        raise StopAsyncIteration


@pytest.mark.parametrize("kind", [kind for kind in MethodKind if kind is not MethodKind.UNARY])
async def test_a_method_may_take_the_exchange_itself(kind: MethodKind) -> None:
    async def doubled(exchange: Fake, ctx: Context) -> None:
        async for request in exchange:
            await exchange.send(2 * request)

    exchange = Fake([1, 2])
    await exchange_handler(kind, TakesExchange(doubled))(exchange, CTX)
    assert exchange.sent == [2, 4]


async def test_a_method_may_return_any_async_iterator() -> None:
    exchange = Fake([3])
    await exchange_handler(MethodKind.SERVER_STREAMING, lambda request, ctx: Counting(request))(exchange, CTX)
    assert exchange.sent == [0, 1, 2]


async def test_a_generator_is_closed_before_the_call_ends() -> None:
    closed: list[str] = []

    async def answers(requests: AsyncIterator[Any], ctx: Context) -> AsyncIterator[Any]:
        try:
            yield "refused"
        finally:
            closed.append(ctx.method)

    with pytest.raises(ValueError, match="refused"):
        await exchange_handler(MethodKind.BIDI_STREAMING, answers)(Fake([]), CTX)
    assert closed == ["test"]


async def test_the_one_answer_of_a_client_stream_is_sent() -> None:
    async def total(requests: AsyncIterator[int], ctx: Context) -> int:
        return sum([request async for request in requests])

    exchange = Fake([1, 2, 3])
    await exchange_handler(MethodKind.CLIENT_STREAMING, total)(exchange, CTX)
    assert exchange.sent == [6]


def test_a_unary_method_has_no_exchange() -> None:
    with pytest.raises(ValueError, match="a unary method has no exchange"):
        exchange_handler(MethodKind.UNARY, None)
