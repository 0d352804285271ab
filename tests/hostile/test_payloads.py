"""Messages that are dear to read, compressed to a few KB, in every protocol: each is refused in a few words, or read at its price."""

import pytest

from tests.hostile import payloads
from tests.hostile.kit import Victim, unharmed
from tests.hostile.protocols import WITH_JSON, WITH_PROTO, Answer, Call

LONGEST = 16 * 1024
"""Bytes of the answer to a call that is refused."""

WINDOW = 256 * 1024
"""Bytes of a body that need no credit of the server's over HTTP/2."""


@pytest.mark.parametrize("call", [*WITH_JSON, *WITH_PROTO], ids=lambda call: call.__name__)
async def test_a_dear_message_is_refused_or_costs_nobody_else(call: Call, server: Victim) -> None:
    kind, table = ("json", payloads.JSON) if call in WITH_JSON else ("proto", payloads.PROTO)
    wrong: dict[str, Answer] = {}
    async with unharmed(server) as probe:
        for name, payload in table.items():
            body = payloads.compressed(kind, name)
            if len(body) > WINDOW and call.__name__.startswith(("grpc", "connect_json_over")) and call.__name__ != "grpc_web":
                continue
            answer = await call(server, body)
            if payload.refused and (answer.ok or answer.size > LONGEST or answer.status == 0):
                wrong[name] = answer
            await probe.goes_on(2)
    assert wrong == {}
