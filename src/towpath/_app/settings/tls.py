"""The TLS settings of the service file, with paths relative to it."""

from pathlib import Path

import msgspec

from towpath._transport.tls import ClientTls, ServerTls


class ServerTlsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[service.tls]`."""

    certificate: str
    key: str
    client_ca: str | None = None

    def resolved(self, file: Path) -> ServerTls:
        """The server's TLS options, with paths taken from the folder of `file`."""
        folder = file.parent
        ca = None if self.client_ca is None else folder / self.client_ca
        return ServerTls(certificate=folder / self.certificate, key=folder / self.key, client_ca=ca)


class ClientTlsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[tls]`."""

    ca: str | None = None
    certificate: str | None = None
    key: str | None = None

    def resolved(self, file: Path) -> ClientTls:
        """The channels' TLS options, with paths taken from the folder of `file`."""
        ca, certificate, key = (None if path is None else file.parent / path for path in (self.ca, self.certificate, self.key))
        return ClientTls(ca=ca, certificate=certificate, key=key)
