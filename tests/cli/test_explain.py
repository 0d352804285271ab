"""`towpath explain` prints what would run, and where each value came from."""

from pathlib import Path

import msgspec
import pytest

from tests.app.settings.test_targets import WHOLE
from towpath._app.settings.server_options import AdmissionSettings, ConnectionSettings, Http1Settings, Http2Settings, KeepaliveSettings
from towpath._app.settings.targets import TargetSettings
from towpath._cli.explain import explain
from towpath._core.errors import SetupError
from towpath._core.service import DEFAULT_TIMEOUT

OR = "or what no handler began"
LIMITS = (
    "message_limit",
    "idempotency_memory",
    "header_limit",
    "compression",
    "json_defaults",
    "trust",
    "reflection",
    "openapi",
    "max_timeout",
    "connections.",
    "keepalive.",
    "http1.",
    "http2.",
    "cors",
    "admission.",
)
"""The starts of the rows about the limits of the server."""


@pytest.fixture
def config(tmp_path, monkeypatch) -> Path:
    monkeypatch.delenv("TOWPATH_CONFIG", raising=False)
    path = tmp_path / "towpath.toml"
    path.write_text(
        """
        [service]
        contracts = ["echo.v1.echo_towpath", "stream.v1.stream_towpath"]
        [[methodConfig]]
        name = [{ service = "echo.v1.EchoService", method = "Say" }]
        timeout = "0.5s"
        """
    )
    monkeypatch.chdir(tmp_path)
    return path


def rows(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("   ") if cell.strip()] for line in text.splitlines()]


@pytest.mark.usefixtures("config")
def test_the_clients_side(capsys):
    assert explain("echo.v1.EchoService/Say", side="client") == 0
    assert rows(capsys.readouterr().out) == [
        ["echo.v1.EchoService/Say, client side"],
        ["stack", "context -> metrics -> deadline -> retry -> throttle -> breaker -> transport"],
        ["timeout", "0.5 s, or what the caller has left if that is less", "towpath.toml: methodConfig[0]"],
        ["criticality", "the caller's; CRITICAL without one", "default"],
        ["retry", f"up to 3 attempts after UNAVAILABLE {OR}, a random part of 25 ms to 250 ms apart", "default"],
        ["hedge", "none", "default"],
        ["fallback", "none", "default"],
        [
            "budget",
            "a retry or hedge for 5 calls and 10 a second, at most 20% of the calls under way or 3",
            "default for each target",
        ],
        ["throttle", "drops (calls - 2 x not shed) / (calls + 1) of the calls, at most 80%", "default for each target"],
        [
            "breaker",
            "5 failures in a row, or 50% of 20 or more in 10 s; open for 1 to 30 s; not heeded while most endpoints have theirs open",
            "default for each method of several endpoints",
        ],
        ["idempotency", "no_side_effects", "contract option"],
        ["kind", "unary", "contract"],
    ]


@pytest.mark.usefixtures("config")
def test_the_servers_side(capsys):
    assert explain("/EchoService/Sleep", side="server") == 0
    found = rows(capsys.readouterr().out)
    assert [row for row in found if not row[0].startswith(LIMITS)] == [
        ["echo.v1.EchoService/Sleep, server side"],
        ["stack", "context -> metrics -> deadline -> admission -> idempotency -> handler"],
        ["timeout", "the call's; 1.5 s if it brings none", "contract option"],
        ["criticality", "the call's; SHEDDABLE if it brings none", "contract option"],
        [
            "admission",
            "on; 20 calls at first while the loop is late, then what serves best; half the callers' time in a queue, 5 ms in an overload",
            "default",
        ],
        ["keys", "kept in: memory", "default"],
        ["idempotency", "idempotent", "contract option"],
        ["kind", "unary", "contract"],
    ]


def keys_of(table: type[msgspec.Struct], name: str) -> set[str]:
    return {f"{name}.{field.encode_name}" for field in msgspec.structs.fields(table)}


@pytest.mark.usefixtures("config")
def test_every_limit_of_a_server_has_a_row_that_says_it_is_a_default(capsys):
    explain("EchoService/Say", side="server")
    found = {row[0]: row[1:] for row in rows(capsys.readouterr().out)}
    tables = {
        "connections": ConnectionSettings,
        "keepalive": KeepaliveSettings,
        "http1": Http1Settings,
        "http2": Http2Settings,
        "admission": AdmissionSettings,
    }
    keys = {key for name, table in tables.items() for key in keys_of(table, name)} - {"admission.mode"}
    assert {key: row[1] for key, row in found.items() if "." in key and len(row) == 2} == dict.fromkeys(keys, "default")
    assert found["message_limit"] == ["4194304 bytes", "default"]
    assert found["header_limit"] == ["16384 bytes", "default"]
    assert found["compression"] == ["off", "default"]
    assert found["trust"] == ["private", "default"]
    assert found["max_timeout"] == ["off", "default"]
    assert found["connections.idle_timeout"] == ["3600s", "default"]


def test_what_the_file_sets_to_the_server_stands_beside_the_default(config, capsys):
    config.write_text(
        config.read_text().replace(
            "[service]",
            "[service]\n        header_limit = 2048\n        compression = 'gzip'\n        max_timeout = '90s'\n        trust = 'none'",
        )
        + """
        [service.connections]
        max_connections = 50
        idle_timeout = "off"
        [service.keepalive]
        time = "off"
        [service.http2]
        resets_per_second = 2.5
        [service.admission]
        initial_limit = 5
        target = "0.01s"
        """
    )
    explain("EchoService/Say", side="server")
    text = rows(capsys.readouterr().out)
    for row in (
        ["header_limit", "2048 bytes; default 16384 bytes"],
        ["trust", "none; default private"],
        ["compression", "gzip; default off"],
        ["max_timeout", "90s; default off"],
        ["connections.max_connections", "50; default 10000"],
        ["connections.idle_timeout", "off; default 3600s"],
        ["keepalive.time", "off; default 120s"],
        ["http2.resets_per_second", "2.5; default 100"],
        ["admission.initial_limit", "5; default 20"],
        ["admission.target", "0.01s; default 0.005s"],
    ):
        assert [*row, f"towpath.toml: service.{row[0]}"] in text
    (admission,) = [row for row in text if row[0] == "admission"]
    assert admission[1].startswith("on; 5 calls at first while the loop is late")
    assert admission[1].endswith("10 ms in an overload")


def test_what_the_file_sets_to_a_target_has_a_row_for_each_key(config, capsys):
    config.write_text(config.read_text() + WHOLE)
    explain("EchoService/Say", side="client")
    found = {row[0]: row[1:] for row in rows(capsys.readouterr().out) if row[0].startswith("targets.")}
    keys = {line.partition(" = ")[0] for line in WHOLE.partition("[targets.flight-data]")[2].partition("[targets.detected]")[0].split()}
    written = {row.removeprefix("targets.flight_data.").partition(".")[0] for row in found if "flight_data" in row}
    assert written == {field.name for field in msgspec.structs.fields(TargetSettings)} & keys - {"address"}
    assert found["targets.flight_data.slow_start"] == ["1s; default 10s", "towpath.toml: targets.flight_data.slow_start"]
    assert found["targets.flight_data.health_service"] == ['""; default none', "towpath.toml: targets.flight_data.health_service"]
    assert found["targets.flight_data.breaker.failures"][0] == "1; default 5"
    assert found["targets.flight_data.throttle"][0] == "off; default on"
    assert found["targets.flight_data.connection_backoff.max_delay"][0] == "5s; default 10s"
    assert found["targets.flight_data.outlier_detection"][0] == "false; default true"
    assert found["targets.detected.layers"][0] == "shop.layers:Audit, shop.layers:Tag; default none"
    assert found["targets.detected.max_age"][0] == "off; default 300s"
    assert found["targets.detected.outlier_detection.stdev_factor"][0] == "0.7; default 1.9"
    assert not [row for row in found if row.startswith("targets.weather")]


@pytest.mark.usefixtures("config")
def test_contract_options_and_defaults_are_told_apart(capsys):
    explain("EchoService/Sleep", side="client")
    explain("EchoService/Fail", side="client")
    text = rows(capsys.readouterr().out)
    assert ["timeout", "1.5 s, or what the caller has left if that is less", "contract option"] in text
    assert ["criticality", "SHEDDABLE, or the caller's if that is lower", "contract option"] in text
    assert ["timeout", f"{DEFAULT_TIMEOUT:g} s, or what the caller has left if that is less", "default"] in text
    assert ["idempotency", "unknown", "default"] in text


def test_who_gives_the_key_is_told_on_both_sides_and_what_is_repeated_with_it(config, capsys):
    config.write_text(config.read_text().replace('"stream.v1.stream_towpath"', '"payment.v1.payment_towpath"'))
    for method in ("PaymentService/Charge", "PaymentService/Refund"):
        assert explain(method) == 0
    text = rows(capsys.readouterr().out)
    retry = "up to 3 attempts after UNAVAILABLE, what no handler began, or ABORTED while an earlier one runs"
    assert [row[1] for row in text if row[:1] == ["retry"]] == [f"{retry}, a random part of 25 ms to 250 ms apart"] * 2
    assert [row[1:] for row in text if row[:1] == ["idempotency key"]] == [
        ["auto: the caller's, or one made for each call", "contract option"],
        ["auto: a call may come without one", "contract option"],
        ["required: the caller has to give one", "contract option"],
        ["required: a call without one is INVALID_ARGUMENT", "contract option"],
    ]


@pytest.mark.parametrize("mode", ["on", "shadow"])
def test_admission_is_in_the_servers_stack_where_it_is_asked_for(config, capsys, mode):
    config.write_text(config.read_text().replace("[service]", f'[service]\n        admission = "{mode}"'))
    assert explain("EchoService/Say", side="server") == 0
    assert ["stack", "context -> metrics -> deadline -> admission -> handler"] in rows(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("store", "counted"), [("local", "in each process"), ("redis://:secret@cache:6379/0", "for all processes together")]
)
def test_what_a_tenant_may_call_is_told_with_where_that_is_written(config, capsys, store, counted):
    config.write_text(
        config.read_text().replace("[service]", f"[service]\nquota_store = '{store}'")
        + """
        [quotas.talk]
        methods = ["EchoService/Say"]
        per_second = 50
        burst = 100
        [bulkheads.database]
        methods = ["EchoService"]
        max_concurrent = 10
        shadow = true
        """
    )
    assert explain("EchoService/Say", side="server") == 0
    text = capsys.readouterr().out
    assert "secret" not in text
    assert ["stack", "context -> metrics -> deadline -> admission -> quota -> bulkhead -> handler"] in rows(text)
    quota = f"50 calls a second for each tenant, 100 at once, counted {counted}"
    assert ["quota", quota, "towpath.toml: quotas.talk"] in rows(text)
    assert ["bulkhead", "10 calls of database at once; shadow: all pass", "towpath.toml: bulkheads.database"] in rows(text)
    explain("EchoService/Fail", side="server")
    assert "quota" not in capsys.readouterr().out


@pytest.mark.parametrize("entry", ["", "retryPolicy = { maxAttempts = 3, retryableStatusCodes = ['UNAVAILABLE'] }"])
def test_a_method_without_idempotency_level_is_retried_only_where_no_handler_began(entry, config, capsys):
    config.write_text(
        f"""
        [service]
        contracts = ["echo.v1.echo_towpath"]
        [[methodConfig]]
        name = [{{ service = "echo.v1.EchoService" }}]
        timeout = "0.5s"
        {entry}
        """
    )
    explain("EchoService/Fail", side="client")
    said = "up to 3 attempts after what no handler began, with an idempotency key after UNAVAILABLE too"
    assert f"{said}, a random part of 25 ms to 250 ms apart" in capsys.readouterr().out


@pytest.mark.usefixtures("config")
@pytest.mark.parametrize(
    ("policy", "row"),
    [
        ("retryPolicy = { maxAttempts = 1 }", ["retry", "once, of what no server has seen", "towpath.toml: methodConfig[0]"]),
        (
            "retryPolicy = { maxAttempts = 4, retryableStatusCodes = ['UNAVAILABLE', 'ABORTED'] }",
            [
                "retry",
                f"up to 4 attempts after ABORTED, UNAVAILABLE {OR}, a random part of 25 ms to 250 ms apart",
                "towpath.toml: methodConfig[0]",
            ],
        ),
        (
            "hedgingPolicy = { hedgingDelay = '0.02s' }",
            ["hedge", "up to 2 attempts, each after 20 ms, for at most 1% of the calls", "towpath.toml: methodConfig[0]"],
        ),
        (
            "fallback = { maxAge = '5s' }",
            ["fallback", "the last good answer to the same request, up to 5 s old", "towpath.toml: methodConfig[0]"],
        ),
        (
            "fallback = { value = { text = 'x' }, skip = true }",
            ["fallback", '{"text":"x"}; the call is skipped when it would come too late', "towpath.toml: methodConfig[0]"],
        ),
        (
            "hedgingPolicy = { maxAttempts = 3, extraLoad = 0.02 }",
            [
                "hedge",
                "up to 3 attempts, each after all but 2% of the calls take, for at most 2% of the calls",
                "towpath.toml: methodConfig[0]",
            ],
        ),
    ],
)
def test_further_attempts_are_told(config, capsys, policy, row):
    config.write_text(config.read_text().replace('timeout = "0.5s"', policy))
    assert explain("EchoService/Say", side="client") == 0
    assert row in rows(capsys.readouterr().out)


@pytest.mark.usefixtures("config")
def test_a_stream_has_no_end_of_its_own(capsys):
    assert explain("StreamService/Repeat") == 0
    text = rows(capsys.readouterr().out)
    assert ["timeout", "no end, or what the caller has left if that is less", "default"] in text
    assert ["timeout", "the call's; no end if it brings none", "default"] in text
    assert ["kind", "server_streaming", "contract"] in text


def test_both_sides_without_a_wish(config, capsys, monkeypatch):
    monkeypatch.setenv("TOWPATH_CONFIG", "elsewhere.toml")
    assert explain("EchoService/Say", config=config) == 0
    text = capsys.readouterr().out
    assert "client side" in text
    assert "server side" in text


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("EchoServise/Say", "unknown service 'EchoServise'; did you mean 'EchoService'"),
        ("echo.v2.EchoService/Say", r"unknown service 'echo\.v2\.EchoService'; did you mean 'echo\.v1\.EchoService'"),
        ("EchoService/Sya", r"service echo\.v1\.EchoService has no method 'Sya'; did you mean 'Say'"),
        ("EchoService", "'EchoService' is not SERVICE/METHOD"),
        ("/", "'' is not SERVICE/METHOD; known methods: "),
    ],
)
@pytest.mark.usefixtures("config")
def test_what_is_not_found_is_told_with_what_is_near(asked, message):
    with pytest.raises(SetupError, match=message):
        explain(asked)


MISSPELT = [
    ("EchoServise", "Say", "unknown service 'EchoServise'; did you mean 'EchoService'"),
    ("ehco.v1.EchoService", "Say", "unknown service 'ehco.v1.EchoService'; did you mean 'echo.v1.EchoService'"),
    ("EchoService", "Sya", "service echo.v1.EchoService has no method 'Sya'; did you mean 'Say'"),
]


@pytest.mark.parametrize(("service", "method", "message"), MISSPELT)
def test_an_entry_for_a_method_that_no_contract_has_is_told(config, service, method, message):
    config.write_text(
        f"[service]\ncontracts = ['echo.v1.echo_towpath']\n[[methodConfig]]\nname = [{{ service = '{service}', method = '{method}' }}]\n"
    )
    with pytest.raises(SetupError) as caught:
        explain("EchoService/Say", config=config)
    assert f"towpath.toml: methodConfig[0].name[0]: {message}" in str(caught.value)


def test_an_entry_may_leave_out_the_package(config, capsys):
    config.write_text(config.read_text().replace("echo.v1.EchoService", "EchoService"))
    assert explain("EchoService/Say", side="client") == 0
    assert ["timeout", "0.5 s, or what the caller has left if that is less", "towpath.toml: methodConfig[0]"] in rows(
        capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"towpath\.toml: service\.contracts names no module"),
        ("[service]\ncontracts = ['no.such.module']", r"towpath\.toml: service\.contracts: no\.such\.module cannot be imported"),
    ],
)
def test_contracts_that_are_not_there_are_named(config, text, message):
    config.write_text(text)
    with pytest.raises(SetupError, match=message):
        explain("EchoService/Say", config=config)
