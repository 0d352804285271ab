"""Who decides what applies to a method."""

from dataclasses import replace
from math import inf, nan

import pytest
from echo.v1.echo_towpath import FAIL, INSPECT, SAY, SLEEP
from stream.v1.stream_towpath import COLLECT, REPEAT

from towpath._contracts.policy import MethodConfig, MethodName, Resolved, by_method_name, matching, resolve
from towpath._core.context import CallOptions, Criticality
from towpath._core.errors import Code, SetupError
from towpath._core.policies import HedgingPolicy, RetryPolicy
from towpath._core.service import DEFAULT_TIMEOUT

ECHO = "echo.v1.EchoService"
SLEEP_ONLY = (ECHO, "Sleep")
WHOLE_SERVICE = (ECHO, "")
EVERYTHING = ("", "")


def entry(name: MethodName, timeout: float | None = None, criticality: Criticality | None = None, number: int = 1) -> MethodConfig:
    return MethodConfig(names=(name,), timeout=timeout, criticality=criticality, source=f"towpath.toml [[methodConfig]] #{number}")


def test_the_default_applies_when_nobody_says_anything():
    policy = resolve(SAY)
    assert policy.timeout == Resolved(DEFAULT_TIMEOUT, "default")
    assert policy.criticality == Resolved(None, "default")


def test_the_contract_beats_the_default():
    policy = resolve(SLEEP, [])
    assert policy.timeout == Resolved(1.5, "contract option")
    assert policy.criticality == Resolved(Criticality.SHEDDABLE, "contract option")


def test_the_service_file_beats_the_contract_and_names_its_entry():
    policy = resolve(SLEEP, [entry(WHOLE_SERVICE, timeout=9.0, number=2)])
    assert policy.timeout == Resolved(9.0, "towpath.toml [[methodConfig]] #2")


def test_a_value_that_the_entry_leaves_out_is_left_to_the_contract():
    policy = resolve(SLEEP, [entry(SLEEP_ONLY, timeout=9.0)])
    assert policy.criticality == Resolved(Criticality.SHEDDABLE, "contract option")


def test_the_call_beats_all_and_zero_is_a_value():
    policy = resolve(SLEEP, [entry(SLEEP_ONLY, timeout=9.0)], CallOptions(timeout=0, criticality=Criticality.CRITICAL))
    assert policy.timeout == Resolved(0, "call option")
    assert policy.criticality == Resolved(Criticality.CRITICAL, "call option")


def test_a_call_that_sets_nothing_changes_nothing():
    assert resolve(SLEEP, None, CallOptions()) == resolve(SLEEP)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_an_exact_name_beats_its_service_which_beats_the_rest_wherever_they_stand(order):
    entries = [entry(EVERYTHING, 1.0), entry(WHOLE_SERVICE, 2.0), entry(SLEEP_ONLY, 3.0)]
    configs = [entries[index] for index in order]
    assert matching(SLEEP, configs) is entries[2]
    assert matching(SAY, configs) is entries[1]
    assert matching(SAY, [entries[0], entries[2]]) is entries[0]
    assert matching(SAY, [entries[2]]) is None


def test_entries_are_not_merged():
    policy = resolve(INSPECT, [entry(WHOLE_SERVICE, timeout=2.5), entry((ECHO, "Inspect"), criticality=Criticality.CRITICAL)])
    assert policy.timeout.source == "default"
    assert policy.criticality.value is Criticality.CRITICAL


@pytest.mark.parametrize(("name", "told"), [(SLEEP_ONLY, f"{ECHO}/Sleep"), (WHOLE_SERVICE, ECHO), (EVERYTHING, "every method")])
def test_two_entries_of_one_name_are_refused_by_name(name, told):
    configs = [entry(name, 1.0, number=1), entry(name, 2.0, number=4)]
    with pytest.raises(SetupError, match=rf"#4: {told} is already configured by towpath\.toml \[\[methodConfig\]\] #1"):
        resolve(SAY, configs)


def test_one_entry_may_repeat_a_name():
    config = MethodConfig(names=(EVERYTHING, EVERYTHING), timeout=1.0)
    assert by_method_name([config]) == {EVERYTHING: config}


@pytest.mark.parametrize("timeout", [0.0, -1.0, nan, inf])
def test_a_timeout_must_be_a_positive_number(timeout):
    with pytest.raises(SetupError, match=r"methodConfig\]\] #1: timeout is .* s; give more than zero"):
        entry(EVERYTHING, timeout)


def test_a_method_needs_its_service():
    with pytest.raises(SetupError, match="has the method 'Say' but no service"):
        entry(("", "Say"))


def test_an_entry_needs_a_name():
    with pytest.raises(SetupError, match="lists no method"):
        MethodConfig(names=())


def test_a_value_reads_with_its_source():
    assert str(Resolved(1.5, "contract option")) == "1.5 (contract option)"


class TestFurtherAttempts:
    RETRY = RetryPolicy(max_attempts=5)
    RISKY = RetryPolicy(retryable_codes=frozenset({Code.ABORTED, Code.UNAVAILABLE}))

    def of_all(self, **given) -> list[MethodConfig]:
        return [MethodConfig(names=(EVERYTHING,), source="here", **given)]

    def test_are_three_for_a_method_with_one_request_and_one_if_requests_stream(self):
        assert resolve(SAY).retry == Resolved(RetryPolicy(), "default")
        assert resolve(REPEAT).retry == Resolved(RetryPolicy(), "default")
        assert resolve(COLLECT).retry.value.max_attempts == 1
        assert resolve(SAY).hedge == Resolved(None, "default")

    def test_are_what_the_file_says_before_what_the_contract_says(self):
        method = replace(SAY, retry=RetryPolicy(max_attempts=2))
        assert resolve(method).retry == Resolved(method.retry, "contract option")
        assert resolve(method, self.of_all(retry=self.RETRY)).retry == Resolved(self.RETRY, "here")
        assert resolve(method, self.of_all(timeout=1.0)).retry.source == "contract option"

    def test_are_hedges_or_retries(self):
        method = replace(SAY, hedge=HedgingPolicy())
        assert (resolve(method).retry.value.max_attempts, resolve(method).hedge) == (1, Resolved(method.hedge, "contract option"))
        taken_back = resolve(method, self.of_all(retry=self.RETRY))
        assert (taken_back.retry.value, taken_back.hedge) == (self.RETRY, Resolved(None, "default"))
        with pytest.raises(SetupError, match="here: has both retryPolicy and hedgingPolicy"):
            self.of_all(retry=self.RETRY, hedge=HedgingPolicy())

    def test_may_repeat_what_is_idempotent(self):
        assert resolve(SAY, self.of_all(retry=self.RISKY)).retry.value is self.RISKY
        assert resolve(FAIL, self.of_all(retry=self.RETRY)).retry.value is self.RETRY

    @pytest.mark.parametrize("given", [{"retry": RISKY}, {"hedge": HedgingPolicy()}])
    def test_may_not_repeat_what_is_not(self, given):
        with pytest.raises(SetupError, match=r"here: echo\.v1\.EchoService/Fail: .* declares no idempotency_level"):
            resolve(FAIL, self.of_all(**given))
