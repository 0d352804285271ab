"""Declared options as values."""

import pytest
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.duration_pb2 import Duration
from hypothesis import given
from hypothesis import strategies as st

from towpath._contracts.options import InvalidOptionError, declared
from towpath._core.context import Criticality
from towpath._core.service import Idempotency, IdempotencyKey, MethodKind
from towpath._gen.towpath.v1 import options_pb2


def with_timeout(seconds: int, nanos: int = 0) -> MethodOptions:
    options = MethodOptions()
    options.Extensions[options_pb2.method].timeout.CopyFrom(Duration(seconds=seconds, nanos=nanos))
    return options


def test_nothing_declared_is_nothing():
    values = declared(MethodOptions())
    assert (values.idempotency, values.timeout, values.criticality) == (Idempotency.UNKNOWN, None, None)


@pytest.mark.parametrize("level", list(Idempotency))
def test_idempotency_is_the_standard_option(level):
    options = MethodOptions(idempotency_level={"UNKNOWN": "IDEMPOTENCY_UNKNOWN"}.get(level.name, level.name))
    assert declared(options).idempotency is level


@pytest.mark.parametrize("level", list(Criticality))
def test_each_criticality_of_the_contract_is_one_of_the_library(level):
    options = MethodOptions()
    options.Extensions[options_pb2.method].criticality = options_pb2.Criticality.Value(f"CRITICALITY_{level.name}")
    assert declared(options).criticality is level


@given(st.integers(1, 10**9))
def test_a_timeout_is_in_seconds(milliseconds):
    seconds, rest = divmod(milliseconds, 1000)
    assert declared(with_timeout(seconds, rest * 1_000_000)).timeout == milliseconds / 1000


@pytest.mark.parametrize(("seconds", "nanos"), [(0, 0), (-1, 0), (0, -1), (-1, -500_000_000)])
def test_a_timeout_that_lets_no_call_succeed_is_refused(seconds, nanos):
    with pytest.raises(InvalidOptionError, match="no call could ever succeed"):
        declared(with_timeout(seconds, nanos))


@pytest.mark.parametrize(("seconds", "nanos"), [(1, -1), (-1, 1), (1, 1_000_000_000), (0, -1_000_000_000)])
def test_what_is_no_duration_is_refused(seconds, nanos):
    with pytest.raises(InvalidOptionError, match="is not a duration"):
        declared(with_timeout(seconds, nanos))


def with_key(value: int) -> MethodOptions:
    options = MethodOptions()
    options.Extensions[options_pb2.method].idempotency_key = value
    return options


@pytest.mark.parametrize("key", list(IdempotencyKey))
def test_each_source_of_keys_of_the_contract_is_one_of_the_library(key):
    options = with_key(options_pb2.IdempotencyKey.Value(f"IDEMPOTENCY_KEY_{key.name}"))
    assert declared(options).idempotency_key is key
    assert declared(with_key(0)).idempotency_key is declared(MethodOptions()).idempotency_key is None


@pytest.mark.parametrize("kind", [kind for kind in MethodKind if kind is not MethodKind.UNARY])
def test_a_stream_has_no_key(kind):
    with pytest.raises(InvalidOptionError, match="a stream has no single answer"):
        declared(with_key(2), kind)


def test_what_may_run_again_or_twice_at_once_has_no_key():
    options = with_key(2)
    options.idempotency_level = MethodOptions.NO_SIDE_EFFECTS
    with pytest.raises(InvalidOptionError, match="may run again without one"):
        declared(options)
    options.idempotency_level = MethodOptions.IDEMPOTENT
    assert declared(options).idempotency_key is IdempotencyKey.AUTO
    options.Extensions[options_pb2.method].hedge.max_attempts = 2
    with pytest.raises(InvalidOptionError, match="only waits for the first"):
        declared(options)


def test_a_source_of_keys_that_towpath_does_not_know_is_refused_with_those_it_knows():
    with pytest.raises(InvalidOptionError, match="idempotency_key 9") as caught:
        declared(with_key(9))
    assert caught.value.field == options_pb2.MethodOptions.IDEMPOTENCY_KEY_FIELD_NUMBER
    assert "IDEMPOTENCY_KEY_REQUIRED, IDEMPOTENCY_KEY_AUTO" in caught.value.hint


def test_a_criticality_that_towpath_does_not_know_is_refused_with_those_it_knows():
    options = MethodOptions()
    options.Extensions[options_pb2.method].criticality = 9
    with pytest.raises(InvalidOptionError, match="criticality 9") as caught:
        declared(options)
    assert "CRITICALITY_CRITICAL_PLUS" in caught.value.hint
