"""One whole call of an attacker in each protocol, byte for byte, and what became of it."""

import re
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from tests.hostile.kit import Attacker, Victim, attacking
from tests.transport.raw_peer import request_head
from towpath._wire.hpack import literal
from towpath._wire.http2 import frames
from towpath._wire.http2.frames import END_HEADERS, END_STREAM

METHOD = "/hostile.v1.HostileService/Weigh"
_PATH = "/v1/weigh"

Fields = tuple[tuple[str, str], ...]


class Answer(NamedTuple):
    """What became of a call."""

    status: int
    """The status of HTTP; 0 if the connection ended without one."""
    code: str
    """The code of gRPC in digits or in words, as far as the protocol says one."""
    size: int
    """Bytes of the body."""

    @property
    def ok(self) -> bool:
        """Whether the call has been answered as if there were nothing wrong with it."""
        return self.status == 200 and self.code in {"", "0"}


def message(payload: bytes, *, compressed: bool = True) -> bytes:
    """A message as gRPC frames it."""
    return bytes((compressed,)) + len(payload).to_bytes(4, "big") + payload


async def http1(victim: Victim, raw: bytes) -> bytes:
    """Everything that comes back on a connection of HTTP/1.1 that sends this and ends its half."""
    async with attacking(victim) as peer:
        return await peer.conversation(raw)


def post(path: str, content_type: str, body: bytes, fields: Fields = ()) -> bytes:
    """A request of HTTP/1.1."""
    lines = [f"POST {path} HTTP/1.1", "Host: test", f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in fields]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def read_answer(raw: bytes) -> Answer:
    """The last response in what came over HTTP/1.1."""
    status = re.findall(rb"HTTP/1\.1 (\d{3}) ", raw)
    body = raw.rpartition(b"HTTP/1.1 ")[2].partition(b"\r\n\r\n")[2]
    return Answer(int(status[-1]) if status else 0, _code_in(body), len(body))


def _code_in(body: bytes) -> str:
    """The code in a body of gRPC-Web, Connect or REST."""
    code = re.search(rb'(?:grpc-status: ?|"code": ?"?)(\w+)', body)
    return code[1].decode() if code else ""


async def _over_http1(victim: Victim, path: str, content_type: str, body: bytes, fields: Fields) -> Answer:
    return read_answer(await http1(victim, post(path, content_type, body, fields)))


async def connect_json(victim: Victim, body: bytes) -> Answer:
    """Connect with JSON over HTTP/1.1."""
    return await _over_http1(victim, METHOD, "application/json", body, (("Content-Encoding", "gzip"),))


async def rest(victim: Victim, body: bytes) -> Answer:
    """REST over HTTP/1.1."""
    return await _over_http1(victim, _PATH, "application/json", body, (("Content-Encoding", "gzip"),))


async def connect_proto(victim: Victim, body: bytes) -> Answer:
    """Connect with protobuf's form over HTTP/1.1."""
    return await _over_http1(victim, METHOD, "application/proto", body, (("Content-Encoding", "gzip"),))


async def grpc_web(victim: Victim, body: bytes) -> Answer:
    """gRPC-Web over HTTP/1.1."""
    return await _over_http1(victim, METHOD, "application/grpc-web+proto", message(body), (("grpc-encoding", "gzip"),))


async def grpc(victim: Victim, body: bytes) -> Answer:
    """Plain gRPC."""
    return await over_http2(victim, b"application/grpc", message(body), (b"grpc-encoding", b"gzip"))


async def connect_json_over_http2(victim: Victim, body: bytes) -> Answer:
    """Connect with JSON over HTTP/2."""
    return await over_http2(victim, b"application/json", body, (b"content-encoding", b"gzip"))


async def over_http2(victim: Victim, content_type: bytes, body: bytes, *fields: tuple[bytes, bytes]) -> Answer:
    """A call of HTTP/2 with this body, which the windows of the server have to have room for."""
    async with attacking(victim) as peer:
        peer.greet()
        return await whole_call(peer, content_type, body, *fields)


async def whole_call(peer: Attacker, content_type: bytes, body: bytes, *fields: tuple[bytes, bytes]) -> Answer:
    """A call on a connection that has begun."""
    stream_id = peer.stream()
    head = request_head(b"Weigh", (b":path", METHOD.encode()), (b"content-type", content_type))
    block = head + b"".join(literal(name, value) for name, value in fields)
    whole = frames.frame(frames.HEADERS, END_HEADERS, stream_id, block)
    for start in range(0, len(body), 16_384):
        whole += frames.frame(frames.DATA, 0, stream_id, body[start : start + 16_384])
    await peer.send(whole + frames.frame(frames.DATA, END_STREAM, stream_id))
    return await answer_to(peer, stream_id)


async def answer_to(peer: Attacker, stream_id: int) -> Answer:
    """What the server says on the stream until it ends."""
    await peer.until(lambda: stream_id in peer.ended)
    found = peer.fields.get(stream_id, {})
    code = found.get(b"grpc-status", b"").decode() or _code_in(peer.bodies.get(stream_id, b""))
    return Answer(int(found.get(b":status", b"0")), code, peer.sizes[stream_id])


Call = Callable[[Victim, bytes], Awaitable[Answer]]
"""A call with this compressed body."""

WITH_JSON: tuple[Call, ...] = (connect_json, rest, connect_json_over_http2)
WITH_PROTO: tuple[Call, ...] = (connect_proto, grpc_web, grpc)
OVER_HTTP2: tuple[Call, ...] = (connect_json_over_http2, grpc)
