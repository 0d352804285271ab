"""Whom a service calls, as its file says."""

import pytest

from towpath._app.settings.resilience import Resilience
from towpath._app.settings.service_file import load
from towpath._app.settings.targets import ConfiguredTarget
from towpath._core.errors import SetupError
from towpath._layers.retry_budget import BudgetOptions
from towpath._transport import Address, ChannelOptions
from towpath._transport.address import UnixPath

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
outlier_detection = false
breaker = "shadow"
throttle = "off"
retry_budget = { ratio = 0.1, min_concurrent = 1 }
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
)
RESILIENCE = Resilience(breaker="shadow", throttle="off", budget=BudgetOptions(ratio=0.1, min_concurrent=1))


def test_a_target_has_the_settings_of_its_table(tmp_path):
    file = tmp_path / "towpath.toml"
    file.write_text(WHOLE)
    config = load(file, {})
    assert config.target("Flight_Data") == ConfiguredTarget("dns:///flights:8081", OPTIONS, RESILIENCE)
    assert config.target("weather") == ConfiguredTarget("static:///a:1,b:2")


def test_a_variable_replaces_the_address_and_leaves_the_settings(tmp_path):
    file = tmp_path / "towpath.toml"
    file.write_text(WHOLE)
    config = load(file, {"TOWPATH_TARGET_FLIGHT_DATA": "unix:/run/f.sock"})
    assert config.target("flight-data") == ConfiguredTarget("unix:/run/f.sock", OPTIONS, RESILIENCE)


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
        ('x = { address = "y:1", retry_budget = { ratio = -1 } }', "targets.x.retry_budget: ratio of the retry budget is -1"),
        ('x = { address = "y:1", retry_budget = { rate = 1 } }', "unknown key targets.x.retry_budget.rate"),
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
