"""Where spans go, from the service file and from OpenTelemetry's variables."""

from pathlib import Path
from typing import Any

import pytest

from towpath._app.settings.telemetry.otlp import OtlpOptions, told
from towpath._core.errors import SetupError
from towpath._telemetry.otlp.options import Endpoint, ExportOptions
from towpath.settings import load

AT = "OTEL_EXPORTER_OTLP_ENDPOINT"


def read(folder: Path, text: str = "", **environ: str) -> OtlpOptions:
    (folder / "towpath.toml").write_text(f"[telemetry]\n{text}")
    return load(folder / "towpath.toml", environ).telemetry.otlp


def export(folder: Path, text: str = "", **environ: str) -> ExportOptions:
    found = read(folder, text, **environ).export
    assert found is not None
    return found


def test_without_an_endpoint_nothing_is_exported(tmp_path: Path) -> None:
    assert read(tmp_path) == OtlpOptions()
    assert read(tmp_path, 'otlp_protocol = "grpc"', OTEL_EXPORTER_OTLP_ENDPOINT=" ") == OtlpOptions()


def test_the_file_alone_is_enough(tmp_path: Path) -> None:
    text = """
        otlp_endpoint = "https://collector.example/otlp/"
        otlp_headers = { X-Team = "search" }
        otlp_compression = "gzip"
        otlp_kept = true
        otlp_timeout = "2s"
        otlp_queue = 100
        otlp_batch = 10
        otlp_delay = "0.5s"
        resource = { "deployment.environment.name" = "test" }
        opentelemetry = true
    """
    assert read(tmp_path, text) == OtlpOptions(
        opentelemetry=True,
        export=ExportOptions(
            endpoint=Endpoint("collector.example", 4318, "/otlp/v1/traces", is_secure=True),
            headers=(("x-team", "search"),),
            compression="gzip",
            kept=True,
            timeout=2.0,
            queue=100,
            batch=10,
            delay=0.5,
            resource={"deployment.environment.name": "test"},
        ),
    )


def test_opentelemetrys_variables_win_over_the_file_and_those_of_traces_over_all(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_text("PEM")
    found = export(
        tmp_path,
        'otlp_endpoint = "http://elsewhere:1"\notlp_timeout = "1s"\nresource = { "a" = "1", "b" = "2" }',
        OTEL_EXPORTER_OTLP_ENDPOINT="http://collector:9",
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="http://traces/in?tenant=1",
        OTEL_EXPORTER_OTLP_HEADERS="authorization=Basic%20abc%3D, x-b=2,",
        OTEL_EXPORTER_OTLP_TIMEOUT="3000",
        OTEL_EXPORTER_OTLP_TRACES_TIMEOUT="2500",
        OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
        OTEL_EXPORTER_OTLP_TRACES_COMPRESSION="none",
        OTEL_EXPORTER_OTLP_CERTIFICATE=str(authority),
        OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=str(authority),
        OTEL_EXPORTER_OTLP_CLIENT_KEY=str(authority),
        OTEL_RESOURCE_ATTRIBUTES="b=3,service.name=no,c=%C3%A9",
        OTEL_SERVICE_NAME="cart",
        OTEL_BSP_MAX_QUEUE_SIZE="64",
        OTEL_BSP_MAX_EXPORT_BATCH_SIZE="32",
        OTEL_BSP_SCHEDULE_DELAY="250",
        OTEL_BSP_EXPORT_TIMEOUT="30000",
    )
    assert found == ExportOptions(
        endpoint=Endpoint("traces", 4318, "/in?tenant=1"),
        headers=(("authorization", "Basic abc="), ("x-b", "2")),
        timeout=2.5,
        certificate=authority,
        client_certificate=authority,
        client_key=authority,
        resource={"a": "1", "b": "3", "c": "\u00e9", "service.name": "cart"},
        queue=64,
        batch=32,
        delay=0.25,
    )
    assert "abc" not in repr(found)


@pytest.mark.parametrize(
    ("url", "protocol", "expected"),
    [
        ("http://c", "http/protobuf", Endpoint("c", 4318, "/v1/traces")),
        ("http://c/", "http/protobuf", Endpoint("c", 4318, "/v1/traces")),
        ("http://[::1]:80/x", "http/protobuf", Endpoint("::1", 80, "/x/v1/traces")),
        ("https://c", "grpc", Endpoint("c", 4317, "", is_secure=True)),
        ("http://c:4317/", "grpc", Endpoint("c", 4317)),
    ],
)
def test_an_endpoint_of_all_signals_has_the_path_of_traces_behind(tmp_path: Path, url: str, protocol: str, expected: Endpoint) -> None:
    found = export(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=url, OTEL_EXPORTER_OTLP_PROTOCOL=protocol).endpoint
    assert found == expected


def test_an_endpoint_is_told_as_a_url() -> None:
    assert str(Endpoint("::1", 4318, "/v1/traces", is_secure=True)) == "https://[::1]:4318/v1/traces"


def test_the_list_of_exporters_switches_on_and_off(tmp_path: Path) -> None:
    assert export(tmp_path, OTEL_TRACES_EXPORTER="console, otlp").endpoint == Endpoint("localhost", 4318, "/v1/traces")
    assert export(tmp_path, OTEL_TRACES_EXPORTER="otlp", OTEL_EXPORTER_OTLP_PROTOCOL="grpc").endpoint == Endpoint("localhost", 4317)
    assert read(tmp_path, "opentelemetry = true", OTEL_TRACES_EXPORTER="none", **{AT: "http://c"}) == OtlpOptions(opentelemetry=True)
    assert read(tmp_path, "opentelemetry = true", OTEL_SDK_DISABLED="True", **{AT: "http://c"}) == OtlpOptions()
    assert read(tmp_path, OTEL_SDK_DISABLED="false", **{AT: "http://c"}).export is not None


@pytest.mark.parametrize(
    ("environ", "error"),
    [
        ({AT: "collector:4317"}, f"{AT}: 'collector:4317' is no URL of a collector; give http://host:4318, or https:// for TLS"),
        ({AT: "http://"}, f"{AT}: 'http://' is no URL of a collector; give http://host:4318, or https:// for TLS"),
        ({AT: "http://c:99999"}, f"{AT} is no URL; give http://host:4318, or https:// for TLS"),
        ({AT: "http://[c"}, f"{AT} is no URL; give http://host:4318, or https:// for TLS"),
        ({AT: "http://c/a b"}, f"{AT}: 'http://c/a b' is no URL of a collector; give http://host:4318, or https:// for TLS"),
        ({AT: "http://c/#a"}, f"{AT}: 'http://c/#a' has what no request can name; give http://host:4318, or https:// for TLS"),
        (
            {AT: "http://u:secret@c"},
            f"{AT} has a password in its URL; put it into OTEL_EXPORTER_OTLP_HEADERS, such as authorization=Basic%20...",
        ),
        (
            {AT: "http://c/v1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            f"{AT}: 'http://c/v1' has a path, which gRPC has not; leave it out, or set the protocol http/protobuf",
        ),
        (
            {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"},
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json' is not known; give http/protobuf or grpc",
        ),
        ({"OTEL_EXPORTER_OTLP_COMPRESSION": "br"}, "OTEL_EXPORTER_OTLP_COMPRESSION: 'br' is not known; give none or gzip"),
        (
            {"OTEL_EXPORTER_OTLP_TIMEOUT": "10s"},
            "OTEL_EXPORTER_OTLP_TIMEOUT: '10s' is out of range; give 1 to 3600000 milliseconds",
        ),
        ({"OTEL_BSP_MAX_QUEUE_SIZE": "-1"}, "OTEL_BSP_MAX_QUEUE_SIZE: '-1' is out of range; give 1 to 1048576 spans"),
        ({"OTEL_BSP_SCHEDULE_DELAY": "9" * 5000}, f"OTEL_BSP_SCHEDULE_DELAY: '{'9' * 64}' is out of range; give 1 to 3600000 milliseconds"),
        (
            {"OTEL_BSP_MAX_QUEUE_SIZE": "100"},
            "telemetry.otlp_batch: a batch of 512 spans is more than the 100 of the queue; give fewer, or a larger OTEL_BSP_MAX_QUEUE_SIZE",
        ),
        (
            {"OTEL_EXPORTER_OTLP_CERTIFICATE": "/nowhere.pem"},
            "OTEL_EXPORTER_OTLP_CERTIFICATE: /nowhere.pem cannot be read: No such file or directory; name a PEM file",
        ),
        (
            {"OTEL_EXPORTER_OTLP_CLIENT_KEY": __file__},
            "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY belong together; set both, or neither",
        ),
        (
            {"OTEL_EXPORTER_OTLP_HEADERS": "a=1,secret"},
            "OTEL_EXPORTER_OTLP_HEADERS: its entry 2 is no pair; give name=value, with a comma between two, percent-encoded",
        ),
        ({"OTEL_EXPORTER_OTLP_HEADERS": "a b=1"}, "OTEL_EXPORTER_OTLP_HEADERS: 'a b' is no name of a header; give letters, digits and -"),
        ({"OTEL_EXPORTER_OTLP_HEADERS": "Host=c"}, "OTEL_EXPORTER_OTLP_HEADERS: host is set by towpath; leave it out"),
        (
            {"OTEL_EXPORTER_OTLP_HEADERS": "a=se%0Acret"},
            "OTEL_EXPORTER_OTLP_HEADERS: the value of a has characters that no header carries; give printable ASCII",
        ),
        (
            {"OTEL_RESOURCE_ATTRIBUTES": "=1"},
            "OTEL_RESOURCE_ATTRIBUTES: its entry 1 is no pair; give name=value, with a comma between two, percent-encoded",
        ),
        ({"OTEL_SDK_DISABLED": "1"}, "OTEL_SDK_DISABLED: '1' is not known; give true or false"),
    ],
)
def test_a_mistake_names_its_variable(tmp_path: Path, environ: dict[str, str], error: str) -> None:
    with pytest.raises(SetupError) as caught:
        read(tmp_path, **{AT: "http://c", **environ})
    assert str(caught.value).removeprefix(f"{tmp_path}/towpath.toml: ") == error
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("otlp_queue = 0", "otlp_queue: 0 is out of range; give 1 to 1048576 spans"),
        ('otlp_delay = "2h"', "otlp_delay: '2h' is not a duration; write seconds"),
        ('otlp_protocol = "thrift"', "otlp_protocol: 'thrift' is not known; give http/protobuf or grpc"),
        ('otlp_certificate = "/nowhere"', "otlp_certificate: /nowhere cannot be read: No such file or directory; name a PEM file"),
        ('otlp_headers = { content-type = "x" }', "otlp_headers: content-type is set by towpath; leave it out"),
        ("otlp_headers = { a = 1 }", "otlp_headers[...]: expected `str`, got `int`"),
        ("otlp_kept = 1", "otlp_kept: expected `bool`, got `int`"),
    ],
)
def test_a_mistake_in_the_file_names_its_key(tmp_path: Path, text: str, error: str) -> None:
    with pytest.raises(SetupError) as caught:
        read(tmp_path, f'otlp_endpoint = "http://c"\n{text}')
    assert str(caught.value).startswith(f"{tmp_path}/towpath.toml: telemetry.{error}")


def test_no_value_of_a_header_is_told(tmp_path: Path) -> None:
    shown: dict[str, Any] = dict(told(read(tmp_path, OTEL_EXPORTER_OTLP_HEADERS="authorization=secret", **{AT: "http://c"})))
    assert shown["otlp_headers"] == "authorization"
    assert shown["otlp_endpoint"] == "http://c:4318/v1/traces"
    assert "secret" not in str(shown)
