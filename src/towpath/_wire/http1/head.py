"""The head of a request of HTTP/1.1 as a section of fields, such as a request of HTTP/2 has."""

from collections.abc import Iterable

from towpath._wire.http.fields import REQUEST, Field, Section
from towpath._wire.http1.fault import Fault


def request_head(method: bytes, target: bytes, version: str, fields: tuple[Field, ...]) -> Section:
    """The section that a request line and its fields make, whose lengths llhttp has checked. Raises Fault if they are no request that is
    served here."""
    if version not in ("1.0", "1.1"):
        raise Fault(505, f"HTTP/{version} is not served here")
    if version == "1.0" and any(name == b"transfer-encoding" for name, _ in fields):  # faulty framing (RFC 9112, section 6.1)
        raise Fault(400, "a request of HTTP/1.0 has no Transfer-Encoding")
    hosts = [value for name, value in fields if name == b"host"]
    if len(hosts) > 1 or (not hosts and version == "1.1"):
        raise Fault(400, "the request needs one Host field")
    if not target.startswith(b"/") and target != b"*":
        target = _path_of(target)
    lengths = [value for name, value in fields if name == b"content-length"]
    pseudo = {b":method": method, b":scheme": b"http", b":path": target, b":authority": hosts[0] if hosts else b""}
    return Section(REQUEST, pseudo, fields, int(lengths[0]) if lengths else -1)


def plain(fields: Iterable[Field]) -> tuple[Field, ...]:
    """The fields as HTTP/2 has them: names in lower case, and no white space behind values."""
    return tuple((name.lower(), value.rstrip(b" \t")) for name, value in fields)


def without_offer(method: bytes, target: bytes, version: str, fields: Iterable[Field]) -> bytes:
    """The head as bytes, without the fields that offer another protocol."""
    line = b"%s %s HTTP/%s\r\n" % (method, target, version.encode())
    return line + b"".join(b"%s: %s\r\n" % field for field in plain(fields) if field[0] != b"upgrade") + b"\r\n"


def _path_of(target: bytes) -> bytes:
    """The path of a target in absolute form, which a server must accept (RFC 9112, section 3.2.2)."""
    scheme, separator, rest = target.partition(b"://")
    if not separator or scheme.lower() not in (b"http", b"https"):
        raise Fault(400, "the request's target is neither a path nor a URL")
    slash, query = rest.find(b"/"), rest.find(b"?")
    if query >= 0 and not 0 <= slash < query:  # the authority ends with the query
        return b"/" + rest[query:]
    return rest[slash:] if slash >= 0 else b"/"
