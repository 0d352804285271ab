"""The resource of OTLP: the process whose spans these are."""

import os
from collections.abc import Mapping

from towpath._core import chance
from towpath._telemetry.otlp.protobuf import delimited, number_attribute, text_attribute


def resource(service: str, version: str, attributes: Mapping[str, str]) -> bytes:
    """The field `resource` of ResourceSpans for this process. `version` is towpath's. `attributes` win. Each process and each start of one
    has another `service.instance.id`, so that two workers of a service, or two runs, are told apart."""
    found: dict[str, str | int] = {
        "service.name": service or "unknown_service:python",
        "service.instance.id": _random_uuid(),
        "process.pid": os.getpid(),
        "telemetry.sdk.name": "towpath",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.version": version,
        **attributes,
    }
    written = b"".join(
        number_attribute(1, key, value) if isinstance(value, int) else text_attribute(1, key, value) for key, value in found.items()
    )
    return delimited(1, written)


def _random_uuid() -> str:
    bits = chance.bits(128) & ~(0xF << 76) & ~(3 << 62) | 4 << 76 | 2 << 62  # version 4, variant of RFC 9562
    digits = f"{bits:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
