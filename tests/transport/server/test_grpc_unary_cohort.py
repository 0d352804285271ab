"""The cohort of a call is one, whoever asks: the door by the head alone, the gate, the handler, and the calls that it makes."""

import pytest

from tests.echo_service import Echo, serving
from tests.transport.raw_peer import raw_client
from towpath.core.trace import TraceContext
from towpath.wire.http2 import frames

HEADER = b"00-4bf92f3577b34da6a3ce929d0e0e47a5-00f067aa0ba902b7-01"
COHORT = 0xA5 % 128


class Asking:
    """A layer that writes down the cohort of each call, at its door and at its gate, and lets everybody in."""

    role = "asking"

    def __init__(self):
        self.door_heard, self.gate_heard = [], []

    def wrap(self, method, following):
        return following

    def door(self, method):
        return self._ask_door

    def gate(self, method):
        return self._ask_gate

    def _ask_door(self, head, extra):
        self.door_heard.append(head.standing(extra)[2])

    def _ask_gate(self, ctx, _arrival):
        self.gate_heard.append(ctx.cohort)
        return True


async def cohorts(*fields, calls=3):
    """What the door and the gate heard of equal calls in a row, and what the handlers had."""
    layer, echo = Asking(), Echo()
    async with serving(echo, layers=(layer,)) as server, raw_client(server.address) as peer:
        for stream in range(1, 2 * calls, 2):
            peer.call(stream, b"Say", b"", *fields)
            await peer.until(frames.HEADERS, stream)
            await peer.until(frames.HEADERS, stream)
    return layer.door_heard, layer.gate_heard, echo.contexts


@pytest.mark.parametrize("header", [HEADER, b"01" + HEADER[2:] + b"-what-comes-later"], ids=["version 00", "long"])
async def test_a_trace_tells_the_cohort(header):
    door, gate, contexts = await cohorts((b"traceparent", header))
    assert door == gate == [ctx.trace.child().cohort for ctx in contexts] == [COHORT] * 3


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
    door, gate, contexts = await cohorts(*fields, calls=8)
    assert door == gate == [ctx.trace.child().cohort for ctx in contexts]
    assert len({ctx.trace.trace_id for ctx in contexts}) == 8
    assert all(ctx.trace.parent_id == "" for ctx in contexts)


@pytest.mark.parametrize(
    "header",
    [HEADER[:-1], b"ff" + HEADER[2:], HEADER[:36] + b"0" * 16 + HEADER[52:], HEADER[:-2] + b"zz", HEADER + b"-more", HEADER[:35]],
    ids=["short", "version ff", "no span", "flags", "version 00 and more", "trace id alone"],
)
async def test_a_header_that_is_malformed_elsewhere_tells_it_too(header):
    door, gate, contexts = await cohorts((b"traceparent", header))
    assert door == gate == [ctx.cohort for ctx in contexts] == [COHORT] * 3
    for ctx in contexts:
        assert ctx.trace.trace_id != TraceContext.received(HEADER).trace_id
        assert ctx.cohort == COHORT  # also when the trace has been read
