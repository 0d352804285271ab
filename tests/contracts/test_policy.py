"""Who decides what applies to a method."""

from math import inf, nan

import pytest
from echo.v1.echo_towpath import INSPECT, SAY, SLEEP

from towpath.contracts.policy import MethodConfig, MethodName, Resolved, by_method_name, matching, resolve
from towpath.core.context import CallOptions, Criticality
from towpath.core.errors import SetupError
from towpath.core.service import DEFAULT_TIMEOUT

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
