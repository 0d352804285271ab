"""The layer drops exactly the calls that `AdaptiveThrottle` alone drops, although it has a copy of `AdaptiveThrottle.accepted`."""

import asyncio
import random

import pytest
from echo.v1.echo_towpath import SAY
from google.rpc.error_details_pb2 import ErrorInfo
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.layers.virtual_time import Hand
from towpath._core import clock
from towpath._core.context import Context
from towpath._core.decisions import ADMISSION, rejection
from towpath._core.errors import Code, RpcError
from towpath._core.outcome import Outcome
from towpath._layers.throttle import AdaptiveThrottle, Throttle, ThrottleOptions

OPTIONS = ThrottleOptions(min_calls=3)


@settings(max_examples=50)
@example([(0.06, 40, True), (0.06, 120, False), (0.06, 40, True)], 1)  # an overload, its end, and another one
@given(st.lists(st.tuples(st.sampled_from([0.0, 0.06, 0.4, 3.0]), st.integers(1, 25), st.booleans()), max_size=12), st.integers(0, 2**32))
def test_the_layer_drops_what_its_figures_drop(stretches: list[tuple[float, int, bool]], seed: int) -> None:
    """A stretch is a pause before each call, a number of calls, and whether the target sheds them."""
    sheds = False

    async def target(_request: object, _ctx: Context) -> str:
        if sheds:
            raise rejection(Code.RESOURCE_EXHAUSTED, SAY, role=ADMISSION, reason="PRIORITY", why="too much")
        return "answer"

    async def main() -> None:
        nonlocal sheds
        call = Throttle(source=random.Random(seed), options=OPTIONS).wrap(SAY, target)
        figures = AdaptiveThrottle(OPTIONS, random.Random(seed))
        for pause, calls, sheds in stretches:
            for _ in range(calls):
                hand.now += pause
                if figures.drops():
                    figures.dropped()
                    with pytest.raises(RpcError) as caught:
                        await call(None, Context("a/b"))
                    (info,) = [detail for detail in caught.value.details if isinstance(detail, ErrorInfo)]
                    assert (caught.value.code, int(info.metadata["calls"])) == (Code.UNAVAILABLE, figures.window.total)
                elif sheds:
                    figures.record(Outcome.OVERLOAD)
                    with pytest.raises(RpcError, match="too much"):
                        await call(None, Context("a/b"))
                else:
                    figures.accepted()
                    assert await call(None, Context("a/b")) == "answer"

    hand = Hand()
    with clock.using(hand):
        asyncio.run(main())
