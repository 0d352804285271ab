"""The `fallback` role: an answer that is good enough, where the service that has the right one cannot give it.

A team decides in code, method by method, which answer is good enough: a value, or the last good answer to the same request. A value can
also replace an optional call that would probably end too late. There is no default, because a wrong answer that nobody asked for is worse
than an error.

A fallback replaces the server's failures only: overload, an unreachable or failing server, no answer in time. A caller's mistake ends in
its error, and a cancelled call gets no answer at all. A fallback answer can be told from a real one: the signal names its source, and the
reply's trailers hold `towpath-fallback`.

A last good answer is kept under the tenant, the metadata and the request of its call, so that no caller sees the answer to another. It is
kept as bytes, so that a caller may change the message that it was given. The price is serialising both messages of each call to a method
with this source.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.message import Message

from towpath._core import clock
from towpath._core.context import Context
from towpath._core.decisions import Decision, Signal, unheard
from towpath._core.errors import RpcError, SetupError, not_a_message
from towpath._core.metadata import FALLBACK, Metadata, Value
from towpath._core.outcome import BLAMES_SERVER, Outcome, classify
from towpath._core.policies import FallbackPolicy, check_last_answers
from towpath._core.service import Handler, MethodKind, MethodSpec
from towpath._layers.latencies import RecentLatencies

VALUE: Final = "VALUE"
"""A reason in signals, and the mark in the reply: the call failed, and the answer is the value of `FixedAnswer`."""

STALE: Final = "STALE"
"""A reason in signals, and the mark in the reply: the call failed, and the answer is the last good one to the same request."""

SKIPPED: Final = "SKIPPED"
"""A reason in signals, and the mark in the reply: the call was not made, since it would probably have ended too late, and the answer is the
value of `FixedAnswer`."""

MARK: Final = FALLBACK
"""The trailer that holds an answer's source."""

_LATE: Final = 0.95
"""The percentile of recent latencies that has to fit the time that remains."""


@dataclass(frozen=True, kw_only=True)
class FixedAnswer:
    """Answer a call that failed with one value."""

    response: Message
    """The value. Each caller gets a copy of it."""
    skip: bool = False
    """Whether the call is optional. An optional call is not made while the method's 95th percentile of the last half minute does not fit
    the time that remains."""


@dataclass(frozen=True, kw_only=True)
class LastAnswer:
    """Answer a call that failed with the last good answer to the same request. Raises InvalidField for a value out of its range."""

    max_age: float = FallbackPolicy.max_age
    """Seconds for which an answer may be used; 60 by default."""
    size: int = FallbackPolicy.size
    """How many requests have their answers kept, the most recent ones; 1000 by default."""

    def __post_init__(self) -> None:
        check_last_answers(self.max_age, self.size)


Source = FixedAnswer | LastAnswer

SourceOf = Callable[[MethodSpec[Any, Any]], Source | None]

_Key = tuple[str, tuple[tuple[str, Value], ...], bytes]
_Answers = OrderedDict[_Key, tuple[float, bytes]]


class Fallback:
    """Answers a failed call of a unary method from the source that `source_of(method)` gives; None leaves the error as it is.

    The clients of one layer share each method's last answers. Making a client raises SetupError if the value of its source is not the
    method's response, or if the method streams.
    """

    __slots__ = ("_answers", "_signal", "_source_of")

    role = "fallback"

    def __init__(self, *, source_of: SourceOf, signal: Signal = unheard) -> None:
        self._source_of = source_of
        self._signal = signal
        self._answers: dict[str, _Answers] = {}

    def wrap(self, method: MethodSpec[Any, Any], following: Handler) -> Handler:
        """Methods with a source have this role."""
        source = self._source_of(method)
        if source is None:
            return following
        if method.kind is not MethodKind.UNARY:
            raise SetupError(f"{method.full_name} streams, and cannot have a fallback; take it out")
        if isinstance(source, LastAnswer):
            answers = self._answers.setdefault(method.full_name, OrderedDict())
            return _Remembering(method, following, source, answers, self._signal).handle
        if not isinstance(source.response, method.response):
            wanted, given = method.response.DESCRIPTOR.full_name, source.response.DESCRIPTOR.full_name
            raise SetupError(f"the fallback of {method.full_name} is a {given}; give a {wanted}")
        return (_Optional if source.skip else _Fixed)(method, following, source.response, self._signal).handle


class _FallbackHandler:
    """The base of the three handlers, one for each way to answer."""

    __slots__ = ("_following", "_method", "_signal")

    def __init__(self, method: MethodSpec[Any, Any], following: Handler, signal: Signal) -> None:
        self._method = method
        self._following = following
        self._signal = signal

    def _mark(self, ctx: Context, reason: str) -> None:
        self._signal(Decision(self._method.full_name, Fallback.role, reason, False, ctx))
        reply = ctx.cached_reply
        if reply is not None:  # the caller asked for it
            reply.trailers = Metadata.received((*reply.trailers, (MARK, reason)))  # fields from the wire are not checked again


class _Fixed(_FallbackHandler):
    __slots__ = ("_response",)

    def __init__(self, method: MethodSpec[Any, Any], following: Handler, response: Message, signal: Signal) -> None:
        super().__init__(method, following, signal)
        self._response = response

    async def handle(self, request: Any, ctx: Context) -> Any:
        try:
            return await self._following(request, ctx)
        except RpcError as error:
            if classify(error) not in BLAMES_SERVER:
                raise
        return self._answer(ctx, VALUE)

    def _answer(self, ctx: Context, reason: str) -> Message:
        self._mark(ctx, reason)
        response: Message = self._method.response()
        response.CopyFrom(self._response)
        return response


class _Optional(_Fixed):
    __slots__ = ("_latencies",)

    def __init__(self, method: MethodSpec[Any, Any], following: Handler, response: Message, signal: Signal) -> None:
        super().__init__(method, following, response, signal)
        self._latencies = RecentLatencies(_LATE)

    async def handle(self, request: Any, ctx: Context) -> Any:
        began = clock.now()
        if ctx.deadline is not None:
            late = self._latencies.value(began)
            # Skipping ends by itself: a skipped call is not observed, so that after half a minute no latency is known, and calls are made
            # again.
            if late is not None and began + late >= ctx.deadline:
                return self._answer(ctx, SKIPPED)
        try:
            response = await self._following(request, ctx)
        except RpcError as error:
            outcome = classify(error)
            if outcome is Outcome.DEADLINE:
                self._observe(began)
            if outcome not in BLAMES_SERVER:
                raise
        else:
            self._observe(began)
            return response
        return self._answer(ctx, VALUE)

    def _observe(self, began: float) -> None:
        now = clock.now()
        self._latencies.observe(now - began, now)


class _Remembering(_FallbackHandler):
    __slots__ = ("_answers", "_max_age", "_size")

    def __init__(self, method: MethodSpec[Any, Any], following: Handler, source: LastAnswer, answers: _Answers, signal: Signal) -> None:
        super().__init__(method, following, signal)
        self._max_age = source.max_age
        self._size = source.size
        self._answers = answers

    async def handle(self, request: Any, ctx: Context) -> Any:
        # The key is made first: the caller may change the request as soon as it has been sent.
        try:
            key = (ctx.tenant, tuple(ctx.metadata), request.SerializeToString(deterministic=True))
        except AttributeError:
            raise not_a_message(request, self._method.full_name, self._method.request) from None
        try:
            response = await self._following(request, ctx)
        except RpcError as error:
            kept = self._answers.get(key)
            if classify(error) not in BLAMES_SERVER or kept is None or clock.now() - kept[0] > self._max_age:
                raise
            self._answers.move_to_end(key)
        else:
            self._keep(key, response.SerializeToString())
            return response
        self._mark(ctx, STALE)
        return self._method.response.FromString(kept[1])

    def _keep(self, key: _Key, answer: bytes) -> None:
        answers = self._answers
        answers[key] = (clock.now(), answer)
        answers.move_to_end(key)
        if len(answers) > self._size:
            answers.popitem(last=False)
