"""Policies of further attempts in the service file."""

from pathlib import Path

import pytest

from towpath._app.settings.service_file import load
from towpath._contracts.policy import MethodConfig
from towpath._core.errors import Code, SetupError
from towpath._core.policies import HedgingPolicy, RetryPolicy


def read(folder: Path, policy: str) -> MethodConfig:
    path = folder / "towpath.toml"
    path.write_text(f"[[methodConfig]]\nname = [{{}}]\n{policy}")
    (method,) = load(path, {}).methods
    return method


def test_a_retry_policy_is_read(tmp_path):
    text = (
        'retryPolicy = { maxAttempts = 4, initialBackoff = "0.05s", maxBackoff = "1s", backoffMultiplier = 3, '
        'retryableStatusCodes = ["UNAVAILABLE", "ABORTED"] }'
    )
    codes = frozenset({Code.UNAVAILABLE, Code.ABORTED})
    wanted = RetryPolicy(max_attempts=4, initial_backoff=0.05, max_backoff=1.0, backoff_multiplier=3.0, retryable_codes=codes)
    assert read(tmp_path, text).retry == wanted


def test_a_hedging_policy_is_read(tmp_path):
    text = 'hedgingPolicy = { maxAttempts = 3, hedgingDelay = "0.02s", extraLoad = 0.02, nonFatalStatusCodes = ["INTERNAL"] }'
    wanted = HedgingPolicy(max_attempts=3, hedging_delay=0.02, extra_load=0.02, non_fatal_codes=frozenset({Code.INTERNAL}))
    assert read(tmp_path, text).hedge == wanted


def test_what_is_left_out_has_the_default(tmp_path):
    assert read(tmp_path, "retryPolicy = {}").retry == RetryPolicy()
    assert read(tmp_path, "hedgingPolicy = {}").hedge == HedgingPolicy()
    method = read(tmp_path, "")
    assert (method.retry, method.hedge) == (None, None)


@pytest.mark.parametrize(("text", "waits"), [('initialBackoff = "1s"', (1.0, 1.0)), ('maxBackoff = "0.005s"', (0.005, 0.005))])
def test_one_wait_alone_moves_the_other_where_it_must(tmp_path, text, waits):
    policy = read(tmp_path, f"retryPolicy = {{ {text} }}").retry
    assert policy is not None
    assert (policy.initial_backoff, policy.max_backoff) == waits


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("retryPolicy = { maxAttempts = 9 }", r"methodConfig\[0\]\.retryPolicy: maxAttempts is 9"),
        ("retryPolicy = { backoffMultiplier = 0.5 }", r"retryPolicy: backoffMultiplier is 0\.5"),
        ("retryPolicy = { initialBackoff = '2s', maxBackoff = '1s' }", r"retryPolicy: maxBackoff is 1 s; give 2 s"),
        ("retryPolicy = { initialBackoff = 'soon' }", r"retryPolicy\.initialBackoff: "),
        ("retryPolicy = { retryableStatusCodes = ['UNAVAILIBLE'] }", "'UNAVAILIBLE' is not a status code; did you mean 'UNAVAILABLE'"),
        ("retryPolicy = { attempts = 3 }", "unknown key methodConfig"),
        ("hedgingPolicy = { extraLoad = 0.5 }", r"hedgingPolicy: extraLoad is 0\.5"),
        ("retryPolicy = {}\nhedgingPolicy = {}", "has both retryPolicy and hedgingPolicy"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(tmp_path, text, said):
    with pytest.raises(SetupError, match=said):
        read(tmp_path, text)
