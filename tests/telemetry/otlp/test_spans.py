"""Spans, read by the generated classes of OpenTelemetry's own contract."""

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.telemetry.otlp.rows import CALLER, NONE, TRACE, values
from towpath._core.errors import Code
from towpath._core.propagation.span_ids import own_span_id
from towpath._telemetry.flight_recorder.row import LAYOUT, REMOTE, SAMPLED, SIZE, STREAM, UNKNOWN_CODE, Kind, unpacked
from towpath._telemetry.otlp.protobuf import delimited
from towpath._telemetry.otlp.spans import VALUES, SpanWriter, endpoint, request, scope_spans

EPOCH = 1_790_000_000_000_000_000
CRITICAL = 2 << 3


def spans(*written: bytes) -> list[Span]:
    message = ExportTraceServiceRequest.FromString(request(b"", scope_spans("1.2"), list(written)))
    (resource,) = message.resource_spans
    if not written:
        assert not resource.scope_spans
        return []
    (scope,) = resource.scope_spans
    assert (scope.scope.name, scope.scope.version) == ("towpath", "1.2")
    return list(scope.spans)


def attributes(span: Span) -> dict[str, Any]:
    found = {pair.key: getattr(pair.value, str(pair.value.WhichOneof("value"))) for pair in span.attributes}
    assert len(found) == len(span.attributes)
    return found


def written(kind: Kind, *, call: bytes = b"", own: dict[str, str | int] | None = None, **changed: Any) -> Span:
    row, name = values(kind, **changed)
    writer = SpanWriter(name, epoch=EPOCH, own=own or {})
    method = {Kind.SERVER: writer.server, Kind.CALL: writer.call}.get(kind)
    (span,) = spans(method(row) if method is not None else writer.attempt(row, call))
    return span


def own_id(serial: int) -> bytes:
    return own_span_id(serial).to_bytes(8, "big")


def test_a_received_call_is_a_server_span_below_the_callers_attempt() -> None:
    span = written(Kind.SERVER, own={"server.address": "10.0.0.9", "server.port": 8080}, flags=SAMPLED | 3 << 3, tenant="acme")
    assert (span.trace_id.hex(), span.parent_span_id.hex(), span.span_id) == (TRACE, CALLER, own_id(7))
    assert (span.name, span.kind, span.flags) == ("shop.v1.Cart/Add", Span.SPAN_KIND_SERVER, 0x301)
    base = EPOCH + 12_500_000_000
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (base, base + 5_400_000)
    assert attributes(span) == {
        "rpc.system.name": "grpc",
        "rpc.method": "shop.v1.Cart/Add",
        "rpc.status_code": "OK",
        "server.address": "10.0.0.9",
        "server.port": 8080,
        "client.address": "10.0.0.1",
        "client.port": 5123,
        "network.peer.address": "10.0.0.1",
        "network.peer.port": 5123,
        "towpath.tenant": "acme",
        "towpath.criticality": "CRITICAL_PLUS",
        "towpath.request.size": 64,
        "towpath.response.size": 300,
        "towpath.phase.receive": 0.0001,
        "towpath.phase.admit": 0.00015,
        "towpath.phase.start": 0.00005,
        "towpath.phase.layers": 0.00001,
        "towpath.phase.handle": 0.005,
        "towpath.phase.write": 0.00009,
    }
    assert not span.HasField("status")


def test_a_call_with_one_attempt_is_a_client_span_below_the_call_it_was_made_for() -> None:
    span = written(Kind.ATTEMPT)
    assert (span.span_id.hex(), span.parent_span_id) == (CALLER, own_id(7))
    assert (span.kind, span.flags) == (Span.SPAN_KIND_CLIENT, 0x101)
    found = attributes(span)
    assert (found["server.address"], found["server.port"]) == ("10.0.0.1", 5123)
    assert "client.address" not in found
    assert [key for key in found if ".phase." in key] == [
        f"towpath.phase.{name}" for name in ("policies", "connect", "send", "wait", "read", "resume")
    ]


def test_calls_that_were_made_for_none_and_came_from_none_have_no_parent() -> None:
    assert written(Kind.ATTEMPT, serial=0).parent_span_id == b""
    assert written(Kind.CALL, serial=0).parent_span_id == b""
    span = written(Kind.SERVER, span=own_id(7).hex())
    assert (span.parent_span_id, span.flags) == (b"", 0x101)


def test_the_attempts_of_one_call_are_below_it() -> None:
    row, name = values(Kind.CALL, attempt=2, marks=(NONE, NONE, NONE, NONE, NONE, 9000), code=14)
    writer = SpanWriter(name, epoch=EPOCH)
    attempts = [values(Kind.ATTEMPT, attempt=number, span=f"{number + 1:016x}")[0] for number in range(2)]
    ids = {writer.call_span_id(one) for one in (row, *attempts)}
    assert len(ids) == 1
    call, first, second = spans(writer.call(row), *(writer.attempt(one, *ids) for one in attempts))
    assert {call.span_id} == ids == {first.parent_span_id, second.parent_span_id}
    assert call.parent_span_id == own_id(7)
    assert (first.span_id, second.span_id) == (b"\0" * 7 + b"\1", b"\0" * 7 + b"\2")
    assert attributes(call)["towpath.attempts"] == 2
    assert (attributes(first).get("towpath.attempt"), attributes(second)["towpath.attempt"]) == (None, 1)
    assert call.end_time_unix_nano - call.start_time_unix_nano == 9_000_000
    assert not any(".phase." in key for key in attributes(call))
    other = values(Kind.ATTEMPT, base=12.6)[0]
    assert writer.call_span_id(other) not in ids


def test_an_attempt_of_several_begins_where_it_began() -> None:
    span = written(Kind.ATTEMPT, call=b"callcall", attempt=1)
    assert span.start_time_unix_nano == EPOCH + 12_500_000_000 + 100_000
    assert span.end_time_unix_nano == EPOCH + 12_500_000_000 + 5_400_000
    phases = {key: value for key, value in attributes(span).items() if ".phase." in key}
    assert "towpath.phase.policies" not in phases
    assert sum(phases.values()) == pytest.approx(0.0053)


SERVER_ERRORS = {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}


@pytest.mark.parametrize("code", list(Code))
def test_a_callers_mistake_is_no_error_of_the_server(code: Code) -> None:
    server, client = written(Kind.SERVER, code=code), written(Kind.ATTEMPT, code=code)
    assert (server.status.code == Status.STATUS_CODE_ERROR) == (code.name in SERVER_ERRORS)
    assert client.status.code == Status.STATUS_CODE_ERROR
    for span in (server, client):
        found = attributes(span)
        assert found["rpc.status_code"] == found["error.type"] == code.name


def test_a_call_whose_end_is_not_known_failed_in_another_way() -> None:
    found = attributes(span := written(Kind.SERVER, code=UNKNOWN_CODE))
    assert span.status.code == Status.STATUS_CODE_ERROR
    assert (found["error.type"], "rpc.status_code" in found) == ("_OTHER", False)
    assert attributes(written(Kind.ATTEMPT, code=99))["error.type"] == "99"


def test_a_span_says_where_an_error_was_decided_and_why() -> None:
    here = attributes(written(Kind.SERVER, code=Code.RESOURCE_EXHAUSTED, reason="admission/QUEUE_FULL"))
    assert (here["towpath.error.from"], here["towpath.reason"]) == ("here", "admission/QUEUE_FULL")
    assert attributes(written(Kind.ATTEMPT, code=Code.UNAVAILABLE, flags=SAMPLED | REMOTE))["towpath.error.from"] == "peer"


def test_a_method_that_the_service_does_not_have_has_the_systems_name() -> None:
    for method in ("_OTHER", ""):
        span = written(Kind.SERVER, method=method, code=Code.UNIMPLEMENTED)
        assert (span.name, attributes(span)["rpc.method"]) == ("grpc", "_OTHER")


def test_a_call_that_was_kept_and_not_sampled_says_so() -> None:
    assert written(Kind.SERVER, flags=2).flags == 0x300


@pytest.mark.parametrize(
    ("marks", "phases", "microseconds"),
    [
        ((), {}, 0),
        ((NONE, NONE, NONE, NONE, NONE, 80), {"write": 80}, 80),
        ((100, 250, NONE, NONE, NONE, 400), {"receive": 100, "admit": 150, "write": 150}, 400),
        ((5000, 20, 30, 40, 6000, 6010), {"admit": 20, "start": 10, "layers": 10, "handle": 5960, "write": 10}, 6010),
        ((0, 0, 0, 0, 0, 0), dict.fromkeys(("receive", "admit", "start", "layers", "handle", "write"), 0), 0),
    ],
)
def test_the_phases_tile_what_is_known_of_a_call(marks: tuple[int, ...], phases: dict[str, int], microseconds: int) -> None:
    span = written(Kind.SERVER, marks=marks, flags=SAMPLED | STREAM)
    found = attributes(span)
    assert {key[14:]: round(value * 1e6, 3) for key, value in found.items() if ".phase." in key} == phases
    assert span.end_time_unix_nano - span.start_time_unix_nano == microseconds * 1000
    assert found["towpath.stream"] is True


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("10.0.0.1:80", ("10.0.0.1", 80)),
        ("[::1]:443", ("::1", 443)),
        ("cart.internal:8080", ("cart.internal", 8080)),
        ("unix:/run/cart.sock", ("unix:/run/cart.sock", None)),
        ("::1", ("::1", None)),
        ("[::1]", ("::1", None)),
        ("10.0.0.1", ("10.0.0.1", None)),
        (":80", (":80", None)),
        ("host:99999999", ("host:99999999", None)),
        ("cart", ("cart", None)),
        ("", ("", None)),
    ],
)
def test_a_peers_text_is_address_and_port(peer: str, expected: tuple[str, int | None]) -> None:
    assert endpoint(peer) == expected


def test_a_span_with_the_longest_names_is_read() -> None:
    long = "\u20ac" * 85
    span = written(Kind.SERVER, method=long, peer=long, tenant=long, reason=long, sizes=(2**32 - 1, 2**32 - 1))
    assert attributes(span)["rpc.method"] == long
    assert attributes(span)["towpath.request.size"] == 2**32 - 1
    (huge,) = spans(delimited(2, delimited(5, b"x" * 70_000)))
    assert len(huge.name) == 70_000


@given(st.binary(min_size=SIZE, max_size=SIZE))
def test_the_writer_reads_a_row_as_its_layout_has_it(packed: bytes) -> None:
    number, marks = struct.pack("<I", 5), struct.pack("<8f", *(byte / 64 for byte in packed[84:92]))
    packed = number + packed[4:84] + marks + packed[116:-4] + number
    row, found = unpacked(packed), VALUES.unpack(packed)
    assert (VALUES.size, LAYOUT.size) == (SIZE, SIZE)
    assert row is not None
    assert (row.kind, row.code, row.flags, row.attempt) == tuple(found[1])
    assert found[2] == row.base or row.base != row.base
    assert (row.trace_and_span[3:35], row.trace_and_span[36:52], row.serial, row.branch) == found[3:7]
    assert (row.method, row.peer, row.tenant, row.reason) == struct.unpack("<4H", found[7])
    assert (row.marks[:6], (row.request_size, row.response_size)) == (
        tuple(round(mark * 1e6) for mark in found[8:14]),
        struct.unpack("<2I", found[14]),
    )


@given(
    st.sampled_from(list(Kind)),
    st.lists(st.integers(0, 2**32 - 1), min_size=8, max_size=8),
    st.integers(0, 255),
    st.integers(0, 255),
    st.integers(0, 255),
    st.integers(0, 2**32 - 1),
)
def test_whatever_a_row_holds_is_a_span_that_does_not_end_before_it_begins(
    kind: Kind, marks: list[int], code: int, flags: int, attempt: int, serial: int
) -> None:
    for call in (b"", b"callcall"):
        span = written(kind, call=call, marks=tuple(marks), code=code, flags=flags, attempt=attempt, serial=serial)
        assert span.start_time_unix_nano <= span.end_time_unix_nano
        phases = [value for key, value in attributes(span).items() if ".phase." in key]
        assert all(value >= 0 for value in phases)
        if phases:
            assert sum(phases) == pytest.approx((span.end_time_unix_nano - span.start_time_unix_nano) / 1e9, rel=1e-6, abs=1e-5)
