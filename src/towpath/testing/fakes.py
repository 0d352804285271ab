"""Fakes of services: what `towpath gen` makes of a contract in `*_fakes.py` imports its logic from here.

A fake is a service like any other: `App.add` serves it, over real sockets or in a simulation. Each of its methods answers as its test says,
and keeps the requests that it got. `docs/howto/test-a-service.md` has examples. A fake keeps every request for as long as it lives, so it
is nothing for tests under load.
"""

import inspect
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Generator, Iterable, Iterator, Mapping
from contextlib import aclosing, closing
from typing import Any, Final, Generic, cast

from google.protobuf.message import Message

from towpath._contracts.naming import attribute_name
from towpath._core.context import Context
from towpath._core.errors import Code, RpcError, SetupError
from towpath._core.service import Handler, MethodSpec, Req, Res, Service

__all__ = [
    "BidiReply",
    "ClientStreamReply",
    "FakeBidiStream",
    "FakeClientStream",
    "FakeServerStream",
    "FakeService",
    "FakeUnary",
    "ServerStreamReply",
    "UnaryReply",
]

_One = Res | RpcError
_Awaited = _One[Res] | Awaitable[_One[Res]]
_Many = Iterable[_One[Res]] | AsyncIterable[_One[Res]] | Awaitable[Iterable[_One[Res]]]

# Functions come first in these, because the first one that a type variable is named in makes it the first parameter.
UnaryReply = Callable[[Req], _Awaited[Res]] | Callable[[Req, Context], _Awaited[Res]] | _One[Res] | None
"""What a fake's unary method does: it answers with a message, ends with an error, or asks a function of the request, which may take the
context too and may be async. None ends the call with UNIMPLEMENTED."""

ServerStreamReply = Callable[[Req], _Many[Res]] | Callable[[Req, Context], _Many[Res]] | Iterable[_One[Res]] | RpcError | None
"""What a fake's server-streaming method does: it sends a list of messages, ends with an error, or asks a function of the request, which may
be a generator, plain or async. An error among the messages ends the stream there."""

ClientStreamReply = (
    Callable[[AsyncIterator[Req]], _Awaited[Res]] | Callable[[AsyncIterator[Req], Context], _Awaited[Res]] | _One[Res] | None
)
"""What a fake's client-streaming method does: it reads every request and answers with a message, ends with an error at once, or asks a
function of the iterator of requests."""

BidiReply = (
    Callable[[AsyncIterator[Req]], _Many[Res]] | Callable[[AsyncIterator[Req], Context], _Many[Res]] | Iterable[_One[Res]] | RpcError | None
)
"""What a fake's bidirectional method does: it sends a list of messages and reads requests until the caller has half-closed, ends with an
error at once, or asks a function of the iterator of requests."""


class _FakeMethod(ABC, Generic[Req, Res]):
    """One method of a fake."""

    def __init__(self, method: MethodSpec[Req, Res], reply: Any) -> None:
        """Raises SetupError for a `reply` that the method cannot have."""
        self._method = method
        self._set(reply)
        self.contexts: list[Context] = []
        """The contexts of the calls so far, one for each call: with the metadata, the tenant and the deadline that came."""

    def _set(self, reply: Any) -> None:
        checked = self._checked(reply)
        self._given: tuple[Any, bool] = checked, _takes_context(checked, self._method)

    def _checked(self, reply: Any) -> Any:
        """`reply`, or the messages of it. Raises SetupError."""
        if reply is None or isinstance(reply, RpcError):
            return reply
        if isinstance(reply, type):
            raise self._unusable(f"the class {reply.__name__}")
        if callable(reply):
            return reply
        return self._constant(reply)

    @abstractmethod
    def _constant(self, reply: Any) -> Any:
        """A reply that is neither error nor function. Raises SetupError."""

    async def _result(self, given: tuple[Any, bool], request: Any, ctx: Context) -> Any:
        """What `given`, a reply, is for this call. Raises RpcError."""
        reply, takes_context = given
        if reply is None:
            text = f"the fake of {self._method.service} has no reply for {self._method.name}; give it {self._keyword}=..."
            raise RpcError(Code.UNIMPLEMENTED, text)
        if callable(reply):
            reply = reply(request, ctx) if takes_context else reply(request)
            if inspect.isawaitable(reply):
                reply = await reply
        if isinstance(reply, RpcError):
            raise _anew(reply)
        return reply

    def _message(self, reply: Any) -> Any:
        """`reply`, if a call can be answered with it. Raises RpcError, which the test sees as the end of its call."""
        if isinstance(reply, RpcError):
            raise _anew(reply)
        if not isinstance(reply, self._method.response):
            raise self._wrong(reply, f"an object of {self._wanted}")
        return reply

    async def _messages(self, replies: Any) -> AsyncGenerator[Any]:
        """Each of `replies`, which are closed when the call ends before them."""
        if isinstance(replies, AsyncGenerator):
            async with aclosing(cast("AsyncGenerator[Any]", replies)) as generated:
                async for reply in generated:
                    yield self._message(reply)
        elif isinstance(replies, AsyncIterable):
            async for reply in cast("AsyncIterable[Any]", replies):
                yield self._message(reply)
        elif isinstance(replies, Generator):
            with closing(cast("Generator[Any]", replies)) as generator:
                for reply in generator:
                    yield self._message(reply)
        elif isinstance(replies, Iterable):
            for reply in cast("Iterable[Any]", replies):
                yield self._message(reply)
        else:
            raise self._wrong(replies, f"a list of objects of {self._wanted}, or yields them")

    def _wrong(self, reply: object, wanted: str) -> RpcError:
        return RpcError(Code.INTERNAL, f"the fake of {self._method.full_name} gave {_described(reply)}; {self._keyword}=... gives {wanted}")

    @property
    def _keyword(self) -> str:
        return attribute_name(self._method.name)

    @property
    def _wanted(self) -> str:
        return self._method.response.__name__

    def _unusable(self, what: str) -> SetupError:
        return SetupError(f"{self._keyword}= of the fake of {self._method.service} is {what}; {self._advice}")

    @property
    @abstractmethod
    def _advice(self) -> str:
        """What to give instead."""


class _OneReply(_FakeMethod[Req, Res]):
    def _constant(self, reply: Any) -> Any:
        if not isinstance(reply, self._method.response):
            raise self._unusable(_described(reply))
        return reply

    @property
    def _advice(self) -> str:
        return f"give an object of {self._wanted}, an RpcError, or a function of the {self._method.request.__name__}"


class _ManyReplies(_FakeMethod[Req, Res]):
    def _constant(self, reply: object) -> Any:
        if isinstance(reply, (str, bytes, Mapping)) or not isinstance(reply, Iterable):
            raise self._unusable(_described(cast("object", reply)))
        if isinstance(reply, Iterator):
            raise self._unusable("an iterator, which lasts for one call alone")
        replies = tuple(cast("Iterable[Any]", reply))
        for one in replies:
            if not isinstance(one, (self._method.response, RpcError)):
                raise self._unusable(f"a list with {_described(one)}")
        return replies

    @property
    def _advice(self) -> str:
        return f"give a list of objects of {self._wanted}, an RpcError, or a function that makes such a list or yields them"


class FakeUnary(_OneReply[Req, Res]):
    """A unary method of a fake."""

    def __init__(self, method: MethodSpec[Req, Res], reply: UnaryReply[Req, Res] = None) -> None:
        super().__init__(method, reply)
        self.requests: list[Req] = []
        """The requests so far, one for each call, in the order of arrival."""

    @property
    def reply(self) -> UnaryReply[Req, Res]:
        """What the method does. It may be set, for the calls from then on; SetupError is raised for a reply that the method cannot have."""
        return self._given[0]

    @reply.setter
    def reply(self, reply: UnaryReply[Req, Res]) -> None:
        self._set(reply)

    async def handle(self, request: Req, ctx: Context) -> Res:
        """Answer a call. Raises RpcError, and what the reply's function raises."""
        self.requests.append(request)
        self.contexts.append(ctx)
        return self._message(await self._result(self._given, request, ctx))


class FakeServerStream(_ManyReplies[Req, Res]):
    """A server-streaming method of a fake."""

    def __init__(self, method: MethodSpec[Req, Res], reply: ServerStreamReply[Req, Res] = None) -> None:
        super().__init__(method, reply)
        self.requests: list[Req] = []
        """The requests so far, one for each call, in the order of arrival."""

    @property
    def reply(self) -> ServerStreamReply[Req, Res]:
        """What the method does. It may be set, for the calls from then on; SetupError is raised for a reply that the method cannot have."""
        return self._given[0]

    @reply.setter
    def reply(self, reply: ServerStreamReply[Req, Res]) -> None:
        self._set(reply)

    async def handle(self, request: Req, ctx: Context) -> AsyncGenerator[Res]:
        """Answer a call. Raises RpcError, and what the reply's function raises."""
        self.requests.append(request)
        self.contexts.append(ctx)
        async with aclosing(self._messages(await self._result(self._given, request, ctx))) as messages:
            async for message in messages:
                yield message


class FakeClientStream(_OneReply[Req, Res]):
    """A client-streaming method of a fake."""

    def __init__(self, method: MethodSpec[Req, Res], reply: ClientStreamReply[Req, Res] = None) -> None:
        super().__init__(method, reply)
        self.requests: list[list[Req]] = []
        """The requests so far, a list for each call: those that the method has read."""

    @property
    def reply(self) -> ClientStreamReply[Req, Res]:
        """What the method does. It may be set, for the calls from then on; SetupError is raised for a reply that the method cannot have."""
        return self._given[0]

    @reply.setter
    def reply(self, reply: ClientStreamReply[Req, Res]) -> None:
        self._set(reply)

    async def handle(self, requests: AsyncIterator[Req], ctx: Context) -> Res:
        """Answer a call. Raises RpcError, and what the reply's function raises."""
        given = self._given
        got = _recorded(self.requests)
        self.contexts.append(ctx)
        async with aclosing(_reading(requests, got)) as reading:
            reply = await self._result(given, reading, ctx)
            if isinstance(given[0], Message):
                async for _ in reading:
                    pass
        return self._message(reply)


class FakeBidiStream(_ManyReplies[Req, Res]):
    """A bidirectional method of a fake."""

    def __init__(self, method: MethodSpec[Req, Res], reply: BidiReply[Req, Res] = None) -> None:
        super().__init__(method, reply)
        self.requests: list[list[Req]] = []
        """The requests so far, a list for each call: those that the method has read."""

    @property
    def reply(self) -> BidiReply[Req, Res]:
        """What the method does. It may be set, for the calls from then on; SetupError is raised for a reply that the method cannot have."""
        return self._given[0]

    @reply.setter
    def reply(self, reply: BidiReply[Req, Res]) -> None:
        self._set(reply)

    async def handle(self, requests: AsyncIterator[Req], ctx: Context) -> AsyncGenerator[Res]:
        """Answer a call. Raises RpcError, and what the reply's function raises."""
        given = self._given
        got = _recorded(self.requests)
        self.contexts.append(ctx)
        async with aclosing(_reading(requests, got)) as reading:
            replies = await self._result(given, reading, ctx)
            async with aclosing(self._messages(replies)) as messages:
                async for message in messages:
                    yield message
            if isinstance(given[0], tuple):
                async for _ in reading:
                    pass


class FakeService(Service):
    """The base of the fakes that `towpath gen` makes. Each attribute of a fake is the `FakeUnary`, or the fake stream, of one method."""

    def handlers(self) -> list[tuple[MethodSpec[Any, Any], Handler]]:
        """Each method of the contract with the function that answers it."""
        return [(method, getattr(self, self.spec.attributes[method.name]).handle) for method in self.spec.methods]


def _anew(error: RpcError) -> RpcError:
    """`error` for one more call: an error that was raised knows its call and its traceback."""
    again = RpcError(error.code, error.message, error.details, metadata=error.metadata)
    again.pushback = error.pushback
    return again


def _recorded(calls: list[list[Req]]) -> list[Req]:
    got: list[Req] = []
    calls.append(got)
    return got


async def _reading(requests: AsyncIterator[Req], got: list[Req]) -> AsyncGenerator[Req]:
    async for request in requests:
        got.append(request)
        yield request


_ARTICLES: Final = "aeiouAEIOU"


def _described(value: object) -> str:
    name = type(value).__name__
    return "None" if value is None else f"{'an' if name[0] in _ARTICLES else 'a'} {name}"


def _takes_context(reply: Any, method: MethodSpec[Any, Any]) -> bool:
    """Whether the function `reply` has to be called with the context too. Raises SetupError for one that takes neither one argument nor
    two."""
    if not callable(reply):
        return False
    try:
        signature = inspect.signature(reply)
    except ValueError:  # compiled code without a signature: the call will tell
        return False
    for arguments in ((None,), (None, None)):
        try:
            signature.bind(*arguments)
        except TypeError:
            continue
        return len(arguments) > 1
    name, keyword = getattr(reply, "__name__", type(reply).__name__), attribute_name(method.name)
    raise SetupError(f"{keyword}= of the fake of {method.service} is {name}{signature}; write a function of (request) or (request, ctx)")
