"""What contracts say of further attempts, as values."""

import pytest
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2

from towpath._contracts.attempts import hedging_policy, retry_policy
from towpath._contracts.options import InvalidOptionError, declared
from towpath._core.errors import Code
from towpath._core.policies import HedgingPolicy, RetryPolicy
from towpath._gen.towpath.v1 import options_pb2


def milliseconds(number: int) -> Duration:
    return Duration(nanos=number * 1_000_000)


def options(level: str = "IDEMPOTENT", **given) -> MethodOptions:
    made = MethodOptions(idempotency_level=level)
    made.Extensions[options_pb2.method].CopyFrom(options_pb2.MethodOptions(**given))
    return made


def test_what_is_left_out_has_the_default():
    assert retry_policy(options_pb2.RetryPolicy()) == RetryPolicy()
    assert hedging_policy(options_pb2.HedgingPolicy()) == HedgingPolicy()
    values = declared(options())
    assert (values.retry, values.hedge) == (None, None)


def test_each_value_is_read():
    retry = options_pb2.RetryPolicy(
        max_attempts=4,
        initial_backoff=milliseconds(10),
        max_backoff=milliseconds(100),
        backoff_multiplier=1.5,
        retryable_status_codes=[code_pb2.UNAVAILABLE, code_pb2.ABORTED],
    )
    assert declared(options(retry=retry)).retry == RetryPolicy(
        max_attempts=4,
        initial_backoff=0.01,
        max_backoff=0.1,
        backoff_multiplier=1.5,
        retryable_codes=frozenset({Code.UNAVAILABLE, Code.ABORTED}),
    )
    hedge = options_pb2.HedgingPolicy(
        max_attempts=3, hedging_delay=milliseconds(20), extra_load=0.02, non_fatal_status_codes=[code_pb2.INTERNAL]
    )
    assert declared(options(hedge=hedge)).hedge == HedgingPolicy(
        max_attempts=3, hedging_delay=0.02, extra_load=0.02, non_fatal_codes=frozenset({Code.INTERNAL})
    )


@pytest.mark.parametrize(
    ("given", "waits"),
    [({"initial_backoff": milliseconds(500)}, (0.5, 0.5)), ({"max_backoff": milliseconds(10)}, (0.01, 0.01))],
)
def test_one_wait_alone_moves_the_other_where_it_must(given, waits):
    policy = retry_policy(options_pb2.RetryPolicy(**given))
    assert (policy.initial_backoff, policy.max_backoff) == waits


@pytest.mark.parametrize(
    ("given", "said", "field"),
    [
        ({"retry": options_pb2.RetryPolicy(max_attempts=9)}, "max_attempts is 9", 3),
        ({"retry": options_pb2.RetryPolicy(retryable_status_codes=[0])}, "0 is not a valid Code", 3),
        ({"hedge": options_pb2.HedgingPolicy(extra_load=0.5)}, r"extra_load is 0\.5", 4),
    ],
)
def test_what_means_nothing_is_refused_in_its_place(given, said, field):
    with pytest.raises(InvalidOptionError, match=said) as caught:
        declared(options(**given))
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"retry": options_pb2.RetryPolicy(retryable_status_codes=[code_pb2.ABORTED])}, "ended with ABORTED may have been processed"),
        ({"hedge": options_pb2.HedgingPolicy()}, "a hedge sends a call twice"),
    ],
)
def test_what_is_not_idempotent_may_not_be_done_twice(given, said):
    with pytest.raises(InvalidOptionError, match=said):
        declared(options("IDEMPOTENCY_UNKNOWN", **given))


def test_a_method_has_retries_or_hedges():
    with pytest.raises(InvalidOptionError, match="both retry and hedge"):
        declared(options(retry=options_pb2.RetryPolicy(), hedge=options_pb2.HedgingPolicy()))


def test_what_was_never_processed_may_be_tried_again_whatever_the_method():
    assert declared(options("IDEMPOTENCY_UNKNOWN", retry=options_pb2.RetryPolicy(max_attempts=5))).retry == RetryPolicy(max_attempts=5)
