"""Any sequence of calls with a key, however they overlap, end or are cancelled, has its effect once."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from functools import partial

from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoService
from hypothesis import given
from hypothesis import strategies as st

from tests.layers.virtual_time import virtual
from towpath._core.context import Context
from towpath._core.errors import Code, RpcError
from towpath._layers.idempotency.idempotency import Idempotency, definite
from towpath._layers.idempotency.memory_store import MemoryStore

FAIL = EchoService.spec.methods[1]
ENDS = ("success", Code.INVALID_ARGUMENT, Code.RESOURCE_EXHAUSTED, Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, "bug")


@dataclass(frozen=True)
class Call:
    """Comes at `at`, would run for `lasts` and come to `end`; its caller leaves after `patience`. All in tenths of a second."""

    key: str
    at: int
    lasts: int
    patience: int
    end: object


CALLS = st.lists(
    st.builds(
        Call,
        key=st.sampled_from("ab"),
        at=st.integers(0, 20),
        lasts=st.integers(0, 8),
        patience=st.integers(1, 12),
        end=st.sampled_from(ENDS),
    ),
    max_size=12,
)


class Witness:
    """A handler that sees who runs for which key, and what came of it."""

    def __init__(self) -> None:
        self.running: set[str] = set()
        self.final: dict[str, int] = {}
        self.runs = 0

    async def handle(self, call: Call, request: pb.FailRequest, ctx: Context) -> pb.FailResponse:
        key = ctx.idempotency_key
        assert key not in self.running, "two calls with one key run at once"
        assert key not in self.final, "a call ran although its key was answered"
        self.running.add(key)
        self.runs += 1
        run = self.runs
        try:
            await asyncio.sleep(call.lasts / 10)
            if call.end == "bug":
                raise ZeroDivisionError
            if isinstance(call.end, Code):
                error = RpcError(call.end, f"run {run}")
                if definite(error):
                    self.final[key] = run
                raise error
            self.final[key] = run
            response = pb.FailResponse()
            response.MergeFromString(b"\xfa\x01\x02%02d" % run)  # an unknown field tells one run from another
            return response
        finally:
            self.running.discard(key)


@given(calls=CALLS)
@virtual
async def test_no_effect_comes_twice_and_all_answers_are_alike(calls: list[Call]) -> None:
    witness, layer = Witness(), Idempotency(MemoryStore())
    answers: dict[str, set[object]] = defaultdict(set)

    async def make(call: Call) -> pb.FailResponse:
        ctx = Context(FAIL.full_name)
        ctx.idempotency_key = call.key
        return await layer.wrap(FAIL, partial(witness.handle, call))(pb.FailRequest(), ctx)

    async def come(call: Call) -> None:
        await asyncio.sleep(call.at / 10)
        try:
            async with asyncio.timeout(call.patience / 10):
                answers[call.key].add((await make(call)).SerializeToString())
        except RpcError as error:
            if definite(error):
                answers[call.key].add(error.message)
        except (TimeoutError, ZeroDivisionError):
            pass

    await asyncio.gather(*map(come, calls))
    assert all(len(each) <= 1 for each in answers.values())
    for key in {call.key for call in calls}:  # whoever comes last is answered: by a run of its own, or by the one that there was
        before, known = witness.runs, key in witness.final
        await asyncio.gather(make(Call(key, 0, 0, 1, "success")), return_exceptions=True)
        assert witness.runs - before == (0 if known else 1)
