"""The head of a request of HTTP/1.1 as a section of fields, such as a request of HTTP/2 has."""

from collections.abc import Iterable

from towpath._wire.http.fields import REQUEST, Field, Section
from towpath._wire.http1.fault import Fault


class HeadsAlike:
    """The heads of requests that differ in their targets alone. `fields` are as they came, of about `size` bytes, and llhttp has checked
    their lengths. Raises Fault if they are those of no request that is served here."""

    __slots__ = ("_head", "body", "has_body", "key", "method_and_space", "raw_fields", "sections", "size")

    def __init__(self, method: bytes, version: str, fields: tuple[Field, ...], size: int) -> None:
        self.key = method, version, fields
        """What they have in common, as it came."""
        self.method_and_space = method + b" "
        if version not in ("1.0", "1.1"):
            raise Fault(505, f"HTTP/{version} is not served here")
        fields = _plain(fields)
        chunked = any(name == b"transfer-encoding" for name, _ in fields)
        if version == "1.0" and chunked:  # faulty framing (RFC 9112, section 6.1)
            raise Fault(400, "a request of HTTP/1.0 has no Transfer-Encoding")
        hosts = [value for name, value in fields if name == b"host"]
        if len(hosts) > 1 or (not hosts and version == "1.1"):
            raise Fault(400, "the request needs one Host field")
        lengths = [value for name, value in fields if name == b"content-length"]
        length = int(lengths[0]) if lengths else -1
        pseudo = {b":method": method, b":scheme": b"http", b":authority": hosts[0] if hosts else b""}
        self._head = Section(REQUEST, pseudo, fields, length)
        self._head.alike = {}
        self.has_body = chunked or length > 0
        """Whether a body follows."""
        self.body = -1 if chunked else max(length, 0)
        """Bytes of the body; -1 if the head does not say."""
        self.raw_fields = b""
        """All behind the request line, the line's end included, if they are known by it."""
        self.size = size
        """Bytes of the fields, about."""
        self.sections: dict[bytes, Section] = {}
        """Those that are remembered, by their targets."""

    def section(self, target: bytes) -> Section:
        """The head with this target. Raises Fault for a target that is none."""
        if not target.startswith(b"/") and target != b"*":
            target = _path_of(target)
        return self._head.at(target)


def _plain(fields: Iterable[Field]) -> tuple[Field, ...]:
    """The fields as HTTP/2 has them: names in lower case, and no white space behind values."""
    return tuple((name.lower(), value.rstrip(b" \t")) for name, value in fields)


def without_offer(method: bytes, target: bytes, version: str, fields: Iterable[Field]) -> bytes:
    """The head as bytes, without the fields that offer another protocol."""
    line = b"%s %s HTTP/%s\r\n" % (method, target, version.encode())
    return line + b"".join(b"%s: %s\r\n" % field for field in _plain(fields) if field[0] != b"upgrade") + b"\r\n"


def _path_of(target: bytes) -> bytes:
    """The path of a target in absolute form, which a server must accept (RFC 9112, section 3.2.2)."""
    scheme, separator, rest = target.partition(b"://")
    if not separator or scheme.lower() not in (b"http", b"https"):
        raise Fault(400, "the request's target is neither a path nor a URL")
    slash, query = rest.find(b"/"), rest.find(b"?")
    if query >= 0 and not 0 <= slash < query:  # the authority ends with the query
        return b"/" + rest[query:]
    return rest[slash:] if slash >= 0 else b"/"
