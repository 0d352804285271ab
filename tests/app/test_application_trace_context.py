"""The cases of W3C's test suite of Trace Context (github.com/w3c/trace-context, test/test.py), put to an application over every protocol.

The suite sends a request with the headers of a case, and looks at the headers of the calls that the service makes because of it.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import grpc
import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient
from library.v1 import library_pb2 as lib

from tests.echo_service import PATIENCE, Echo
from tests.library_service import Library
from tests.transport.raw_peer import RawPeer, http2_preface, raw_client, raw_server
from towpath import App, CallOptions, Context, connect
from towpath._app.settings.service_file import ServiceConfig
from towpath._core.propagation import sampling
from towpath._core.propagation.sampling import Sampler
from towpath._wire.grpc.framing import frame as message_frame
from towpath._wire.hpack import literal
from towpath._wire.http2 import frames
from towpath._wire.http2.frames import END_HEADERS, END_STREAM

Headers = list[tuple[str, str]]

TRACE = "12345678901234567890123456789012"
PARENT = f"{TRACE}-1234567890123456"
GOOD = f"00-{PARENT}-00"
OUTGOING = re.compile("00-([0-9a-f]{32})-([0-9a-f]{16})-0[0-3]")


class Case(NamedTuple):
    """One request of the suite."""

    headers: Headers
    trace: str = ""
    """The trace id of the calls that the service makes; empty for a new one."""
    state: str = ""
    http1_only: bool = False
    """Whether HTTP/2 has no such header: names have capitals, or values blanks around them."""


def kept(*states: str, state: str = "", name: str = "tracestate", http1_only: bool = False) -> Case:
    return Case([("traceparent", GOOD), *((name, value) for value in states)], TRACE, state, http1_only)


def one(header: str, trace: str = "", name: str = "traceparent", *, http1_only: bool = False) -> Case:
    return Case([(name, header)], trace, "", http1_only)


MEMBERS = [f"bar{number:02}={number:02}" for number in range(1, 34)]
VALUE = "".join(map(chr, (*range(0x20, 0x2C), *range(0x2D, 0x3D), *range(0x3E, 0x7F))))
KEY = "abcdefghijklmnopqrstuvwxyz0123456789_-*/"

CASES: dict[str, list[Case]] = {
    "both_traceparent_and_tracestate_missing": [Case([])],
    "traceparent_included_tracestate_missing": [one(f"00-{PARENT}-01", TRACE)],
    "traceparent_duplicated": [Case([("traceparent", f"00-{TRACE[:-1]}1-1234567890123456-01"), ("traceparent", f"00-{PARENT}-01")])],
    "traceparent_duplicated_and_equal": [Case([("traceparent", GOOD), ("traceparent", GOOD)], TRACE)],
    "traceparent_header_name": [one(GOOD, name="trace-parent"), one(GOOD, name="trace.parent")],
    "traceparent_header_name_valid_casing": [
        one(GOOD, TRACE, name, http1_only=True) for name in ("TraceParent", "TrAcEpArEnT", "TRACEPARENT")
    ],
    "traceparent_version_0x00": [one(f"00-{PARENT}-01."), one(f"00-{PARENT}-01-what-the-future-will-be-like")],
    "traceparent_version_0xcc": [
        one(f"cc-{PARENT}-01", TRACE),
        one(f"cc-{PARENT}-01-what-the-future-will-be-like", TRACE),
        one(f"cc-{PARENT}-01.what-the-future-will-be-like"),
    ],
    "traceparent_version_0xff": [one(f"ff-{PARENT}-01")],
    "traceparent_version_illegal_characters": [one(f".0-{PARENT}-01"), one(f"0.-{PARENT}-01")],
    "traceparent_version_too_long": [one(f"000-{PARENT}-01"), one(f"0000-{PARENT}-01")],
    "traceparent_version_too_short": [one(f"0-{PARENT}-01")],
    "traceparent_trace_id_all_zero": [one(f"00-{'0' * 32}-1234567890123456-01")],
    "traceparent_trace_id_illegal_characters": [one(f"00-.{PARENT[1:]}-01"), one(f"00-{TRACE[:-1]}.-1234567890123456-01")],
    "traceparent_trace_id_too_long": [one(f"00-{TRACE}3-1234567890123456-01")],
    "traceparent_trace_id_too_short": [one(f"00-{TRACE[:-1]}-1234567890123456-01")],
    "traceparent_parent_id_all_zero": [one(f"00-{TRACE}-0000000000000000-01")],
    "traceparent_parent_id_illegal_characters": [one(f"00-{TRACE}-.234567890123456-01"), one(f"00-{TRACE}-123456789012345.-01")],
    "traceparent_parent_id_too_long": [one(f"00-{PARENT}7-01")],
    "traceparent_parent_id_too_short": [one(f"00-{TRACE}-123456789012345-01")],
    "traceparent_trace_flags_illegal_characters": [one(f"00-{PARENT}-.0"), one(f"00-{PARENT}-0.")],
    "traceparent_trace_flags_too_long": [one(f"00-{PARENT}-001")],
    "traceparent_trace_flags_too_short": [one(f"00-{PARENT}-1")],
    "traceparent_ows_handling": [
        one(blanks.format(f"00-{PARENT}-01"), TRACE, http1_only=True) for blanks in (" {}", "\t{}", "{} ", "{}\t", "\t {} \t")
    ],
    "tracestate_included_traceparent_missing": [one("foo=1", name="tracestate"), one("foo=1,bar=2", name="tracestate")],
    "tracestate_included_traceparent_included": [kept("foo=1,bar=2", state="foo=1,bar=2")],
    "tracestate_header_name": [kept("foo=1", name="trace-state"), kept("foo=1", name="trace.state")],
    "tracestate_header_name_valid_casing": [
        kept("foo=1", state="foo=1", name=name, http1_only=True) for name in ("TraceState", "TrAcEsTaTe", "TRACESTATE")
    ],
    "tracestate_empty_header": [kept(""), kept("foo=1", "", state="foo=1"), kept("", "foo=1", state="foo=1")],
    "tracestate_multiple_headers_different_keys": [
        kept("foo=1,bar=2", "rojo=1,congo=2", "baz=3", state="foo=1,bar=2,rojo=1,congo=2,baz=3")
    ],
    "tracestate_duplicated_keys": [kept("foo=1,foo=1"), kept("foo=1,foo=2"), kept("foo=1", "foo=1"), kept("foo=1", "foo=2")],
    "tracestate_all_allowed_characters": [kept(f"{key}={VALUE}", state=f"{key}={VALUE}") for key in (KEY, f"{KEY}@a-z0-9_-*/")],
    "tracestate_ows_handling": [
        kept("foo=1 \t , \t bar=2, \t baz=3", state="foo=1,bar=2,baz=3"),
        kept("foo=1\t \t,\t \tbar=2,\t \tbaz=3", state="foo=1,bar=2,baz=3"),
        *(kept(value, state="foo=1", http1_only=True) for value in (" foo=1", "\tfoo=1", "foo=1 ", "foo=1\t", "\t foo=1 \t")),
    ],
    "tracestate_key_illegal_characters": [kept("foo =1"), kept("FOO=1"), kept("foo.bar=1")],
    "tracestate_key_illegal_vendor_format": [
        kept(value) for value in ("foo@=1,bar=2", "@foo=1,bar=2", "foo@@bar=1,bar=2", "foo@bar@baz=1,bar=2")
    ],
    "tracestate_member_count_limit": [
        kept(*(",".join(MEMBERS[start : min(start + 10, 32)]) for start in (0, 10, 20, 30)), state=",".join(MEMBERS[:32])),
        kept(*(",".join(MEMBERS[start : start + 10]) for start in (0, 10, 20, 30))),
    ],
    "tracestate_key_length_limit": [
        kept("foo=1", f"{'z' * 256}=1", state=f"foo=1,{'z' * 256}=1"),
        kept("foo=1", f"{'z' * 257}=1"),
        kept("foo=1", f"{'t' * 241}@{'v' * 14}=1", state=f"foo=1,{'t' * 241}@{'v' * 14}=1"),
        kept("foo=1", f"{'t' * 242}@v=1"),
        kept("foo=1", f"t@{'v' * 15}=1"),
    ],
    "tracestate_value_illegal_characters": [kept("foo=bar=baz"), kept("foo=,bar=3")],
    "multiple_requests_with_valid_traceparent": [one(f"00-{PARENT}-01", TRACE)],
    "multiple_requests_without_traceparent": [Case([])],
    "multiple_requests_with_illegal_traceparent": [one(f"00-{'0' * 32}-1234567890123456-01")],
}
"""The requests of each case, by the name of the suite. Every case is put with three calls."""


class AskingLibrary(Library):
    """Calls another service three times for each call."""

    def __init__(self, other: EchoServiceClient) -> None:
        self._other = other

    async def get_book(self, request: lib.GetBookRequest, ctx: Context) -> lib.GetBookResponse:
        for _ in range(3):
            await self._other.say(pb.SayRequest())
        return lib.GetBookResponse()


class AskingEcho(Echo):
    """The same behind a contract without REST."""

    def __init__(self, other: EchoServiceClient) -> None:
        super().__init__()
        self._other = other

    async def say(self, request: pb.SayRequest, ctx: Context) -> pb.SayResponse:
        for _ in range(3):
            await self._other.say(pb.SayRequest())
        return pb.SayResponse()


async def http1(address: str, line: str, kind: str, body: bytes, headers: Headers) -> None:
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        fields = [("host", "a"), ("content-type", kind), ("content-length", str(len(body))), ("connection", "close"), *headers]
        head = "\r\n".join([f"{line} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)])
        writer.write(f"{head}\r\n\r\n".encode() + body)
        async with asyncio.timeout(PATIENCE):
            assert (await reader.read()).startswith(b"HTTP/1.1 200")
    finally:
        writer.close()


async def http2(address: str, method: str, path: str, kind: str, body: bytes, headers: Headers) -> None:
    async with raw_client(address) as peer:
        fields = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "a"), ("content-type", kind), *headers]
        block = b"".join(literal(name.encode(), value.encode()) for name, value in fields)
        peer.send(frames.HEADERS, END_HEADERS, 1, block)
        peer.send(frames.DATA, END_STREAM, 1, body)
        answer: dict[bytes, bytes] = {}
        ended = False
        while not ended:
            frame = await peer.frame()
            if frame[0] == frames.HEADERS:
                answer |= peer.fields(frame)
            ended = frame[2] == 1 and frame[1] & END_STREAM != 0
        assert (answer[b":status"], answer.get(b"grpc-status", b"0")) == (b"200", b"0")


SAY = "/echo.v1.EchoService/Say"
BOOK = "/v1/shelves/1/books/2"

Put = Callable[[str, Headers], Awaitable[None]]
WAYS: dict[str, Put] = {
    "REST, HTTP/1.1": lambda address, headers: http1(address, f"GET {BOOK}", "application/json", b"", headers),
    "REST, HTTP/2": lambda address, headers: http2(address, "GET", BOOK, "application/json", b"", headers),
    "Connect, HTTP/1.1": lambda address, headers: http1(address, f"POST {SAY}", "application/json", b"{}", headers),
    "gRPC-Web, HTTP/1.1": lambda address, headers: http1(address, f"POST {SAY}", "application/grpc-web+proto", bytes(5), headers),
    "gRPC": lambda address, headers: http2(address, "POST", SAY, "application/grpc", bytes(5), [("te", "trailers"), *headers]),
}
ways = pytest.mark.parametrize("way", WAYS)


@asynccontextmanager
async def asking() -> AsyncIterator[tuple[str, list[Headers]]]:
    """The address of an application that makes three calls for each that it gets, and the headers of those calls."""
    seen: list[Headers] = []

    async def answer(peer: RawPeer) -> None:
        await http2_preface(peer)
        while True:
            frame = await peer.until(frames.HEADERS)
            seen.append([(name.decode(), value.decode()) for name, value in peer.field_list(frame)])
            peer.send(frames.HEADERS, END_HEADERS, frame[2], literal(b":status", b"200") + literal(b"content-type", b"application/grpc"))
            peer.send(frames.DATA, 0, frame[2], message_frame(b""))
            peer.send(frames.HEADERS, END_HEADERS | END_STREAM, frame[2], literal(b"grpc-status", b"0"))

    async with raw_server(answer) as other, App(ServiceConfig(targets={"other": other})) as app:
        client = EchoServiceClient(app.channel("other"))
        app.add(AskingLibrary(client), AskingEcho(client))
        await app.start()
        yield app.address, seen


def values(headers: Headers, name: str) -> list[str]:
    return [value for found, value in headers if found == name]


def faults(case: Case, calls: list[Headers]) -> list[str]:
    """What is wrong with the headers of the calls that were made because of the case."""
    wrong: list[str] = []
    spans: set[str] = set()
    traces: set[str] = set()
    for call in calls:
        if len(sent := values(call, "traceparent")) != 1 or (match := OUTGOING.fullmatch(sent[0])) is None:
            wrong.append(f"traceparent is {sent}")
            continue
        traces.add(match[1])
        spans.add(match[2])
        states = [member.strip() for state in values(call, "tracestate") for member in state.split(",")]
        if ",".join(filter(None, states)) != case.state:
            wrong.append(f"tracestate is {states}")
    if len(traces) != 1 or (traces != {case.trace} if case.trace else any(trace in str(case.headers) for trace in traces)):
        wrong.append(f"traces are {traces}")
    if len(spans) != 3 or "1234567890123456" in spans:
        wrong.append(f"spans are {spans}")
    return wrong


@ways
async def test_the_cases_of_the_specification_s_suite(way: str) -> None:
    wrong: dict[str, Any] = {}
    async with asking() as (address, seen):
        for name, cases in CASES.items():
            for case in cases:
                if case.http1_only and "HTTP/1.1" not in way:
                    continue
                seen.clear()
                await WAYS[way](address, case.headers)
                if found := faults(case, seen):
                    wrong[f"{name}: {case.headers}"] = found
    assert wrong == {}


@ways
@pytest.mark.parametrize("flags", ["00", "01", "02", "03", "04", "ff"])
async def test_the_flags_sampled_and_random_go_on_as_they_came_and_no_others_do(way: str, flags: str) -> None:
    async with asking() as (address, seen):
        await WAYS[way](address, [("traceparent", f"00-{PARENT}-{flags}")])
    assert [values(call, "traceparent")[0][-2:] for call in seen] == [f"{int(flags, 16) & 3:02x}"] * 3


@ways
async def test_baggage_goes_on_as_it_came(way: str) -> None:
    async with asking() as (address, seen):
        await WAYS[way](address, [("baggage", "user=a%20b;internal, variant=b"), ("baggage", "plan=pro")])
        assert [values(call, "baggage") for call in seen] == [["user=a%20b;internal, variant=b,plan=pro"]] * 3
        await WAYS[way](address, [])
        assert [values(call, "baggage") for call in seen[3:]] == [[]] * 3


@ways
async def test_baggage_from_outside_stays_there(way: str) -> None:
    async with asking() as (address, seen):
        await WAYS[way](address, [("baggage", "role=admin"), ("x-forwarded-for", "203.0.113.7")])
    assert [values(call, "baggage") for call in seen] == [[]] * 3


@ways
async def test_a_caller_from_outside_has_no_trace_sampled(way: str) -> None:
    async with asking() as (address, seen):
        await WAYS[way](address, [("traceparent", f"00-{PARENT}-03"), ("tracestate", "ot=th:0,x=1"), ("x-forwarded-for", "203.0.113.7")])
    assert [values(call, "traceparent")[0][:35] + values(call, "traceparent")[0][-3:] for call in seen] == [f"00-{TRACE}-02"] * 3
    assert [values(call, "tracestate") for call in seen] == [["x=1"]] * 3


@ways
async def test_a_trace_that_begins_here_says_that_its_id_is_random(way: str) -> None:
    async with asking() as (address, seen):
        await WAYS[way](address, [])
    assert [values(call, "traceparent")[0][-2:] for call in seen] == ["02"] * 3


@ways
async def test_a_trace_that_begins_here_is_sampled_on_all_hops_or_on_none(way: str) -> None:
    with sampling.using(Sampler(0, {"library.v1.LibraryService": 1, "echo.v1.EchoService/Say": 1, "echo.v1.EchoService": 0})):
        async with asking() as (address, seen):
            await WAYS[way](address, [])
            await WAYS[way](address, [("traceparent", f"00-{PARENT}-00")])
    assert [values(call, "traceparent")[0][-2:] for call in seen] == ["03"] * 3 + ["00"] * 3
    assert [values(call, "tracestate") for call in seen] == [["ot=th:0"]] * 3 + [[]] * 3


async def test_of_two_traces_in_the_metadata_of_grpcio_the_one_that_it_sends_goes_on() -> None:
    """As where an interceptor of OpenTelemetry's and an application both put one there: grpcio sends the last."""
    async with asking() as (address, seen), grpc.aio.insecure_channel(address) as channel:
        say: Any = channel.unary_unary(SAY, pb.SayRequest.SerializeToString, pb.SayResponse.FromString)
        other = f"00-{TRACE[:-1]}1-1234567890123456-01"
        await say(pb.SayRequest(), metadata=(("traceparent", other), ("traceparent", GOOD), ("baggage", "a=1")), timeout=PATIENCE)
    assert faults(Case([], TRACE), seen) == []
    assert [values(call, "baggage") for call in seen] == [["a=1"]] * 3


@pytest.mark.parametrize("name", ["traceparent", "tracestate", "baggage"])
async def test_an_application_that_puts_one_into_metadata_is_told_where_it_belongs(name: str) -> None:
    async with asking() as (address, seen), connect(address) as channel:
        advice = (
            "set the option baggage"
            if name == "baggage"
            else "it belongs to the trace, which a call takes from the call that it is made in"
        )
        with pytest.raises(ValueError, match=f"metadata key '{name}' is reserved for the protocol; {advice}"):
            await EchoServiceClient(channel).say(pb.SayRequest(), CallOptions(metadata=[(name, f"00-{PARENT}-01")]))
    assert seen == []
