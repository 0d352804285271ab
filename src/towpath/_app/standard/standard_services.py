"""What an application serves of itself: `grpc.health.v1`, `grpc.reflection`, and the OpenAPI document at `/openapi.json`."""

from collections.abc import Sequence

from towpath._app.settings.service_file import DEFAULT_NAME, ServiceConfig
from towpath._app.standard.health import Health
from towpath._app.standard.reflection import reflection_services
from towpath._core.propagation.trust import Trust
from towpath._core.service import Service
from towpath._transport.server.routes import NO_DOCUMENTS, Document, Documents
from towpath._wire.rest import openapi


def with_standard(services: Sequence[Service], health: Health, config: ServiceConfig) -> list[Service]:
    """The `services` of the application, and those standard services whose names none of them has."""
    own = {service.spec.name for service in services}
    described = [*services, *(() if health.spec.name in own else (health,))]
    readers = config.trust if config.reflection == "trusted" else Trust(everybody=True)
    standard: list[Service] = [health, *(reflection_services(described, readers, config.server.json_defaults) if config.reflection else ())]
    return [*services, *(service for service in standard if service.spec.name not in own)]


def standard_documents(services: Sequence[Service], config: ServiceConfig) -> Documents:
    """The OpenAPI document by its path, if the configuration has one and a contract has bindings."""
    title = "" if config.name == DEFAULT_NAME else config.name
    document = openapi.openapi(services, title) if config.openapi else None
    if document is None:
        return NO_DOCUMENTS
    described = Document("application/json", document, trusted_only=config.openapi == "trusted")
    return {openapi.PATH: lambda: described}
