"""The context of a client's call, made from its options: the one routine for bare channels and for client stacks."""

from collections.abc import Callable
from os import urandom

from towpath._core import clock
from towpath._core.context import CRITICAL, NO_OPTIONS, CallOptions, Context, Criticality, current
from towpath._core.propagation.trace import TraceContext

ContextFactory = Callable[[CallOptions | None], Context]
"""A function that makes the context of one call from the call's options. None stands for options that set nothing."""


def context_factory(
    method: str, timeout: float | None, criticality: Criticality | None, *, inherits: bool, makes_keys: bool = False
) -> ContextFactory:
    """The function that makes the context of each call of `method`. `timeout` (seconds; None sets no deadline) and `criticality` (None
    declares none) are the method's own.

    With `inherits` a call is a child of the current context; outside of any, it starts a trace. Without `inherits` a call stands alone and
    has no trace. The deadline is the earlier of the inherited one and `now + timeout`, and a timeout in the options replaces `timeout`. The
    criticality is the one in the options. If the options name none, it is the less important of the inherited one and `criticality`.

    With `makes_keys` a call whose options have no idempotency key gets one of 128 random bits, in hexadecimal. Its attempts share the key,
    since they are made from its context.
    """
    at_root = CRITICAL if criticality is None else criticality

    def context(options: CallOptions | None) -> Context:
        given = NO_OPTIONS if options is None else options
        seconds = timeout if given.timeout is None else given.timeout
        deadline = None if seconds is None else clock.now() + seconds
        if not inherits:
            return Context.root(method, deadline, at_root, given)
        parent = current()
        if parent is None:
            return Context.root(method, deadline, at_root, given, TraceContext.root(method))
        return parent.child(method, deadline, given, criticality)

    if not makes_keys:
        return context

    def context_with_key(options: CallOptions | None) -> Context:
        ctx = context(options)
        if not ctx.idempotency_key:
            ctx.idempotency_key = urandom(16).hex()
        return ctx

    return context_with_key
