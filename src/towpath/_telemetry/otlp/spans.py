"""Rows of the flight recorder as spans of OTLP, by OpenTelemetry's conventions for RPC 1.45.

A received call is a SERVER span. Its parent is the caller's attempt. A client's call is a CLIENT span, and so is each of its attempts, if
there was more than one. The parent of a call is the received call that it was made for. Names, peers and codes recur, so what a span has of
them is made once. That leaves one `struct.pack` for ids and times, and one for the phases (`docs/howto/opentelemetry.md` has their names).
"""

import struct
from binascii import unhexlify
from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, Final

from towpath._core.errors import Code
from towpath._core.propagation.span_ids import own_span_id
from towpath._telemetry.flight_recorder.row import CRITICALITY_SHIFT, REMOTE, SAMPLED, STREAM, UNKNOWN_CODE, Kind
from towpath._telemetry.otlp.protobuf import DOUBLE, delimited, double_attribute, number_attribute, text_attribute, true_attribute, varint

VALUES: Final = struct.Struct("<I 4s d 3x 32s x 16s II 8s 6f 8x 8s I")
"""A row as the writer takes it: `towpath._telemetry.flight_recorder.row.LAYOUT` without what no span has. What only chooses among
bytes that were made before stays bytes."""

Values = tuple[Any, ...]
"""number; kind, code, flags and attempt; base; trace, span; serial, branch; names; six marks; sizes; number."""

SERVER_PHASES: Final = ("receive", "admit", "start", "layers", "handle", "write")
"""What a received call did before each of its marks."""
CLIENT_PHASES: Final = ("policies", "connect", "send", "wait", "read", "resume")
"""What an attempt did before each of its marks."""

NO_ENDPOINT: Final[Mapping[str, str | int]] = MappingProxyType({})

_SERVER_ERRORS: Final = frozenset(
    {Code.UNKNOWN, Code.DEADLINE_EXCEEDED, Code.UNIMPLEMENTED, Code.INTERNAL, Code.UNAVAILABLE, Code.DATA_LOSS, UNKNOWN_CODE}
)
"""The codes that are a server's failure. The others are its caller's."""
_CODES: Final = {0: "OK", **{int(code): code.name for code in Code}}
_CRITICALITIES: Final = ("SHEDDABLE", "SHEDDABLE_PLUS", "CRITICAL", "CRITICAL_PLUS")
_OTHER: Final = "_OTHER"
_SYSTEM: Final = "grpc"

_SPAN, _SPAN_NAME, _ATTRIBUTE, _STATUS = 2, 5, 9, 15
"""Of ScopeSpans, and of Span."""
_KIND_OF_SERVER, _KIND_OF_CLIENT, _ERROR = b"\x30\x02", b"\x30\x03", delimited(_STATUS, b"\x18\x02")
_REMOTE_KNOWN, _REMOTE_PARENT = 0x100, 0x200
_WITH_PARENT: Final = struct.Struct("<2s16s 2s8s cQ cQ 2s8s")
_WITHOUT_PARENT: Final = struct.Struct("<2s16s 2s8s cQ cQ")
_NAMES: Final = struct.Struct("<HHHH")
_SIZES: Final = struct.Struct("<II")
_CHOICE: Final = 12
"""Bytes of a row that choose names, codes and flags. One more says that the span has no parent."""
_LONGEST: Final = 1e8
"""Seconds (three years) that no mark comes to."""
_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)
_MOST_KNOWN: Final = 4096
"""How many combinations of names, codes and flags, and how many sizes, are kept as bytes."""


class SpanWriter:
    """Writes the spans of one process, each as an element of ScopeSpans. `name` is what an index into the recorder's names means, and
    `epoch` the time of day, in nanoseconds since 1970, at 0 of the process' monotonic clock. `own` are attributes of received calls alone,
    such as the address that they came to.

    A caller may send what it likes as its trace. ValueError is raised for a row whose trace is none."""

    __slots__ = ("_client", "_fixed", "_name", "_own", "_prefixes", "_server", "_sizes", "epoch")

    def __init__(self, name: Callable[[int], str], *, epoch: int, own: Mapping[str, str | int] = NO_ENDPOINT) -> None:
        self._name: Final = name
        self.epoch = epoch
        self._own: Final = b"".join(_attribute(name, value) for name, value in own.items())
        self._fixed: Final[dict[bytes, bytes]] = {}
        self._sizes: Final[dict[bytes, bytes]] = {}
        self._prefixes: Final[dict[int, bytes]] = {}
        self._server: Final = _Phases(SERVER_PHASES)
        self._client: Final = _Phases(CLIENT_PHASES)

    def server(self, row: Values) -> bytes:
        """The span of a received call."""
        span, parent = own_span_id(row[5]).to_bytes(8, "big"), unhexlify(row[4])
        if parent == span:  # a trace that began here
            parent = b""
        return self._written(row, span, parent, *self._server.of(row, 0))

    def attempt(self, row: Values, call: bytes = b"") -> bytes:
        """The span of an attempt. `call` is the span id of its call if that made several; else the attempt is the call."""
        parent = call or (own_span_id(row[5]).to_bytes(8, "big") if row[5] else b"")
        return self._written(row, unhexlify(row[4]), parent, *self._client.of(row, 1 if call else 0))

    def call(self, row: Values) -> bytes:
        """The span of a call that made several attempts, or none."""
        parent = own_span_id(row[5]).to_bytes(8, "big") if row[5] else b""
        end = max((mark for mark in row[8:14] if mark < _LONGEST), default=0.0)
        return self._written(row, self.call_span_id(row), parent, b"", 0.0, max(0.0, end))

    def call_span_id(self, row: Values) -> bytes:
        """The span id of a call, from the row of the call or of any of its attempts: what these rows share is hashed."""
        # Two processes share no base, and a trace no span id with this one but by a chance of 2**-64.
        shared = struct.pack("<d32sII", row[2], row[3], row[5], row[6])
        return blake2b(shared, digest_size=8).digest()

    def _written(self, row: Values, span: bytes, parent: bytes, phases: bytes, start: float, end: float) -> bytes:
        base = self.epoch + int(row[2] * 1e9)
        begin, finish = base + int(start * 1e6 + 0.5) * 1000, base + int(end * 1e6 + 0.5) * 1000
        trace = unhexlify(row[3])
        if trace == _NO_TRACE or _NO_SPAN in (parent, span):
            raise ValueError("no trace")
        if parent:
            head = _WITH_PARENT.pack(b"\x0a\x10", trace, b"\x12\x08", span, b"\x39", begin, b"\x41", finish, b"\x22\x08", parent)
        else:
            head = _WITHOUT_PARENT.pack(b"\x0a\x10", trace, b"\x12\x08", span, b"\x39", begin, b"\x41", finish)
        chosen = row[1] + row[7] if parent else row[1] + row[7] + b"-"
        fixed = self._fixed.get(chosen) or self._known(chosen)
        sizes = self._sizes.get(row[14])
        if sizes is None:
            sizes = self._sized(row[14])
        length = len(head) + len(fixed) + len(phases) + len(sizes)
        prefix = self._prefixes.get(length)
        if prefix is None:
            prefix = self._prefixes[length] = varint(_SPAN << 3 | 2) + varint(length)
        return b"".join((prefix, head, fixed, phases, sizes))

    def _known(self, chosen: bytes) -> bytes:
        kind, code, flags, attempt = chosen[:4]
        method, peer, tenant, reason = (self._name(index) for index in _NAMES.unpack_from(chosen, 4))
        method = method or _OTHER
        failed = code in _SERVER_ERRORS if kind == Kind.SERVER else code != 0
        attributes: dict[str, str | int] = {"rpc.system.name": _SYSTEM, "rpc.method": method}
        if code != UNKNOWN_CODE:
            attributes["rpc.status_code"] = _CODES.get(code, str(code))
        if code:
            attributes["error.type"] = _CODES.get(code, _OTHER if code == UNKNOWN_CODE else str(code))
            attributes["towpath.error.from"] = "peer" if flags & REMOTE else "here"
        if peer:
            address, port = endpoint(peer)
            for side in ("client" if kind == Kind.SERVER else "server", "network.peer"):
                attributes[f"{side}.address"] = address
                if port is not None:
                    attributes[f"{side}.port"] = port
        attributes["towpath.criticality"] = _CRITICALITIES[flags >> CRITICALITY_SHIFT & 3]
        if tenant:
            attributes["towpath.tenant"] = tenant
        if reason:
            attributes["towpath.reason"] = reason
        if flags & STREAM:
            attributes["towpath.stream"] = True
        if kind == Kind.CALL:
            attributes["towpath.attempts"] = attempt
        elif attempt:
            attributes["towpath.attempt"] = attempt
        traced = flags & SAMPLED | _REMOTE_KNOWN | (_REMOTE_PARENT if kind == Kind.SERVER and len(chosen) == _CHOICE else 0)
        fixed = b"".join(
            (
                delimited(_SPAN_NAME, (_SYSTEM if method == _OTHER else method).encode(errors="replace")),
                _KIND_OF_SERVER if kind == Kind.SERVER else _KIND_OF_CLIENT,
                b"\x85\x01",
                traced.to_bytes(4, "little"),
                *(_attribute(name, value) for name, value in attributes.items()),
                self._own if kind == Kind.SERVER else b"",
                _ERROR if failed else b"",
            )
        )
        if len(self._fixed) >= _MOST_KNOWN:
            self._fixed.clear()
        self._fixed[chosen] = fixed
        return fixed

    def _sized(self, sizes: bytes) -> bytes:
        request, response = _SIZES.unpack(sizes)
        written = _attribute("towpath.request.size", request) + _attribute("towpath.response.size", response)
        if len(self._sizes) >= _MOST_KNOWN:
            self._sizes.clear()
        self._sizes[sizes] = written
        return written


class _Phases:
    """The attributes that say how long each phase took, in seconds. A phase that a call did not come to has none."""

    __slots__ = ("_all", "_keys")

    def __init__(self, names: tuple[str, ...]) -> None:
        self._keys = [double_attribute(_ATTRIBUTE, f"towpath.phase.{name}") for name in names]
        self._all = struct.Struct("<" + "".join(f"{len(key)}sd" for key in self._keys))

    def of(self, row: Values, first: int) -> tuple[bytes, float, float]:
        """The attributes from the phase `first` on, with the seconds at which that begins and the last one ends. A stream may come to a
        mark after the one behind it, such as to the end of its requests: then the phase before that mark has no attribute."""
        _, _, _, _, _, _, _, _, a, b, c, d, e, f, _, _ = row
        if not first and 0.0 <= a <= b <= c <= d <= e <= f < _LONGEST:
            one, two, three, four, five, six = self._keys
            # Whole microseconds, for people who read them: marks are floats of 32 bits, with their noise.
            phases = self._all.pack(
                one, int(a * 1e6 + 0.5) / 1e6,
                two, int((b - a) * 1e6 + 0.5) / 1e6,
                three, int((c - b) * 1e6 + 0.5) / 1e6,
                four, int((d - c) * 1e6 + 0.5) / 1e6,
                five, int((e - d) * 1e6 + 0.5) / 1e6,
                six, int((f - e) * 1e6 + 0.5) / 1e6,
            )  # fmt: skip
            return phases, 0.0, f
        kept: list[tuple[int, float]] = []
        limit = _LONGEST
        for index in range(5, -1, -1):
            mark = row[8 + index]
            if 0.0 <= mark <= limit:
                kept.append((index, mark))
                limit = mark
        kept.reverse()
        end = kept[-1][1] if kept else 0.0
        start = before = kept[0][1] if first and kept and kept[0][0] < first else 0.0
        out = bytearray()
        for index, mark in kept:
            if index >= first:
                out += self._keys[index] + DOUBLE.pack(int((mark - before) * 1e6 + 0.5) / 1e6)
                before = mark
        return bytes(out), start, end


def endpoint(peer: str) -> tuple[str, int | None]:
    """Address and port of a peer's text. A Unix socket has no port, and neither has a caller in the recorder's names."""
    address, _, port = peer.rpartition(":")
    is_address = address.endswith("]") or (address and ":" not in address)
    if not is_address or not port.isascii() or not port.isdecimal() or len(port) > 5:
        return peer.removeprefix("[").removesuffix("]"), None
    return address.removeprefix("[").removesuffix("]"), int(port)


def scope_spans(version: str) -> bytes:
    """What ScopeSpans has beside its spans: towpath as the instrumentation."""
    return delimited(1, delimited(1, b"towpath") + delimited(2, version.encode()))


def request(resource: bytes, scope: bytes, spans: list[bytes], others: Iterable[bytes] = ()) -> bytes:
    """An ExportTraceServiceRequest of one resource. `spans` are those of one scope, and `others` have scopes of their own."""
    scoped = scope + b"".join(spans)
    own = varint(2 << 3 | 2) + varint(len(scoped)) + scoped if spans else b""
    return delimited(1, resource + own + b"".join(others))


def _attribute(name: str, value: str | int) -> bytes:
    if value is True:
        return true_attribute(_ATTRIBUTE, name)
    if isinstance(value, str):
        return text_attribute(_ATTRIBUTE, name, value)
    return number_attribute(_ATTRIBUTE, name, value)
