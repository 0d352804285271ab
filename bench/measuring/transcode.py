"""JSON of a message of 145 bytes, towpath's transcoder beside google.protobuf.json_format: `python -m bench.measuring.transcode`.

In a process of its own, both in turns, so that whatever slows the machine slows both. Prints one line of JSON: how many times as fast the
transcoder writes and reads.
"""

import json
import time
from collections.abc import Callable
from statistics import median
from typing import Final

from google.protobuf import json_format
from items.v1.items_pb2 import Line, Order

from towpath.wire import JsonCodec

_TURNS: Final = 15
_CALLS: Final = 400


def message() -> Order:
    """Some of everything."""
    lines = [Line(sku="sku-100-blue", quantity=2, price=19.95), Line(sku="sku-2077-red", quantity=1, price=4.5)]
    order = Order(id="order-1234567", customer_number=9_007_199_254_740_993, state=Order.STATE_PAID, lines=lines, express=True, total=44.4)
    order.labels.update({"channel": "web", "campaign": "november-26"})
    order.create_time.FromJsonString("2026-11-24T20:57:15.123Z")
    if order.ByteSize() != 145:
        raise ValueError(f"the message has {order.ByteSize()} bytes, not 145")
    return order


def ratio(ours: Callable[[], object], theirs: Callable[[], object]) -> float:
    """How many times as fast `ours` is: the median over turns."""
    return median(_seconds(theirs) / _seconds(ours) for _ in range(_TURNS))


def main() -> None:
    """Measure and print."""
    order = message()
    codec, kind = JsonCodec(), type(order)
    text = codec.encode(order)
    if json_format.Parse(text, kind()) != order or codec.decode(json_format.MessageToJson(order, indent=None).encode(), kind) != order:
        raise ValueError("the two do not agree")
    writing = ratio(lambda: codec.encode(order), lambda: json_format.MessageToJson(order, indent=None))
    reading = ratio(lambda: codec.decode(text, kind), lambda: json_format.Parse(text, kind()))
    print(json.dumps({"writing": writing, "reading": reading}))


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    for _ in range(_CALLS):
        work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
