"""The `fallback` role: an answer that is good enough, where the service that has the right one cannot give it.

What is good enough is for a team to say, method by method and in code: a value, the last good answer to the same request, or, for a call
that only adorns a page, a value as soon as it is likely to come too late. There is no default, because a wrong answer that nobody asked for
is worse than an error.

It stands in for the server's failures only: overload, an unreachable or failing server, no answer in time. A caller's mistake is answered
with its error, and who has cancelled a call wants no answer at all. Whoever looks can tell such an answer: the signal says which source it
came from, and the reply's trailers hold `towpath-fallback`.

A last good answer is kept as bytes under the tenant, the metadata and the request of its call, so that no one is shown what another was
told, and what a caller does to a message stays with that caller. The price is serialising both messages of each call to a method that has
this source.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.message import Message

from towpath._core import clock
from towpath._core.context import Context
from towpath._core.errors import RpcError, SetupError
from towpath._core.metadata import FALLBACK, Metadata, Value
from towpath._core.outcome import BLAMES_SERVER, Outcome, classify
from towpath._core.policies import FallbackPolicy, check_last_answers
from towpath._core.service import Handler, MethodKind, MethodSpec
from towpath._core.signals import Decision, Signal, unheard
from towpath._layers.latencies import RecentLatencies

VALUE: Final = "VALUE"
"""Signal, and the mark in the reply: the answer is the value that was given."""

STALE: Final = "STALE"
"""Likewise: it is the last good one to the same request."""

SKIPPED: Final = "SKIPPED"
"""Likewise: it is the value that was given, and the call was not made, since it would have come too late."""

MARK: Final = FALLBACK
"""The trailer in which an answer's source stands."""

_LATE: Final = 0.95


@dataclass(frozen=True, kw_only=True)
class FixedAnswer:
    """Answer with `response`, which a caller gets a copy of. With `skip` (False) the call is optional: it is not even made while its 95th
    percentile of the last half minute does not fit the time that remains."""

    response: Message
    skip: bool = False


@dataclass(frozen=True, kw_only=True)
class LastAnswer:
    """Answer with the last good answer to the same request, if it is not older than `max_age` (60) seconds. The `size` (1000) requests that
    were asked most recently are remembered. Raises InvalidField for what cannot be meant."""

    max_age: float = FallbackPolicy.max_age
    size: int = FallbackPolicy.size

    def __post_init__(self) -> None:
        check_last_answers(self.max_age, self.size)


Source = FixedAnswer | LastAnswer

SourceOf = Callable[[MethodSpec[Any, Any]], Source | None]

_Key = tuple[str, tuple[tuple[str, Value], ...], bytes]
_Answers = OrderedDict[_Key, tuple[float, bytes]]


class Fallback:
    """Answers from what `source_of(method)` gives (None: errors are errors) when the server cannot.

    What a method last answered is remembered for all clients of this layer. Unary methods only. Raises SetupError when a client is made
    with a source whose value is not the method's response, or for a stream.
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


class _Standing:
    """What the sources have in common."""

    __slots__ = ("_following", "_method", "_signal")

    def __init__(self, method: MethodSpec[Any, Any], following: Handler, signal: Signal) -> None:
        self._method = method
        self._following = following
        self._signal = signal

    def _mark(self, ctx: Context, reason: str) -> None:
        self._signal(Decision(self._method.full_name, Fallback.role, reason, False, ctx))
        reply = ctx.cached_reply
        if reply is not None:  # somebody asked for it
            reply.trailers = Metadata.received((*reply.trailers, (MARK, reason)))  # what came off the wire is not checked again


class _Fixed(_Standing):
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
            # This ends by itself: what is skipped is not observed, so that after half a minute nothing is known, and calls are made again.
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


class _Remembering(_Standing):
    __slots__ = ("_answers", "_max_age", "_size")

    def __init__(self, method: MethodSpec[Any, Any], following: Handler, source: LastAnswer, answers: _Answers, signal: Signal) -> None:
        super().__init__(method, following, signal)
        self._max_age = source.max_age
        self._size = source.size
        self._answers = answers

    async def handle(self, request: Any, ctx: Context) -> Any:
        # The key is taken first: the request is its caller's again as soon as it has been sent.
        key = (ctx.tenant, tuple(ctx.metadata), request.SerializeToString(deterministic=True))
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
