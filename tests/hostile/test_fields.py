"""What a caller says of itself in header fields, in every protocol: a lie is refused or ignored, and nothing else is taken for it."""

import pytest

from tests.hostile.kit import Victim, unharmed
from tests.hostile.protocols import METHOD, Answer, http1, message, over_http2, post, read_answer

Field = tuple[bytes, bytes]

REFUSED: dict[str, Field] = {
    "a tenant that is no UTF-8": (b"towpath-tenant", b"\xff\xfe"),
    "a tenant that is too long": (b"towpath-tenant", b"t" * 129),
    "a tenant without a name": (b"towpath-tenant", b""),
    "a key that is too long": (b"idempotency-key", b"k" * 256),
    "a key of 15 KB": (b"idempotency-key", b"k" * 15_000),
    "a key with a space": (b"idempotency-key", b"a b"),
    "a timeout without a unit": (b"grpc-timeout", b"1"),
    "a timeout below zero": (b"grpc-timeout", b"-1S"),
    "a timeout of nine digits": (b"grpc-timeout", b"999999999S"),
    "a timeout with an exponent": (b"grpc-timeout", b"1e3S"),
    "a timeout in another script": (b"grpc-timeout", "٣S".encode()),
    "a timeout of Connect below zero": (b"connect-timeout-ms", b"-5"),
    "a timeout of Connect of 30 digits": (b"connect-timeout-ms", b"9" * 30),
}
"""Fields with which a call is INVALID_ARGUMENT: cut or mended, they would be somebody else's."""

IGNORED: dict[str, Field] = {
    "a criticality that there is not": (b"towpath-criticality", b"GOD"),
    "a billion attempts": (b"grpc-previous-rpc-attempts", b"99999999999"),
    "attempts below zero": (b"grpc-previous-rpc-attempts", b"-1"),
    "a request id of 10 KB": (b"x-request-id", b"r" * 10_000),
    "a trace of version ff": (b"traceparent", b"ff-" + b"0" * 60),
    "a trace without digits": (b"traceparent", b"00-" + b"z" * 32 + b"-" + b"0" * 16 + b"-01"),
    "a trace's state of 15 KB": (b"tracestate", b"a=" + b"b" * 15_000),
    "baggage of 15 KB": (b"baggage", b"a=" + b"b" * 15_000),
    "bytes that are no base64": (b"x-bin", b"!!!"),
    "encodings of 8 KB": (b"grpc-accept-encoding", b"x" * 8000),
    "a status in a request": (b"grpc-status", b"0"),
    "a name of 3 KB": (b"x" * 3000, b"y"),
}
"""Fields that change nothing."""

MALFORMED: dict[str, Field] = {
    "a line break": (b"x-a", b"b\nset-cookie: c"),
    "a NUL": (b"x-a", b"b\0c"),
    "a name with a space": (b"a b", b"c"),
    "a body of another size": (b"content-length", b"7"),
    "another coding": (b"transfer-encoding", b"chunked"),
    "a second path": (b":path", b"/none"),
}
"""Fields with which a request is none, in HTTP itself."""


async def answers(server: Victim, field: Field) -> dict[str, Answer]:
    """What a call with this field comes to in each protocol."""
    name, value = field
    bodies = {b"application/grpc": message(b"", compressed=False), b"application/json": b"{}"}
    bodies[b"application/grpc-web+proto"] = bodies[b"application/grpc"]
    found = {kind.decode(): await over_http2(server, kind, body, field) for kind, body in bodies.items()}
    for what, path in {"Connect over HTTP/1.1": METHOD, "REST": "/v1/weigh"}.items():
        request = post(path, "application/json", b"{}", ((name.decode("latin-1"), value.decode("latin-1")),))
        found[what] = read_answer(await http1(server, request))
    return found


async def met(server: Victim, fields: dict[str, Field], statuses: set[int], codes: set[str]) -> dict[str, dict[str, Answer]]:
    """The answers that have another status, or another code of gRPC's."""
    other: dict[str, dict[str, Answer]] = {}
    async with unharmed(server):
        for kind, field in fields.items():
            found = await answers(server, field)
            wrong = {what: answer for what, answer in found.items() if answer.status not in statuses or answer.code not in codes}
            if wrong:
                other[kind] = wrong
    return other


async def test_a_field_that_could_be_somebody_elses_is_refused(server: Victim) -> None:
    codes = {"3", "invalid_argument", "INVALID_ARGUMENT"}
    assert await met(server, REFUSED, {200, 400}, codes) == {}


async def test_a_field_that_means_nothing_is_ignored(server: Victim) -> None:
    assert await met(server, IGNORED, {200}, {"", "0"}) == {}


@pytest.mark.parametrize("kind", MALFORMED)
async def test_a_field_that_http_forbids_ends_the_request(kind: str, server: Victim) -> None:
    assert await met(server, {kind: MALFORMED[kind]}, {0, 400}, {""}) == {}
