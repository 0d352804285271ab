"""Messages that are dear to read, compressed to a few KB, in every protocol: each is refused in a few words, or read at its price."""

import pytest

from tests.hostile import payloads
from tests.hostile.kit import Victim, unharmed
from tests.hostile.protocols import OVER_HTTP2, WITH_JSON, WITH_PROTO, Answer, Call

LONGEST = 16 * 1024
"""Bytes of the answer to a call that is refused."""

WINDOW = 256 * 1024
"""Bytes of a body that need no credit of the server's over HTTP/2."""

OF_HTTP2 = 3
"""One in so many payloads is sent over HTTP/2 too, in a short run: what reads them is the same."""


@pytest.mark.parametrize("call", [*WITH_JSON, *WITH_PROTO], ids=lambda call: call.__name__)
async def test_a_dear_message_is_refused_or_costs_nobody_else(call: Call, server: Victim, volume: int) -> None:
    kind, table = ("json", payloads.JSON) if call in WITH_JSON else ("proto", payloads.PROTO)
    wrong: dict[str, Answer] = {}
    async with unharmed(server) as probe:
        over_http2 = call in OVER_HTTP2
        for name, payload in list(table.items())[:: OF_HTTP2 if over_http2 and volume == 1 else 1]:
            body = payloads.compressed(kind, name)
            if over_http2 and len(body) > WINDOW:
                continue
            answer = await call(server, body)
            if payload.refused and (answer.ok or answer.size > LONGEST or answer.status == 0):
                wrong[name] = answer
            await probe.goes_on(2)
    assert wrong == {}
