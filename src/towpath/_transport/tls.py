"""TLS and mutual TLS: contexts with sane defaults, and certificates that may be rotated while they are in use.

TLS 1.2 and newer; of 1.2 only suites with forward secrecy and authenticated encryption (RFC 9113, section 9.2.2, forbids the others for
HTTP/2). Files are looked at again while the server runs, and before each connection of a client: what has changed is loaded aside and put
in place whole, so that a pair that does not match, or is half written, leaves the one in use.

Where clients show certificates no session is resumed: a resumed one brings the identity that was verified once, past the end of the
certificate and past the authority that signed it. Each connection begins with a full handshake.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from weakref import WeakKeyDictionary

from towpath._core.errors import SetupError

log = logging.getLogger("towpath.tls")

_SUITES: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
HTTP2: Final = "h2"
"""HTTP/2 over TLS, as ALPN calls it."""

HTTP1: Final = "http/1.1"
"""HTTP/1.1, as ALPN calls it."""

_WRONG_VERSION: Final = "WRONG_VERSION_NUMBER"
_DEMANDED: Final = "CERTIFICATE_REQUIRED"
_FAULTS: Final = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "it showed no certificate, and has to",
    "HTTP_REQUEST": "it speaks HTTP without TLS",
    "NO_SHARED_CIPHER": "it has no cipher suite in common with this side",
    "UNSUPPORTED_PROTOCOL": "it speaks an old version of TLS only; this side speaks 1.2 and newer",
}

_Choose = Callable[[ssl.SSLObject | ssl.SSLSocket, str | None, ssl.SSLContext], None]


@dataclass(frozen=True, kw_only=True)
class ServerTls:
    """How a server shows who it is, and whether its clients have to."""

    certificate: Path
    """The PEM file with the server's certificate and its chain."""
    key: Path
    """The PEM file with the private key of the certificate."""
    client_ca: Path | None = None
    """The PEM file with the authorities of clients. With it a client has to show a certificate that one of them signed, at each connection
    anew, with at most one URI among its names. Without it clients show none."""
    reload_interval: float = 30.0
    """Seconds after which the files are looked at again."""
    handshake_timeout: float = 10.0
    """Seconds that a client may take for its part of the handshake."""


@dataclass(frozen=True, kw_only=True)
class ClientTls:
    """Whom a channel trusts, and how it identifies itself. The files are looked at before each connection that the channel makes; what was
    in use stays if they cannot be used, and an error is logged."""

    ca: Path | None = None
    """The PEM file with the authorities that are trusted in place of the system's."""
    certificate: Path | None = None
    """The PEM file with the certificate that a server is shown which asks for one (mutual TLS)."""
    key: Path | None = None
    """The PEM file with the private key of the certificate."""
    server_name: str | None = None
    """The name that the server's certificate must have, if it is not the target's host."""

    def context(self) -> ssl.SSLContext:
        """The context of the channel's connections. Raises SetupError for a file that cannot be used."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        _harden(context)
        context.set_alpn_protocols([HTTP2])
        if self.ca is None:
            context.load_default_certs()
        else:
            _trust(context, self.ca, "tls.ca")
        identity = self.identity()
        if identity is not None:
            _identify(context, *identity)
        return context

    def identity(self) -> tuple[Path, Path] | None:
        """Certificate and key, if the channel has them. Raises SetupError for one without the other."""
        if self.certificate is None and self.key is None:
            return None
        if self.certificate is None or self.key is None:
            raise SetupError("tls.certificate and tls.key belong together; give both, or neither")
        return self.certificate, self.key


class RotatingClient:
    """A channel's context, with what its files were as they were last found good."""

    def __init__(self, tls: ClientTls) -> None:
        """Raises SetupError for a file that cannot be used, and for a certificate or a key alone."""
        tls.identity()
        self._tls = tls
        self._seen = self._state()
        self._current = tls.context()

    def latest(self) -> ssl.SSLContext:
        """The context for a connection that is made now."""
        try:
            seen = self._state()
            if seen != self._seen:
                self._current = self._tls.context()
                self._seen = seen
                log.info("the certificates for calls were reloaded")
        except SetupError as error:
            log.error("the certificates for calls were not reloaded, those before stay in use: %s", error)  # noqa: TRY400 # the text says all
        return self._current

    def _state(self) -> "_State":
        tls = self._tls
        return _state_of((tls.ca, "tls.ca"), (tls.certificate, "tls.certificate"), (tls.key, "tls.key"))


class _Answering(ssl.SSLObject):
    """Tells the peer why a handshake failed: OpenSSL makes the alert, and neither asyncio nor uvloop sends it."""

    outgoing: ssl.MemoryBIO
    send: Callable[[bytes], object] | None = None

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError:
            if self.send is not None and self.outgoing.pending:
                self.send(self.outgoing.read())
            raise


class HandshakeContext:
    """`context` for one connection, whose alert is sent by `send` if the handshake fails. It is a context in shape only, since a real one
    takes milliseconds to make."""

    def __init__(self, context: ssl.SSLContext, send: Callable[[bytes], object]) -> None:
        self._context = context
        self._send = send

    @property
    def __class__(self) -> type[ssl.SSLContext]:  # pyright: ignore[reportIncompatibleMethodOverride] # loops ask whether it is one
        return ssl.SSLContext

    def wrap_bio(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *arguments: Any, **named: Any) -> ssl.SSLObject:
        """What event loops call."""
        made = self._context.wrap_bio(incoming, outgoing, *arguments, **named)
        if isinstance(made, _Answering):
            made.outgoing, made.send = outgoing, self._send
        return made


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
        self.on_distrust: Callable[[frozenset[bytes]], None] | None = None
        """Is called with the certificates (DER) that were authorities before the files changed, and are none now."""
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
        before = self._current
        try:
            self._seen = self._state()
            self._current = self._load()
        except SetupError as error:
            log.error("the certificate was not reloaded, the one before stays in use: %s", error)  # noqa: TRY400 # the text says all
            return False
        log.info("the certificate was reloaded from %s", self._tls.certificate)
        removed = frozenset(before.get_ca_certs(binary_form=True)) - frozenset(self._current.get_ca_certs(binary_form=True))
        if removed and self.on_distrust is not None:
            self.on_distrust(removed)
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

    def _state(self) -> "_State":
        tls = self._tls
        return _state_of((tls.certificate, "tls.certificate"), (tls.key, "tls.key"), (tls.client_ca, "tls.client_ca"))

    def _load(self) -> ssl.SSLContext:
        tls = self._tls
        context = _server_context()
        _identify(context, tls.certificate, tls.key)
        if tls.client_ca is not None:
            _authenticate(context)
            _trust(context, tls.client_ca, "tls.client_ca")
        return context


_State = list[tuple[int, int, int]]


def _state_of(*files: tuple[Path | None, str]) -> _State:
    """What tells that a file is another one: a secret that Kubernetes mounts changes by the link that leads to it."""
    found: _State = []
    for path, setting in files:
        if path is not None:
            try:
                state = path.stat()
            except OSError as error:
                raise _unreadable(path, setting, error) from error
            found.append((state.st_mtime_ns, state.st_ino, state.st_size))
    return found


def selected_protocol(transport: asyncio.BaseTransport) -> str | None:
    """What both ends have agreed on (ALPN); None if they have agreed on nothing, as without TLS."""
    connection: Any = transport.get_extra_info("ssl_object")
    return None if connection is None else connection.selected_alpn_protocol()


def explained(error: OSError) -> str:
    """Why a connection could not be made, in words for who has to mend it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        reason = getattr(error, "reason", None) or str(error)
        if reason == _WRONG_VERSION:
            return "it does not speak TLS; connect to its TLS port, or without tls="
        _, alert, said = reason.partition("_ALERT_")
        if said == _DEMANDED:
            return "it demands a certificate: give tls.certificate and tls.key"
        if alert:
            return f"it refused the TLS handshake: {said.replace('_', ' ').lower()}"
        return _FAULTS.get(reason, f"TLS failed: {reason}")
    return error.strerror or str(error)


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(context)
    context.set_alpn_protocols([HTTP2, HTTP1])
    return context


def _authenticate(context: ssl.SSLContext) -> None:
    """Ask each client for its certificate, and give it no ticket (TLS 1.3, TLS 1.2) to come back without."""
    context.verify_mode = ssl.CERT_REQUIRED
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET


def _harden(context: ssl.SSLContext) -> None:
    context.sslobject_class = _Answering
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
