"""The names of one generated module: its imports, the names under which it imports, and a check that none of its definitions clash.

Fixed names are reserved whether or not a contract happens to need them, so that adding an option to a method cannot make a name illegal.
"""

from collections.abc import Iterator
from typing import Final

from towpath._contracts.diagnostics import ContractError, SourceLocation
from towpath._contracts.model import ContractModel, TypeRef
from towpath._core.service import Idempotency, MethodKind

_GENERATED: Final = "towpath.generated"
_FIXED: Final = {
    "abstractmethod": "abc",
    "ClassVar": "typing",
    "Final": "typing",
    "AsyncIterator": "collections.abc",
    "BidiStreamingCall": _GENERATED,
    "Binder": _GENERATED,
    "Iterable": "collections.abc",
    "SyncBidiStreamingCall": _GENERATED,
    "SyncBinder": _GENERATED,
    "SyncClientStreamingCall": _GENERATED,
    "SyncServerStreamingCall": _GENERATED,
    "ClientStreamingCall": _GENERATED,
    "Requests": _GENERATED,
    "ServerStreamingCall": _GENERATED,
    "CallOptions": _GENERATED,
    "Context": _GENERATED,
    "Criticality": _GENERATED,
    "Code": _GENERATED,
    "HedgingPolicy": _GENERATED,
    "HttpBinding": _GENERATED,
    "RetryPolicy": _GENERATED,
    "Idempotency": _GENERATED,
    "IdempotencyKey": _GENERATED,
    "MethodKind": _GENERATED,
    "MethodSpec": _GENERATED,
    "Service": _GENERATED,
    "ServiceSpec": _GENERATED,
}
_STANDARD_LIBRARY: Final = ("abc", "collections.abc", "typing")

STREAMING_CALLS: Final = {
    MethodKind.SERVER_STREAMING: "ServerStreamingCall",
    MethodKind.CLIENT_STREAMING: "ClientStreamingCall",
    MethodKind.BIDI_STREAMING: "BidiStreamingCall",
}
"""What a client's method of each kind returns."""


class Namespace:
    """The imports of a generated module. `modules` maps each imported message module to its name in the text."""

    def __init__(self, contract: ContractModel) -> None:
        """Raises `ContractError` if two names that the module would define, or define and import, are the same."""
        self._contract = contract
        self.modules = _message_modules(contract)
        _refuse_clashes(contract, {*_FIXED, *self.modules.values()})

    def type(self, ref: TypeRef) -> str:
        """The name of the message class `ref` in the text."""
        return f"{self.modules[ref.module]}.{ref.name}"

    def import_blocks(self) -> Iterator[list[tuple[str, list[str]]]]:
        """The imports as `(module, names)`, sorted; the standard library's first, then all others. A name may carry ` as alias`."""
        wanted: dict[str, list[str]] = {}
        for name in self._needed():
            wanted.setdefault(_FIXED[name], []).append(name)
        for module, alias in self.modules.items():
            package, _, base = module.rpartition(".")
            wanted.setdefault(package, []).append(base if base == alias else f"{base} as {alias}")
        modules = sorted(wanted)
        yield [(module, sorted(wanted[module], key=_import_order)) for module in modules if module in _STANDARD_LIBRARY]
        yield [(module, sorted(wanted[module], key=_import_order)) for module in modules if module not in _STANDARD_LIBRARY]

    def _needed(self) -> list[str]:
        methods = [method for service in self._contract.services for method in service.methods]
        needed = ["ClassVar", "Binder", "Service", "ServiceSpec", "SyncBinder"]
        if methods:
            needed += ["abstractmethod", "Final", "CallOptions", "Context", "MethodSpec"]
        if any(method.declared.criticality is not None for method in methods):
            needed.append("Criticality")
        if any(method.declared.idempotency is not Idempotency.UNKNOWN for method in methods):
            needed.append("Idempotency")
        if any(method.declared.idempotency_key is not None for method in methods):
            needed.append("IdempotencyKey")
        if any(method.http for method in methods):
            needed.append("HttpBinding")
        retried, hedged = (any(getattr(method.declared, name) is not None for method in methods) for name in ("retry", "hedge"))
        needed += [name for name, used in (("RetryPolicy", retried), ("HedgingPolicy", hedged), ("Code", retried or hedged)) if used]
        kinds = {method.kind for method in methods} - {MethodKind.UNARY}
        if kinds:
            needed += ["MethodKind", "AsyncIterator"]
        if any(kind.requests_stream for kind in kinds):
            needed += ["Requests", "Iterable"]
        return [*needed, *(f"{prefix}{STREAMING_CALLS[kind]}" for kind in kinds for prefix in ("", "Sync"))]


def _import_order(name: str) -> tuple[bool, bool, str]:
    """The order that isort keeps within one statement: constants, then classes, then the rest."""
    return not name.isupper(), not name[0].isupper(), name


def _message_modules(contract: ContractModel) -> dict[str, str]:
    refs = {ref.module for service in contract.services for method in service.methods for ref in (method.request, method.response)}
    named: dict[str, str] = {}
    for module in sorted(refs):
        base = module.rpartition(".")[2]
        shared = sum(other.rpartition(".")[2] == base for other in refs) > 1
        named[module] = module.replace(".", "_") if shared else base
    return named


def _refuse_clashes(contract: ContractModel, imported: set[str]) -> None:
    defined: dict[str, tuple[str, SourceLocation]] = {}
    for name, what, location in _definitions(contract):
        if name in imported:
            raise ContractError(
                f"{what} is generated as {name}, a name that generated code imports",
                location=location,
                hint="rename it in the contract; a service's name usually ends in Service, with something in front",
            )
        other, elsewhere = defined.setdefault(name, (what, location))
        if elsewhere != location:
            raise ContractError(
                f"{what} and {other} are both generated as {name}",
                location=location,
                also=elsewhere,
                hint="rename one of the two, or move one service to a contract of its own",
            )


def _definitions(contract: ContractModel) -> Iterator[tuple[str, str, SourceLocation]]:
    for service in contract.services:
        yield service.name, f"service {service.name}", service.location
        yield service.client_name, f"the client of service {service.name}", service.location
        yield service.sync_client_name, f"the sync client of service {service.name}", service.location
        for method in service.methods:
            yield method.constant, f"the MethodSpec of {service.name}/{method.name}", method.location
