"""The `idempotency` role: a call that carries a key has its effect once, however often it is sent, and every attempt gets the same answer.

The rules are those of the IETF's draft-ietf-httpapi-idempotency-key-header. The first call with a key runs, and its answer is stored with a
fingerprint of its request. A later call gets the stored answer. If its request differs, it is rejected with FAILED_PRECONDITION
(KEY_REUSED; the draft's 422: the key's state forbids it, not the argument's form). A call that comes while the first runs waits in the same
process, until its own deadline. In another process it is rejected with ABORTED (CONCURRENT_DUPLICATE, the draft's 409) and told when to try
again. A key belongs to a method, a tenant and a caller, so no caller can fetch another's answer.

The store keeps successes, and errors that would come again. It keeps no overload, lost dependency, deadline, cancellation or bug: the key
is released and a retry runs. The metadata of an answer are not stored.

After a crash the key stays held until its lease ends (the call's deadline plus `margin`), then another attempt runs. If the handler writes
its effect in the store's own transaction (`towpath._stores`), the effect happens exactly once: effect and answer are committed together,
and only by the attempt that still holds the key. Otherwise an effect that happened just before the crash happens again: at most once while
processes live, at least once across a crash. No store can mend that for an effect outside of it."""

import asyncio
import hashlib
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from google.protobuf.any_pb2 import Any as PackedDetail
from google.rpc.status_pb2 import Status

from towpath._core.context import Context
from towpath._core.decisions import Decision, Signal, rejection, unheard
from towpath._core.disclosure.fault_log import FaultLog
from towpath._core.errors import Code, RpcError, first_cause
from towpath._core.outcome import Outcome, classify
from towpath._core.service import Handler, IdempotencyKey, MethodKind, MethodSpec
from towpath._core.service import Idempotency as Level
from towpath._layers.idempotency.store import (
    Answer,
    Claim,
    IdempotencyStore,
    KeyLease,
    KeyOwner,
    StoreUnavailable,
    current_lease,
    current_owner,
)

log: Final = logging.getLogger("towpath.server")

KEY_MISSING: Final = "KEY_MISSING"
"""The reason of a rejection: the contract requires a key, and the call has none."""
KEY_REUSED: Final = "KEY_REUSED"
"""The reason of a rejection: the key came with another request before."""
CONCURRENT_DUPLICATE: Final = "CONCURRENT_DUPLICATE"
"""The reason of a rejection: a call with this key runs in another process."""
ANSWER_FORGOTTEN: Final = "ANSWER_FORGOTTEN"
"""The reason of a rejection: the call was made, and the store had no room for its answer any more."""
STORE_UNAVAILABLE: Final = "STORE_UNAVAILABLE"
"""The reason of a rejection: the store could not be asked."""
REPLAYED: Final = "REPLAYED"
"""Signal: a call got the stored answer."""
ANSWER_NOT_KEPT: Final = "ANSWER_NOT_KEPT"
"""Signal: the effect has happened, and its answer could not be stored."""
KEYS_EVICTED: Final = "KEYS_EVICTED"
"""Signal: the store has forgotten keys before their time, for want of room."""

_KEY_MISSING: Final = (
    "the contract requires an idempotency key; send the header idempotency-key (CallOptions(idempotency_key=...) in towpath), the same for "
    "each attempt at one effect"
)
_ANSWER_FORGOTTEN: Final = (
    "a call with its idempotency key was made, and the store had no room for its answer any more; look at what that call did, since it is "
    "not done again"
)


@dataclass(frozen=True, kw_only=True)
class IdempotencyOptions:
    """How long keys and answers are held. All times are in seconds."""

    ttl: float = 86_400.0
    """How long an answer is kept."""
    lease: float = 60.0
    """How long a call without a deadline may hold its key."""
    margin: float = 1.0
    """How long a call with a deadline may hold its key beyond it, to store its answer."""
    pushback: float = 0.1
    """How soon a rejected duplicate should come again."""


DEFAULTS: Final = IdempotencyOptions()

MAX_SILENT: Final = 64
"""Calls that may have given up on a store which still owes them an answer. Others are rejected at once then, so that a silent store does
not gather tasks."""


class _Turn(asyncio.Lock):
    """The calls with one key in this process, of which one runs. The others wait in their order, so that the end of a call wakes one."""

    calls = 0


class Idempotency:
    """Runs unary calls that carry a key once. A call without a key passes, unless the contract requires one: then it is rejected with
    INVALID_ARGUMENT. While `store` is unavailable, a call with a key is rejected with UNAVAILABLE, since running it would break the
    promise. If `store` is None no answers are kept, and the layer only requires keys.

    A cancelled duplicate stops waiting. A cancelled call that runs releases its key, in a task of its own if need be, so the key is free
    even if the call's task is gone. An answer that is being stored is stored all the same.
    """

    role = "idempotency"

    def __init__(self, store: IdempotencyStore | None, *, options: IdempotencyOptions = DEFAULTS, signal: Signal = unheard) -> None:
        self._store = store
        self._options = options
        self._signal = signal
        self._turns: dict[str, _Turn] = {}
        self._closing: set[asyncio.Task[Any]] = set()
        self._faults = FaultLog(logging.getLogger("towpath.stores"))
        self._silent = 0
        """Claims that have no answer yet, although their calls have given up."""

    def wrap(self, method: MethodSpec[Any, Any], following: Handler) -> Handler:
        """Unary methods with side effects have this role. A stream has no single answer, and a method without side effects may run
        again."""
        if method.kind is not MethodKind.UNARY or method.idempotency is Level.NO_SIDE_EFFECTS:
            return following
        required = method.idempotency_key is IdempotencyKey.REQUIRED
        store = self._store
        if store is None and not required:
            return following

        def handle(request: Any, ctx: Context) -> Coroutine[Any, Any, Any]:
            if not ctx.idempotency_key:
                if required:
                    return self._without_key(method, ctx)
            elif store is not None:
                return self._in_turn(store, method, following, request, ctx)
            return following(request, ctx)

        return handle

    async def _without_key(self, method: MethodSpec[Any, Any], ctx: Context) -> Any:
        raise self._rejection(method, ctx, Code.INVALID_ARGUMENT, KEY_MISSING, _KEY_MISSING)

    async def _in_turn(self, store: IdempotencyStore, method: MethodSpec[Any, Any], following: Handler, request: Any, ctx: Context) -> Any:
        """Wait until no other call with this key runs in this process, then run this one."""
        key = scope(method, ctx)
        turn = self._turns.get(key)
        if turn is None:
            turn = self._turns[key] = _Turn()
        turn.calls += 1
        try:
            async with turn:
                return await self._once(KeyLease(store, key, uuid4().hex, self._options.ttl), method, following, request, ctx)
        finally:
            turn.calls -= 1
            if not turn.calls:
                del self._turns[key]

    async def _once(self, key_lease: KeyLease, method: MethodSpec[Any, Any], following: Handler, request: Any, ctx: Context) -> Any:
        fingerprint = hashlib.sha256(request.SerializeToString(deterministic=True)).digest()
        try:
            claim = await self._claim(key_lease, fingerprint, ctx)
        except StoreUnavailable as error:
            if error.told != str(error):
                self._faults.tell(f"the store failed {method.full_name}", error)
            why = f"its idempotency key could not be checked: {error.told}"
            raise self._rejection(method, ctx, Code.UNAVAILABLE, STORE_UNAVAILABLE, why) from error
        if claim.evicted:
            self._tell(method, ctx, KEYS_EVICTED)
        if not claim.mine:
            return self._known(method, ctx, claim, fingerprint)
        token = current_lease.set(key_lease)
        try:
            response = await following(request, ctx)
            if not isinstance(response, method.response):  # no caller will get this response, so it must not be kept
                raise TypeError(f"{method.full_name} returned {type(response).__name__} instead of {method.response.__name__}")
            answer = None if key_lease.answered else Answer.of(response)
        except BaseException as error:
            cause = first_cause(error)
            if not key_lease.answered:
                await self._failed(method, ctx, key_lease, cause)
            if isinstance(cause, StoreUnavailable):  # raised by the handler's transaction: a lost dependency, not a bug
                self._tell(method, ctx, STORE_UNAVAILABLE)
                self._faults.tell(f"the store failed {method.full_name}", cause)
                raise RpcError(Code.UNAVAILABLE, f"{method.full_name}: its store was lost") from error
            raise
        finally:
            current_lease.reset(token)
        if answer is not None:
            await self._keep(method, ctx, key_lease, answer)
        return response

    async def _claim(self, key_lease: KeyLease, fingerprint: bytes, ctx: Context) -> Claim:
        if self._silent >= MAX_SILENT:
            raise _silence(f"the store has not answered {MAX_SILENT} calls yet")
        remaining = ctx.remaining()
        options = self._options
        lease = options.lease if remaining is None else max(0.0, remaining) + options.margin
        token = current_owner.set(owner_of(ctx))
        claiming = self._start(key_lease.store.claim(key_lease.key, fingerprint, key_lease.holder, lease))
        current_owner.reset(token)
        try:
            async with asyncio.timeout(_patience(ctx)):
                return await asyncio.shield(claiming)
        except TimeoutError:
            self._start(self._unclaim(claiming, key_lease, silent=1))
            raise _silence("the store gave no answer within half of the call's time") from None
        except asyncio.CancelledError:
            self._start(self._unclaim(claiming, key_lease, silent=0))
            raise

    async def _unclaim(self, claiming: asyncio.Task[Claim], key_lease: KeyLease, *, silent: int) -> None:
        """Release the key of a call that has given up, after its claim has come through: an earlier release would release nothing. The
        claim counts as one that the store is silent about, if `silent` is 1."""
        self._silent += silent
        try:
            await claiming
        except StoreUnavailable:
            return
        except Exception:
            log.exception("a claim whose call had given up has failed")
            return
        finally:
            self._silent -= silent
        await self._release(key_lease)

    def _known(self, method: MethodSpec[Any, Any], ctx: Context, claim: Claim, fingerprint: bytes) -> Any:
        """The end of a call whose key another attempt holds or held."""
        if claim.fingerprint != fingerprint:
            why = "its idempotency key was used for another request; take a new one"
            raise self._rejection(method, ctx, Code.FAILED_PRECONDITION, KEY_REUSED, why)
        if claim.forgotten:
            raise self._rejection(method, ctx, Code.FAILED_PRECONDITION, ANSWER_FORGOTTEN, _ANSWER_FORGOTTEN)
        answer = claim.answer
        if answer is None:
            why = "a call with the same idempotency key is running"
            figures = {"lease_left": f"{claim.lease_left:.3f}"}
            raise self._rejection(method, ctx, Code.ABORTED, CONCURRENT_DUPLICATE, why, figures=figures, pushback=self._options.pushback)
        self._tell(method, ctx, REPLAYED)
        if answer.code == 0:
            return method.response.FromString(answer.body)
        status = Status.FromString(answer.body)
        raise RpcError(Code(answer.code), status.message, status.details)

    async def _failed(self, method: MethodSpec[Any, Any], ctx: Context, key_lease: KeyLease, error: BaseException) -> None:
        answer: Answer | None = None
        try:
            if definite(error):
                answer = _failure(error)
        except Exception:  # the handler put something into the error that is no text, no detail or no code
            log.exception("%s failed with an error that cannot be kept", method.full_name)
        if answer is not None:
            await self._keep(method, ctx, key_lease, answer)
        else:
            await asyncio.shield(self._start(self._release(key_lease)))

    async def _keep(self, method: MethodSpec[Any, Any], ctx: Context, key_lease: KeyLease, answer: Answer) -> None:
        """Store the answer. The effect has happened, so the caller gets the answer even if it cannot be stored in time."""
        completing = self._start(key_lease.store.complete(key_lease.key, key_lease.holder, answer, key_lease.ttl))
        try:
            async with asyncio.timeout(_patience(ctx)):
                kept = await asyncio.shield(completing)
        except (StoreUnavailable, TimeoutError):
            kept = False
        except Exception:
            log.exception("the answer of %s was not kept", method.full_name)
            kept = False
        if not kept:
            self._tell(method, ctx, ANSWER_NOT_KEPT)

    async def _release(self, key_lease: KeyLease) -> None:
        try:
            await key_lease.store.release(key_lease.key, key_lease.holder)
        except StoreUnavailable:
            return  # the lease will release it
        except Exception:
            log.exception("a key was not released before its lease ends")

    def _start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """A task that the call's cancellation does not reach. The set keeps it alive, which the loop alone would not."""
        task = asyncio.get_running_loop().create_task(work)
        self._closing.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._closing.discard(task)
        if not task.cancelled():
            task.exception()  # it is looked at, whether or not the call still waits for it, so the loop logs no error

    def _rejection(
        self,
        method: MethodSpec[Any, Any],
        ctx: Context,
        code: Code,
        reason: str,
        why: str,
        *,
        figures: dict[str, str] | None = None,
        pushback: float | None = None,
    ) -> RpcError:
        self._tell(method, ctx, reason, rejected=True)
        return rejection(code, method, role=self.role, reason=reason, why=why, figures=figures, pushback=pushback)

    def _tell(self, method: MethodSpec[Any, Any], ctx: Context, reason: str, *, rejected: bool = False) -> None:
        self._signal(Decision(method.full_name, self.role, reason, False, ctx, rejected))


def _patience(ctx: Context) -> float | None:
    """Seconds for which a call waits for its store: half of its time, so that it can say that the store was the reason. With a slower store
    a handler that writes to it would come too late. A call without a deadline waits as long as the store does."""
    remaining = ctx.remaining()
    return None if remaining is None else max(0.0, remaining / 2)


def scope(method: MethodSpec[Any, Any], ctx: Context) -> str:
    """The key as stores know it: a hash, which is short, has one form, and hides the caller's key from a reader of the store."""
    return hashlib.sha256(f"{method.full_name}\0{ctx.tenant}\0{ctx.caller}\0{ctx.idempotency_key}".encode()).hexdigest()


def owner_of(ctx: Context) -> KeyOwner:
    """The party whose share of the store a key takes: a tenant of the caller, which is known by its certificate, or else by its host."""
    return KeyOwner(ctx.caller or ctx.peer.rpartition(":")[0] or ctx.peer, ctx.tenant)


def definite(error: BaseException) -> bool:
    """Whether `error` is a final answer: the work was begun, and would end so again. A pushback invites another try, so such an error is
    not final."""
    return isinstance(error, RpcError) and classify(error) is Outcome.CLIENT_FAULT and not error.unprocessed and error.pushback is None


def _failure(error: Any) -> Answer:
    status = Status(code=int(error.code), message=error.message)
    for detail in error.details:
        packed = status.details.add()
        if isinstance(detail, PackedDetail):  # a detail from a call of the handler's, of a type that this process does not know
            packed.CopyFrom(detail)
        else:
            packed.Pack(detail)
    return Answer(code=int(error.code), body=status.SerializeToString(deterministic=True))


def _silence(text: str) -> StoreUnavailable:
    return StoreUnavailable(text, told=text)
