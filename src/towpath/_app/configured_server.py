"""The server of an application, as its configuration wants it."""

import socket
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from towpath._app.settings.server.messages import by_full_name
from towpath._app.settings.server_options import with_header_limit
from towpath._app.settings.service_file import ServiceConfig
from towpath._app.standard.health import Health
from towpath._app.standard.standard_services import standard_documents, with_standard
from towpath._core.decisions import Signal
from towpath._core.disclosure.marked_fields import marked_names
from towpath._core.disclosure.redaction import mark
from towpath._core.service import Layer, MethodSpec, Service
from towpath._transport import Address, Server
from towpath._transport.address import bind
from towpath._transport.server.mounts.mount import Mount


def configured_server(
    config: ServiceConfig,
    services: Sequence[Service],
    health: Health,
    *,
    methods: Iterable[MethodSpec[Any, Any]],
    layers: Sequence[Layer],
    mounts: Sequence[Mount],
    signal: Signal,
) -> Server:
    """A server for `services`, the standard services and `mounts`. `methods` are those that the configuration may name. Raises SetupError
    for what cannot be served together."""
    mark(marked_names(message for service in services for method in service.spec.methods for message in (method.request, method.response)))
    options = config.server
    return Server(
        with_standard(services, health, config),
        layers=layers,
        limits=with_header_limit(options.http2, options.header_limit),
        http1_limits=replace(options.http1, max_head=options.header_limit),
        message_limit=config.message_limit,
        compression=options.compression,
        methods=by_full_name(config.messages, methods),
        connections=options.connections,
        keepalive=options.keepalive,
        documents=standard_documents(services, config),
        unknown_query=config.unknown_query,
        json_defaults=options.json_defaults,
        max_timeout=options.max_timeout,
        cors=options.cors,
        signal=signal,
        trust=config.trust,
        mounts=mounts,
    )


def listening_socket(config: ServiceConfig, host: str | None, port: int | None) -> socket.socket:
    """A socket that listens on `host` and `port`, each of which defaults to the configured one. Raises SetupError if the address cannot be
    had."""
    configured = config.listen
    if host is None and port is None:
        return bind(configured, config.listen_where)
    near = configured if isinstance(configured, Address) else Address("127.0.0.1", 0)
    address = Address(near.host if host is None else host, near.port if port is None else port)
    return bind(address, "the address to start on")
