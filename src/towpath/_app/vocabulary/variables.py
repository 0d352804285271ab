"""The environment variables that towpath reads. A module that reads another one fails a test, which finds them in the sources."""

from typing import Final, NamedTuple


class Variable(NamedTuple):
    """One variable, or all variables whose names begin alike."""

    name: str
    """The name; one that ends in `_` is the beginning of several."""
    setting: str
    """The setting of the service file over which it wins; empty for none."""
    meaning: str
    """Its values and what they do, for people."""


VARIABLES: Final = (
    Variable(
        "TOWPATH_CONFIG",
        "",
        "The path of the service file. It wins over the file that the program names, and over `towpath.toml` in the working directory.",
    ),
    Variable("TOWPATH_LISTEN", "service.listen", "The address to listen on, such as `127.0.0.1:8080` or `unix:///run/search.sock`."),
    Variable("TOWPATH_ADMIN", "service.admin", "The address for probes and scrapers, such as `127.0.0.1:9090`."),
    Variable("TOWPATH_WORKERS", "service.workers", "The number of processes that serve, 1 or more."),
    Variable(
        "TOWPATH_INSECURE",
        "service.insecure",
        "`1` lets the service speak plaintext beyond this machine. Empty and `0` leave it to the file. It cannot switch off what the file "
        "switches on.",
    ),
    Variable(
        "TOWPATH_IDEMPOTENCY",
        "service.idempotency",
        "The store of answers by idempotency key. An address with a password belongs here rather than into the file.",
    ),
    Variable(
        "TOWPATH_QUOTA_STORE",
        "service.quota_store",
        "The store that counts calls for quotas. An address with a password belongs here rather than into the file.",
    ),
    Variable(
        "TOWPATH_TRUST", "service.trust", "The callers whose words are believed. Commas separate the entries of a list: `10.4.0.0/16,unix`."
    ),
    Variable(
        "TOWPATH_TARGET_",
        "targets.NAME",
        "The address of the target of that name, in capitals and with `_` for `-`: `TOWPATH_TARGET_FLIGHTS`. "
        "The target's other settings stay.",
    ),
    Variable(
        "TOWPATH_SETTINGS_",
        "settings.NAME",
        "One of the service's own settings: the tables and the field in capitals, joined by `_`: `TOWPATH_SETTINGS_DATABASE_URL`. "
        "Commas separate the entries of a list.",
    ),
    Variable(
        "OTEL_TRACES_SAMPLER",
        "telemetry.sampling",
        "OpenTelemetry's name of a sampler: `always_on`, `always_off`, `traceidratio`, or one of these behind `parentbased_`.",
    ),
    Variable("OTEL_TRACES_SAMPLER_ARG", "", "The ratio of the samplers `traceidratio`, 0 to 1; 1 without it."),
    Variable(
        "OTEL_EXPORTER_OTLP_",
        "",
        "Where spans go, as OpenTelemetry has it: `ENDPOINT`, `PROTOCOL` (`grpc` or `http/protobuf`), `HEADERS`, `TIMEOUT` (ms), "
        "`COMPRESSION`, `CERTIFICATE`, `CLIENT_CERTIFICATE` and `CLIENT_KEY`. The same names behind `OTEL_EXPORTER_OTLP_TRACES_` win. All "
        "of them win over the settings `telemetry.otlp_*`.",
    ),
    Variable("OTEL_TRACES_EXPORTER", "", "`otlp` exports spans, to this machine if no endpoint is given. Any other list exports none."),
    Variable("OTEL_SDK_DISABLED", "", "`true` exports no spans and joins no spans of users."),
    Variable("OTEL_SERVICE_NAME", "", "The name of the service in spans, in place of `service.name`."),
    Variable("OTEL_RESOURCE_ATTRIBUTES", "telemetry.resource", "Attributes of the process in spans: `a=1,b=2`, percent-encoded."),
    Variable("OTEL_BSP_MAX_QUEUE_SIZE", "telemetry.otlp_queue", "How many spans wait for their export at the most."),
    Variable("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "telemetry.otlp_batch", "How many spans a request has at the most."),
    Variable("OTEL_BSP_SCHEDULE_DELAY", "telemetry.otlp_delay", "How long a span waits for others, in milliseconds."),
    Variable("OTEL_BSP_EXPORT_TIMEOUT", "", "The longest that a request may take, in milliseconds, if that is less than the timeout."),
    Variable("TOWPATH_PURE", "", "`1` has JSON written in Python, even where the extension in C was built. Empty and `0` do not."),
    Variable(
        "TOWPATH_RUNTIME_DIRECTORY",
        "",
        "The folder below which a folder of the user's own has the files and sockets of running processes, where `towpath top` and "
        "`towpath trace` find them. Without it `/dev/shm`, or the folder for temporary files.",
    ),
    Variable("TOWPATH_LOG_FORMAT", "telemetry.logs.format", "How records are logged: `auto`, `json` or `console`."),
    Variable("TOWPATH_LOG_LEVEL", "telemetry.logs.level", "The least level that is logged, such as `DEBUG`."),
    Variable("NO_COLOR", "", "Any value but the empty one keeps colour out of the output of commands and of logs (https://no-color.org)."),
    Variable("FORCE_COLOR", "", "Any value but the empty one and `0` gives text in logs its colours where there is no terminal, too."),
    Variable(
        "TOWPATH_LISTEN_FD",
        "",
        "The file descriptor of a listening socket that the process inherits, in place of an address. A supervisor sets it for one start.",
    ),
    Variable(
        "TOWPATH_NOTIFY_FD",
        "",
        "The file descriptor on which the process writes `READY=1` once it serves. A supervisor sets it for one start, and the process "
        "stops when the other end closes.",
    ),
    Variable(
        "TOWPATH_METRICS_DUMP",
        "",
        "The path of the file to which the process writes its metrics when it ends. A supervisor sets it for one start.",
    ),
    Variable("TOWPATH_WORKER", "", "The number of this worker among several. The process that starts the workers sets it."),
)
"""Every variable, those that people set first. Variables win over the service file where they are not empty."""
