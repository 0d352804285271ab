"""Idempotency keys in Redis or Valkey, for any number of processes: quick, and with a smaller promise.

The store needs the extra `redis`. A claim is SET NX PX, so the lease ends by the server's own clock. A script stores the answer or releases
the key, after it has checked that the holder still holds the key. Each of these may arrive twice: where the reply is lost, the command is
sent again, and the name of the holder, or the answer, tells that the first one had arrived.

Effect and key are never in one transaction here. After a crash between the two the effect runs again. A server forgets keys when it loses
its memory, or when it fails over to a replica that is behind. If an effect must happen exactly once, keep its keys in the database that
holds the effect.
"""

from typing import Final

from towpath._core.errors import SetupError
from towpath._layers.idempotency.store import Answer, Claim, StoreUnavailable
from towpath._stores.redis_connections import asked, client_of

_PREFIX: Final = "towpath:idempotency:1:"
"""The prefix of all keys. The 1 is the version of the records' form: a towpath with another version sees none of these records."""

# A record is the form's letter, the fingerprint (32 bytes) and then the holder, or the code (1 byte) and the body.
_RUNNING: Final = b"r"
_ANSWERED: Final = b"a"
_FINGERPRINT: Final = slice(1, 33)

_COMPLETE: Final = """
local found = redis.call('GET', KEYS[1])
if found and found == 'a' .. found:sub(2, 33) .. ARGV[2] then return 1 end
if not found or found:sub(1, 1) ~= 'r' or found:sub(34) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], 'a' .. found:sub(2, 33) .. ARGV[2], 'PX', ARGV[3])
return 1
"""
_RELEASE: Final = """
local found = redis.call('GET', KEYS[1])
if found and found:sub(1, 1) == 'r' and found:sub(34) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 0
"""


class RedisStore:
    """An `IdempotencyStore`. `url` is `redis://`, `rediss://` or `unix://`. The server deletes expired keys. A command waits up to
    `timeout` seconds for its answer, 2 by default, and then raises StoreUnavailable. A connection that was lost, or that leads to a server
    that has become a replica, is made anew at once."""

    def __init__(self, url: str, *, timeout: float = 2.0) -> None:
        self._client = client_of(url, timeout)
        self._timeout = timeout

    async def open(self) -> None:
        """Connect. Raises SetupError if the server does not answer."""
        try:
            await asked(self._client, self._client.ping, self._timeout)
        except StoreUnavailable as error:
            raise SetupError(f"the Redis store could not be reached: {error}; check its address") from error

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def claim(self, key: str, fingerprint: bytes, holder: str, lease: float) -> Claim:
        name, record = _PREFIX + key, _RUNNING + fingerprint + holder.encode()

        async def command() -> tuple[bytes | None, int]:
            if await self._client.set(name, record, nx=True, px=_milliseconds(lease)):
                return record, 0
            async with self._client.pipeline() as pipeline:
                return await pipeline.get(name).pttl(name).execute()

        found, left = await asked(self._client, command, self._timeout)
        if found == record:
            return Claim(mine=True, fingerprint=fingerprint)
        if found is None:  # the lease ended between the two commands: the next claim gets the key
            return Claim(mine=False, fingerprint=fingerprint)
        answer = Answer(code=found[33], body=found[34:]) if found[:1] == _ANSWERED else None
        return Claim(mine=False, fingerprint=found[_FINGERPRINT], answer=answer, lease_left=max(0, left) / 1000)

    async def complete(self, key: str, holder: str, answer: Answer, ttl: float) -> bool:
        record = bytes((answer.code,)) + answer.body
        arguments = (_COMPLETE, 1, _PREFIX + key, holder, record, _milliseconds(ttl))
        return await asked(self._client, lambda: self._client.eval(*arguments), self._timeout) == 1

    async def release(self, key: str, holder: str) -> None:
        await asked(self._client, lambda: self._client.eval(_RELEASE, 1, _PREFIX + key, holder), self._timeout)


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))  # Redis takes no 0
