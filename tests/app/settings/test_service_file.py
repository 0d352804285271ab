"""The service file and the variables that override it: what is read, and what is refused with which words."""

from pathlib import Path

import pytest

from towpath._app.settings.service_file import ServiceConfig, load
from towpath._core.context import Criticality
from towpath._core.errors import SetupError
from towpath._transport import Address

WHOLE = """
[service]
name = "search"
listen = "127.0.0.1:8080"
contracts = ["echo.v1.echo_towpath"]
grace = "1.5s"
settle = "2s"
admin = "127.0.0.1:9090"

[targets]
flights = "127.0.0.1:8081"
flight-data = "[::1]:8082"

[[methodConfig]]
name = [{ service = "echo.v1.EchoService", method = "Say" }, { service = "other.v1.Other" }]
timeout = "0.5s"
criticality = "SHEDDABLE"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "towpath.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_whole_file_is_read(tmp_path):
    path = written(tmp_path, WHOLE)
    config = load(path, {})
    assert (config.name, config.listen, config.grace, config.source) == ("search", Address("127.0.0.1", 8080), 1.5, path)
    assert (config.settle, config.admin) == (2.0, Address("127.0.0.1", 9090))
    assert config.contracts == ("echo.v1.echo_towpath",)
    assert (config.target("flights").address, config.target("Flight_Data").address) == ("127.0.0.1:8081", "[::1]:8082")
    (method,) = config.methods
    assert method.names == (("echo.v1.EchoService", "Say"), ("other.v1.Other", ""))
    assert (method.timeout, method.criticality, method.source) == (0.5, Criticality.SHEDDABLE, f"{path}: methodConfig[0]")


def test_no_settling_and_no_grace_may_be_written_down(tmp_path):
    config = load(written(tmp_path, '[service]\nsettle = "0s"\ngrace = "0.0s"'), {})
    assert (config.settle, config.grace) == (0.0, 0.0)


def test_without_file_and_variables_a_service_listens_on_a_free_port_of_this_machine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load(environ={}) == ServiceConfig()
    assert ServiceConfig().listen == Address("127.0.0.1", 0)


def test_the_file_in_the_working_directory_is_found(tmp_path, monkeypatch):
    written(tmp_path, '[service]\nname = "here"')
    monkeypatch.chdir(tmp_path)
    assert load(environ={}).name == "here"


def test_variables_win_over_the_file(tmp_path):
    env = {
        "TOWPATH_CONFIG": str(written(tmp_path, WHOLE)),
        "TOWPATH_LISTEN": "0.0.0.0:1",
        "TOWPATH_TARGET_FLIGHTS": "10.0.0.1:99",
        "TOWPATH_TARGET_FLIGHT_DATA": "10.0.0.2:99",
        "TOWPATH_TARGET_NEW": "10.0.0.3:99",
        "TOWPATH_LISTEN_FD": "3",
        "TOWPATH_NOTIFY_FD": "4",
        "TOWPATH_METRICS_DUMP": "out.prom",
    }
    config = load(Path("ignored.toml"), env)
    assert (config.listen, config.listen_where) == (Address("0.0.0.0", 1), "TOWPATH_LISTEN")
    assert [config.target(name).address for name in ("flights", "flight-data", "new")] == ["10.0.0.1:99", "10.0.0.2:99", "10.0.0.3:99"]
    assert (config.listen_fd, config.notify_fd, config.metrics_dump) == (3, 4, Path("out.prom"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[service]\nname = ]", r"is not valid TOML: .*\(at line 2, column 8\)"),
        ('[servise]\nname = "x"', "unknown key servise; did you mean 'service'"),
        ('[service]\nlisen = "x"', r"unknown key service\.lisen; did you mean 'listen'"),
        (
            '[service]\nqqq = "x"',
            r"unknown key service\.qqq; known keys here: admin, admission, compression, connections, contracts, cors, deprecation_warnings",
        ),
        ("[service]\nname = 3", r"service\.name: expected `str`, got `int`"),
        ("service = 3", "service must be a table, not an integer"),
        ('[service]\ncontracts = ["a", 1]', r"service\.contracts\[1\]: expected `str`, got `int`"),
        ('[service]\nlisten = "8080"', r"service\.listen: '8080' is not host:port"),
        ('[service]\nlisten = "::1:8080"', r"service\.listen: .* put the IPv6 host in brackets"),
        ('[service]\nlisten = "a:99999"', r"service\.listen: 'a:99999' is not host:port"),
        ('[service]\ngrace = "5"', r"service\.grace: '5' is not a duration; write seconds with a final s"),
        ('[service]\nsettle = "5"', r"service\.settle: '5' is not a duration"),
        ('[service]\nadmin = "9090"', r"service\.admin: '9090' is not host:port"),
        ('[targets]\nx = "host"', r"targets\.x: 'host' is not host:port"),
        ('[targets]\nx = "host:0"', r"targets\.x: 'host:0' has port 0"),
        ('[targets]\na-b = "h:1"\na_b = "h:2"', r"targets\.a_b differs from another target only in case"),
        ("[[methodConfig]]\ntimeout = '1s'", r"methodConfig\[0\]\.name is missing"),
        ("[[methodConfig]]\nname = []", r"methodConfig\[0\]: name lists no method"),
        ("[[methodConfig]]\nname = [{ method = 'M' }]", r"methodConfig\[0\]: name has the method 'M' but no service"),
        ("[[methodConfig]]\nname = [{ servce = 'M' }]", r"unknown key methodConfig\[0\]\.name\[0\]\.servce; did you mean 'service'"),
        (
            "[[methodConfig]]\nname = [{}]\ntimeout = 1",
            r'methodConfig\[0\]\.timeout: expected `str`, got `int`; write "1", or "1s" if it is a duration$',
        ),
        ("[[methodConfig]]\nname = [{}]\ntimeout = '1m'", r"methodConfig\[0\]\.timeout: '1m' is not a duration"),
        ("[[methodConfig]]\nname = [{}]\ntimeout = '0s'", r"methodConfig\[0\]\.timeout: a duration of zero"),
        (
            "[[methodConfig]]\nname = [{}]\ncriticality = 'CRITICL'",
            r"methodConfig\[0\]\.criticality: 'CRITICL' is not a criticality; did you mean 'CRITICAL'",
        ),
        (
            "[[methodConfig]]\nname = [{}]\n[[methodConfig]]\nname = [{}]",
            r"methodConfig\[1\]: .* already configured by .*methodConfig\[0\]",
        ),
    ],
)
def test_what_is_wrong_is_named_with_file_and_field(tmp_path, text, message):
    path = written(tmp_path, text)
    with pytest.raises(SetupError, match=rf"towpath\.toml: {message}"):
        load(path, {})


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"TOWPATH_CONFIG": "nowhere.toml"}, "nowhere.toml: no such file"),
        ({"TOWPATH_LISTEN": "x"}, "TOWPATH_LISTEN: 'x' is not host:port"),
        ({"TOWPATH_TARGET_X": "y"}, "TOWPATH_TARGET_X: 'y' is not host:port"),
        ({"TOWPATH_LISTEN_FD": "three"}, "TOWPATH_LISTEN_FD: 'three' is not a file descriptor"),
    ],
)
def test_a_wrong_variable_is_named(env, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SetupError, match=message):
        load(environ=env)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (
            {"flights": "h:1", "weather": "h:2"},
            "known targets: flights, weather; set targets.pricing in towpath.toml, or TOWPATH_TARGET_PRICING",
        ),
        ({}, "there are no targets; set targets.pricing"),
    ],
)
def test_an_unknown_target_lists_the_known_ones(targets, message):
    with pytest.raises(SetupError, match=f"unknown target 'pricing'; {message}"):
        ServiceConfig(targets=targets).target("pricing")


def test_a_file_that_is_not_text_is_refused(tmp_path):
    path = tmp_path / "towpath.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(SetupError, match=r"is not UTF-8 text \(byte 0\)"):
        load(path, {})
    with pytest.raises(SetupError, match="cannot be read: Is a directory"):
        load(tmp_path, {})


def test_the_environment_says_where_probes_are_answered(tmp_path):
    assert load(written(tmp_path, WHOLE), {"TOWPATH_ADMIN": "0.0.0.0:1"}).admin == Address("0.0.0.0", 1)
    assert load(written(tmp_path, ""), {}).admin is None


def test_addresses_with_passwords_may_come_from_the_environment(tmp_path):
    file = written(tmp_path, "[service]\nidempotency = 'off'\nquota_store = 'local'\n")
    env = {"TOWPATH_IDEMPOTENCY": "redis://:secret@a", "TOWPATH_QUOTA_STORE": "redis://:secret@b"}
    config = load(file, env)
    assert (config.idempotency, config.idempotency_where) == ("redis://:secret@a", "TOWPATH_IDEMPOTENCY")
    assert (config.quota_store, config.quota_store_where) == ("redis://:secret@b", "TOWPATH_QUOTA_STORE")
    assert "secret" not in repr(config)
    assert load(file, {}).idempotency_where == f"{file}: service.idempotency"


@pytest.mark.parametrize("mode", ["on", "shadow", "off"])
def test_a_server_refuses_what_it_cannot_do_in_time_where_it_is_told_to(tmp_path, mode):
    assert load(written(tmp_path, f'[service]\nadmission = "{mode}"'), {}).admission == mode


def test_a_mode_of_admission_that_is_none_is_refused_by_name(tmp_path):
    with pytest.raises(SetupError, match=r"service\.admission: 'maybe' is none of its values; known values: off, on, shadow"):
        load(written(tmp_path, '[service]\nadmission = "maybe"'), {})


@pytest.mark.parametrize("treatment", ["refuse", "ignore"])
def test_what_rest_does_with_an_unknown_query_parameter_is_a_setting(tmp_path, treatment):
    assert load(written(tmp_path, f'[service]\nunknown_query = "{treatment}"'), {}).unknown_query == treatment
    with pytest.raises(SetupError, match=r"service\.unknown_query: 'drop' is none of its values"):
        load(written(tmp_path, '[service]\nunknown_query = "drop"'), {})
