"""Requests of HTTP/1.1 at the edge of the grammar: what the server takes for a request, nobody else may take for two, or for half of one.

Each is followed by an ordinary request. That is answered only where the end of the one before it is beyond doubt.
"""

import re

import pytest

from tests.hostile.kit import Victim, unharmed
from tests.hostile.protocols import http1

_NEXT = b"GET /v1/books HTTP/1.1\r\nHost: a\r\n\r\n"
_POST = b"POST /v1/weigh HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"

REQUESTS: dict[str, tuple[bytes, list[int]]] = {
    "content-length and transfer-encoding": (_POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", [400]),
    "transfer-encoding and content-length": (_POST + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n", [400]),
    "the same length twice": (_POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", [400]),
    "two lengths": (_POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", [400]),
    "a list of lengths": (_POST + b"Content-Length: 2, 2\r\n\r\n{}", [400]),
    "a length with a plus": (_POST + b"Content-Length: +2\r\n\r\n{}", [400]),
    "a negative length": (_POST + b"Content-Length: -1\r\n\r\n{}", [400]),
    "a length in hexadecimal": (_POST + b"Content-Length: 0x2\r\n\r\n{}", [400]),
    "a length of 2**64": (_POST + b"Content-Length: 18446744073709551616\r\n\r\n{}", [400]),
    "a length of 2**63": (_POST + b"Content-Length: 9223372036854775808\r\n\r\n{}", []),
    "no length": (_POST + b"Content-Length: \r\n\r\n{}", [400]),
    "a coding like chunked": (_POST + b"Transfer-Encoding: xchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", [400]),
    "identity": (_POST + b"Transfer-Encoding: identity\r\n\r\n2\r\n{}\r\n0\r\n\r\n", [400]),
    "chunked, identity": (_POST + b"Transfer-Encoding: chunked, identity\r\n\r\n2\r\n{}\r\n0\r\n\r\n", [400]),
    "chunked twice": (_POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", [400]),
    "a space before the colon": (_POST + b"Transfer-Encoding : chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", [400]),
    "a folded field": (_POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", [400]),
    "a vertical tab": (_POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", [400]),
    "NUL after chunked": (_POST + b"Transfer-Encoding: chunked\x00\r\n\r\n2\r\n{}\r\n0\r\n\r\n", [400]),
    "chunked in 1.0": (_POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", [400]),
    "bare LFs": (_POST.replace(b"\r\n", b"\n") + b"Content-Length: 2\n\n{}", [400]),
    "a bare CR in a value": (_POST + b"X-A: b\rc\r\nContent-Length: 2\r\n\r\n{}", [400]),
    "NUL in a value": (_POST + b"X-A: b\0c\r\nContent-Length: 2\r\n\r\n{}", [400]),
    "LF in an extension": (_POST + b"Transfer-Encoding: chunked\r\n\r\n2;a\n{}\r\n0\r\n\r\n", [400]),
    "CR in an extension": (_POST + b"Transfer-Encoding: chunked\r\n\r\n2;a\rX\r\n{}\r\n0\r\n\r\n", [400]),
    "a chunk of 17 digits": (_POST + b"Transfer-Encoding: chunked\r\n\r\n10000000000000002\r\n{}\r\n0\r\n\r\n", [400]),
    "a chunk of 16 digits": (_POST + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}\r\n0\r\n\r\n", []),
    "a negative chunk": (_POST + b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n", [400]),
    "a chunk without its end": (_POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}0\r\n\r\n", [400]),
    "chunks with bare LFs": (_POST + b"Transfer-Encoding: chunked\r\n\r\n2\n{}\n0\n\n", [400]),
    "a length among trailers": (_POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-T: a\r\nContent-Length: 5\r\n\r\n", [400]),
    "an endless extension": (_POST + b"Transfer-Encoding: chunked\r\n\r\n2;" + b"a" * 300000, [431]),
    "a field of 17 KB": (b"GET /v1/books HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 17000 + b"\r\n\r\n", [431]),
    "a target of 20 KB": (b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", [431]),
    "101 fields": (b"GET /v1/books HTTP/1.1\r\nHost: a\r\n" + b"A: b\r\n" * 101 + b"\r\n", [431]),
    "no host": (b"GET /v1/books HTTP/1.1\r\n\r\n", [400]),
    "two hosts": (b"GET /v1/books HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", [400]),
    "an empty host": (b"GET /v1/books HTTP/1.1\r\nHost:\r\n\r\n", [200, 200]),
    "another scheme": (b"GET ftp://b/v1/books HTTP/1.1\r\nHost: a\r\n\r\n", [400]),
    "an authority": (b"GET b:80 HTTP/1.1\r\nHost: a\r\n\r\n", [400]),
    "an asterisk": (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", [404, 200]),
    "TRACE": (b"TRACE /v1/books HTTP/1.1\r\nHost: a\r\nX-Secret: s\r\n\r\n", [405, 200]),
    "CONNECT": (b"CONNECT b:80 HTTP/1.1\r\nHost: a\r\n\r\n", [501]),
    "HTTP/2.0": (b"GET /v1/books HTTP/2.0\r\nHost: a\r\n\r\n", [505]),
    "HTTP/1.2": (b"GET /v1/books HTTP/1.2\r\nHost: a\r\n\r\n", [400]),
    "HTTP/0.9": (b"GET /v1/books\r\n\r\n", [505]),
    "a method that nobody knows": (b"FOO /v1/books HTTP/1.1\r\nHost: a\r\n\r\n", [400]),
    "a method in lower case": (b"get /v1/books HTTP/1.1\r\nHost: a\r\n\r\n", [400]),
    "an upgrade with a body": (_POST + b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\n{}", [200, 200]),
    "an upgrade to websocket": (b"GET /v1/books HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", [200, 200]),
    "another expectation": (_POST + b"Expect: 200-maybe\r\nContent-Length: 2\r\n\r\n{}", [417]),
    "no digits behind a percent sign": (b"GET /v1/archive/%zz HTTP/1.1\r\nHost: a\r\n\r\n", [200, 200]),
    "no UTF-8 behind percent signs": (b"GET /v1/archive/%ff HTTP/1.1\r\nHost: a\r\n\r\n", [400, 200]),
    "line breaks behind percent signs": (b"GET /v1/archive/a%0d%0aSet-Cookie:x HTTP/1.1\r\nHost: a\r\n\r\n", [200, 200]),
    "bytes beyond ASCII in a path": (b"GET /v1/archive/\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n", [400]),
    "a way out": (b"GET /../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n", [404, 200]),
    "10,000 slashes": (b"GET " + b"/" * 10000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", [404, 200]),
    "gRPC over HTTP/1.1": (
        b"POST /echo.v1.EchoService/Say HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\nContent-Length: 5\r\n\r\n\0\0\0\0\0",
        [505],
    ),
    "a space in the target": (b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", [400]),
    "a space in a name": (b"GET /v1/books HTTP/1.1\r\nHost: a\r\nX A: b\r\n\r\n", [400]),
    "an empty name": (b"GET /v1/books HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", [400]),
    "a body of GET": (b"GET /v1/books HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi", [400, 200]),
    "a body for nobody": (b"POST /none HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n" + bytes(8000000), [404]),
    "a body that is too large": (_POST + b"Content-Length: 8000000\r\n\r\n" + bytes(8000000), [413]),
    "chunks for nobody": (b"POST /none HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", [404]),
}
"""Each kind of request, with the statuses that come back; none where the body has not ended."""


async def test_each_request_is_refused_or_meant(server: Victim) -> None:
    wrong: dict[str, list[int]] = {}
    async with unharmed(server):
        for kind, (request, statuses) in REQUESTS.items():
            found = [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", await http1(server, request + _NEXT))]
            if found != statuses:
                wrong[kind] = found
    assert wrong == {}


@pytest.mark.parametrize(
    "path", ["/v1/archive/a%0d%0aSet-Cookie:x", "/v1/shelves/a%0d%0aSet-Cookie:x/books/missing", "/a%0d%0aSet-Cookie:x"]
)
async def test_no_line_of_an_answer_is_the_callers(path: str, server: Victim) -> None:
    async with unharmed(server):
        raw = await http1(server, f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    head, _, _ = raw.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 ")
    assert not re.search(rb"(?im)^set-cookie", head)
