"""The cohort of a call is one, whether its headers tell it, its arrival, its handler, or the calls that the handler makes."""

import pytest

from tests.echo_service import Echo, serving
from tests.transport.raw_peer import raw_client
from towpath._core.early_rejection import ADMIT, EarlyRejection
from towpath._core.propagation.trace import TraceContext
from towpath._wire.http2 import frames

HEADER = b"00-4bf92f3577b34da6a3ce929d0e0e47a5-00f067aa0ba902b7-01"
COHORT = 0xA5 % 128


class Asking(EarlyRejection):
    """A layer that writes down the cohort of each call, by its headers and as it arrives, and admits every call."""

    role = "asking"

    def __init__(self):
        self.by_headers, self.on_arrivals = [], []

    def wrap(self, method, following):
        return following

    def early_rejection(self, method):
        return self

    def on_headers(self, headers, extra, /):
        self.by_headers.append(headers.priority(extra)[2])

    def on_arrival(self, ctx, call, /):
        self.on_arrivals.append(ctx.cohort)
        return ADMIT


async def cohorts(*fields, calls=3):
    """What was heard of equal calls in a row by their headers and on arrival, and what the handlers had."""
    layer, echo = Asking(), Echo()
    async with serving(echo, layers=(layer,)) as server, raw_client(server.address) as peer:
        for stream in range(1, 2 * calls, 2):
            peer.call(stream, b"Say", b"", *fields)
            await peer.until(frames.HEADERS, stream)
            await peer.until(frames.HEADERS, stream)
    return layer.by_headers, layer.on_arrivals, echo.contexts


@pytest.mark.parametrize("header", [HEADER, b"01" + HEADER[2:] + b"-what-comes-later"], ids=["version 00", "long"])
async def test_a_trace_tells_the_cohort(header):
    by_headers, on_arrivals, contexts = await cohorts((b"traceparent", header))
    assert by_headers == on_arrivals == [ctx.trace.child().cohort for ctx in contexts] == [COHORT] * 3


@pytest.mark.parametrize(
    "fields",
    [
        (),
        ((b"traceparent", b""),),
        ((b"traceparent", b"00-"),),
        ((b"traceparent", HEADER.upper()),),
        ((b"traceparent", b"garbage" * 8),),
        ((b"tracestate", b"vendor=1"),),
        ((b"towpath-tenant", b"acme"),),
    ],
    ids=["none", "empty", "cut off", "upper case", "garbage", "state alone", "other fields"],
)
async def test_a_call_without_a_trace_starts_one_and_its_tree_is_of_that_cohort(fields):
    by_headers, on_arrivals, contexts = await cohorts(*fields, calls=8)
    assert by_headers == on_arrivals == [ctx.trace.child().cohort for ctx in contexts]
    assert len({ctx.trace.trace_id for ctx in contexts}) == 8
    assert all(ctx.trace.parent_id == "" for ctx in contexts)


@pytest.mark.parametrize(
    "header",
    [HEADER[:-1], b"ff" + HEADER[2:], HEADER[:36] + b"0" * 16 + HEADER[52:], HEADER[:-2] + b"zz", HEADER + b"-more", HEADER[:35]],
    ids=["short", "version ff", "no span", "flags", "version 00 and more", "trace id alone"],
)
async def test_a_header_that_is_malformed_elsewhere_tells_it_too(header):
    by_headers, on_arrivals, contexts = await cohorts((b"traceparent", header))
    assert by_headers == on_arrivals == [ctx.cohort for ctx in contexts] == [COHORT] * 3
    for ctx in contexts:
        assert ctx.trace.trace_id != TraceContext.received(HEADER).trace_id
        assert ctx.cohort == COHORT  # also when the trace has been read
