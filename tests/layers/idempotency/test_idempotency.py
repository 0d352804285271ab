import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoService
from google.protobuf.any_pb2 import Any as PackedDetail
from google.rpc.error_details_pb2 import ErrorInfo
from hypothesis import given
from hypothesis import strategies as st

from tests.echo_service import turn_until
from tests.layers.idempotency.effects import FAIL, Effects, context, wrapped
from towpath._core import clock
from towpath._core.context import Context
from towpath._core.decisions import reason_of
from towpath._core.errors import Code, RpcError
from towpath._core.service import MethodKind
from towpath._layers.idempotency.idempotency import Idempotency, IdempotencyOptions, scope
from towpath._layers.idempotency.memory_store import MemoryStore
from towpath._layers.idempotency.store import Answer, Claim, StoreUnavailable, current_lease

SAY = EchoService.spec.methods[0]


class Broken(MemoryStore):
    """Is down for the operations named in `down`, and makes those in `slow` wait for the gate."""

    def __init__(self) -> None:
        super().__init__()
        self.down: set[str] = set()
        self.slow: set[str] = set()
        self.gate = asyncio.Event()
        self.asked: Counter[str] = Counter()

    async def _at(self, name: str) -> None:
        self.asked[name] += 1
        if name in self.down:
            raise StoreUnavailable("down")
        if name in self.slow:
            await self.gate.wait()

    async def claim(self, key: str, fingerprint: bytes, holder: str, lease: float) -> Claim:
        await self._at("claim")
        return await super().claim(key, fingerprint, holder, lease)

    async def complete(self, key: str, holder: str, answer: Answer, ttl: float) -> bool:
        await self._at("complete")
        return await super().complete(key, holder, answer, ttl)

    async def release(self, key: str, holder: str) -> None:
        await self._at("release")
        await super().release(key, holder)


async def test_a_second_call_with_a_key_gets_the_first_answer_and_has_no_effect() -> None:
    effects, told = Effects(), list[str]()
    handler = wrapped(effects, signal=lambda decision: told.append(decision.reason))
    first = await handler(pb.FailRequest(), context())
    assert await handler(pb.FailRequest(), context()) == first
    assert (effects.runs, told) == (1, ["REPLAYED"])


async def test_a_call_without_a_key_passes() -> None:
    effects = Effects()
    handler = wrapped(effects)
    await handler(pb.FailRequest(), context(""))
    await handler(pb.FailRequest(), context(""))
    assert effects.runs == 2


@pytest.mark.parametrize("method", [SAY, replace(FAIL, kind=MethodKind.BIDI_STREAMING)])
def test_streams_and_what_changes_nothing_have_no_such_role(method: Any) -> None:
    following = Effects().handle
    assert Idempotency(MemoryStore()).wrap(method, following) is following


async def test_a_key_belongs_to_its_tenant_and_caller() -> None:
    effects = Effects()
    handler = wrapped(effects)
    other = context()
    other.caller = "spiffe://x/other"
    for ctx in (context(), context(tenant="t"), other, context("k2")):
        await handler(pb.FailRequest(), ctx)
    assert effects.runs == 4


async def test_a_key_with_another_request_is_refused() -> None:
    effects = Effects()
    handler = wrapped(effects)
    await handler(pb.FailRequest(message="a"), context())
    with pytest.raises(RpcError) as caught:
        await handler(pb.FailRequest(message="b"), context())
    assert (caught.value.code, reason_of(caught.value), effects.runs) == (Code.FAILED_PRECONDITION, "KEY_REUSED", 1)


async def test_an_error_that_would_come_again_is_stored_with_its_details() -> None:
    effects = Effects()
    effects.error = RpcError(Code.NOT_FOUND, "no seat", [ErrorInfo(reason="NO_SEAT")])
    handler = wrapped(effects)
    for _ in range(2):
        with pytest.raises(RpcError, match="no seat") as caught:
            await handler(pb.FailRequest(), context())
    (detail,) = caught.value.details
    inside = ErrorInfo()
    assert detail.Unpack(inside)  # pyright: ignore[reportAttributeAccessIssue]
    assert (caught.value.code, inside.reason, effects.runs) == (Code.NOT_FOUND, "NO_SEAT", 1)


async def test_of_a_group_the_first_cause_is_stored() -> None:
    effects = Effects()
    effects.error = ExceptionGroup("", [RpcError(Code.NOT_FOUND, "no seat")])
    handler = wrapped(effects)
    with pytest.raises(ExceptionGroup):
        await handler(pb.FailRequest(), context())
    with pytest.raises(RpcError, match="no seat"):
        await handler(pb.FailRequest(), context())
    assert effects.runs == 1


async def test_a_detail_that_came_packed_is_stored_as_it_came() -> None:
    effects, packed = Effects(), PackedDetail()
    packed.Pack(ErrorInfo(reason="NO_SEAT"))
    effects.error = RpcError(Code.NOT_FOUND, "no seat", [packed])
    handler = wrapped(effects)
    for _ in range(2):
        with pytest.raises(RpcError) as caught:
            await handler(pb.FailRequest(), context())
    assert caught.value.details == (packed,)


@pytest.mark.parametrize("error", [StoreUnavailable("down"), ExceptionGroup("", [StoreUnavailable("down")])])
async def test_a_store_that_is_lost_while_the_handler_runs_is_no_bug(error: Exception) -> None:
    effects = Effects()
    effects.error = error
    handler = wrapped(effects)
    with pytest.raises(RpcError, match="its store was lost") as caught:
        await handler(pb.FailRequest(), context())
    assert (caught.value.code, caught.value.unprocessed) == (Code.UNAVAILABLE, False)
    effects.error = None
    await handler(pb.FailRequest(), context())
    assert effects.runs == 2


def refused() -> RpcError:
    error = RpcError(Code.FAILED_PRECONDITION)
    error.unprocessed = True
    return error


def invited() -> RpcError:
    error = RpcError(Code.ABORTED)
    error.pushback = 0.1
    return error


@pytest.mark.parametrize(
    "error",
    [
        RpcError(Code.UNAVAILABLE),
        RpcError(Code.RESOURCE_EXHAUSTED),
        RpcError(Code.DEADLINE_EXCEEDED),
        RpcError(Code.INTERNAL),
        ValueError("a bug"),
        refused(),
        invited(),
    ],
)
async def test_an_error_that_may_pass_frees_the_key(error: Exception) -> None:
    effects = Effects()
    effects.error = error
    handler = wrapped(effects)
    with pytest.raises(type(error)):
        await handler(pb.FailRequest(), context())
    effects.error = None
    await handler(pb.FailRequest(), context())
    assert effects.runs == 2


async def test_a_duplicate_in_the_same_process_waits_for_the_first() -> None:
    effects = Effects()
    effects.gate.clear()
    handler = wrapped(effects)
    calls = [asyncio.create_task(handler(pb.FailRequest(), context())) for _ in range(5)]
    await turn_until(lambda: effects.runs)
    effects.gate.set()
    answers = await asyncio.gather(*calls)
    assert effects.runs == 1
    assert all(answer == answers[0] for answer in answers)


async def test_a_duplicate_in_another_process_is_told_when_to_come_again() -> None:
    effects, store = Effects(), MemoryStore()
    effects.gate.clear()
    first = asyncio.create_task(wrapped(effects, store)(pb.FailRequest(), context()))
    await turn_until(lambda: effects.runs)
    with pytest.raises(RpcError) as caught:
        await wrapped(effects, store)(pb.FailRequest(), context())
    assert (caught.value.code, reason_of(caught.value), caught.value.pushback) == (Code.ABORTED, "CONCURRENT_DUPLICATE", 0.1)
    effects.gate.set()
    await first
    assert effects.runs == 1


async def test_a_cancelled_call_frees_its_key() -> None:
    effects = Effects()
    effects.gate.clear()
    handler = wrapped(effects)
    call = asyncio.create_task(handler(pb.FailRequest(), context()))
    await turn_until(lambda: effects.runs)
    call.cancel()
    with suppress(asyncio.CancelledError):
        await call
    effects.gate.set()
    await handler(pb.FailRequest(), context())
    assert effects.runs == 2


@pytest.mark.parametrize(("slow", "runs"), [("claim", 1), ("complete", 1), ("release", 2)])
async def test_a_call_cancelled_while_the_store_works_holds_no_key(slow: str, runs: int) -> None:
    effects, store = Effects(), Broken()
    layer = Idempotency(store)
    handler = layer.wrap(FAIL, effects.handle)
    store.slow.add(slow)
    effects.error = ValueError("a bug") if slow == "release" else None
    call = asyncio.create_task(handler(pb.FailRequest(), context()))
    await turn_until(lambda: store.asked[slow])
    call.cancel()
    with suppress(asyncio.CancelledError):
        await call
    store.slow.clear()
    store.gate.set()
    await turn_until(lambda: asyncio.all_tasks() == {asyncio.current_task()})  # what the cancelled call has left to do is done
    effects.error = None
    await handler(pb.FailRequest(), context())
    assert effects.runs == runs


async def test_without_its_store_a_call_is_refused() -> None:
    effects, store = Effects(), Broken()
    store.down.add("claim")
    with pytest.raises(RpcError) as caught:
        await wrapped(effects, store)(pb.FailRequest(), context())
    assert (caught.value.code, reason_of(caught.value), effects.runs) == (Code.UNAVAILABLE, "STORE_UNAVAILABLE", 0)


async def test_an_answer_that_cannot_be_kept_is_given_all_the_same() -> None:
    effects, store, told = Effects(), Broken(), list[str]()
    store.down |= {"complete", "release"}
    handler = wrapped(effects, store, signal=lambda decision: told.append(decision.reason))
    await handler(pb.FailRequest(), context())
    assert told == ["ANSWER_NOT_KEPT"]
    effects.error = ValueError("a bug")
    with pytest.raises(ValueError, match="a bug"):
        await handler(pb.FailRequest(), context("other"))


class Failing(MemoryStore):
    """Raises what no store may."""

    async def complete(self, key: str, holder: str, answer: Answer, ttl: float) -> bool:
        raise OSError("disk full")

    async def release(self, key: str, holder: str) -> None:
        raise OSError("disk full")


async def test_a_store_that_breaks_its_promise_costs_nobody_an_answer(caplog: pytest.LogCaptureFixture) -> None:
    effects, told = Effects(), list[str]()
    handler = wrapped(effects, Failing(), signal=lambda decision: told.append(decision.reason))
    assert isinstance(await handler(pb.FailRequest(), context()), pb.FailResponse)
    assert told == ["ANSWER_NOT_KEPT"]
    effects.error = ValueError("a bug")
    with pytest.raises(ValueError, match="a bug"):
        await handler(pb.FailRequest(), context("other"))
    assert [record.getMessage() for record in caplog.records] == [
        "the answer of echo.v1.EchoService/Fail was not kept",
        "a key was not released before its lease ends",
    ]


@pytest.mark.parametrize(
    "error",
    [RpcError(Code.NOT_FOUND, 17), RpcError(Code.NOT_FOUND, "", ["text"])],  # type: ignore[arg-type, list-item]
)
async def test_an_error_that_cannot_be_written_frees_the_key(error: RpcError) -> None:
    effects = Effects()
    handler = wrapped(effects)
    effects.error = error
    for runs in (1, 2):
        with pytest.raises(RpcError) as caught:
            await handler(pb.FailRequest(), context())
        assert (caught.value, effects.runs) == (error, runs)


async def test_what_is_no_answer_frees_the_key() -> None:
    async def handle(request: Any, ctx: Context) -> Any:
        return pb.SayResponse()

    handler = Idempotency(MemoryStore()).wrap(FAIL, handle)
    for _ in range(2):
        with pytest.raises(TypeError, match="returned SayResponse instead of FailResponse"):
            await handler(pb.FailRequest(), context())


@pytest.mark.parametrize("fails", [False, True])
async def test_what_was_answered_with_its_effect_is_not_answered_again(fails: bool) -> None:
    store = Broken()

    async def handle(request: Any, ctx: Context) -> pb.FailResponse:
        key_lease = current_lease.get()
        assert key_lease is not None
        key_lease.answered = await store.complete(key_lease.key, key_lease.holder, Answer.of(pb.FailResponse()), key_lease.ttl)
        if fails:
            raise ValueError("after the effect")
        return pb.FailResponse()

    handler = Idempotency(store).wrap(FAIL, handle)
    with suppress(ValueError):
        await handler(pb.FailRequest(), context())
    assert await handler(pb.FailRequest(), context()) == pb.FailResponse()
    assert (store.asked["complete"], store.asked["release"], current_lease.get()) == (1, 0, None)


@pytest.mark.parametrize(("deadline", "lease"), [(None, 60.0), (2.0, 3.0)])
async def test_the_lease_of_a_crashed_holder_ends_after_the_deadline_of_its_call(deadline: float | None, lease: float) -> None:
    now, effects, store = 0.0, Effects(), MemoryStore()
    effects.gate.clear()
    with clock.using(lambda: now):
        crashed = asyncio.create_task(wrapped(effects, store)(pb.FailRequest(), context(deadline=deadline)))
        await turn_until(lambda: effects.runs)
        now = lease - 0.01
        with pytest.raises(RpcError, match="is running"):
            await wrapped(effects, store)(pb.FailRequest(), context())
        now = lease
        second = asyncio.create_task(wrapped(effects, store)(pb.FailRequest(), context()))
        await turn_until(lambda: effects.runs == 2)
        effects.gate.set()
        await asyncio.gather(crashed, second)


async def test_an_answer_is_forgotten_after_its_time() -> None:
    now, effects = 0.0, Effects()
    with clock.using(lambda: now):
        handler = wrapped(effects, options=IdempotencyOptions(ttl=10))
        await handler(pb.FailRequest(), context())
        now = 10.0
        await handler(pb.FailRequest(), context())
    assert effects.runs == 2


NAMES = st.tuples(*[st.text(st.characters(min_codepoint=1, codec="utf-8"), max_size=3)] * 3)


@given(st.lists(NAMES, min_size=2, max_size=2, unique=True))
def test_a_key_is_one_tenants_and_one_callers(names: list[tuple[str, str, str]]) -> None:
    def scope_of(tenant: str, caller: str, key: str) -> str:
        ctx = Context("a.B/C", tenant=tenant)
        ctx.caller, ctx.idempotency_key = caller, key
        return scope(SAY, ctx)

    assert scope_of(*names[0]) != scope_of(*names[1])
