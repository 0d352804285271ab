"""The context on the wire and back, and what a server makes of fields that a stranger wrote."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath.core import clock
from towpath.core.context import Context, Criticality
from towpath.core.errors import Code, RpcError
from towpath.core.metadata import EMPTY, Metadata
from towpath.core.trace import TraceContext
from towpath.wire.grpc import propagation
from towpath.wire.grpc.propagation import Inherited, standing
from towpath.wire.hpack import Decoder

NOW = 5000.0
Field = tuple[bytes, bytes]

VISIBLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=100)
CONTEXTS = st.builds(
    Context,
    st.just("a.B/C"),
    deadline=st.none() | st.floats(NOW + 0.02, NOW + 1e6),
    criticality=st.sampled_from(Criticality),
    tenant=VISIBLE,
    metadata=st.lists(st.tuples(st.sampled_from(["x", "y"]), VISIBLE)).map(Metadata),
    trace=st.none() | st.builds(TraceContext.root),
    request_id=VISIBLE,
)


@pytest.fixture(autouse=True, scope="module")
def _still_clock():
    with clock.using(lambda: NOW):
        yield


def fields(ctx: Context) -> tuple[Field, ...]:
    block = Decoder(max_table_size=4096, max_list_size=1 << 20).decode(propagation.literals(ctx))
    return (*block.known.fields, *block.extra)


def read(head: tuple[Field, ...] = (), extra: tuple[Field, ...] = (), fallback: float | None = None) -> Context:
    return propagation.received("a.B/C", Inherited(head), head, extra, "1.2.3.4:5", fallback)


@given(CONTEXTS, st.integers(0, 6))
def test_a_context_crosses_the_wire_however_its_fields_are_split(ctx: Context, split: int) -> None:
    sent = fields(ctx)
    got = read(sent[:split], sent[split:])
    assert (got.method, got.peer, got.attempt) == ("a.B/C", "1.2.3.4:5", 0)
    assert got.criticality is ctx.criticality
    assert got.tenant == ctx.tenant
    assert got.metadata == ctx.metadata
    assert got.own_request_id == ctx.own_request_id
    assert bool(got.own_traceparent) == (ctx.own_trace is not None)
    if ctx.own_trace is not None:
        assert (got.trace.trace_id, got.trace.parent_id) == (ctx.trace.trace_id, ctx.trace.span_id)
    assert (got.deadline is None) == (ctx.deadline is None)
    if got.deadline is not None and ctx.deadline is not None:
        assert got.deadline >= ctx.deadline - 1e-6


def test_a_bare_context_is_nothing_but_its_deadline() -> None:
    assert fields(Context("a.B/C")) == ()
    assert fields(Context("a.B/C", deadline=NOW + 2)) == ((b"grpc-timeout", b"2001m"),)


def test_a_deadline_that_has_passed_goes_out_as_zero() -> None:
    assert fields(Context("a.B/C", deadline=NOW - 1)) == ((b"grpc-timeout", b"0n"),)
    assert read(extra=((b"grpc-timeout", b"0n"),)).expired()


def test_a_trace_that_was_received_goes_on_as_this_hops() -> None:
    came = TraceContext.root()
    ctx = Context("a.B/C", traceparent=came.traceparent)
    assert fields(ctx) == ((b"traceparent", ctx.trace.traceparent),)
    assert (ctx.trace.trace_id, ctx.trace.parent_id) == (came.trace_id, came.span_id)


def test_the_vendors_trace_state_goes_along() -> None:
    trace = TraceContext.root()
    stateful = TraceContext(trace.traceparent, state="vendor=1")
    assert fields(Context("a.B/C", trace=stateful)) == ((b"traceparent", stateful.traceparent), (b"tracestate", b"vendor=1"))
    assert Inherited([(b"tracestate", b"vendor=1")]).tracestate == "vendor=1"


def test_without_a_timeout_the_methods_own_holds() -> None:
    assert read(fallback=1.5).deadline == NOW + 1.5
    assert read(fallback=None).deadline is None
    assert read(extra=((b"grpc-timeout", b"3S"),), fallback=1.5).deadline == NOW + 3


def test_what_a_call_says_wins_over_its_recurring_head() -> None:
    head = ((b"grpc-timeout", b"1S"), (b"traceparent", TraceContext.root().traceparent), (b"x", b"1"))
    own = TraceContext.root()
    got = read(head, ((b"grpc-timeout", b"2S"), (b"traceparent", own.traceparent)))
    assert got.deadline == NOW + 2
    assert got.trace.trace_id == own.trace_id
    assert got.metadata == Metadata([("x", "1")])
    assert read(head, ((b"y", b"2"),)).metadata == Metadata([("x", "1"), ("y", "2")])
    assert read(head).deadline == NOW + 1


@pytest.mark.parametrize("value", [b"soon", b"1", b"-1S", b"999999999S"])
@pytest.mark.parametrize("recurring", [False, True])
def test_a_malformed_timeout_refuses_the_call(value: bytes, recurring: bool) -> None:
    field = ((b"grpc-timeout", value),)
    with pytest.raises(RpcError, match="grpc-timeout") as caught:
        read(field) if recurring else read((), field)
    assert caught.value.code is Code.INVALID_ARGUMENT


def test_what_a_stranger_writes_is_bounded_and_never_fatal() -> None:
    got = read(
        extra=(
            (b"towpath-criticality", b"EXTREMELY"),
            (b"towpath-tenant", b"\xff" + b"t" * 10_000),
            (b"x-request-id", b"\xff" + b"r" * 10_000),
            (b"traceparent", b"garbage"),
        )
    )
    assert got.criticality is Criticality.CRITICAL
    assert got.tenant == "\ufffd" + "t" * 127
    assert got.request_id == "\xff" + "r" * 127
    assert got.trace.parent_id == ""


@given(st.lists(st.tuples(st.sampled_from([b"grpc-timeout", b"traceparent", b"towpath-tenant", b"x-y-bin", b"x"]), st.binary(max_size=60))))
def test_any_fields_are_a_context_or_a_refusal(extra: list[Field]) -> None:
    try:
        got = read(extra=tuple(extra))
    except RpcError as error:
        assert error.code is Code.INVALID_ARGUMENT
    else:
        assert len(got.trace.trace_id) == 32


def test_a_call_without_metadata_shares_the_empty_one() -> None:
    assert read(extra=((b"grpc-timeout", b"1S"),)).metadata is EMPTY


@given(st.integers(1, 10**7), st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=255))
def test_an_attempt_says_which_it_is_and_which_effect_it_wants(attempt: int, key: str) -> None:
    ctx = Context("a.B/C", attempt=attempt)
    ctx.idempotency_key = key
    got = read((), fields(ctx))
    assert (got.attempt, got.idempotency_key) == (attempt, key)


@pytest.mark.parametrize("value", [b"", b"-1", b"one", b"1" * 9])
def test_a_number_of_attempts_that_is_none_counts_as_the_first(value: bytes) -> None:
    assert read(((b"grpc-previous-rpc-attempts", value),)).attempt == 0


@given(CONTEXTS)
def test_over_connect_only_the_deadline_is_written_otherwise(ctx: Context) -> None:
    block = Decoder(max_table_size=4096, max_list_size=1 << 20).decode(propagation.connect_literals(ctx))
    got = (*block.known.fields, *block.extra)
    rest = [field for field in fields(ctx) if field[0] != b"grpc-timeout"]
    assert [field for field in got if field[0] != b"connect-timeout-ms"] == rest
    assert len(got) == len(fields(ctx))


@pytest.mark.parametrize(
    ("seconds", "milliseconds"), [(-1.0, b"0"), (0.0, b"0"), (1e-6, b"1"), (1.0, b"1001"), (1e6, b"1000000001"), (1e9, b"9999999999")]
)
def test_connects_timeout_is_rounded_up_and_has_ten_digits(seconds: float, milliseconds: bytes) -> None:
    block = Decoder(max_table_size=4096, max_list_size=1 << 20).decode(
        propagation.connect_literals(Context("a.B/C", deadline=NOW + seconds))
    )
    assert (*block.known.fields, *block.extra) == ((b"connect-timeout-ms", milliseconds),)


TRACED = (b"traceparent", b"00-000000000000000000000000000000ff-0000000000000001-00")


@pytest.mark.parametrize(
    ("fields", "extra", "expected"),
    [
        ((), [TRACED], (Criticality.CRITICAL, 0, 127)),
        ((TRACED,), [(b"grpc-timeout", b"1S"), (b"towpath-criticality", b"SHEDDABLE")], (Criticality.SHEDDABLE, 0, 127)),
        ((TRACED,), [(b"towpath-criticality", b"HUGE"), (b"grpc-previous-rpc-attempts", b"2")], (Criticality.CRITICAL, 2, 127)),
        ((TRACED, (b"grpc-previous-rpc-attempts", b"1")), [(b"x", b"y")], (Criticality.CRITICAL, 1, 127)),
    ],
)
def test_how_important_a_call_is_shows_in_its_fields(
    fields: tuple[Field, ...], extra: list[Field], expected: tuple[Criticality, int, int]
) -> None:
    assert standing(Inherited(fields), extra) == expected
