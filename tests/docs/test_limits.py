"""The page of limits has every limit with a setting, with the default that the code has, and the fixed ones with their values."""

import re
from pathlib import Path
from types import ModuleType

import pytest

from towpath._cli.explained.limits import server_limits
from towpath._core.propagation import baggage, fields, trace_state
from towpath._telemetry.logs import json_format, log_writer, record_fields
from towpath._telemetry.otlp import exporter, http_sender
from towpath._transport.server import unfinished_stream
from towpath._transport.server.connections import connection_limits
from towpath._wire import compression, metadata
from towpath._wire.http2 import control
from towpath._wire.json import wellknown
from towpath._wire.rest import binding, router
from towpath.settings import load

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "limits.md").read_text()
ROWS = dict(re.findall(r"^\| (.+?) \| (.+?) \|", PAGE, re.MULTILINE))

NO_LIMITS = frozenset({"compression", "cors", "json_defaults", "openapi", "reflection", "trust"})
"""What `towpath explain` lists beside the limits."""

FIXED: dict[str, tuple[ModuleType, str]] = {
    "parameters in a frame of SETTINGS": (control, "_MOST_PARAMETERS"),
    "replies that wait for a client that does not read": (control, "_MOST_UNREAD_REPLIES"),
    "bytes of metadata in an answer": (metadata, "_MOST"),
    "bytes that are dropped after an early answer": (unfinished_stream, "_MAX_DROPPED"),
    "refused uploads over gRPC of a connection that are told to stop 2 s later": (unfinished_stream, "_MOST_LINGERING"),
    "members of gzip in a message": (compression, "_MAX_MEMBERS"),
    "segments of a path of REST": (router, "_MOST_SEGMENTS"),
    "parameters of a query of REST": (binding, "_MOST_PARAMETERS"),
    "paths of a FieldMask in JSON": (wellknown, "_MOST_PATHS"),
    "bytes of a tenant's name": (fields, "_MAX_TENANT"),
    "members of a `tracestate`": (trace_state, "_MAX_MEMBERS"),
    "characters of a `tracestate`": (trace_state, "_MAX_LENGTH"),
    "members of `baggage`": (baggage, "_MAX_MEMBERS"),
    "bytes of `baggage`": (baggage, "_MAX_BYTES"),
    "bytes of a collector's answer to [spans](opentelemetry.md)": (http_sender, "_LARGEST_ANSWER"),
    "bytes of spans in a request to a collector": (exporter, "_LARGEST_REQUEST"),
    "lines of the log that wait for its reader": (log_writer, "MAX_LINES"),
    "bytes of a line of JSON in the log": (json_format, "MAX_LINE"),
    "characters of a message or a traceback in the log": (record_fields, "MAX_TEXT"),
}


def test_it_has_every_limit_with_its_default(tmp_path: Path) -> None:
    (tmp_path / "towpath.toml").write_text("")
    limits = {
        f"`{key}`": value for key, value, _ in server_limits(load(tmp_path / "towpath.toml", {})) if key.partition(".")[0] not in NO_LIMITS
    }
    assert {key: value for key, value in ROWS.items() if key.startswith("`")} == limits


@pytest.mark.parametrize("limit", FIXED)
def test_a_fixed_limit_has_the_value_of_the_code(limit: str) -> None:
    module, name = FIXED[limit]
    assert int(ROWS[limit]) == vars(module)[name]


def test_it_has_no_fixed_limit_that_is_not_held_against_the_code() -> None:
    section = PAGE.partition("## Without a setting")[2]
    assert set(re.findall(r"^\| (.+?) \| \d+ \|", section, re.MULTILINE)) == set(FIXED)


@pytest.mark.parametrize(
    "name",
    [
        "TOO_MANY",
        "TOO_MANY_OF_PEER",
        "NO_FILE_LEFT",
        "MADE_ROOM",
        "HEAD_TIMEOUT",
        "BODY_TIMEOUT",
        "UNUSED_TIMEOUT",
        "UNREAD_TIMEOUT",
        "IDLE_TIMEOUT",
        "KEEPALIVE_TIMEOUT",
        "MAX_AGE",
        "FLOOD",
    ],
)
def test_it_has_each_reason_of_the_connections(name: str) -> None:
    assert f"`{getattr(connection_limits, name)}`" in PAGE
