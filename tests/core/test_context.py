import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath._core import clock
from towpath._core.context import NO_OPTIONS, CallOptions, Context, Criticality, Reply, current, enter, leave
from towpath._core.metadata import EMPTY, Metadata
from towpath._core.propagation.span_ids import own_span_id
from towpath._core.propagation.trace import TraceContext
from towpath._core.server_call import ServerCallInfo

TRACEPARENT = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"

deadlines = st.none() | st.floats(0, 1e6)


class TestDeadline:
    def test_runs_down_with_the_clock(self) -> None:
        ctx = Context("a.B/C", deadline=10.0)
        with clock.using(lambda: 4.0):
            assert ctx.remaining() == 6.0
            assert not ctx.expired()
        with clock.using(lambda: 11.5):
            assert ctx.remaining() == -1.5
            assert ctx.expired()

    def test_has_passed_at_its_very_instant(self) -> None:
        with clock.using(lambda: 10.0):
            assert Context("a.B/C", deadline=10.0).expired()

    def test_that_is_not_set_never_passes(self) -> None:
        ctx = Context("a.B/C")
        assert ctx.remaining() is None
        assert not ctx.expired()

    @given(deadlines, deadlines)
    def test_of_a_child_is_the_earlier_one(self, own: float | None, wanted: float | None) -> None:
        child = Context("a.B/C", deadline=own).child("d.E/F", deadline=wanted)
        assert child.deadline == min((each for each in (own, wanted) if each is not None), default=None)


class TestChild:
    def parent(self) -> Context:
        return Context(
            "a.B/C",
            deadline=10.0,
            criticality=Criticality.SHEDDABLE,
            tenant="acme",
            metadata=Metadata([("secret", "x")]),
            peer="127.0.0.1:1",
            attempt=2,
            traceparent=TRACEPARENT,
            request_id="r-1",
        )

    def test_inherits_what_belongs_to_the_request(self) -> None:
        parent = self.parent()
        child = parent.child("d.E/F", deadline=None)
        assert (child.method, child.deadline, child.criticality, child.tenant) == ("d.E/F", 10.0, Criticality.SHEDDABLE, "acme")
        assert (child.request_id, child.trace.trace_id, child.trace.parent_id) == ("r-1", TRACE_ID, parent.trace.span_id)

    def test_does_not_inherit_what_belongs_to_the_hop(self) -> None:
        child = self.parent().child("d.E/F", deadline=None)
        assert (child.metadata, child.peer, child.attempt, child.cached_reply) == (EMPTY, "", 0, None)

    def test_takes_what_its_caller_gives(self) -> None:
        reply, metadata = Reply(), Metadata([("a", "b")])
        child = self.parent().child(
            "d.E/F", 3.0, CallOptions(criticality=Criticality.CRITICAL_PLUS, tenant="", metadata=metadata, reply=reply)
        )
        assert (child.deadline, child.criticality, child.tenant) == (3.0, Criticality.CRITICAL_PLUS, "")
        assert child.metadata is metadata
        assert child.reply is reply


class TestIdentity:
    def test_of_a_received_call_is_its_trace(self) -> None:
        ctx = Context("a.B/C", traceparent=TRACEPARENT)
        assert ctx.cached_trace is None
        assert ctx.trace is ctx.trace is ctx.cached_trace
        assert (ctx.trace.trace_id, ctx.request_id) == (TRACE_ID, TRACE_ID)

    def test_of_a_call_that_belongs_to_no_trace_is_made_when_asked_for(self) -> None:
        ctx = Context("a.B/C")
        assert ctx.cached_trace is None
        assert ctx.request_id == ctx.trace.trace_id
        assert ctx.trace is ctx.cached_trace

    def test_of_a_call_made_here_is_given(self) -> None:
        trace = TraceContext.root()
        ctx = Context("a.B/C", trace=trace)
        assert ctx.trace is trace

    def test_from_outside_wins_over_the_trace(self) -> None:
        assert Context("a.B/C", traceparent=TRACEPARENT, request_id="r-1").request_id == "r-1"

    @given(st.integers(1, 2**128 - 1))
    def test_gives_the_whole_tree_one_cohort(self, trace_id: int) -> None:
        root = Context("a.B/C", trace=TraceContext(f"00-{trace_id:032x}-{1:016x}-01".encode()))
        child = root.child("d.E/F", deadline=None)
        assert root.cohort == child.cohort == trace_id % 128


class TestReply:
    def test_is_made_when_the_handler_asks_for_it(self) -> None:
        ctx = Context("a.B/C")
        assert ctx.cached_reply is None
        ctx.reply.trailers = Metadata([("a", "b")])
        assert ctx.cached_reply is ctx.reply
        assert (ctx.reply.headers, ctx.reply.trailers) == (EMPTY, Metadata([("a", "b")]))


class TestCurrent:
    def test_is_nothing_outside_a_call(self) -> None:
        assert current() is None

    def test_is_what_was_entered_until_it_is_left(self) -> None:
        outer, inner = Context("a.B/C"), Context("d.E/F")
        first = enter(outer)
        second = enter(inner)
        assert current() is inner
        leave(second)
        assert current() is outer
        leave(first)
        assert current() is None

    async def test_reaches_the_tasks_that_a_handler_starts_and_no_others(self) -> None:
        async def seen() -> Context | None:
            return current()

        async def handled(ctx: Context) -> Context | None:
            enter(ctx)
            return await asyncio.create_task(seen())

        one, other = Context("a.B/C"), Context("d.E/F")
        assert await asyncio.gather(*map(asyncio.create_task, (handled(one), handled(other)))) == [one, other]
        assert current() is None


class TestCallOptions:
    def test_set_nothing_by_default(self) -> None:
        options = NO_OPTIONS
        assert (options.timeout, options.criticality, options.tenant, options.metadata, options.reply) == (None, None, None, EMPTY, None)

    def test_take_pairs_as_metadata(self) -> None:
        assert CallOptions(metadata=[("a", "b")]).metadata == Metadata([("a", "b")])

    def test_keep_metadata_as_it_is(self) -> None:
        metadata = Metadata([("a", "b")])
        assert CallOptions(metadata=metadata).metadata is metadata

    @pytest.mark.parametrize("timeout", [0, 0.5, 1e9])
    def test_take_any_time_from_none_at_all(self, timeout: float) -> None:
        assert CallOptions(timeout=timeout).timeout == timeout

    @pytest.mark.parametrize("timeout", [-0.001, float("nan"), float("inf"), float("-inf")])
    def test_refuse_a_time_that_is_none(self, timeout: float) -> None:
        with pytest.raises(ValueError, match="give seconds, 0 or more"):
            CallOptions(timeout=timeout)

    def test_refuse_metadata_that_grpc_would_not_carry(self) -> None:
        with pytest.raises(ValueError, match="'te' is reserved"):
            CallOptions(metadata=[("te", "x")])

    @pytest.mark.parametrize("key", ["a b", "\n", "x" * 256, "é"])
    def test_refuse_a_key_that_is_none(self, key: str) -> None:
        with pytest.raises(ValueError, match="1 to 255 printable"):
            CallOptions(idempotency_key=key)

    @pytest.mark.parametrize("tenant", [" a", "a ", "a\nb", "a\0", "\x7f", "t" * 129, "\u00e9" * 65, "\ud800"])
    def test_refuse_a_tenant_that_is_none(self, tenant: str) -> None:
        with pytest.raises(ValueError, match=r"tenant is .*; give 1 to 128 bytes of UTF-8"):
            CallOptions(tenant=tenant)

    @pytest.mark.parametrize("tenant", ["", "a b", "t" * 128, "\u00e9" * 64, "\U0001f600"])
    def test_take_a_tenant(self, tenant: str) -> None:
        assert CallOptions(tenant=tenant).tenant == tenant

    def test_take_a_key(self) -> None:
        assert CallOptions(idempotency_key="4a1f-88").idempotency_key == "4a1f-88"

    def test_replaced_have_the_rest_of_what_they_had(self) -> None:
        reply = Reply()
        options = CallOptions(
            timeout=1.0,
            criticality=Criticality.SHEDDABLE,
            tenant="acme",
            metadata=[("a", "b")],
            reply=reply,
            wait_for_ready=True,
            idempotency_key="k",
        )
        other = options.replace(timeout=None, tenant="")
        fields = {name: getattr(options, name) for name in CallOptions.__slots__}
        told = {name: getattr(other, name) for name in CallOptions.__slots__}
        propagated = tuple((name, "" if name == "tenant" else value) for name, value in options.propagated)
        assert told == {**fields, "timeout": None, "tenant": "", "propagated": propagated}
        assert {name: getattr(options.replace(), name) for name in CallOptions.__slots__} == fields

    def test_replaced_are_checked(self) -> None:
        with pytest.raises(ValueError, match="timeout is -1"):
            NO_OPTIONS.replace(timeout=-1)
        with pytest.raises(TypeError, match="tiemout"):
            NO_OPTIONS.replace(tiemout=1)  # pyright: ignore[reportCallIssue] # that is what the test is about


class TestAnotherAttempt:
    def test_is_the_same_call_but_for_its_number_and_its_span(self) -> None:
        reply = Reply()
        ctx = Context(
            "a.B/C", 10.0, criticality=Criticality.SHEDDABLE, tenant="acme", metadata=Metadata([("a", "b")]), request_id="r", reply=reply
        )
        ctx.idempotency_key, ctx.wait_for_ready = "key", True
        again = ctx.again(2)
        assert (again.method, again.deadline, again.criticality, again.tenant) == ("a.B/C", 10.0, Criticality.SHEDDABLE, "acme")
        assert (again.metadata, again.request_id, again.cached_reply) == (ctx.metadata, "r", reply)
        assert (again.idempotency_key, again.wait_for_ready, again.attempt) == ("key", True, 2)
        assert (again.trace.trace_id, again.trace.parent_id) == (ctx.trace.trace_id, ctx.trace.span_id)

    def test_knows_where_the_attempt_before_was_sent(self) -> None:
        ctx = Context("a.B/C")
        ctx.peer = "one"
        second = ctx.again(1)
        assert second.peer == "one"
        second.peer = "two"
        assert (ctx.again(2).peer, second.again(2).peer) == ("two", "two")


def test_criticality_orders_from_what_is_shed_first() -> None:
    assert sorted(Criticality) == [Criticality.SHEDDABLE, Criticality.SHEDDABLE_PLUS, Criticality.CRITICAL, Criticality.CRITICAL_PLUS]


def test_a_context_is_shown_with_the_time_it_has_left() -> None:
    with clock.using(lambda: 1.0):
        assert repr(Context("a.B/C", deadline=1.25, tenant="acme")) == "Context('a.B/C', deadline=0.250s left, CRITICAL, tenant='acme')"
    assert repr(Context("a.B/C")) == "Context('a.B/C', deadline=none, CRITICAL, tenant='')"


def slots(ctx: Context) -> dict[str, object]:
    return {name: getattr(ctx, name, "not set") for name in Context.__slots__}


class TestCopies:
    """`Context.root` and `Context.received` fill a context as `Context.__init__` does, without calling it."""

    @given(deadlines, st.sampled_from(Criticality), st.booleans())
    def test_of_a_call_on_behalf_of_no_other(self, deadline: float | None, criticality: Criticality, traced: bool) -> None:
        trace = TraceContext.root() if traced else None
        options = CallOptions(metadata=[("k", "v")], reply=Reply())
        ctx = Context.root("a.B/C", deadline, criticality, options, trace)
        expected = Context("a.B/C", deadline, criticality=criticality, metadata=options.metadata, trace=trace, reply=options.reply)
        assert slots(ctx) == slots(expected)

    @given(deadlines, st.sampled_from(Criticality), st.sampled_from([b"", TRACEPARENT]))
    def test_of_a_call_off_the_wire(self, deadline: float | None, criticality: Criticality, traceparent: bytes) -> None:
        metadata = Metadata([("k", "v")])
        ctx = Context.received("a.B/C", deadline, criticality, metadata, "127.0.0.1:1", traceparent)
        expected = Context("a.B/C", deadline, criticality=criticality, metadata=metadata, peer="127.0.0.1:1", traceparent=traceparent)
        assert slots(ctx) == slots(expected)


class TestReplace:
    def test_changes_what_is_given_and_nothing_else(self) -> None:
        ctx = Context("a.B/C", 3.0, tenant="acme", metadata=Metadata([("k", "v")]), peer="127.0.0.1:1", traceparent=TRACEPARENT, attempt=2)
        other = ctx.replace(metadata=[("k", "w")], tenant="", criticality=Criticality.SHEDDABLE, idempotency_key="once")
        changed = {"metadata": Metadata([("k", "w")]), "tenant": "", "criticality": Criticality.SHEDDABLE, "idempotency_key": "once"}
        assert slots(other) == {**slots(ctx), **changed}
        assert slots(ctx.replace()) == slots(ctx)

    def test_leaves_the_trace_and_the_answers_metadata_to_both(self) -> None:
        ctx = Context("a.B/C")
        other = ctx.replace(metadata=Metadata([("k", "v")]))
        assert other.trace is ctx.trace
        assert other.reply is ctx.reply

    def test_checks_what_it_is_given(self) -> None:
        ctx = Context("a.B/C")
        with pytest.raises(ValueError, match="tenant is"):
            ctx.replace(tenant="\n")
        with pytest.raises(ValueError, match="idempotency_key is"):
            ctx.replace(idempotency_key="a b")
        with pytest.raises(ValueError, match="te"):
            ctx.replace(metadata=[("te", "x")])


class TestRecorded:
    def test_a_call_hands_its_received_call_to_what_it_calls(self) -> None:
        parent = Context("a.B/C")
        parent.server = ServerCallInfo(1.0)
        child = parent.child("d.E/F", deadline=None)
        assert child.server is child.again(1).server is child.replace(tenant="acme").server is parent.server

    def test_all_attempts_share_what_is_recorded_of_their_call(self) -> None:
        ctx = Context("a.B/C")
        ctx.call = [1.0, 2, 0, 0]
        assert ctx.again(1).call is ctx.replace(tenant="acme").call is ctx.call

    def test_nothing_is_handed_on_where_nothing_is_recorded(self) -> None:
        ctx = Context("a.B/C")
        assert not any(hasattr(one, "call") for one in (ctx.again(1), ctx.replace(tenant="acme")))


def test_the_span_of_a_recorded_call_is_that_of_its_row() -> None:
    ctx = Context("a.B/C", traceparent=TRACEPARENT)
    ctx.server = ServerCallInfo(1.0)
    ctx.server.serial = 7
    assert ctx.trace.span_id == f"{own_span_id(7):016x}"
    assert (ctx.trace.trace_id, ctx.trace.parent_id, ctx.trace.sampled) == (TRACE_ID, "00f067aa0ba902b7", True)
    unrecorded = Context("a.B/C", traceparent=TRACEPARENT)
    unrecorded.server = ServerCallInfo(1.0)
    assert unrecorded.trace.span_id != Context("a.B/C", traceparent=TRACEPARENT).trace.span_id
