"""Spans of users and of other libraries' instrumentation, inside towpath's own (the extra `otel`).

OpenTelemetry asks its runtime context for the current span. Here that is the span of the call which is being handled, from the first time
that somebody asks inside it: a call in which nobody asks pays for nothing. The span itself is written from the recorder's row, so what
OpenTelemetry is given of it is its identity alone. Ids agree with rows, logs and `ctx.trace`.

Nothing else imports this module, and it is the only one that imports OpenTelemetry.
"""

from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar, Token
from typing import Any, Final

from opentelemetry import context as otel
from opentelemetry import trace as otel_trace
from opentelemetry.context import Context, create_key
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider

from towpath._core.context import current
from towpath._core.errors import SetupError
from towpath._telemetry.otlp.sdk_spans import scope_spans_of

_CALL: Final = create_key("towpath-call")
"""Under this key a context has the span of the call in which it was attached."""

_RUNTIME: Final = "_RUNTIME_CONTEXT"

_made: ContextVar[tuple[bytes, Context, Context] | None] = ContextVar("towpath_user_spans", default=None)
"""The span that the last context was made for, what it was made of, and the context itself."""


class CallContext:
    """A runtime context of OpenTelemetry, around the one that there was: outside of calls it is that one."""

    def __init__(self, inner: Any) -> None:
        self.inner: Final = inner
        """The context that there was before."""

    def attach(self, context: Context) -> Token[Context]:
        """Make `context` the current one. Inside a call that is what is current from now on, whether or not it has the call's span: code
        that attaches a context without it, such as that of a message from a queue, means it."""
        call = current()
        if call is not None and context.get(_CALL) != (own := call.trace.traceparent):
            context = otel.set_value(_CALL, own, context)
        return self.inner.attach(context)

    def get_current(self) -> Context:
        """The current context: the one that was attached inside the current call, or one with the span of the call."""
        found: Context = self.inner.get_current()
        call = current()
        if call is None:
            return found
        own = call.trace.traceparent
        if found.get(_CALL) == own:
            return found
        made = _made.get()
        if made is not None and made[0] == own and made[1] is found:
            return made[2]
        state = call.trace.state
        span = otel_trace.SpanContext(
            int(own[3:35], 16),
            int(own[36:52], 16),
            is_remote=False,
            trace_flags=otel_trace.TraceFlags(int(own[53:], 16)),
            trace_state=otel_trace.TraceState.from_header([state]) if state else None,
        )
        new = otel_trace.set_span_in_context(otel_trace.NonRecordingSpan(span), otel.set_value(_CALL, own, found))
        _made.set((own, found, new))
        return new

    def detach(self, token: Token[Context]) -> None:
        """Undo an `attach`. In another task than that of the `attach` there is nothing to undo, such as for a span in an async generator
        that is closed elsewhere: OpenTelemetry's own context logs an error then."""
        with suppress(ValueError):  # what `ContextVar.reset` raises for a token of another task
            self.inner.detach(token)


class _Exported(SpanProcessor):
    """Gives each span that ends to a function, if it is sampled."""

    def __init__(self, add: Callable[[bytes], None]) -> None:
        self._add: Final = add

    def on_end(self, span: ReadableSpan) -> None:
        context = span.context
        if context is not None and context.trace_flags.sampled:
            self._add(scope_spans_of(span))


def export(add: Callable[[bytes], None]) -> bool:
    """Give the spans of users to `add`, if the program has set up no provider of OpenTelemetry's SDK. Returns whether that is so. A program
    that sets one up later is told by OpenTelemetry that there is one, so this belongs behind its start."""
    if not isinstance(otel_trace.get_tracer_provider(), otel_trace.ProxyTracerProvider):
        return False
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(_Exported(add))
    otel_trace.set_tracer_provider(provider)
    return True


def is_installed() -> bool:
    """Whether OpenTelemetry's current span is that of the call."""
    return isinstance(getattr(otel, _RUNTIME, None), CallContext)


def install() -> None:
    """Let OpenTelemetry's current span in this process be that of the call which is being handled. Once is enough. Raises SetupError if
    this OpenTelemetry has no place for that."""
    inner = getattr(otel, _RUNTIME, None)
    if inner is None:
        raise SetupError("telemetry.opentelemetry: this version of opentelemetry-api is not known; install opentelemetry-api 1.27 to 1.45")
    if not isinstance(inner, CallContext):
        setattr(otel, _RUNTIME, CallContext(inner))


def uninstall() -> None:
    """Undo `install`, for tests."""
    inner = getattr(otel, _RUNTIME, None)
    if isinstance(inner, CallContext):
        setattr(otel, _RUNTIME, inner.inner)
