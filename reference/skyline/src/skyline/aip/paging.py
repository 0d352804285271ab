"""Pages of a list (AIP-158): a size that the server bounds, and a token that only the server reads.

The token is the place where the next page starts, sealed with a digest of that place and of the query. A token that was cut, changed
or taken from another query is therefore refused instead of giving a page of something else. The digest is no secret and need not be:
nobody gains by forging a place in a public list. The size may change from page to page.
"""

import base64
import binascii
import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from skyline.aip.problems import invalid

DEFAULT_PAGE_SIZE: Final = 50
"""Rows of a page when the request says 0."""

MAX_PAGE_SIZE: Final = 200
"""Rows of a page at most, whatever the request says."""

_PLACE: Final = struct.Struct(">I")
_SEAL_SIZE: Final = 8

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Page(Generic[T]):
    """The rows of one page and the token of the next, which is empty on the last."""

    rows: Sequence[T]
    next_page_token: str


def page_of(rows: Sequence[T], *, query: str, page_size: int, page_token: str) -> Page[T]:
    """The page of `rows` that was asked for. `query` is whatever else determines `rows`, as text.

    Raises INVALID_ARGUMENT for a negative `page_size` and for a `page_token` that this function did not give out for the same query.
    """
    if page_size < 0:
        raise invalid("page_size", f"{page_size} is negative; ask for 1 to {MAX_PAGE_SIZE} rows, or 0 for {DEFAULT_PAGE_SIZE}")
    start = _opened(page_token, query) if page_token else 0
    end = start + min(page_size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)
    return Page(rows=rows[start:end], next_page_token=_sealed(end, query) if end < len(rows) else "")


def _sealed(place: int, query: str) -> str:
    packed = _PLACE.pack(place)
    return base64.urlsafe_b64encode(packed + _seal(packed, query)).decode("ascii")


def _opened(token: str, query: str) -> int:
    try:
        content = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        content = b""
    packed = content[: _PLACE.size]
    if len(content) != _PLACE.size + _SEAL_SIZE or content[_PLACE.size :] != _seal(packed, query):
        raise invalid("page_token", "it does not belong to this query; pass next_page_token unchanged, with the other fields as before")
    place: int = _PLACE.unpack(packed)[0]
    return place


def _seal(packed: bytes, query: str) -> bytes:
    return hashlib.blake2b(packed + query.encode(), digest_size=_SEAL_SIZE).digest()
