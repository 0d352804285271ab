"""The port between the `idempotency` role and what remembers its keys: memory, SQLite, PostgreSQL, Redis.

A store holds one record per key: who runs the call and until when, or what the answer was and until when. Times are durations that the
store adds to its own clock, since holders in several processes share none. A store that keeps its records beside a service's data can
commit an effect and its answer as one: `held` tells it which key the running handler is answering.

A store decides nothing about calls: it compares no fingerprints and chooses no errors.
"""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, Protocol

from google.protobuf.message import Message


class StoreUnavailable(Exception):
    """The store could not be asked, or could not answer: it is down, full, or lost its connection."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a call came to: code 0 and the serialised response, or a gRPC code and a serialised google.rpc.Status."""

    code: int
    body: bytes

    @staticmethod
    def of(response: Message) -> "Answer":
        """The answer of a call that succeeded with `response`."""
        return Answer(code=0, body=response.SerializeToString(deterministic=True))


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """What a store says to an attempt. `mine`: it holds the key now and is to run. Else `answer` is the one that was stored, or None while
    another holder runs, for `lease_left` seconds at the most. `fingerprint` is that of the request that came first."""

    mine: bool
    fingerprint: bytes
    answer: Answer | None = None
    lease_left: float = 0.0


class IdempotencyStore(Protocol):
    """Remembers keys. Every method raises StoreUnavailable; a cancelled one may or may not have had its effect, and leaves nothing locked
    beyond a lease."""

    async def claim(self, key: str, fingerprint: bytes, holder: str, lease: float) -> Claim:
        """Take `key` for `holder` if nobody has it, its holder's lease has passed, or its answer has expired; atomic between processes.
        `lease` is in seconds."""
        ...

    async def complete(self, key: str, holder: str, answer: Answer, ttl: float) -> bool:
        """Keep `answer` for `ttl` seconds; False, and nothing is kept, if `holder` does not hold the key any more."""
        ...

    async def release(self, key: str, holder: str) -> None:
        """Forget `key`, so that another attempt may run; does nothing if it was answered or `holder` does not hold it."""
        ...


class Held:
    """The key that the running handler answers, as its store's transaction sees it. `answered` is set once an answer was committed with the
    effect, so that the layer does not store another."""

    __slots__ = ("answered", "holder", "key", "store", "ttl")

    def __init__(self, store: IdempotencyStore, key: str, holder: str, ttl: float) -> None:
        self.store: Final = store
        self.key: Final = key
        self.holder: Final = holder
        self.ttl: Final = ttl
        self.answered = False


held: Final[ContextVar[Held | None]] = ContextVar("towpath_idempotency", default=None)
"""What the handler of this task holds; None in a call without a key."""
