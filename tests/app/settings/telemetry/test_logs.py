"""`[telemetry.logs]`."""

from pathlib import Path

import pytest

from towpath._app.settings.telemetry.logs import LogsOptions, format_of
from towpath._core.errors import SetupError
from towpath._telemetry.logs.access_log import AccessOptions
from towpath.settings import load


def read(folder: Path, text: str, **environ: str) -> LogsOptions:
    (folder / "towpath.toml").write_text(f"[telemetry.logs]\n{text}")
    return load(folder / "towpath.toml", environ).telemetry.logs


def test_without_keys_all_has_its_default(tmp_path: Path) -> None:
    assert read(tmp_path, "") == LogsOptions() == load(None, {}).telemetry.logs


def test_each_key_is_read(tmp_path: Path) -> None:
    text = """
format = "JSON"
level = "debug"
levels = { "shop.stock" = "Warning" }
[telemetry.logs.access]
server = false
client = true
rate = 1
slow = "off"
max_per_second = 0
metadata = ["X-Client"]
"""
    access = AccessOptions(server=False, client=True, rate=1, slow=None, max_per_second=0, metadata=("x-client",))
    assert read(tmp_path, text) == LogsOptions(format="json", level="DEBUG", levels={"shop.stock": "WARNING"}, access=access)


def test_variables_win(tmp_path: Path) -> None:
    logs = read(tmp_path, 'format = "json"\nlevel = "DEBUG"', TOWPATH_LOG_FORMAT="console", TOWPATH_LOG_LEVEL="error")
    assert (logs.format, logs.level) == ("console", "ERROR")
    assert read(tmp_path, 'format = "json"', TOWPATH_LOG_FORMAT="").format == "json"
    with pytest.raises(SetupError, match=r"TOWPATH_LOG_LEVEL: unknown value 'loud'; known values: "):
        read(tmp_path, "", TOWPATH_LOG_LEVEL="loud")


@pytest.mark.parametrize(("value", "wanted"), [("json", "json"), ("xml", "auto"), ("", "auto")])
def test_before_the_file_is_read_a_variable_says_the_format(value: str, wanted: str) -> None:
    assert format_of({"TOWPATH_LOG_FORMAT": value}) == wanted


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("format = 'jsn'", "telemetry.logs.format: unknown value 'jsn'; did you mean 'json'"),
        ("level = 5", 'telemetry.logs.level: expected `str`, got `int`; write "5", or "5s" if it is a duration'),
        ("levels = { a = 'x' }", "telemetry.logs.levels.a: unknown value 'x'; known values: CRITICAL, DEBUG, ERROR, INFO, WARNING"),
        ("access.rate = 2", "telemetry.logs.access.rate: 2.0 is out of range; give 0 to 1"),
        (
            "access.slow = '0s'",
            "telemetry.logs.access.slow: a duration of zero lets nothing happen; write one above 0s, or leave the setting out",
        ),
        ("access.max_per_second = -1", "telemetry.logs.access.max_per_second: -1 is out of range; give 0 to 100000 lines"),
        (
            "access.metadata = ['Authorization']",
            "telemetry.logs.access.metadata: 'authorization' is the name of a credential, and no log shows those; take it out",
        ),
        ("acces.rate = 2", "unknown key telemetry.logs.acces; did you mean 'access'"),
    ],
)
def test_a_mistake_names_its_key(tmp_path: Path, text: str, error: str) -> None:
    with pytest.raises(SetupError) as caught:
        read(tmp_path, text)
    assert str(caught.value) == f"{tmp_path}/towpath.toml: {error}"
