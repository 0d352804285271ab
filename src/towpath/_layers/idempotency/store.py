"""The port between the `idempotency` role and the stores of its keys: memory, SQLite, PostgreSQL, Redis.

A store holds one record per key: either the holder that runs the call, or the answer, each with a time at which it expires. Times are
durations that the store adds to its own clock, since holders in several processes share none. A store that keeps its records beside a
service's data can commit an effect and its answer as one: `current_lease` tells it which key the running handler is answering. A store
whose room is scarce can divide it: `current_owner` tells it whose key it is asked for.

A store decides nothing about calls: it compares no fingerprints and chooses no errors.
"""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from google.protobuf.message import Message


class StoreUnavailable(Exception):
    """The store could not be asked, or could not answer: it is down, full, or lost its connection. The message is for the log. It may name
    hosts and files, so callers are told `told` instead."""

    def __init__(self, message: str, *, told: str = "the store cannot be asked now") -> None:
        super().__init__(message)
        self.told: Final = told
        """What callers are told."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """The end of a call, as it is stored."""

    code: int
    """0 for a response, else the gRPC code of the error."""
    body: bytes
    """The serialised response, or the serialised google.rpc.Status of the error."""

    @staticmethod
    def of(response: Message) -> "Answer":
        """The answer of a call that succeeded with `response`."""
        return Answer(code=0, body=response.SerializeToString(deterministic=True))


class KeyOwner(NamedTuple):
    """The party whose share of a store a key is counted to."""

    caller: str
    """The identity in the caller's certificate, or its host."""
    tenant: str
    """The tenant that it calls for; empty for none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """What a store answers to an attempt that asks for a key."""

    mine: bool
    """Whether this attempt holds the key now and has to run."""
    fingerprint: bytes
    """The fingerprint of the request that came first."""
    answer: Answer | None = None
    """The stored answer; None while another holder runs."""
    lease_left: float = 0.0
    """Seconds until the other holder's lease ends."""
    forgotten: bool = False
    """Whether the call was made, and the store had no room for its answer any more."""
    evicted: int = 0
    """Keys that the store has forgotten before their time since another claim told it, for want of room."""


class IdempotencyStore(Protocol):
    """Remembers keys. Every method raises StoreUnavailable, also after a time of the store's own if nothing answers. A cancelled method may
    or may not have had its effect, and leaves nothing locked beyond a lease."""

    async def claim(self, key: str, fingerprint: bytes, holder: str, lease: float) -> Claim:
        """Take `key` for `holder` if the key is free, the lease of its holder has passed, or its answer has expired. The step is atomic
        between processes. `lease` is in seconds."""
        ...

    async def complete(self, key: str, holder: str, answer: Answer, ttl: float) -> bool:
        """Keep `answer` for `ttl` seconds. Returns False, and keeps nothing, if `holder` does not hold the key any more."""
        ...

    async def release(self, key: str, holder: str) -> None:
        """Forget `key`, so that another attempt may run. A key that was answered, or that `holder` does not hold, stays."""
        ...


class KeyLease:
    """The lease of a key: the right of the running call to have the key's effect and to store its answer."""

    __slots__ = ("answered", "holder", "key", "store", "ttl")

    def __init__(self, store: IdempotencyStore, key: str, holder: str, ttl: float) -> None:
        self.store: Final = store
        self.key: Final = key
        """The key as the store knows it."""
        self.holder: Final = holder
        """The name of this attempt in the store."""
        self.ttl: Final = ttl
        """Seconds for which an answer is kept."""
        self.answered = False
        """Whether an answer was committed with the effect. If so, the layer stores no other."""


NOBODY: Final = KeyOwner("", "")
"""The owner of keys that are claimed outside of a call."""

current_owner: Final[ContextVar[KeyOwner]] = ContextVar("towpath_key_owner", default=NOBODY)
"""The owner of the key that is being claimed, for a store that divides its room among owners."""

current_lease: Final[ContextVar[KeyLease | None]] = ContextVar("towpath_idempotency", default=None)
"""The lease of this task's call; None in a call without a key."""
