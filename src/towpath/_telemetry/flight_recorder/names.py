"""The names that rows refer to: methods, peers, tenants, reasons, each as an index into the ring's file.

Methods and reasons are as many as there are contracts and policies. Tenants and peers are as many as callers like, so that each kind may
have a share of the room alone: what comes after that is `_OTHER`. A caller's port is left out, since it says nothing and never comes twice.
"""

from typing import Final

from towpath._telemetry.flight_recorder.ring import OTHER, Writer

_SHARE: Final = 1 << 16
"""Bytes that the names of tenants may have together, and those of callers, and those of servers that are called: a quarter of the room."""

_MOST: Final = 1 << 14
"""Names that each of these kinds may have."""

_REMEMBERED: Final = 4096
"""Callers' addresses, with their ports, whose names are remembered. All are forgotten then."""


class _Kind(dict[str, int]):
    """The names of one kind."""

    __slots__ = ("room",)

    def __init__(self, room: int) -> None:
        super().__init__({"": 0})
        self.room = room


class Names:
    """The names of one ring."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._tenants = _Kind(_SHARE)
        self._hosts = _Kind(_SHARE)
        self._reasons = _Kind(_SHARE)
        self.callers: Final[dict[str, int]] = {}
        """The callers that are known, by their addresses with port."""
        self.servers: Final = _Kind(_SHARE)
        """The servers that are known, by their addresses."""
        self.addresses: Final[dict[int, str]] = {}
        """The addresses of these servers, by their indexes."""

    def method(self, name: str) -> int:
        """The index of a method's full name."""
        return self._writer.intern(name)

    def reason(self, reason: str) -> int:
        """The index of what rejected a call; 0 for nothing."""
        return self._of(self._reasons, reason)

    def tenant(self, tenant: str) -> int:
        """The index of a tenant; 0 for none."""
        return self._of(self._tenants, tenant)

    def server(self, address: str) -> int:
        """The index of a server that is called; 0 for none."""
        index = self._of(self.servers, address)
        if index > OTHER:
            self.addresses[index] = address
        return index

    def caller(self, address: str) -> int:
        """The index of the host of a caller, whose address has a port."""
        if len(self.callers) >= _REMEMBERED:
            self.callers.clear()
        index = self.callers[address] = self._of(self._hosts, address.rpartition(":")[0] or address)
        return index

    def _of(self, known: _Kind, name: str) -> int:
        index = known.get(name)
        if index is None:
            if len(known) > _MOST or len(name) > known.room:
                return OTHER
            known.room -= len(name.encode(errors="replace"))
            index = known[name] = self._writer.intern(name)
        return index
