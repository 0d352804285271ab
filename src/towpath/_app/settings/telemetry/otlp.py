"""The keys of `[telemetry]` that say where spans go, and OpenTelemetry's variables for the same
(https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/), which win over the file.

[telemetry]
otlp_endpoint = "http://collector:4318"          # without it, and without its variables, no span leaves the process
otlp_protocol = "http/protobuf"                  # or "grpc"
opentelemetry = true                             # users' spans begin inside towpath's; needs the extra `otel`
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from towpath._app.settings.option_tables import Keys, Number, Seconds
from towpath._app.settings.telemetry.table import TelemetryTable
from towpath._core.errors import SetupError
from towpath._telemetry.otlp.options import Endpoint, ExportOptions

OTLP: Final[Keys] = {
    "otlp_timeout": Seconds("timeout", 0.001, 3600),
    "otlp_queue": Number("queue", 1, 1 << 20, "spans"),
    "otlp_batch": Number("batch", 1, 1 << 16, "spans"),
    "otlp_delay": Seconds("delay", 0.001, 3600),
}
"""The keys that have a range."""

_OWN, _COMMON = "OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_"
_PROTOCOLS: Final = ("http/protobuf", "grpc")
_COMPRESSIONS: Final = ("none", "gzip")
_PORTS: Final = {"grpc": 4317, "http/protobuf": 4318}
_PATH: Final = "/v1/traces"
_VARIABLES: Final = {
    **{f"otlp_{name}": (_OWN + name.upper(), _COMMON + name.upper()) for name in ("endpoint", "protocol", "headers", "compression")},
    "otlp_certificate": (f"{_OWN}CERTIFICATE", f"{_COMMON}CERTIFICATE"),
    "otlp_timeout": (f"{_OWN}TIMEOUT", f"{_COMMON}TIMEOUT", "OTEL_BSP_EXPORT_TIMEOUT"),
    "otlp_queue": ("OTEL_BSP_MAX_QUEUE_SIZE",),
    "otlp_batch": ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE",),
    "otlp_delay": ("OTEL_BSP_SCHEDULE_DELAY",),
    "resource": ("OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"),
}
"""The variables that win over a key."""
_NAME_CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.!#$%&'*+^`|~")


@dataclass(frozen=True, kw_only=True)
class OtlpOptions:
    """What goes to OpenTelemetry."""

    export: ExportOptions | None = None
    """Where spans go; None for nowhere."""
    opentelemetry: bool = False
    """Whether spans of users and of other libraries begin inside towpath's."""


@dataclass(frozen=True)
class _Given:
    """A value, and the variable or the key that gave it."""

    value: str
    where: str


def read_otlp(table: TelemetryTable, where: str, environ: Mapping[str, str]) -> OtlpOptions:
    """The options. Raises SetupError that names the variable, or the place below `where`."""
    bridged = table.opentelemetry is True
    if _is_true("OTEL_SDK_DISABLED", environ):
        return OtlpOptions()
    given = _Reader(table, where, environ)
    exporters = {name.strip() for name in environ.get("OTEL_TRACES_EXPORTER", "").split(",") if name.strip()}
    endpoint = given.text("ENDPOINT", "otlp_endpoint")
    if (exporters and "otlp" not in exporters) or (endpoint is None and not exporters):
        return OtlpOptions(opentelemetry=bridged)
    protocol = given.choice("PROTOCOL", "otlp_protocol", _PROTOCOLS)
    certificate, key = given.file("CLIENT_CERTIFICATE", None), given.file("CLIENT_KEY", None)
    if (certificate is None) != (key is None):
        raise SetupError(f"{_COMMON}CLIENT_CERTIFICATE and {_COMMON}CLIENT_KEY belong together; set both, or neither")
    numbers = given.numbers()
    if numbers["batch"] > numbers["queue"]:
        raise SetupError(
            f"{given.named('otlp_batch', 'OTEL_BSP_MAX_EXPORT_BATCH_SIZE')}: a batch of {numbers['batch']} spans is more than the "
            f"{numbers['queue']} of the queue; give fewer, or a larger {given.named('otlp_queue', 'OTEL_BSP_MAX_QUEUE_SIZE')}"
        )
    return OtlpOptions(
        opentelemetry=bridged,
        export=ExportOptions(
            endpoint=_endpoint(endpoint, protocol),
            protocol=protocol,  # pyright: ignore[reportArgumentType] - one of _PROTOCOLS
            headers=given.headers(),
            compression=given.choice("COMPRESSION", "otlp_compression", _COMPRESSIONS),  # pyright: ignore[reportArgumentType] - one of these
            certificate=given.file("CERTIFICATE", table.otlp_certificate),
            client_certificate=certificate,
            client_key=key,
            kept=table.otlp_kept is True,
            resource=given.resource(),
            **numbers,
        ),
    )


class _Reader:
    """Reads a value from its variable, from its variable of all signals, or from the table: the first that has one."""

    def __init__(self, table: TelemetryTable, where: str, environ: Mapping[str, str]) -> None:
        self._table, self._where, self._environ = table, where, environ

    def text(self, variable: str, key: str) -> _Given | None:
        """What the first of them says; None if none does."""
        for name in (_OWN + variable, _COMMON + variable):
            if self._environ.get(name, "").strip():
                return _Given(self._environ[name].strip(), name)
        value = getattr(self._table, key, None)
        return None if value is None else _Given(value, f"{self._where}.{key}")

    def choice(self, variable: str, key: str, choices: tuple[str, ...]) -> str:
        """One of `choices`, by default the first."""
        given = self.text(variable, key)
        if given is None:
            return choices[0]
        if given.value not in choices:
            raise SetupError(f"{given.where}: {given.value[:64]!r} is not known; give {' or '.join(choices)}")
        return given.value

    def file(self, variable: str, default: str | None) -> Path | None:
        """A file that can be read."""
        given = self.text(variable, "")
        if given is None and default is not None:
            given = _Given(default, f"{self._where}.otlp_certificate")
        if given is None:
            return None
        path = Path(given.value)
        try:
            path.open("rb").close()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise SetupError(f"{given.where}: {given.value} cannot be read: {reason}; name a PEM file") from None
        return path

    def headers(self) -> tuple[tuple[str, str], ...]:
        """Names and values. No error shows a value."""
        given = self.text("HEADERS", "")
        if given is not None:
            return tuple(_pairs(given, is_header=True))
        where = f"{self._where}.otlp_headers"
        return tuple(_header(name, value, where) for name, value in (self._table.otlp_headers or {}).items())

    def resource(self) -> dict[str, str]:
        """Attributes of the resource."""
        found = dict(self._table.resource or {})
        variable = "OTEL_RESOURCE_ATTRIBUTES"
        found |= dict(_pairs(_Given(self._environ.get(variable, ""), variable), is_header=False))
        name = self._environ.get("OTEL_SERVICE_NAME", "").strip()
        return found | ({"service.name": name} if name else {})

    def numbers(self) -> dict[str, Any]:
        """The options that are numbers."""
        usual = ExportOptions(endpoint=Endpoint("", 0))
        found: dict[str, Any] = {}
        for key, option in OTLP.items():
            value = getattr(self._table, key)
            name = option.option
            found[name] = getattr(usual, name) if value is None else option.read(value, f"{self._where}.{key}")
        found["timeout"] = self._milliseconds(f"{_COMMON}TIMEOUT", found["timeout"])
        found["timeout"] = self._milliseconds(f"{_OWN}TIMEOUT", found["timeout"])
        if self._environ.get("OTEL_BSP_EXPORT_TIMEOUT", "").strip():
            found["timeout"] = min(found["timeout"], self._milliseconds("OTEL_BSP_EXPORT_TIMEOUT", 0))
        found["delay"] = self._milliseconds("OTEL_BSP_SCHEDULE_DELAY", found["delay"])
        found["queue"] = self._integer("OTEL_BSP_MAX_QUEUE_SIZE", found["queue"], 1 << 20, "spans")
        found["batch"] = self._integer("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", found["batch"], 1 << 16, "spans")
        return found

    def named(self, key: str, variable: str) -> str:
        """The variable if it is set, else the key."""
        return variable if self._environ.get(variable, "").strip() else f"{self._where}.{key}"

    def _milliseconds(self, variable: str, default: float) -> float:
        return default if not self._environ.get(variable, "").strip() else self._integer(variable, 0, 3_600_000, "milliseconds") / 1000

    def _integer(self, variable: str, default: int, most: int, unit: str) -> int:
        text = self._environ.get(variable, "").strip()
        if not text:
            return default
        if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:20]) <= most:
            raise SetupError(f"{variable}: {text[:64]!r} is out of range; give 1 to {most} {unit}")
        return int(text)


def told(options: OtlpOptions) -> Iterator[tuple[str, Any]]:
    """Each key of the table, and its value; of headers the names alone."""
    export = options.export
    shown = export or ExportOptions(endpoint=Endpoint("", 0))
    yield "otlp_endpoint", "none" if export is None else str(export.endpoint)
    yield "otlp_protocol", shown.protocol
    yield "otlp_headers", ", ".join(name for name, _ in shown.headers) or "none"
    yield "otlp_compression", shown.compression
    yield "otlp_certificate", "default" if shown.certificate is None else str(shown.certificate)
    yield "otlp_kept", shown.kept
    for key, option in OTLP.items():
        yield key, option.told(getattr(shown, option.option))
    yield "resource", ", ".join(f"{name}={value}" for name, value in shown.resource.items()) or "none"
    yield "opentelemetry", options.opentelemetry


def variable_of(key: str, environ: Mapping[str, str]) -> str | None:
    """The variable that sets `key`; None if none does."""
    return next((name for name in _VARIABLES.get(key, ()) if environ.get(name, "").strip()), None)


def _endpoint(given: _Given | None, protocol: str) -> Endpoint:
    if given is None:
        given = _Given(f"http://localhost:{_PORTS[protocol]}", "OTEL_TRACES_EXPORTER")
    form = f"give http://host:{_PORTS[protocol]}, or https:// for TLS"
    try:
        url = urlsplit(given.value)
        port = url.port
    except ValueError:
        raise SetupError(f"{given.where} is no URL; {form}") from None
    if url.username is not None or url.password is not None:
        raise SetupError(f"{given.where} has a password in its URL; put it into {_COMMON}HEADERS, such as authorization=Basic%20...")
    shown = given.value[:80]
    if url.scheme not in ("http", "https") or not url.hostname or port == 0 or any(character.isspace() for character in given.value):
        raise SetupError(f"{given.where}: {shown!r} is no URL of a collector; {form}")
    if url.fragment or not given.value.isascii():
        raise SetupError(f"{given.where}: {shown!r} has what no request can name; {form}")
    if protocol == "grpc":
        if url.path not in ("", "/") or url.query:
            raise SetupError(f"{given.where}: {shown!r} has a path, which gRPC has not; leave it out, or set the protocol http/protobuf")
        path = ""
    elif given.where == f"{_OWN}ENDPOINT":
        path = url.path or "/"
    else:
        path = url.path.rstrip("/") + _PATH
    query = f"?{url.query}" if url.query else ""
    return Endpoint(url.hostname, port or _PORTS[protocol], path + query, url.scheme == "https")


def _pairs(given: _Given, *, is_header: bool) -> Iterator[tuple[str, str]]:
    """The pairs of a list such as `a=1,b=2`, whose values are percent-encoded."""
    for number, entry in enumerate(given.value.split(","), 1):
        if not entry.strip():
            continue
        name, equals, value = entry.partition("=")
        name = unquote(name.strip())
        if not equals or not name:
            raise SetupError(f"{given.where}: its entry {number} is no pair; give name=value, with a comma between two, percent-encoded")
        value = unquote(value.strip())
        yield _header(name, value, given.where) if is_header else (name, value)


def _header(name: str, value: str, where: str) -> tuple[str, str]:
    lowered = name.lower()
    if not lowered or not _NAME_CHARACTERS.issuperset(lowered):
        raise SetupError(f"{where}: {name[:64]!r} is no name of a header; give letters, digits and -")
    if lowered in ("content-length", "content-type", "content-encoding", "host", "transfer-encoding", "connection", "te"):
        raise SetupError(f"{where}: {lowered} is set by towpath; leave it out")
    if not all("\x20" <= character <= "\x7e" for character in value):
        raise SetupError(f"{where}: the value of {lowered} has characters that no header carries; give printable ASCII")
    return lowered, value


def _is_true(variable: str, environ: Mapping[str, str]) -> bool:
    text = environ.get(variable, "").strip().lower()
    if text not in ("", "true", "false"):
        raise SetupError(f"{variable}: {text[:64]!r} is not known; give true or false")
    return text == "true"
