"""The checks of `towpath doctor`. Each of them looks at what a start would need, says what to do where it is missing, and changes nothing.

What has to be reached over the network is asked for at the same time, for three seconds. What was refused is told as the service would tell
it.
"""

import asyncio
import os
import socket
import ssl
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from towpath._app.methods import configured_methods, methods_of
from towpath._app.own_class import own_class
from towpath._app.settings.idempotency_store import REDIS_SCHEMES, store_of
from towpath._app.settings.own.own_settings import without_password
from towpath._app.settings.quotas_and_bulkheads import LOCAL, rate_store_of
from towpath._app.settings.service_file import DEFAULT_FILE, ServiceConfig
from towpath._app.settings.targets import ConfiguredTarget
from towpath._app.standard.health import CHECK, ServingStatus
from towpath._core.context import CallOptions
from towpath._core.errors import Code, RpcError, SetupError
from towpath._transport import Channel
from towpath._transport.address import Address, Place, UnixPath, bind
from towpath._transport.open_files import affordable, raise_limit
from towpath._transport.tls import Rotating
from towpath._wire.grpc.standard import HEALTH

OK: Final = "ok"
NOTE: Final = "note"
FAILED: Final = "FAIL"

PATIENCE: Final = 3.0
"""Seconds that a target or a store has to answer."""

_DAY: Final = 86_400.0
_SOON: Final = 7 * _DAY
_UNSYNCHRONIZED: Final = 5
"""What adjtimex(2) returns for a clock that nobody sets (TIME_ERROR)."""

_GONE: Final = frozenset({Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED})


class Check(NamedTuple):
    """What one check has found."""

    status: str
    check: str
    text: str


async def looked_at(config: ServiceConfig) -> list[Check]:
    """The result of each check, in a fixed order."""
    checks = [Check(OK, "file", str(config.source or f"no {DEFAULT_FILE} in this folder: the defaults hold"))]
    for look in (_own, _contracts, _addresses, _open_files, _clock, _certificates):
        checks += look(config)
    asked = [_store(config), _quota_store(config), *(_target(config, name) for name in config.targets)]
    return [*checks, *await asyncio.gather(*asked)]


def _own(config: ServiceConfig) -> Iterator[Check]:
    def read() -> str:
        kind = own_class(config)
        if kind is None:
            return "none"
        config.own.read(kind)
        return f"fit {kind.__name__}"

    if config.own and not config.own_class:
        yield Check(
            NOTE, "settings", 'not checked: name the class of [settings], such as settings = "shop.settings:ShopSettings" in [service]'
        )
    else:
        yield _tried("settings", read)


def _contracts(config: ServiceConfig) -> Iterator[Check]:
    def read() -> str:
        methods = list(methods_of(config.contracts, config.source)) if config.contracts else None
        configured_methods(config, methods)
        return "none listed" if methods is None else f"{len(methods)} method{'' if len(methods) == 1 else 's'}"

    yield _tried("contracts", read)


def _addresses(config: ServiceConfig) -> Iterator[Check]:
    if config.listen_fd is not None:
        yield Check(OK, "listen", f"inherited as descriptor {config.listen_fd}")
    else:
        yield _tried("listen", lambda: _free(config.listen, config.listen_where))
    if config.tls is None and not config.insecure and not config.listen.loopback:
        remedy = "give a certificate ([service.tls]), or set service.insecure = true if plaintext is meant"
        yield Check(FAILED, "plaintext", f"{config.listen} can be reached by others, and has no TLS: {remedy}")
    if config.admin is not None:
        admin = config.admin
        yield _tried("admin", lambda: _free(admin, "service.admin"))


def _free(place: Place, where: str) -> str:
    if isinstance(place, Address):
        bind(place, where).close()
        return "a free port of its own choice" if place.port == 0 else f"{place} is free"
    _writable(place.path, where, "choose another path")
    if Path(place.path).exists() and not _stale(place):
        raise SetupError(f"{where}: {place} is in use, or the file is no socket; choose another path")
    return f"{place} is free"


def _writable(path: str, where: str, otherwise: str) -> None:
    folder = Path(path).absolute().parent
    if not os.access(folder, os.W_OK | os.X_OK):
        raise SetupError(f"{where}: {folder} is no folder that this user may write; make it, or {otherwise}")


def _stale(place: UnixPath) -> bool:
    """Whether nobody listens on a socket that is there: a start replaces it."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(place.path)
        except ConnectionRefusedError:
            return Path(place.path).is_socket()
        except OSError:
            return False
    return False


def _open_files(config: ServiceConfig) -> Iterator[Check]:
    raise_limit()  # of this process, as a start would
    wanted = config.server.connections.total
    possible = affordable(wanted)
    if possible < wanted:
        text = f"enough for {possible} of service.connections.max_connections = {wanted} connections; raise the hard limit (ulimit -Hn)"
        yield Check(NOTE, "open files", text)
    else:
        yield Check(OK, "open files", f"enough for {wanted} connections")


def _clock(config: ServiceConfig) -> Iterator[Check]:
    written = 0.0 if config.source is None else config.source.stat().st_mtime
    if time.time() < written - _DAY:
        yield Check(FAILED, "clock", f"it is behind the date of {config.source} by more than a day; set it, or certificates will not hold")
    elif _unsynchronized():
        yield Check(NOTE, "clock", "nothing keeps it in time with others; run chrony, ntpd or systemd-timesyncd")
    else:
        yield Check(OK, "clock", time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()))


def _unsynchronized() -> bool:
    """Whether the kernel says that nobody keeps the clock in time. Only Linux can be asked."""
    if not sys.platform.startswith("linux"):
        return False
    import ctypes

    try:
        ask = ctypes.CDLL(None).adjtimex
    except (OSError, AttributeError):
        return False
    return ask(ctypes.create_string_buffer(512)) == _UNSYNCHRONIZED  # a struct timex with no mode set, which only reads


def _certificates(config: ServiceConfig) -> Iterator[Check]:
    server, client = config.tls, config.client_tls
    if server is not None:
        yield _certificate("service.tls", lambda: (Rotating(server), server.certificate, server.key)[1:])
    if client is not None:
        yield _certificate("tls", lambda: (client.context(), client.identity())[1])


def _certificate(name: str, usable: Callable[[], tuple[Path, Path] | None]) -> Check:
    """Whether the files can be used, and how long the certificate among them lasts."""
    try:
        identity = usable()
    except SetupError as error:
        return Check(FAILED, name, str(error))
    if identity is None:
        return Check(OK, name, "its authorities can be read")
    left = seconds_left(*identity)
    if left <= 0:
        return Check(FAILED, name, f"{identity[0]} has ended {-left / _DAY:.0f} days ago, or a certificate of its chain has; renew it")
    if left < _SOON:
        return Check(NOTE, name, f"{identity[0]} ends in {left / _DAY:.1f} days; renew it")
    return Check(OK, name, f"{identity[0]} lasts for {left / _DAY:.0f} days")


def seconds_left(certificate: Path, key: Path) -> float:
    """Seconds until the first certificate of the chain in the file `certificate` ends.

    The standard library tells this only of a certificate that a peer has shown, so both ends of a handshake are in this process."""
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    server.load_cert_chain(certificate, key)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    here, there = client.wrap_bio(to_client, to_server), server.wrap_bio(to_server, to_client, server_side=True)
    waiting = [here, there]
    while waiting:
        for end in list(waiting):
            try:
                end.do_handshake()
                waiting.remove(end)
            except ssl.SSLWantReadError:
                continue
    chain: list[Any] = getattr(here, "_sslobj").get_unverified_chain()  # noqa: B009 # public since Python 3.13, as bytes alone
    return min(ssl.cert_time_to_seconds(link.get_info()["notAfter"]) for link in chain) - time.time()


async def _store(config: ServiceConfig) -> Check:
    setting, where = config.idempotency, config.idempotency_where
    scheme = setting.partition("://")[0]

    async def look() -> str:
        store_of(setting, where, config.idempotency_memory)
        if scheme in REDIS_SCHEMES:
            await _ping(setting)
        elif scheme in {"postgresql", "postgres"}:
            import asyncpg

            connection: Any = await asyncpg.connect(setting, timeout=PATIENCE)
            await connection.close()
        elif scheme == "sqlite":
            _writable(setting.removeprefix("sqlite:///"), where, "name another file")
        return without_password(setting)

    return await _asked("idempotency", f"check {where}", look())


async def _quota_store(config: ServiceConfig) -> Check:
    async def look() -> str:
        rate_store_of(config.quota_store, config.quota_store_where)
        if config.quota_store != LOCAL:
            await _ping(config.quota_store)
        return without_password(config.quota_store)

    return await _asked("quota_store", f"check {config.quota_store_where}", look())


async def _ping(url: str) -> None:
    from towpath._stores.redis import RedisStore

    store = RedisStore(url)
    try:
        await store.open()
    finally:
        await store.close()


async def _target(config: ServiceConfig, name: str) -> Check:
    target = config.target(name)
    where = f"targets.{name}"
    try:
        return await _answer(config, target, where)
    except SetupError as error:
        return Check(FAILED, where, f"{target.address}: {error}")


async def _answer(config: ServiceConfig, target: ConfiguredTarget, where: str) -> Check:
    request = HEALTH["HealthCheckRequest"]()
    async with Channel(target.address, tls=config.client_tls, insecure=config.insecure, options=target.options) as channel:
        try:
            status = (await channel.bind(CHECK)(request, CallOptions(timeout=PATIENCE))).status
        except RpcError as error:
            if error.code in _GONE:
                said = error.message if target.address in error.message else f"{target.address}: {error.message}"
                return Check(FAILED, where, f"{said}; start it, or set {where}")
            return Check(OK, where, f"{target.address} answers")  # without grpc.health, or to those alone whom it knows
    if status == ServingStatus.SERVING:
        return Check(OK, where, f"{target.address} serves")
    return Check(NOTE, where, f"{target.address} answers that it is not ready; its own log says why")


def _tried(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(OK, name, look())
    except SetupError as error:
        return Check(FAILED, name, str(error))
    except Exception as error:  # noqa: BLE001 - of a team's module
        return Check(FAILED, name, f"{type(error).__name__}: {error}; the service would end with this, too")


async def _asked(name: str, remedy: str, look: Coroutine[Any, Any, str]) -> Check:
    try:
        async with asyncio.timeout(PATIENCE):
            return Check(OK, name, await look)
    except SetupError as error:
        return Check(FAILED, name, str(error))
    except Exception as error:  # noqa: BLE001 - of any driver
        said = "no answer in time" if isinstance(error, TimeoutError) else without_password(str(error)) or type(error).__name__
        return Check(FAILED, name, f"{said}; {remedy}")
