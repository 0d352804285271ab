"""What the services have counted until now, read from their administration ports while they run, as Prometheus would, but with all buckets:
four an octave, as the files have that they leave behind."""

import asyncio
import re
from collections.abc import Mapping
from typing import Final

from towpath import SetupError

_SAID: Final = re.compile(r" answers probes on (\S+)$")
_PATIENCE: Final = 30.0
"""Seconds that a service has to answer."""


def administration(line: str) -> str | None:
    """The address of the administration port, if `line` of a service's log says it."""
    found = _SAID.search(line)
    return None if found is None else found[1]


async def scrape(addresses: Mapping[str, str]) -> dict[str, str]:
    """The metrics of each service by its name, in Prometheus' text format. Raises SetupError that names a service which does not answer."""
    return dict(zip(addresses, await asyncio.gather(*(_get(name, at) for name, at in addresses.items())), strict=True))


async def _get(name: str, address: str) -> str:
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(_PATIENCE):
            reader, writer = await asyncio.open_connection(host, int(port))
            try:
                writer.write(f"GET /metrics?buckets=fine HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n".encode())
                head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        raise SetupError(f"the metrics of {name} cannot be read from {address}: {error or 'it does not answer'}") from error
    status = head.partition(b"\r\n")[0].decode("latin-1")
    if not status.startswith("HTTP/1.1 200 "):
        raise SetupError(f"the metrics of {name} cannot be read from {address}: it answers {status!r}")
    return body.decode()
