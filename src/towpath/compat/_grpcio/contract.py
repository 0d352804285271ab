"""The methods of a contract as grpcio's code knows them: by name, with messages that protobuf's descriptor pool has."""

from dataclasses import dataclass, fields
from typing import Any, cast

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pool import Default

from towpath._app.dynamic import method_spec
from towpath._app.methods import loaded_methods
from towpath._core.errors import SetupError
from towpath._core.service import MethodSpec, Req, Res


@dataclass(frozen=True, kw_only=True, eq=False)
class GrpcioMethod(MethodSpec[Req, Res]):
    """A method that has no timeout where nobody gives one, as with grpcio: towpath's would cut calls that were always slow."""

    @property
    def default_timeout(self) -> float | None:
        """The contract's timeout."""
        return self.timeout


def service_named(name: str) -> ServiceDescriptor:
    """The descriptor of a service. Raises SetupError if no code of its contract was imported."""
    try:
        pool: Any = Default()
        return cast("ServiceDescriptor", pool.FindServiceByName(name))
    except KeyError:
        raise SetupError(
            f"nothing is known of the service {name!r}: import the module of its messages (..._pb2), which have to be protobuf's"
        ) from None


def methods_of(service: ServiceDescriptor) -> dict[str, GrpcioMethod[Any, Any]]:
    """The methods of a service by name, each with what its contract declares if towpath's code of it was imported, too."""
    declared = {method.name: method for method in loaded_methods() if method.service == service.full_name}
    described: list[MethodDescriptor] = list(service.methods)
    return {method.name: _unhurried(declared.get(method.name) or method_spec(method)) for method in described}


def method_at(path: str) -> GrpcioMethod[Any, Any]:
    """The method whose calls go to `path`, such as `/echo.v1.EchoService/Say`. Raises SetupError for one that nobody knows."""
    name, _, method = path.removeprefix("/").rpartition("/")
    methods = methods_of(service_named(name))
    if method not in methods:
        raise SetupError(f"service {name} has no method {method!r}; it has {', '.join(methods)}")
    return methods[method]


def _unhurried(method: MethodSpec[Any, Any]) -> GrpcioMethod[Any, Any]:
    values: dict[str, Any] = {field.name: getattr(method, field.name) for field in fields(method)}
    return GrpcioMethod(**values)
