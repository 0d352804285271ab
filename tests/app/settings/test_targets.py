"""Whom a service calls, as its file says."""

import pytest

from towpath._app.settings.resilience import Resilience
from towpath._app.settings.service_file import load
from towpath._app.settings.targets import ChannelLimits, ConfiguredTarget
from towpath._core.errors import SetupError
from towpath._layers.breaker import BreakerOptions
from towpath._layers.retry_budget import BudgetOptions
from towpath._layers.throttle import ThrottleOptions
from towpath._transport import Address, Backoff, ChannelOptions, Ejection
from towpath._transport.address import UnixPath
from towpath._wire.http2 import Limits

WHOLE = """
[targets]
weather = "static:///a:1,b:2"

[targets.flight-data]
address = "dns:///flights:8081"
protocol = "connect"
balancer = "round_robin"
health_service = ""
subset_size = 20
subset_client = 3
slow_start = "1s"
max_connections = 2
connect_timeout = "2s"
max_age = "3s"
resolve_interval = "4s"
keepalive_time = "5s"
keepalive_timeout = "6s"
message_limit = 1000
header_limit = 2000
compression = "gzip"
http2 = { stream_window = 70000, connection_window = 80000, max_frame_size = 20000 }
connection_backoff = { initial_delay = "0.5s", multiplier = 2, jitter = 0, max_delay = "5s" }
outlier_detection = false
breaker = { mode = "shadow", failures = 1, ratio = 0.9, min_calls = 2, min_open = "2s", max_open = "3s", jitter = 0.1 }
throttle = { mode = "off", headroom = 1.5, max_share = 0.5, min_calls = 3, forced_after = "4s" }
retry_budget = { ratio = 0.1, min_concurrent = 1 }

[targets.detected]
address = "dns:///detected:1"
max_age = "off"
keepalive_time = "off"
layers = ["shop.layers:Audit", "shop.layers:Tag"]
[targets.detected.outlier_detection]
interval = "1s"
base_ejection_time = "2s"
max_ejection_time = "3s"
max_ejected_share = 0.4
min_hosts = 5
min_requests = 6
stdev_factor = 0.7
"""

OPTIONS = ChannelOptions(
    protocol="connect",
    balancer="round_robin",
    health_service="",
    subset_size=20,
    subset_client=3,
    slow_start=1.0,
    max_connections=2,
    connect_timeout=2.0,
    max_age=3.0,
    resolve_interval=4.0,
    keepalive_time=5.0,
    keepalive_timeout=6.0,
    ejection=None,
    backoff=Backoff(initial=0.5, factor=2, jitter=0, most=5),
)
RESILIENCE = Resilience(
    breaker="shadow",
    throttle="off",
    budget=BudgetOptions(ratio=0.1, min_concurrent=1),
    breaker_options=BreakerOptions(failures=1, ratio=0.9, min_calls=2, min_open=2, max_open=3, jitter=0.1),
    throttle_options=ThrottleOptions(headroom=1.5, max_share=0.5, min_calls=3, forced_after=4),
)
LIMITS = ChannelLimits(
    message_limit=1000,
    header_limit=2000,
    compression="gzip",
    http2=Limits(stream_window=70_000, connection_window=80_000, max_frame_size=20_000),
)
DETECTED = ChannelOptions(
    max_age=None,
    ejection=Ejection(interval=1, base_time=2, most_time=3, most_share=0.4, hosts=5, requests=6, sigmas=0.7),
)


def test_a_target_has_the_settings_of_its_table(tmp_path):
    file = tmp_path / "towpath.toml"
    file.write_text(WHOLE)
    config = load(file, {})
    assert config.target("Flight_Data") == ConfiguredTarget("dns:///flights:8081", OPTIONS, RESILIENCE, LIMITS)
    assert config.target("detected") == ConfiguredTarget("dns:///detected:1", DETECTED, layers=("shop.layers:Audit", "shop.layers:Tag"))
    assert config.target("weather") == ConfiguredTarget("static:///a:1,b:2")


def test_a_variable_replaces_the_address_and_leaves_the_settings(tmp_path):
    file = tmp_path / "towpath.toml"
    file.write_text(WHOLE)
    config = load(file, {"TOWPATH_TARGET_FLIGHT_DATA": "unix:/run/f.sock"})
    assert config.target("flight-data") == ConfiguredTarget("unix:/run/f.sock", OPTIONS, RESILIENCE, LIMITS)


@pytest.mark.parametrize(
    "table",
    [
        "",
        'max_age = "300s"',
        "outlier_detection = true",
        "http2 = {}\nbreaker = {}\nthrottle = {}\nconnection_backoff = {}\noutlier_detection = {}\nretry_budget = {}",
        'compression = "off"\nbreaker = "on"\nthrottle = "on"',
    ],
)
def test_a_table_that_says_nothing_else_is_the_same_as_the_address(table, tmp_path):
    file = tmp_path / "towpath.toml"
    file.write_text(f'[targets.x]\naddress = "a:1"\n{table}')
    assert load(file, {}).target("x") == ConfiguredTarget("a:1")


def test_a_key_with_its_former_name_still_holds_and_the_log_has_the_new_one(caplog, tmp_path):
    file = tmp_path / "towpath.toml"
    file.write_text('[targets.x]\naddress = "a:1"\nretry_budget = { least_concurrent = 7 }')
    assert load(file, {}).target("x").resilience.budget.min_concurrent == 7
    (warning,) = [record.getMessage() for record in caplog.records]
    assert "towpath.toml: targets.x.retry_budget.least_concurrent is called min_concurrent now" in warning


@pytest.mark.parametrize(
    ("setting", "backoff"),
    [('initial_delay = "20s"', Backoff(initial=20, most=20)), ('max_delay = "0.05s"', Backoff(initial=0.05, most=0.05))],
)
def test_a_delay_that_is_left_out_gives_way_to_the_other(setting, backoff, tmp_path):
    file = tmp_path / "towpath.toml"
    file.write_text(f'[targets.x]\naddress = "a:1"\nconnection_backoff = {{ {setting} }}')
    assert load(file, {}).target("x").options.backoff == backoff


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "towpath.toml: targets.x: expected `str | table`, got `int`"),
        ("[targets.x]", "towpath.toml: targets.x.address is missing; add it"),
        ('x = { address = "y" }', "targets.x.address: 'y' is not host:port"),
        ('x = { address = "y:1", balanser = "z" }', "unknown key targets.x.balanser; did you mean 'balancer'"),
        ('x = { address = "y:1", balancer = "z" }', "targets.x: balancer is 'z'; give one of peak_ewma, least_request, round_robin"),
        ('x = { address = "y:1", max_age = "z" }', "targets.x.max_age: 'z' is not a duration"),
        ('x = { address = "y:1", subset_size = 0 }', "targets.x: subset_size is 0; give more than 0"),
        ('x = { address = "y:1", breaker = "z" }', "towpath.toml: targets.x.breaker"),
        ('x = { address = "y:1", retry_budget = { ratio = -1 } }', "targets.x.retry_budget.ratio: -1.0 is out of range; give 0 to 10"),
        ('x = { address = "y:1", retry_budget = { rate = 1 } }', "unknown key targets.x.retry_budget.rate"),
        (
            'x = { address = "y:1", retry_budget = { least_concurrent = 1, min_concurrent = 1 } }',
            "targets.x.retry_budget.least_concurrent is the former name of targets.x.retry_budget.min_concurrent; leave it out",
        ),
        ('x = { address = "y:1", breaker = "of" }', "targets.x.breaker: 'of' is none of its values; did you mean 'off'"),
        ('x = { address = "y:1", breaker = { mod = "on" } }', "unknown key targets.x.breaker.mod; did you mean 'mode'"),
        ('x = { address = "y:1", breaker = { failures = 0 } }', "targets.x.breaker.failures: 0 is out of range; give 1 to 1000000"),
        ('x = { address = "y:1", breaker = { min_open = "40s" } }', "targets.x.breaker: min_open of the breaker is 40 s and max_open 30 s"),
        ('x = { address = "y:1", throttle = { max_share = 1 } }', "targets.x.throttle.max_share: 1.0 is out of range; give 0.001 to 0.999"),
        ('x = { address = "y:1", throttle = { headroom = inf } }', "targets.x.throttle.headroom: inf is out of range; give 1 to 1000"),
        ('x = { address = "y:1", message_limit = 0 }', "targets.x.message_limit: 0 is out of range; give 1 to 4294967295 bytes"),
        ('x = { address = "y:1", header_limit = 1 }', "targets.x.header_limit: 1 is out of range; give 1024 to 1048576 bytes"),
        ('x = { address = "y:1", compression = "br" }', "targets.x.compression: 'br' is none of its values; known values: gzip, off"),
        ('x = { address = "y:1", http2 = { stream_window = 1 } }', "targets.x.http2.stream_window: 1 is out of range; give 65535 to"),
        ('x = { address = "y:1", http2 = { max_concurrent_streams = 1 } }', "unknown key targets.x.http2.max_concurrent_streams"),
        (
            'x = { address = "y:1", connection_backoff = { jitter = 2 } }',
            "targets.x.connection_backoff.jitter: 2.0 is out of range; give 0 to 1",
        ),
        (
            'x = { address = "y:1", connection_backoff = { initial_delay = "2s", max_delay = "1s" } }',
            "targets.x.connection_backoff: initial_delay is 2s and max_delay 1s; give the first no larger",
        ),
        ('x = { address = "y:1", outlier_detection = 1 }', "targets.x.outlier_detection: expected `bool | table`, got `int`"),
        ('x = { address = "y:1", outlier_detection = { hosts = 1 } }', "unknown key targets.x.outlier_detection.hosts"),
        ('x = { address = "y:1", layers = "shop.layers:Audit" }', "targets.x.layers: expected `array`, got `str`"),
        (
            'x = { address = "y:1", layers = ["a:B", "shop.layers"] }',
            "targets.x.layers[1] is 'shop.layers'; give a module and a name in it",
        ),
        ('x = "y:1"\n[targets.X]\naddress = "z:1"', "targets.X differs from another target only in case"),
    ],
)
def test_a_wrong_setting_is_named(text, message, tmp_path):
    file = tmp_path / "towpath.toml"
    file.write_text(f"[targets]\n{text}")
    with pytest.raises(SetupError) as caught:
        load(file, {})
    assert message in str(caught.value)


def test_a_service_may_listen_in_the_file_system(tmp_path):
    config = load(environ={"TOWPATH_LISTEN": "unix:///run/s.sock", "TOWPATH_ADMIN": "127.0.0.1:1"})
    assert (config.listen, config.admin) == (UnixPath("/run/s.sock"), Address("127.0.0.1", 1))
