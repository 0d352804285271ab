"""The TLS settings of the service file, with paths relative to it."""

from pathlib import Path

import msgspec

from towpath.transport.tls import ClientTls, ServerTls


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[service.tls]`."""

    certificate: str
    key: str
    client_ca: str | None = None

    def beside(self, file: Path) -> ServerTls:
        """As the server wants it."""
        folder = file.parent
        ca = None if self.client_ca is None else folder / self.client_ca
        return ServerTls(certificate=folder / self.certificate, key=folder / self.key, client_ca=ca)


class ClientSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[tls]`."""

    ca: str | None = None
    certificate: str | None = None
    key: str | None = None

    def beside(self, file: Path) -> ClientTls:
        """As a channel wants it."""
        ca, certificate, key = (None if path is None else file.parent / path for path in (self.ca, self.certificate, self.key))
        return ClientTls(ca=ca, certificate=certificate, key=key)
