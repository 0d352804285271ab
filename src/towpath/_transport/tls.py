"""TLS and mutual TLS: contexts with sane defaults, certificates that may be rotated while they are in use, and who a client says it is.

TLS 1.2 and newer; of 1.2 only suites with forward secrecy and authenticated encryption (RFC 9113, section 9.2.2, forbids the others for
HTTP/2). Files are looked at again while the server runs: what has changed is loaded aside and put in place whole, so that a pair that does
not match, or is half written, leaves the one in use.

Where clients show certificates no session is resumed: a resumed one brings the identity that was verified once, past the end of the
certificate and past the authority that signed it. Each connection begins with a full handshake.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from weakref import WeakKeyDictionary

from towpath._core.errors import SetupError

log = logging.getLogger("towpath.tls")

_SUITES: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
_HTTP2: Final = "h2"
_WRONG_VERSION: Final = "WRONG_VERSION_NUMBER"
_MOST_SHOWN: Final = 4

_Choose = Callable[[ssl.SSLObject | ssl.SSLSocket, str | None, ssl.SSLContext], None]


@dataclass(frozen=True, kw_only=True)
class ServerTls:
    """A server's certificate chain and key, in PEM files. With `client_ca` a client has to show a certificate that one of these signed, at
    each connection anew, with at most one URI among its names.

    `reload_interval` (seconds, default 30) is how often the files are looked at; `handshake_timeout` (seconds, default 10) how long a
    client may take for its part.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None
    reload_interval: float = 30.0
    handshake_timeout: float = 10.0


@dataclass(frozen=True, kw_only=True)
class ClientTls:
    """Whom a channel trusts, and how it identifies itself.

    `ca` (PEM) replaces the system's certification authorities; `certificate` and `key` are shown to a server that asks (mutual TLS);
    `server_name` is the name that the server's certificate must have, if it is not the target's host.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    server_name: str | None = None

    def context(self) -> ssl.SSLContext:
        """The context of the channel's connections. Raises SetupError for a file that cannot be used."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        _harden(context)
        context.set_alpn_protocols([_HTTP2])
        if self.ca is None:
            context.load_default_certs()
        else:
            _trust(context, self.ca, "tls.ca")
        if self.certificate is not None or self.key is not None:
            if self.certificate is None or self.key is None:
                raise SetupError("tls.certificate and tls.key belong together; give both, or neither")
            _identify(context, self.certificate, self.key)
        return context


class _Unresumable(ssl.SSLContext):
    """Lends each connection a context of its own. OpenSSL keeps what may be resumed with the context that a connection was accepted by, and
    without tickets TLS 1.2 still resumes by session ids, which the `ssl` module has no switch for: a context that nobody else is accepted
    by knows none. It costs a handshake 0.3 ms and a connection 13 KB (measured)."""

    def __init__(self, _protocol: int, choose: _Choose) -> None:
        self._choose = choose
        # OpenSSL asks a connection's first context more than once which one to take, when the client has to say hello again.
        self._lent: WeakKeyDictionary[ssl.SSLObject | ssl.SSLSocket, ssl.SSLContext] = WeakKeyDictionary()

    def wrap_bio(self, *arguments: Any, **named: Any) -> ssl.SSLObject:
        """What event loops call."""
        context = self._lend()
        made = context.wrap_bio(*arguments, **named)
        self._lent[made] = context
        return made

    def wrap_socket(self, *arguments: Any, **named: Any) -> ssl.SSLSocket:
        """The same for a socket that blocks."""
        context = self._lend()
        made = context.wrap_socket(*arguments, **named)
        self._lent[made] = context
        return made

    def _lend(self) -> ssl.SSLContext:
        context = _server_context()
        _authenticate(context)
        context.sni_callback = self._choose
        return context


class Rotating:
    """A server's context, whose certificate is that of the files as they were last found good."""

    def __init__(self, tls: ServerTls) -> None:
        """Raises SetupError for a file that cannot be used."""
        self._tls = tls
        self._seen = self._state()
        self._current = self._load()
        if tls.client_ca is None:
            context = self._load()
            context.sni_callback = self._choose
        else:
            context = _Unresumable(ssl.PROTOCOL_TLS_SERVER, self._choose)
        self.context: Final = context
        """What to listen with; it stays the same, and hands every handshake the certificate that is current."""
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look at the files from now on, until `close`."""
        self._timer = loop.call_later(self._tls.reload_interval, self._look, loop)

    def close(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def reload(self) -> bool:
        """Look at the files now. False if they cannot be used, which is logged; what was in use stays."""
        try:
            self._seen = self._state()
            self._current = self._load()
        except SetupError as error:
            log.error("the certificate was not reloaded, the one before stays in use: %s", error)  # noqa: TRY400 # the text says all
            return False
        log.info("the certificate was reloaded from %s", self._tls.certificate)
        return True

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            changed = self._state() != self._seen
        except SetupError:
            changed = True  # gone; `reload` says so
        if changed:
            self.reload()
        self.watch(loop)

    def _choose(self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self._current

    def _state(self) -> list[tuple[int, int, int]]:
        """What tells that a file is another one: a secret that Kubernetes mounts changes by the link that leads to it."""
        tls = self._tls
        found: list[tuple[int, int, int]] = []
        for path, setting in ((tls.certificate, "tls.certificate"), (tls.key, "tls.key"), (tls.client_ca, "tls.client_ca")):
            if path is not None:
                try:
                    state = path.stat()
                except OSError as error:
                    raise _unreadable(path, setting, error) from error
                found.append((state.st_mtime_ns, state.st_ino, state.st_size))
        return found

    def _load(self) -> ssl.SSLContext:
        tls = self._tls
        context = _server_context()
        _identify(context, tls.certificate, tls.key)
        if tls.client_ca is not None:
            _authenticate(context)
            _trust(context, tls.client_ca, "tls.client_ca")
        return context


def caller_of(transport: asyncio.BaseTransport) -> str:
    """Who the client is by its verified certificate: its URI name (a SPIFFE id), else its first DNS name; empty without one.

    Raises ValueError for a certificate that does not say who: one with several URI names, of which a SPIFFE id has to be the only one
    (X.509-SVID, section 2), or with a name that cannot be printed.
    """
    connection: Any = transport.get_extra_info("ssl_object")
    certificate: dict[str, Any] = (connection.getpeercert() or {}) if connection is not None else {}
    uris = list(_names(certificate, "URI"))
    if len(uris) > 1:
        raise ValueError(f"it has {len(uris)} URI names, {', '.join(map(repr, uris[:_MOST_SHOWN]))}; a caller has one")
    name = uris[0] if uris else next(_names(certificate, "DNS"), "")
    if not name.isprintable():
        raise ValueError(f"its name {name!r} cannot be printed")
    return name


def identified(transport: asyncio.BaseTransport) -> bool:
    """Whether it is clear who the client is, if it has a certificate; what is not clear is logged."""
    try:
        caller_of(transport)
    except ValueError as error:
        log.warning("a client was turned away for its certificate: %s", error)
        return False
    return True


def selected_http2(transport: asyncio.BaseTransport) -> bool:
    """Whether both ends have agreed on HTTP/2."""
    connection: Any = transport.get_extra_info("ssl_object")
    return connection is not None and connection.selected_alpn_protocol() == _HTTP2


def explained(error: OSError) -> str:
    """Why a connection could not be made, in words for who has to mend it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        if error.reason == _WRONG_VERSION:
            return "it does not speak TLS; connect to its TLS port, or without tls="
        return f"TLS failed: {error.reason or error}"
    return error.strerror or str(error)


def _names(certificate: dict[str, Any], kind: str) -> Iterator[str]:
    return (value for name, value in certificate.get("subjectAltName", ()) if name == kind)


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(context)
    context.set_alpn_protocols([_HTTP2, "http/1.1"])
    return context


def _authenticate(context: ssl.SSLContext) -> None:
    """Ask each client for its certificate, and give it no ticket (TLS 1.3, TLS 1.2) to come back without."""
    context.verify_mode = ssl.CERT_REQUIRED
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET


def _harden(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_SUITES)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION


def _identify(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    for path, setting in ((certificate, "tls.certificate"), (key, "tls.key")):
        try:
            path.read_bytes()
        except OSError as error:
            raise _unreadable(path, setting, error) from error
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise SetupError(f"tls.key: {key} is not the key of {certificate}; give the pair that was made together") from error
        raise SetupError(f"tls: {certificate} and {key} are not a certificate and its key in PEM: {error.reason or error}") from error
    except ValueError as error:
        raise SetupError(f"tls.key: {key} is encrypted; give one without a passphrase, readable by this service alone") from error


def _trust(context: ssl.SSLContext, ca: Path, setting: str) -> None:
    try:
        context.load_verify_locations(ca)
    except ssl.SSLError as error:
        raise SetupError(f"{setting}: {ca} holds no certificate in PEM: {error.reason or error}") from error
    except OSError as error:
        raise _unreadable(ca, setting, error) from error


def _no_password() -> str:
    raise ValueError("encrypted")


def _unreadable(path: Path, setting: str, error: OSError) -> SetupError:
    return SetupError(f"{setting}: {path} cannot be read: {error.strerror}")
