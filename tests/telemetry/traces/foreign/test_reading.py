"""Files of other tracing systems: which are read, and what is said of those that are not."""

import base64
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.telemetry.traces.foreign.test_spans_to_trace import START, TRACE, span, told
from towpath._telemetry.traces.foreign.reading import foreign_spans, read_foreign
from towpath._telemetry.traces.foreign.span import ForeignTraceError, SpanKind
from towpath._telemetry.traces.foreign.spans_to_trace import traces_of

JAEGER: dict[str, Any] = {
    "traceID": TRACE,
    "processes": {"p1": {"serviceName": "front", "tags": []}, "p2": {"serviceName": "search"}},
    "spans": [span("call", 0, 100, kind="client", process="p1"), span("served", 20, 60, "call", kind="server", process="p2")],
}


def otlp(kind: Any = 3, *, start: Any = str(START * 1000), **more: Any) -> dict[str, Any]:
    attributes = [
        {"key": "rpc.status_code", "value": {"stringValue": "UNAVAILABLE"}},
        {"key": "thread.id", "value": {"intValue": "7"}},
        {"key": "list", "value": {"arrayValue": {"values": []}}},
    ]
    one = {
        "traceId": TRACE,
        "spanId": "00000000000000aa",
        "parentSpanId": "",
        "name": "Get",
        "kind": kind,
        "startTimeUnixNano": start,
        "endTimeUnixNano": str(START * 1000 + 5_000_999),
        "attributes": attributes,
        "status": {"code": 2},
        **more,
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "front"}}]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [one]}]}]}


def write(folder: Path, name: str, *documents: Any) -> Path:
    (folder / name).write_text("\n".join(map(json.dumps, documents)))
    return folder / name


def test_what_jaeger_s_ui_downloads_is_read(tmp_path: Path) -> None:
    for document in ({"data": [JAEGER]}, JAEGER, [JAEGER]):
        (found,) = read_foreign(write(tmp_path, "trace.json", document))
        assert told(found.trace.root) == ["0-30 call wire", "30-70 served", "70-100 call wire"]
        assert found.trace.trace_id == TRACE
        assert found.trace.root.service == "front"


def test_a_folder_of_crisp_s_has_one_trace_in_each_file(tmp_path: Path) -> None:
    other = TRACE[::-1]
    second = [{**item, "traceID": other, "references": []} for item in JAEGER["spans"]]
    write(tmp_path, "1.json", {"data": [JAEGER]})
    write(tmp_path, "2.json", {"data": [{**JAEGER, "traceID": other, "spans": second}]})
    write(tmp_path, "notes.txt", "no trace")
    assert [found.trace.trace_id for found in read_foreign(tmp_path)] == [TRACE, other]


def test_what_a_collector_writes_is_read_line_by_line(tmp_path: Path) -> None:
    child = otlp(3, spanId="00000000000000bb", parentSpanId="00000000000000aa")
    (found,) = read_foreign(write(tmp_path, "traces.jsonl", otlp(2), child))
    assert found.trace.root.duration == 5000
    assert found.trace.root.code == 14
    assert len(found.trace.roots) == 1
    (whole,) = read_foreign(write(tmp_path, "whole.json", otlp()))
    assert whole.trace.root.service == "front"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (2, SpanKind.SERVER),
        ("2", SpanKind.SERVER),
        ("SPAN_KIND_SERVER", SpanKind.SERVER),
        ("SPAN_KIND_CLIENT", SpanKind.CLIENT),
        (5, SpanKind.CONSUMER),
        (0, SpanKind.INTERNAL),
        (99, SpanKind.INTERNAL),
        ([], SpanKind.INTERNAL),
    ],
)
def test_kinds_are_numbers_or_names(kind: Any, expected: SpanKind) -> None:
    (one,) = foreign_spans(json.dumps(otlp(kind)).encode(), "f")
    assert (one.kind, one.branch, one.service, one.code) == (expected, "7", "front", 14)


def test_ids_are_hex_or_base64() -> None:
    encoded = base64.b64encode(bytes.fromhex(TRACE)).decode()
    (one,) = foreign_spans(json.dumps(otlp(traceId=encoded, spanId="AAAAAAAAAKo=", parentSpanId="0" * 16)).encode(), "f")
    assert (one.trace_id, one.span_id, one.parent_id) == (TRACE, "00000000000000aa", "")
    (upper,) = foreign_spans(json.dumps(otlp(traceId=TRACE.upper(), start=START * 1000)).encode(), "f")
    assert upper.trace_id == TRACE


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        ({}, 0),
        ({"error": True}, 2),
        ({"error": "true"}, 2),
        ({"error": False}, 0),
        ({"otel.status_code": "ERROR"}, 2),
        ({"rpc.grpc.status_code": 5, "error": True}, 5),
        ({"rpc.grpc.status_code": "14"}, 14),
        ({"rpc.grpc.status_code": 77}, 0),
        ({"rpc.status_code": "DEADLINE_EXCEEDED"}, 4),
    ],
)
def test_the_status_is_what_the_tags_say(tags: dict[str, Any], code: int) -> None:
    document = {"spans": [span("a", 0, 1, tags=tags)], "processes": {}}
    (one,) = foreign_spans(json.dumps(document).encode(), "f")
    assert one.code == code


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", "f: Expecting value"),
        (b"hello", "f: Expecting value"),
        (b"{\xff}", "f: it is no text in UTF-8"),
        (b"[" * 100_000, "f: it is nested too deeply"),
        (b'"text"', "f is no object; give Jaeger's JSON"),
        (b"[1]", "f: [0] is no object"),
        (b"{}", "f has neither resourceSpans nor data nor spans; give Jaeger's JSON"),
        (b'{"resourceSpans": []}\n{"resourceSpans": [', "f: line 2: Expecting value"),
        (b'{"data": 1}', "f: data is 1; give a list"),
        (b'{"data": [1]}', "f: data[0] is 1; give an object"),
        (b'{"spans": [1]}', "f.spans[0] is 1; give an object"),
        (b'{"spans": [{"spanID": "xyz"}]}', "f.spans[0].spanID is 'xyz'; give an id in hex"),
        (b'{"spans": [{"spanID": "aa", "startTime": "soon"}]}', "f.spans[0].startTime is 'soon'; give a whole number of 0 or more"),
        (b'{"spans": [{"spanID": "aa", "duration": -1}]}', "f.spans[0].duration is -1; give a whole number"),
        (b'{"spans": [{"spanID": "aa", "duration": true}]}', "f.spans[0].duration is True; give a whole number"),
        (b'{"spans": [{"spanID": "aa", "operationName": 5}]}', "f.spans[0].operationName is 5; give a text"),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"spanId": 5}]}]}]}', "f: resourceSpans[0].scopeSpans[0].spans[0].spanId is 5"),
    ],
)
def test_what_is_no_trace_is_refused_with_its_place(content: bytes, error: str) -> None:
    with pytest.raises(ForeignTraceError) as caught:
        foreign_spans(content, "f")
    assert str(caught.value).startswith(error)
    assert len(str(caught.value)) < 300


def test_a_file_that_is_not_there_or_is_empty_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ForeignTraceError, match=r"gone\.json: No such file or directory; give a file or a folder of files"):
        read_foreign(tmp_path / "gone.json")
    with pytest.raises(ForeignTraceError, match=r"the folder has no file \*\.json"):
        read_foreign(tmp_path)
    with pytest.raises(ForeignTraceError, match="there is no span in it"):
        read_foreign(write(tmp_path, "empty.json", {"resourceSpans": []}))


ODD = st.none() | st.booleans() | st.integers(-5, 2**70) | st.floats() | st.text(max_size=5) | st.just([]) | st.just({}) | st.just([{}])
KEYS = st.sampled_from([*JAEGER["spans"][1], *otlp()["resourceSpans"][0]["scopeSpans"][0]["spans"][0], "refType", "value", "key"])


def mutated(value: Any, key: str, odd: Any) -> Any:
    """`value` with `odd` in place of whatever is called `key`."""
    if isinstance(value, dict):
        return {name: odd if name == key else mutated(one, key, odd) for name, one in value.items()}
    return [mutated(one, key, odd) for one in value] if isinstance(value, list) else value


@given(st.sampled_from([{"data": [JAEGER]}, otlp()]), KEYS, ODD)
def test_any_value_anywhere_is_read_or_refused(document: Any, key: str, odd: Any) -> None:
    try:
        spans = foreign_spans(json.dumps(mutated(document, key, odd)).encode(), "f")
    except ForeignTraceError as error:
        assert str(error).startswith("f")
    else:
        for found in traces_of(spans):
            for root in found.trace.roots:
                told(root)


@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    with suppress(ForeignTraceError):
        foreign_spans(content, "f")
