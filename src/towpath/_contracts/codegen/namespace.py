"""The names of one generated module: its imports, the names under which it imports, and a check that none of its definitions clash.

A contract decides about its own names: what it calls a service or a method is what the code calls it, and an import that has the name
already gets another one.
"""

from collections.abc import Collection, Iterator
from typing import Final

from towpath._contracts.diagnostics import ContractError, SourceLocation
from towpath._contracts.model import ContractModel, TypeRef
from towpath._contracts.naming import is_nameable
from towpath._core.service import Idempotency, MethodKind

_GENERATED: Final = "towpath.generated"
_FAKES: Final = "towpath.testing.fakes"
_FIXED: Final = {
    "Any": "typing",
    "abstractmethod": "abc",
    "import_module": "importlib",
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
    "deprecated": _GENERATED,
    "HedgingPolicy": _GENERATED,
    "HttpBinding": _GENERATED,
    "RetryPolicy": _GENERATED,
    "Idempotency": _GENERATED,
    "IdempotencyKey": _GENERATED,
    "MethodKind": _GENERATED,
    "MethodSpec": _GENERATED,
    "Service": _GENERATED,
    "ServiceSpec": _GENERATED,
    "BidiReply": _FAKES,
    "ClientStreamReply": _FAKES,
    "FakeBidiStream": _FAKES,
    "FakeClientStream": _FAKES,
    "FakeServerStream": _FAKES,
    "FakeService": _FAKES,
    "FakeUnary": _FAKES,
    "ServerStreamReply": _FAKES,
    "UnaryReply": _FAKES,
}
_STANDARD_LIBRARY: Final = ("abc", "collections.abc", "importlib", "typing")

STREAMING_CALLS: Final = {
    MethodKind.SERVER_STREAMING: "ServerStreamingCall",
    MethodKind.CLIENT_STREAMING: "ClientStreamingCall",
    MethodKind.BIDI_STREAMING: "BidiStreamingCall",
}
"""What a client's method of each kind returns."""


FAKES: Final = {
    MethodKind.UNARY: ("FakeUnary", "UnaryReply"),
    MethodKind.SERVER_STREAMING: ("FakeServerStream", "ServerStreamReply"),
    MethodKind.CLIENT_STREAMING: ("FakeClientStream", "ClientStreamReply"),
    MethodKind.BIDI_STREAMING: ("FakeBidiStream", "BidiReply"),
}
"""What a fake's method of each kind is, and what it is given."""


class Imports:
    """The imports of a generated module, and the names under which its text has them. A name that the module defines itself, or a class in
    it has as an attribute, is imported under another one."""

    def __init__(self, contract: ContractModel, defined: Collection[str], modules: Collection[str]) -> None:
        """`defined` are the names that the module defines, and `modules` those that it imports."""
        self._contract = contract
        self._taken = {*defined, *(method.attribute for service in contract.services for method in service.methods)}
        self._modules = {module: self._free(name) for module, name in _module_names(modules).items()}

    def __getitem__(self, name: str) -> str:
        """The name in the text of one of the fixed imports."""
        return self._free(name)

    def type(self, ref: TypeRef) -> str:
        """The message class `ref` as a type. The type of a class that Python cannot name is not known to type checkers."""
        return f"{self._modules[ref.module]}.{ref.name}" if ref.nameable else self["Any"]

    def value(self, ref: TypeRef) -> str:
        """The message class `ref` as an expression."""
        found = self._modules[ref.module]
        for name in ref.name.split("."):
            found = f"{found}.{name}" if is_nameable(name) else f'getattr({found}, "{name}")'
        return found

    def import_blocks(self) -> Iterator[list[tuple[str, list[str]]]]:
        """The imports as `(module, names)`, sorted; the standard library's first, then all others. A name may carry ` as alias`."""
        wanted: dict[str, list[str]] = {}
        for name in self._needed():
            wanted.setdefault(_FIXED[name], []).append(_imported(name, self[name]))
        for module, alias in self._modules.items():
            if is_nameable(module):
                package, _, base = module.rpartition(".")
                wanted.setdefault(package, []).append(_imported(base, alias))
        modules = sorted(wanted)
        yield [(module, sorted(wanted[module], key=_import_order)) for module in modules if module in _STANDARD_LIBRARY]
        yield [(module, sorted(wanted[module], key=_import_order)) for module in modules if module not in _STANDARD_LIBRARY]

    def looked_up(self) -> Iterator[tuple[str, str]]:
        """The modules that a statement cannot import, because their names have a keyword of Python, each with its name in the text."""
        return ((alias, module) for module, alias in self._modules.items() if not is_nameable(module))

    def _free(self, name: str) -> str:
        while name in self._taken:
            name = f"_{name}"
        return name

    def _needed(self) -> list[str]:
        """The fixed imports of the text."""
        raise NotImplementedError


class Namespace(Imports):
    """The names of the module with a contract's services."""

    def __init__(self, contract: ContractModel) -> None:
        """Raises `ContractError` if two names that the module would define are the same."""
        _refuse_clashes(contract)
        self._refs = refs = list(_messages(contract))
        self.registers = all(ref.module != contract.module for ref in refs)
        """Whether the text has to import the module of the file itself, which no method's messages are in: without it nobody finds the
        services by reflection."""
        modules = {ref.module for ref in refs} | ({contract.module} if self.registers and contract.services else set[str]())
        super().__init__(contract, [name for name, _, _ in _definitions(contract)], modules)

    def descriptor(self) -> str:
        """The descriptor of the file as an expression, for a text that `registers` it."""
        return f"{self._modules[self._contract.module]}.DESCRIPTOR"

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
        if any(one.deprecated for one in (*self._contract.services, *methods)):
            needed.append("deprecated")
        if not all(ref.nameable for ref in self._refs):
            needed.append("Any")
        if any(self.looked_up()):
            needed += ["Any", "import_module"]
        kinds = {method.kind for method in methods} - {MethodKind.UNARY}
        if kinds:
            needed += ["MethodKind", "AsyncIterator"]
        if any(kind.requests_stream for kind in kinds):
            needed += ["Requests", "Iterable"]
        needed += [f"{prefix}{STREAMING_CALLS[kind]}" for kind in kinds for prefix in ("", "Sync")]
        return list(dict.fromkeys(needed))


class FakesNamespace(Imports):
    """The names of the module with the fakes of a contract's services. `module` is the one with the services."""

    def __init__(self, contract: ContractModel, module: str) -> None:
        self._module = module
        self._refs = list(_messages(contract))
        super().__init__(contract, [service.fake_name for service in contract.services], {module, *(ref.module for ref in self._refs)})

    def of_services(self, name: str) -> str:
        """What the module with the services has as `name`, as an expression."""
        return f"{self._modules[self._module]}.{name}"

    def _needed(self) -> list[str]:
        kinds = {method.kind for service in self._contract.services for method in service.methods}
        needed = ["FakeService", *(name for kind in kinds for name in FAKES[kind])]
        if not all(ref.nameable for ref in self._refs):
            needed.append("Any")
        if any(self.looked_up()):
            needed += ["Any", "import_module"]
        return list(dict.fromkeys(needed))


def _messages(contract: ContractModel) -> Iterator[TypeRef]:
    for service in contract.services:
        for method in service.methods:
            yield from (method.request, method.response)


def _imported(name: str, alias: str) -> str:
    return name if name == alias else f"{name} as {alias}"


def _import_order(name: str) -> tuple[bool, bool, str]:
    """The order that isort keeps within one statement: constants, then classes, then the rest."""
    return not name.isupper(), not name[0].isupper(), name


def _module_names(modules: Collection[str]) -> dict[str, str]:
    named: dict[str, str] = {}
    for module in sorted(modules):
        base = module.rpartition(".")[2]
        shared = sum(other.rpartition(".")[2] == base for other in modules) > 1
        name = module.replace(".", "_") if shared else base
        named[module] = name if name.isidentifier() else f"_{name}"
    return named


def _refuse_clashes(contract: ContractModel) -> None:
    defined: dict[str, tuple[str, SourceLocation]] = {}
    for name, what, location in _definitions(contract):
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
        yield service.class_name, f"service {service.name}", service.location
        yield service.client_name, f"the client of service {service.name}", service.location
        yield service.sync_client_name, f"the sync client of service {service.name}", service.location
        for method in service.methods:
            yield method.constant, f"the MethodSpec of {service.name}/{method.name}", method.location
