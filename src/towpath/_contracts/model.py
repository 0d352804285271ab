"""A contract's services as the emitters see them: names settled, options read, places kept for errors.

The model is derived from descriptors, with everything that Python code needs worked out. Emitters turn it into text and decide nothing.
"""

from dataclasses import dataclass

from towpath._contracts import naming
from towpath._contracts.diagnostics import SourceLocation
from towpath._contracts.options import Declared
from towpath._core.http_bindings import HttpBinding
from towpath._core.service import MethodKind


@dataclass(frozen=True, kw_only=True)
class TypeRef:
    """A generated message class: the module that has it and its name there, dotted if it is nested."""

    module: str
    name: str

    @property
    def nameable(self) -> bool:
        """Whether Python's grammar allows an import of the module and the name of the class. A keyword of Python in either does not hinder
        code that looks them up as texts."""
        return naming.is_nameable(self.module) and naming.is_nameable(self.name)


@dataclass(frozen=True, kw_only=True)
class Method:
    """One RPC."""

    name: str
    attribute: str
    """The name of its method in the generated classes."""
    constant: str
    """The name of its `MethodSpec` in the generated module."""
    request: TypeRef
    response: TypeRef
    declared: Declared
    doc: str
    """Its comment in the contract; empty if there is none."""
    location: SourceLocation
    kind: MethodKind = MethodKind.UNARY
    deprecated: str = ""
    """What a caller is told of a deprecated method; empty for all others."""
    http: tuple[HttpBinding, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ServiceModel:
    """One service. `full_name` has the package in front."""

    name: str
    full_name: str
    methods: tuple[Method, ...]
    doc: str
    location: SourceLocation
    deprecated: str = ""
    """What a caller is told of a deprecated service; empty for all others."""

    @property
    def class_name(self) -> str:
        """The abstract class that serves the service."""
        return naming.class_name(self.name)

    @property
    def client_name(self) -> str:
        """The class that calls the service."""
        return f"{self.name}Client"

    @property
    def sync_client_name(self) -> str:
        """The class that calls the service from code without asyncio."""
        return f"{self.name}SyncClient"

    @property
    def fake_name(self) -> str:
        """The class that stands in for the service in tests of its callers."""
        return f"Fake{self.name}"


@dataclass(frozen=True, kw_only=True)
class ContractModel:
    """One `.proto` file that has services. `name` is how it is imported (`echo/v1/echo.proto`)."""

    name: str
    module: str
    """The generated module that has the file's messages and its descriptor, also if the file has no messages."""
    services: tuple[ServiceModel, ...]
    has_deprecated_messages: bool = False
    """Whether a request or response of the services is of a deprecated type."""
