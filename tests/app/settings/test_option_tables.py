"""No value of a setting with a range ends in anything but the setting, or an error that names it."""

import msgspec
import pytest

from towpath._app.settings import resilience, server_options, targets
from towpath._app.settings.option_tables import Number, Seconds
from towpath._app.settings.service_file import load
from towpath._core.errors import SetupError

VALUES = (
    *("0", "-1", "1", "70000", "1000000000000000000000000", "0.5", "nan", "inf", "-inf", "1e308", "true"),
    *('""', '"off"', '"0s"', '"1s"', '"0.000000001s"', '"999999999999s"', '"5"', '"x"', "[1]", "{ x = 1 }", "1979-05-27"),
)
TARGET = '[targets.t]\naddress = "a:1"\n'
TABLES = {
    "[service.connections]": server_options.ConnectionSettings,
    "[service.keepalive]": server_options.KeepaliveSettings,
    "[service.http1]": server_options.Http1Settings,
    "[service.http2]": server_options.Http2Settings,
    "[service.admission]": server_options.AdmissionSettings,
    "[service]": server_options.ServerSettings,
    TARGET: targets.TargetSettings,
    f"{TARGET}[targets.t.http2]": targets.ClientHttp2Settings,
    f"{TARGET}[targets.t.connection_backoff]": targets.ConnectionBackoffSettings,
    f"{TARGET}[targets.t.outlier_detection]": targets.OutlierDetectionSettings,
    f"{TARGET}[targets.t.retry_budget]": targets.BudgetSettings,
    f"{TARGET}[targets.t.breaker]": resilience.BreakerSettings,
    f"{TARGET}[targets.t.throttle]": resilience.ThrottleSettings,
}
KEYS = [(head, field.encode_name) for head, table in TABLES.items() for field in msgspec.structs.fields(table)]


@pytest.mark.parametrize(("head", "key"), [(head, key) for head, key in KEYS if key != "address"])
def test_a_value_holds_or_is_refused_by_name(head, key, tmp_path):
    path = tmp_path / "towpath.toml"
    refused = 0
    for value in VALUES:
        path.write_text(f"{head}\n{key} = {value}")
        try:
            load(path, {})
        except SetupError as error:
            refused += 1
            assert "towpath.toml: " in str(error)
            assert key in str(error)
    assert refused


def test_a_number_is_told_whole():
    assert [Number("x", 0, 1).told(value) for value in (4_194_304, 0.1, 1e6, None)] == ["4194304", "0.1", "1000000", "none"]
    assert [Seconds("x").told(value) for value in (31_536_000.0, 0.005, None)] == ["31536000s", "0.005s", "off"]
