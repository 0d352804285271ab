"""`towpath trace --file` over spans that other systems recorded."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.traces.test_trace import error, trace
from tests.recordings import MS, System, plain
from tests.telemetry.traces.foreign.test_spans_to_trace import TRACE, span
from towpath._cli.traces.waterfall import hop_name

OTHER = "ff" * 16


def jaeger(path: Path, *traces: tuple[str, int, int]) -> Path:
    """A file with traces of three spans: with which id, how long the server took in microseconds, and with which status."""
    data = list[dict[str, Any]]()
    for number, (trace_id, took, code) in enumerate(traces):
        spans = [
            span("GET /v1.0/items", 0, took + 50_000, kind="server", tags={"rpc.grpc.status_code": code}),
            span("call", 10_000, took + 40_000, "GET /v1.0/items", kind="client"),
            span("served", 20_000, took + 20_000, "call", kind="server", process="p2"),
        ]
        for one in spans:
            one["traceID"] = trace_id
            one["startTime"] += number * 60_000_000
            one["references"] = [{**reference, "traceID": trace_id} for reference in one["references"]]
        data.append({"traceID": trace_id, "spans": spans, "processes": {"p1": {"serviceName": "front"}, "p2": {"serviceName": "search"}}})
    path.write_text(json.dumps({"data": data}))
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return jaeger(tmp_path / "x.json", (TRACE, 40_000, 0), (OTHER, 5_000, 14))


@pytest.mark.parametrize(
    ("arguments", "trace_id", "verdict"),
    [
        ([], TRACE, "GUILTY  search call: handler 40.0 ms (44 %); usual here 5.0 ms, the median of 1 other trace"),
        ([TRACE[:8]], TRACE, "GUILTY  search call: handler"),
        (["--failed"], OTHER, "AS USUAL  no phase took much longer than usual. The longest is"),
        (["--failed", "--slowest"], OTHER, "AS USUAL"),
        (["--last", "30s"], OTHER, "AS USUAL"),
    ],
)
def test_which_trace_of_jaegers_is_shown(
    file: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], trace_id: str, verdict: str
) -> None:
    text = trace(capsys, *arguments, "--file", str(file))
    words = " ".join(text.split())
    assert f"trace {trace_id} 2 hops" in words
    assert "front GET /v1.0/items" in text.splitlines()[0]
    assert " ".join(verdict.split()) in words
    assert "sampled" not in text


def test_spans_of_a_collector_are_shown_with_what_they_leave_open(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def document(service: str, *spans: dict[str, Any]) -> str:
        resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
        return json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": list(spans)}]}]})

    def timed(span_id: str, kind: int, start: int, end: int, **more: str) -> dict[str, Any]:
        times = {"startTimeUnixNano": str(start * 1_000_000), "endTimeUnixNano": str(end * 1_000_000)}
        return {"traceId": TRACE, "spanId": span_id * 8, "name": "Get", "kind": kind, **times, **more}

    # Each service in a file of its own; the second one's clock is ten seconds ahead, and its caller's span is missing.
    (tmp_path / "a.jsonl").write_text(document("front", timed("aa", 2, 1000, 1090)) + "\n")
    (tmp_path / "b.jsonl").write_text(document("search", timed("bb", 2, 11_000, 11_050, parentSpanId="aa" * 8)) + "\n")
    for named in ([str(tmp_path)], [str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")]):
        found = json.loads(trace(capsys, "--json", "--file", *named))
        assert (found["ms"], [hop["service"] for hop in found["hops"]], found["kept"]) == (90.0, ["front", "search"], None)
        assert "lies outside of its caller, whose clock differs, and is moved into it: Get" in found["notes"]


def test_a_page_of_spans_says_nothing_of_keeping(file: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert trace(capsys, "--file", str(file), "--html", str(tmp_path / "x.html")) == ""
    text = (tmp_path / "x.html").read_text()
    assert f"trace {TRACE}, 2 hops</p>" in text


def test_one_clear_sentence(file: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rings = tmp_path / "rings"
    rings.mkdir()
    System(folder=rings).add(1, plain("a", 5 * MS))
    (ring,) = rings.glob("*.ring")
    (tmp_path / "bad.json").write_text("{")
    jaeger(tmp_path / "two.json", (TRACE, 5, 0), (f"{TRACE[:-1]}0", 5, 0))
    cases = {
        ("--file", str(tmp_path / "no.json")): "no.json: No such file or directory; give a file or a folder of files",
        ("--file", str(tmp_path / "bad.json")): "bad.json",
        ("--file", str(file), str(ring)): f"x.json is of another tracing system, and {ring} of a flight recorder; name files of one kind",
        ("--file", str(file), "--many", "a/b"): "--many reads files of flight recorders",
        ("ab", "--file", str(file)): "no trace begins with ab; the files hold 2 traces",
        ("xyz", "--file", str(file)): "'xyz' is no id of a trace; give up to 32 hex digits, such as 8f3a91d2",
        (TRACE[:4], "--file", str(tmp_path / "two.json")): f"2 traces begin with {TRACE[:4]}; give more digits: {TRACE}, {TRACE[:-1]}0",
        ("--failed", "--last", "1s", "--file", str(tmp_path / "two.json")): "no trace failed in the last 1s; the files hold 2 traces",
    }
    for arguments, says in cases.items():
        said = error(capsys, *arguments)
        assert says in said, said
        assert said.count("\n") == 1


def test_names_of_others_stay_whole() -> None:
    assert hop_name("front", "GET /v1.0/items") == "front GET /v1.0/items"
    assert hop_name("front", "shop.v1.Cart/Get") == "front Cart/Get"
