"""What holds of the fields of a caller that is not believed, whichever way the fields come."""

import pytest

from towpath._core import clock
from towpath._core.context import Context, Criticality
from towpath._core.errors import Code, RpcError
from towpath._core.propagation import sampling
from towpath._core.propagation.sampling import Sampler
from towpath._core.propagation.trust import Belief
from towpath._wire import propagation
from towpath._wire.propagation import Inherited

NOW = 5000.0
Field = tuple[bytes, bytes]

TRACED = (b"traceparent", b"00-000000000000000000000000000000ff-0000000000000001-00")
TRACED_ALONE: tuple[Field, ...] = (TRACED,)
LIES: tuple[Field, ...] = (
    (b"towpath-criticality", b"CRITICAL_PLUS"),
    (b"towpath-tenant", b"bank"),
    (b"grpc-previous-rpc-attempts", b"7"),
    (b"towpath-cohort", b"127"),
    TRACED,
)
OUTSIDE: Field = (b"x-forwarded-for", b"203.0.113.7")

splits = pytest.mark.parametrize("split", range(len(LIES) + 2))


@pytest.fixture(autouse=True, scope="module")
def _still_clock():
    with clock.using(lambda: NOW):
        yield


def read(belief: Belief, sent: tuple[Field, ...], split: int, implied: Criticality = Criticality.CRITICAL) -> Context:
    return propagation.received("a.B/C", Inherited(sent[:split], implied, belief), sent[split:], "peer", None, NOW)


@splits
@pytest.mark.parametrize("belief", [Belief.ALL, Belief.UNLESS_FORWARDED])
def test_a_caller_that_is_believed_says_what_holds(belief: Belief, split: int) -> None:
    ctx = read(belief, LIES, split)
    assert (ctx.criticality, ctx.tenant, ctx.attempt, ctx.cohort) == (Criticality.CRITICAL_PLUS, "bank", 7, 127)


@splits
@pytest.mark.parametrize(("belief", "proxy"), [(Belief.NOTHING, ()), (Belief.UNLESS_FORWARDED, (OUTSIDE,))])
def test_of_another_caller_no_lie_is_believed(belief: Belief, proxy: tuple[Field, ...], split: int) -> None:
    ctx = read(belief, (*proxy, *LIES), split)
    assert (ctx.criticality, ctx.tenant, ctx.attempt) == (Criticality.CRITICAL, "", 1)
    assert ctx.given_cohort is not None
    assert list(ctx.metadata) == [(name.decode(), value.decode()) for name, value in proxy]
    assert ctx.trace.trace_id.endswith("ff")


def test_a_proxys_word_that_a_call_began_inside_leaves_it_believed() -> None:
    for name, value in ((b"x-forwarded-for", b"10.0.0.1"), (b"forwarded", b"for=10.0.0.1"), (b"x-real-ip", b"10.0.0.1")):
        assert read(Belief.UNLESS_FORWARDED, ((name, value), *LIES), 1).tenant == "bank"
        assert read(Belief.UNLESS_FORWARDED, ((name, value), OUTSIDE, *LIES), 1).tenant == ""


def test_a_listed_proxy_is_believed_whatever_it_forwards() -> None:
    assert read(Belief.ALL, (OUTSIDE, *LIES), 1).tenant == "bank"


@pytest.mark.parametrize("implied", Criticality)
@pytest.mark.parametrize("said", Criticality)
def test_a_caller_that_is_not_believed_can_only_make_its_call_less_important(implied: Criticality, said: Criticality) -> None:
    ctx = read(Belief.NOTHING, ((b"towpath-criticality", said.name.encode()),), 0, implied)
    assert ctx.criticality is min(implied, said)


def test_what_names_a_call_passes_and_what_is_malformed_is_rejected_whoever_sends_it() -> None:
    ctx = read(Belief.NOTHING, ((b"idempotency-key", b"k"), (b"x-request-id", b"r")), 0)
    assert (ctx.idempotency_key, ctx.given_request_id) == ("k", "r")
    for field in ((b"towpath-tenant", b"t" * 129), (b"towpath-tenant", b"\xff"), (b"idempotency-key", b"k" * 256)):
        with pytest.raises(RpcError) as caught:
            read(Belief.NOTHING, (field,), 0)
        assert caught.value.code is Code.INVALID_ARGUMENT


def test_the_cohorts_of_callers_that_are_not_believed_are_drawn() -> None:
    base = Inherited((TRACED,), Criticality.CRITICAL, Belief.NOTHING)
    drawn: set[int] = set()
    for _ in range(64):
        extra: list[Field] = []
        by_fields = base.priority(extra)[2]
        assert propagation.received("a.B/C", base, extra, "peer", None, NOW).cohort == by_fields
        drawn.add(by_fields)
    assert len(drawn) > 1


SAMPLED: tuple[Field, ...] = (
    (b"traceparent", b"00-000000000000000000ffffffffffffff-0000000000000001-03"),
    (b"tracestate", b"ot=rv:ffffffffffffff;th:0,x=1"),
)


@pytest.mark.parametrize("split", range(3))
@pytest.mark.parametrize("sampler", [None, Sampler(0), Sampler(0, {"d.E": 1})])
def test_a_caller_that_is_not_believed_has_no_trace_sampled(sampler: Sampler | None, split: int) -> None:
    with sampling.using(sampler):
        for sent in (SAMPLED, SAMPLED[:1]):
            ctx = read(Belief.NOTHING, sent, split)
            assert (ctx.trace.sampled, ctx.trace.trace_id) == (False, "000000000000000000ffffffffffffff")
            assert ctx.raw_traceparent.endswith(b"-02")
            assert ctx.trace.state == ("x=1" if sent is SAMPLED else "")
            believed = read(Belief.ALL, sent, split)
            assert believed.trace.sampled


@pytest.mark.parametrize("split", range(3))
def test_the_trace_of_a_caller_that_is_not_believed_is_sampled_like_one_that_begins(split: int) -> None:
    with sampling.using(Sampler(0, {"a.B": 1})):
        ctx = read(Belief.NOTHING, SAMPLED, split)
        assert ctx.trace.sampled
        assert ctx.trace.state.endswith(";th:0,x=1")
        assert "rv:ffffffffffffff" not in ctx.trace.state
        assert read(Belief.NOTHING, ((b"traceparent", b"garbage"),), 0).trace.sampled
        assert read(Belief.NOTHING, (), 0).trace.sampled


def test_a_sampler_that_follows_no_caller_decides_for_those_that_are_believed() -> None:
    with sampling.using(Sampler(0, follows_parents=False)):
        assert not read(Belief.ALL, SAMPLED, 0).trace.sampled
    with sampling.using(Sampler(1, follows_parents=False)):
        ctx = read(Belief.ALL, TRACED_ALONE, 0)
        assert (ctx.trace.sampled, ctx.trace.state) == (True, "ot=th:0")


def test_a_trace_that_was_begun_for_its_cohort_is_sampled_as_its_method_says() -> None:
    base, extra = Inherited(()), [(b"x", b"1")]
    with sampling.using(Sampler(0, {"a.B/C": 1})):
        cohort = base.priority(extra)[2]
        ctx = propagation.received("a.B/C", base, extra, "peer", None, NOW)
        assert (ctx.cohort, ctx.trace.cohort, ctx.trace.sampled) == (cohort, cohort, True)
