"""The shares that callers have of a store's memory, and the tenants of each, so that the greediest of them makes room for a newcomer.

Callers come before tenants: a caller can name a thousand tenants, and still takes from its own share. A caller without a certificate is
known by its host. One of the largest shares is found without a look at all of them: shares lie in bands by the length of their size in
bits, so the one that is found has at least half of what the very largest has.
"""

from typing import Final, Generic, Protocol, TypeVar

from towpath._layers.idempotency.store import KeyOwner


class Sized(Protocol):
    """A share with its size."""

    @property
    def size(self) -> int:
        """Bytes of the keys in this share whose calls do not run."""
        ...


S = TypeVar("S", bound=Sized)


class SizeBands(Generic[S]):
    """Shares by the length of their size in bits. Those without a size are left out."""

    __slots__ = ("_bands",)

    def __init__(self) -> None:
        self._bands: dict[int, dict[S, None]] = {}

    def largest(self) -> S:
        """One of the largest shares. There has to be one with a size."""
        return next(iter(self._bands[max(self._bands)]))

    def resized(self, share: S, before: int) -> None:
        """The size of `share` was `before` until now."""
        old, new = before.bit_length(), share.size.bit_length()
        if old == new:
            return
        if old:
            band = self._bands[old]
            del band[share]
            if not band:
                del self._bands[old]
        if new:
            self._bands.setdefault(new, {})[share] = None


class TenantShare:
    """The keys of one tenant of one caller."""

    __slots__ = ("answers", "caller", "name", "running", "size", "spent")

    def __init__(self, name: str, caller: "CallerShare") -> None:
        self.name: Final = name
        self.caller: Final = caller
        self.size = 0
        """Bytes of the keys whose calls do not run. These can be given up."""
        self.running = 0
        """Keys whose calls run."""
        self.answers: dict[str, None] = {}
        """The keys with an answer, the oldest first."""
        self.spent: dict[str, None] = {}
        """The keys whose answer was given up, the oldest first."""


class CallerShare:
    """The keys of one caller, by tenant."""

    __slots__ = ("bands", "name", "size", "tenants")

    def __init__(self, name: str) -> None:
        self.name: Final = name
        self.size = 0
        """Bytes of the keys whose calls do not run."""
        self.tenants: dict[str, TenantShare] = {}
        self.bands = SizeBands[TenantShare]()


class KeyShares:
    """The shares of all callers."""

    __slots__ = ("_bands", "_callers", "size")

    def __init__(self) -> None:
        self.size = 0
        """Bytes of the keys whose calls do not run."""
        self._callers: dict[str, CallerShare] = {}
        self._bands = SizeBands[CallerShare]()

    def __len__(self) -> int:
        """How many callers have keys."""
        return len(self._callers)

    def of(self, owner: KeyOwner) -> TenantShare:
        """The share of `owner`, made if there is none."""
        caller = self._callers.get(owner.caller)
        if caller is None:
            caller = self._callers[owner.caller] = CallerShare(owner.caller)
        share = caller.tenants.get(owner.tenant)
        if share is None:
            share = caller.tenants[owner.tenant] = TenantShare(owner.tenant, caller)
        return share

    def add(self, share: TenantShare, size: int) -> None:
        """Count `size` bytes more to `share`, or fewer if it is negative."""
        caller = share.caller
        share.size += size
        caller.bands.resized(share, share.size - size)
        caller.size += size
        self._bands.resized(caller, caller.size - size)
        self.size += size

    def largest(self) -> TenantShare:
        """One of the largest shares of one of the largest callers. `size` has to be more than 0."""
        return self._bands.largest().bands.largest()

    def drop_if_unused(self, share: TenantShare) -> None:
        """Forget `share` if it has no keys, and its caller if it has no others."""
        if share.size or share.running:
            return
        caller = share.caller
        del caller.tenants[share.name]
        if not caller.tenants:
            del self._callers[caller.name]
