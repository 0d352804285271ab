"""The part that the transactions of all stores share: the answer, which is committed together with the effect.

A handler writes its effect in `async with store.transaction() as tx:` and ends the block with `return tx.answer(response)`. In a call with
a key, the commit also stores the answer, but only if this attempt still holds the key. If its lease ended and another attempt took the key,
everything is rolled back. In a call without a key it is a plain transaction.
"""

from typing import TypeVar

from google.protobuf.message import Message

from towpath._core.disclosure.fault_log import FaultLog
from towpath._core.errors import Code, RpcError
from towpath._layers.idempotency.store import Answer, IdempotencyStore, KeyLease, current_lease

Res = TypeVar("Res", bound=Message)


def lease_of(store: IdempotencyStore) -> KeyLease | None:
    """The lease of the key that this call holds in `store`, or None. Raises RuntimeError once the key is answered: one key is one
    transaction."""
    found = current_lease.get()
    if found is None or found.store is not store:
        return None
    if found.answered:
        raise RuntimeError("the call's key is answered already; write all that belongs to one effect in one transaction")
    return found


class Answering:
    """The base of a transaction. Nothing is committed if its block raises, or if a call with a key gives no answer."""

    __slots__ = ("_answer", "_lease")

    def __init__(self, found: KeyLease | None) -> None:
        self._lease = found
        self._answer: Answer | None = None

    def answer(self, response: Res) -> Res:
        """Store `response` as the call's answer when the transaction commits, and return it."""
        self._answer = Answer.of(response)
        return response

    def due(self) -> tuple[KeyLease, Answer] | None:
        """The lease and the answer to commit; None in a call without a key. Raises RuntimeError if the handler gave no answer."""
        if self._lease is None:
            return None
        if self._answer is None:
            raise RuntimeError("a transaction of a call with a key must end with tx.answer(response), or an effect would have no answer")
        return self._lease, self._answer


def unwritten(error: Exception, faults: FaultLog) -> RpcError:
    """The error of a call whose transaction lost its database, by `error`, before it was committed. The call may be made again."""
    faults.tell("the store failed a transaction, of which nothing was written", error)
    return RpcError(Code.UNAVAILABLE, "the database was lost in a transaction, of which nothing was written")


def undecided(error: Exception, faults: FaultLog) -> RpcError:
    """The error of a call with a key whose database was lost, by `error`, while its transaction was committed. Answer and effect are
    written together or not at all, so another attempt with the key learns which."""
    faults.tell("the store failed a commit", error)
    return RpcError(Code.UNAVAILABLE, "the database was lost in a commit; the same idempotency key will tell whether it was made")


def overtaken() -> RpcError:
    """The error of an attempt whose key another attempt has taken over. Nothing of its transaction is committed."""
    error = RpcError(Code.ABORTED, "another attempt has taken over this call's idempotency key; nothing was written")
    error.pushback = 0.1
    return error
