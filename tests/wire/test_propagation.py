"""The context on the wire and back, and what a server makes of fields that a stranger wrote."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath._core import clock
from towpath._core.context import Context, Criticality
from towpath._core.errors import Code, RpcError
from towpath._core.metadata import EMPTY, Metadata
from towpath._core.propagation.trace import TraceContext
from towpath._core.propagation.trust import Belief
from towpath._wire import propagation
from towpath._wire.hpack import Decoder
from towpath._wire.propagation import Inherited

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
    block = Decoder(max_table_size=4096, max_list_size=1 << 20).decode(propagation.literals(ctx, NOW))
    return (*block.known.fields, *block.extra)


def read(head: tuple[Field, ...] = (), extra: tuple[Field, ...] = (), fallback: float | None = None) -> Context:
    return propagation.received("a.B/C", Inherited(head), extra, "1.2.3.4:5", fallback, NOW)


@given(CONTEXTS, st.integers(0, 6))
def test_a_context_crosses_the_wire_however_its_fields_are_split(ctx: Context, split: int) -> None:
    sent = fields(ctx)
    got = read(sent[:split], sent[split:])
    assert (got.method, got.peer, got.attempt) == ("a.B/C", "1.2.3.4:5", 0)
    assert got.criticality is ctx.criticality
    assert got.tenant == ctx.tenant
    assert got.metadata == ctx.metadata
    assert got.given_request_id == ctx.given_request_id
    assert bool(got.raw_traceparent) == (ctx.cached_trace is not None)
    if ctx.cached_trace is not None:
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
    head = ((b"grpc-timeout", b"1S"), (b"x", b"1"))
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


@pytest.mark.parametrize("value", [b"", b"soon", b"-1", b"1.5", b"12345678.5", b"1e3", b"50m", b"12345678901", b"9" * 9_000])
@pytest.mark.parametrize("recurring", [False, True])
def test_a_malformed_timeout_of_connect_is_refused_by_its_own_name(value: bytes, recurring: bool) -> None:
    field = ((b"connect-timeout-ms", value),)
    with pytest.raises(RpcError, match=r"connect-timeout-ms b'.*' is not up to ten digits") as caught:
        read(field) if recurring else read((), field)
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert len(caught.value.message) < 120


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(b"0", 0.0), (b"50", 0.05), (b"0000000050", 0.05), (b"12345678", 12345.678), (b"0123456789", 123456.0), (b"9999999999", 9999999.0)],
)
def test_a_timeout_of_connect_is_milliseconds_in_up_to_ten_digits(value: bytes, seconds: float) -> None:
    assert read(extra=((b"connect-timeout-ms", value),)).deadline == NOW + seconds


def test_what_a_stranger_says_badly_of_a_call_counts_as_not_said() -> None:
    got = read(
        extra=(
            (b"towpath-criticality", b"EXTREMELY"),
            (b"x-request-id", b"r" * 129),
            (b"traceparent", b"garbage"),
        )
    )
    assert got.criticality is Criticality.CRITICAL
    assert got.given_request_id == ""
    assert got.trace.parent_id == ""


@pytest.mark.parametrize(("value", "expected"), [(b"r" * 128, "r" * 128), (b"a b", "a b"), (b"", ""), (b"\xff", ""), (b"a\tb", "")])
def test_a_request_id_is_taken_whole_or_not_at_all(value: bytes, expected: str) -> None:
    assert read(((b"x-request-id", value),)).given_request_id == expected


TENANT, KEY = b"towpath-tenant", b"idempotency-key"

MALFORMED = [
    (TENANT, b""),
    (TENANT, b"t" * 129),
    (TENANT, "\u00e9".encode() * 65),
    (TENANT, b"caf\xe9"),
    (TENANT, b"\xed\xa0\x80"),
    (TENANT, b" a"),
    (TENANT, b"a "),
    (TENANT, b"a\0b"),
    (TENANT, b"a\tb"),
    (TENANT, b"a\x7f"),
    (KEY, b""),
    (KEY, b"k" * 256),
    (KEY, b"caf\xc3\xa9"),
    (KEY, b" k"),
    (KEY, b"k "),
    (KEY, b"a b"),
    (KEY, b"a\0b"),
]


@pytest.mark.parametrize("recurring", [False, True])
@pytest.mark.parametrize("field", MALFORMED)
def test_a_malformed_tenant_or_key_refuses_the_call(field: Field, recurring: bool) -> None:
    with pytest.raises(RpcError, match=f"{field[0].decode()} is not one field of 1 to ") as caught:
        read((field,)) if recurring else read((), (field,))
    assert caught.value.code is Code.INVALID_ARGUMENT


@pytest.mark.parametrize("split", range(3))
@pytest.mark.parametrize("second", [b"one", b"another", b"", b"\xff"])
@pytest.mark.parametrize("name", [TENANT, KEY])
def test_a_tenant_or_key_that_comes_twice_refuses_the_call(name: bytes, second: bytes, split: int) -> None:
    for sent in (((name, b"one"), (name, second)), ((name, second), (name, b"one"))):
        with pytest.raises(RpcError, match=f"{name.decode()} is not one field") as caught:
            read(sent[:split], sent[split:])
        assert caught.value.code is Code.INVALID_ARGUMENT


@given(
    st.lists(st.binary(min_size=1, max_size=3) | st.integers(126, 257).map(lambda size: b"x" * size), min_size=2, max_size=2, unique=True)
)
@pytest.mark.parametrize("name", [TENANT, KEY])
def test_two_values_that_differ_never_become_one(name: bytes, values: list[bytes]) -> None:
    found: list[str] = []
    for value in values:
        with suppress(RpcError):
            ctx = read((), ((name, value),))
            found.append(ctx.tenant + ctx.idempotency_key)
    assert len(set(found)) == len(found)
    assert "" not in found


@pytest.mark.parametrize(("name", "longest"), [(TENANT, "\u00e9" * 64), (KEY, "~" * 255)])
def test_the_longest_tenant_and_key_are_taken_whole(name: bytes, longest: str) -> None:
    ctx = read((), ((name, longest.encode()),))
    assert ctx.tenant + ctx.idempotency_key == longest


@pytest.mark.parametrize("split", range(3))
def test_what_describes_a_call_and_comes_twice_counts_as_not_sent(split: int) -> None:
    one, other = TraceContext.root().traceparent, TraceContext.root().traceparent
    for name, values in (
        (b"towpath-criticality", (b"SHEDDABLE", b"CRITICAL_PLUS")),
        (b"grpc-previous-rpc-attempts", (b"1", b"2")),
        (b"x-request-id", (b"a", b"b")),
        (b"traceparent", (one, other)),
        (b"traceparent", (b"01" + one[2:] + b"-future", other)),
    ):
        sent = tuple((name, value) for value in values)
        got = read(sent[:split], sent[split:])
        assert (got.criticality, got.attempt, got.given_request_id, got.trace.parent_id) == (Criticality.CRITICAL, 0, "", "")
        assert got.trace.trace_id.encode() not in one + other
        assert Inherited(sent[:split]).priority(sent[split:])[:2] == (got.criticality, got.attempt)


@pytest.mark.parametrize("split", range(4))
def test_one_trace_that_comes_twice_is_that_trace(split: int) -> None:
    own = TraceContext.root()
    sent = ((b"traceparent", own.traceparent), (b"x", b"1"), (b"traceparent", own.traceparent))
    got = read(sent[:split], sent[split:])
    assert (got.trace.trace_id, got.trace.parent_id) == (own.trace_id, own.span_id)
    assert Inherited(sent[:split]).priority(sent[split:])[2] == got.cohort == own.cohort


@pytest.mark.parametrize(("states", "expected"), [((b"a=1", b"b=2"), "a=1,b=2"), ((b"a=1", b""), "a=1"), ((b"", b"a=1"), "a=1")])
def test_trace_states_that_come_apart_are_one_list(states: tuple[bytes, ...], expected: str) -> None:
    got = read(((b"traceparent", TraceContext.root().traceparent), *((b"tracestate", state) for state in states)))
    assert got.trace.state == expected


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
    block = Decoder(max_table_size=4096, max_list_size=1 << 20).decode(propagation.connect_literals(ctx, NOW))
    got = (*block.known.fields, *block.extra)
    rest = [field for field in fields(ctx) if field[0] != b"grpc-timeout"]
    assert [field for field in got if field[0] != b"connect-timeout-ms"] == rest
    assert len(got) == len(fields(ctx))


@pytest.mark.parametrize(
    ("seconds", "milliseconds"), [(-1.0, b"0"), (0.0, b"0"), (1e-6, b"1"), (1.0, b"1001"), (1e6, b"1000000001"), (1e9, b"9999999999")]
)
def test_connects_timeout_is_rounded_up_and_has_ten_digits(seconds: float, milliseconds: bytes) -> None:
    block = Decoder(max_table_size=4096, max_list_size=1 << 20).decode(
        propagation.connect_literals(Context("a.B/C", deadline=NOW + seconds), NOW)
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
    assert Inherited(fields).priority(extra) == expected


SENT = st.lists(
    st.sampled_from(
        [
            (b"grpc-timeout", b"1S"),
            (b"grpc-timeout", b"2S"),
            (b"connect-timeout-ms", b"123456789"),
            TRACED,
            (b"traceparent", b"00-000000000000000000000000000000fe-0000000000000001-00"),
            (b"traceparent", b"garbage"),
            (b"tracestate", b"a=1"),
            (b"towpath-criticality", b"SHEDDABLE"),
            (b"towpath-criticality", b"HUGE"),
            (b"towpath-tenant", b"acme"),
            (b"grpc-previous-rpc-attempts", b"2"),
            (b"idempotency-key", b"k"),
            (b"x-request-id", b"r"),
            (b"towpath-cohort", b"5"),
            (b"towpath-cohort", b"128"),
            (b"x-forwarded-for", b"10.0.0.1"),
            (b"x-forwarded-for", b"203.0.113.7"),
            (b"x", b"1"),
        ]
    ),
    max_size=6,
)


def outcome(head: list[Field], extra: list[Field], belief: Belief) -> tuple[object, ...]:
    """All that is known of a call whose traces are all sent, but for a cohort that is drawn."""
    try:
        ctx = propagation.received("a.B/C", Inherited(head, Criticality.SHEDDABLE_PLUS, belief), extra, "peer", None, NOW)
    except RpcError as error:
        return error.code, error.message
    traced = ctx.trace.parent_id and ctx.trace.trace_id
    values = (ctx.criticality, ctx.tenant, ctx.attempt, ctx.idempotency_key, ctx.given_request_id, tuple(ctx.metadata))
    return ctx.deadline, ctx.raw_traceparent, traced, ctx.trace.state, values


@given(SENT, st.integers(0, 6), st.sampled_from(Belief))
def test_the_fields_of_each_call_are_read_as_those_of_a_head_are(sent: list[Field], split: int, belief: Belief) -> None:
    """The loop in `received` is a copy for speed: it must not differ from `Inherited.__init__`, which reads the whole table."""
    assert outcome(sent[:split], sent[split:], belief) == outcome(sent, [], belief)


@given(SENT, st.integers(0, 6), st.sampled_from(Belief))
def test_a_call_is_of_the_same_importance_by_its_fields_and_by_its_context(sent: list[Field], split: int, belief: Belief) -> None:
    base, extra = Inherited(sent[:split], Criticality.SHEDDABLE_PLUS, belief), sent[split:]
    by_fields = base.priority(extra)
    with suppress(RpcError):
        ctx = propagation.received("a.B/C", base, extra, "peer", None, NOW)
        assert (ctx.criticality, ctx.attempt, ctx.cohort) == by_fields


def test_a_trace_that_was_started_for_one_call_is_not_another_calls() -> None:
    base, one, other = Inherited(()), [(b"x", b"1")], [(b"x", b"1")]
    cohort = base.priority(one)[2]
    assert propagation.received("a.B/C", base, one, "peer", None, NOW).cohort == cohort
    assert propagation.received("a.B/C", base, one, "peer", None, NOW).cached_trace is None
    base.priority(one)
    assert propagation.received("a.B/C", base, other, "peer", None, NOW).cached_trace is None
