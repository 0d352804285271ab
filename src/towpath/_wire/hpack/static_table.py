"""The static table (RFC 7541 appendix A).

Position 0 is a placeholder, since indexes count from 1: a decoder that gets index 0 has to raise an error itself.
"""

from typing import Final

from towpath._wire.http.fields import Field

STATIC_TABLE: Final[tuple[Field, ...]] = (
    (b"", b""),
    (b":authority", b""),
    (b":method", b"GET"),
    (b":method", b"POST"),
    (b":path", b"/"),
    (b":path", b"/index.html"),
    (b":scheme", b"http"),
    (b":scheme", b"https"),
    (b":status", b"200"),
    (b":status", b"204"),
    (b":status", b"206"),
    (b":status", b"304"),
    (b":status", b"400"),
    (b":status", b"404"),
    (b":status", b"500"),
    (b"accept-charset", b""),
    (b"accept-encoding", b"gzip, deflate"),
    (b"accept-language", b""),
    (b"accept-ranges", b""),
    (b"accept", b""),
    (b"access-control-allow-origin", b""),
    (b"age", b""),
    (b"allow", b""),
    (b"authorization", b""),
    (b"cache-control", b""),
    (b"content-disposition", b""),
    (b"content-encoding", b""),
    (b"content-language", b""),
    (b"content-length", b""),
    (b"content-location", b""),
    (b"content-range", b""),
    (b"content-type", b""),
    (b"cookie", b""),
    (b"date", b""),
    (b"etag", b""),
    (b"expect", b""),
    (b"expires", b""),
    (b"from", b""),
    (b"host", b""),
    (b"if-match", b""),
    (b"if-modified-since", b""),
    (b"if-none-match", b""),
    (b"if-range", b""),
    (b"if-unmodified-since", b""),
    (b"last-modified", b""),
    (b"link", b""),
    (b"location", b""),
    (b"max-forwards", b""),
    (b"proxy-authenticate", b""),
    (b"proxy-authorization", b""),
    (b"range", b""),
    (b"referer", b""),
    (b"refresh", b""),
    (b"retry-after", b""),
    (b"server", b""),
    (b"set-cookie", b""),
    (b"strict-transport-security", b""),
    (b"transfer-encoding", b""),
    (b"user-agent", b""),
    (b"vary", b""),
    (b"via", b""),
    (b"www-authenticate", b""),
)

FIRST_DYNAMIC_INDEX: Final = len(STATIC_TABLE)
"""62: dynamic entries are numbered from here, the newest first (RFC 7541 2.3.3)."""

STATIC_INDEX: Final[dict[Field, int]] = {STATIC_TABLE[i]: i for i in range(FIRST_DYNAMIC_INDEX - 1, 0, -1)}
"""Index of each whole field."""

STATIC_NAME_INDEX: Final[dict[bytes, int]] = {STATIC_TABLE[i][0]: i for i in range(FIRST_DYNAMIC_INDEX - 1, 0, -1)}
"""Lowest index of each name."""

STATIC_NAMES: Final[dict[bytes, bytes]] = {name: name for name, _ in STATIC_TABLE[1:]}
"""Each name to the one object that stands for it, so that equal names read from the wire share it."""
