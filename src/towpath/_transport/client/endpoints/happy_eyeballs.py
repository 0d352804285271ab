"""Which address of a name a connection is made to: the first that answers (Happy Eyeballs, RFC 8305).

A name often has several addresses of which one leads nowhere, such as an IPv6 address on a network without a route. Attempts begin one
after the other, alternating between the address families, and the first connection that is ready is used. The next attempt begins as soon
as one has failed, after 250 ms without a connection (section 8), and after 2 s on a connection that says nothing: a process that
hangs is still connected by its operating system. The longer wait keeps a slow TLS handshake from being done twice.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from ipaddress import ip_address
from itertools import zip_longest
from typing import Any, Final, TypeVar

from towpath._transport.address import Address
from towpath._transport.client.endpoints.endpoint import Unreachable
from towpath._transport.client.endpoints.lookup import lookup

T = TypeVar("T")

_ATTEMPT_DELAY: Final = 0.25
"""Seconds after which the next address is tried while the one before has not connected."""

_SILENT_DELAY: Final = 2.0
"""Seconds after which the next address is tried while the one before has connected, but is not ready."""


class Progress:
    """How far one attempt has come."""

    connected = False
    """Whether the operating system at the other end has accepted the connection."""


async def addresses_of(address: Address) -> list[Address]:
    """What the host of `address` resolves to, in the order in which they are tried. Raises OSError (`socket.gaierror`), and UnicodeError
    for a name that cannot be one."""
    if _is_literal(address.host):
        return [address]
    found = await lookup(address.host, address.port)
    families: dict[int, dict[Address, None]] = {}
    for family, _, _, _, sockaddr in found:
        host, scope = str(sockaddr[0]), sockaddr[3] if len(sockaddr) > 3 else 0
        scoped = f"{host}%{scope}" if scope and "%" not in host else host
        families.setdefault(family, {})[Address(scoped, address.port)] = None
    return [found for one_of_each in zip_longest(*families.values()) for found in one_of_each if found is not None]


def _is_literal(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


async def first_ready(
    addresses: Sequence[Address], attempt: Callable[[Address, Progress], Coroutine[Any, Any, T]], discard: Callable[[T], None]
) -> T:
    """What the first attempt that succeeds has made. An attempt raises Unreachable; the others are cancelled, and what one of
    them has made in the same moment is given to `discard`. Raises Unreachable with every reason if all of them fail."""
    if len(addresses) == 1:
        return await attempt(addresses[0], Progress())
    loop = asyncio.get_running_loop()
    attempts: dict[asyncio.Task[T], Address] = {}
    reasons: dict[Address, str] = {}
    winner: asyncio.Task[T] | None = None
    try:
        for index, address in enumerate(addresses):
            progress = Progress()
            attempts[loop.create_task(attempt(address, progress))] = address
            last = index == len(addresses) - 1
            winner = await _outcome(attempts, reasons, progress, last=last)
            if winner is not None:
                return winner.result()
    finally:
        losers = [task for task in attempts if task is not winner]
        for task in losers:
            task.add_done_callback(lambda task: _drop(task, discard))
            task.cancel()
        if losers:
            await asyncio.wait(losers)
    raise Unreachable(_told(reasons))


async def _outcome(
    attempts: dict[asyncio.Task[T], Address], reasons: dict[Address, str], progress: Progress, *, last: bool
) -> asyncio.Task[T] | None:
    """The attempt that has succeeded, or None once the next address is to be tried."""
    waits = iter((_ATTEMPT_DELAY, _SILENT_DELAY - _ATTEMPT_DELAY))
    while pending := [task for task, address in attempts.items() if address not in reasons]:
        timeout = None if last else next(waits, 0.0)
        done, _ = await asyncio.wait(pending, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            error = task.exception()
            if error is None:
                return task
            if not isinstance(error, Unreachable):
                raise error
            reasons[attempts[task]] = str(error)
        if not last and (done or not progress.connected or timeout != _ATTEMPT_DELAY):
            break
    return None


def _drop(task: asyncio.Task[T], discard: Callable[[T], None]) -> None:
    if not task.cancelled() and task.exception() is None:
        discard(task.result())


def _told(reasons: dict[Address, str]) -> str:
    different = set(reasons.values())
    return different.pop() if len(different) == 1 else "; ".join(f"{address}: {reason}" for address, reason in reasons.items())
