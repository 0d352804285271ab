"""Requests of pages from other origins (CORS, https://fetch.spec.whatwg.org/#http-cors-protocol): which are allowed, and how a browser is
told so.

A browser lets a page read a response only if the response names the page's origin, and before most requests it asks with an OPTIONS, the
preflight. Nothing here keeps a request away: other clients send what `Origin` they like. So it is no replacement for authentication.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from towpath._core.disclosure.printable import printable, shortened
from towpath._core.errors import SetupError
from towpath._core.propagation.fields import BAGGAGE, IDEMPOTENCY_KEY, REQUEST_ID
from towpath._wire.dialect import WholeResponse
from towpath._wire.http.fields import NAME, Field, Template

ANY: Final = "*"
"""The origin that stands for every origin, and the header that stands for every header."""

DEFAULT_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
"""The methods of HTTP that pages may use without a setting."""

DEFAULT_MAX_AGE: Final = 600.0
"""Seconds for which a browser may keep the answer to a preflight without a setting."""

MAX_AGE: Final = 86_400.0
"""Seconds of the largest `max_age`, a day. No browser keeps an answer longer."""

REQUEST_FIELDS: Final = (
    *("content-type", "content-encoding", "accept-encoding"),
    *("connect-protocol-version", "connect-timeout-ms", "connect-accept-encoding", "connect-content-encoding"),
    *("grpc-timeout", "grpc-encoding", "grpc-accept-encoding", "x-grpc-web", "x-user-agent"),
    *(IDEMPOTENCY_KEY.name, REQUEST_ID.name, BAGGAGE.name, "traceparent", "tracestate", "if-match", "if-none-match"),
)
"""The headers that a page may always send: those of Connect, gRPC-Web and REST, and those of towpath that mean no trust."""

EXPOSED: Final = (
    *("grpc-status", "grpc-message", "grpc-status-details-bin", "grpc-encoding", "grpc-accept-encoding"),
    *("connect-content-encoding", "connect-accept-encoding", "content-encoding", "etag", "retry-after"),
)
"""The headers of responses that every page may read. It may also read all others that a response has."""

_ALWAYS_READ: Final = frozenset(
    {b":status", b"cache-control", b"content-language", b"content-length", b"content-type", b"expires", b"last-modified"}
)
_ORIGIN: Final = re.compile(r"([a-z][a-z0-9+.-]*)://(?:\[[0-9a-f:.]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)(?::([1-9][0-9]{0,4}))?")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_LARGEST_PORT: Final = 65_535
_FORBIDDEN_METHODS: Final = ("CONNECT", "TRACE", "TRACK")
_MOST_HEADS: Final = 64
"""Heads of responses that are kept with the fields for an origin. There are as many as protocols have statuses, about."""

_ORIGIN_FIELD: Final = b"origin"
_METHOD_FIELD: Final = b"access-control-request-method"
_HEADERS_FIELD: Final = b"access-control-request-headers"
_PREFLIGHT: Final = Template((b":status", b"200"))
_REFUSED: Final = Template((b":status", b"403"), (b"content-type", b"text/plain"), (b"vary", _ORIGIN_FIELD))


@dataclass(frozen=True, kw_only=True)
class CorsOptions:
    """Which pages of other origins may call a service. Raises SetupError for an origin, a method or a header that is none, and for
    credentials that every origin may use."""

    origins: tuple[str, ...]
    """The origins, such as `https://shop.example`; or `*` alone, for every origin."""
    methods: tuple[str, ...] = DEFAULT_METHODS
    """The methods of HTTP that a page may use."""
    headers: tuple[str, ...] = ()
    """The headers that a page may send beside `REQUEST_FIELDS`, such as `authorization`; or `*` alone, for every header."""
    credentials: bool = False
    """Whether a page's requests may carry cookies and certificates of the user."""
    max_age: float = DEFAULT_MAX_AGE
    """Seconds for which a browser may keep the answer to a preflight, 0 to 86400."""

    def __post_init__(self) -> None:
        for name in ("origins", "methods", "headers"):
            if isinstance(getattr(self, name), str):
                raise SetupError(f"{name}: is one text; give a list of texts")
        if not self.origins:
            raise SetupError('origins: is empty; name the origins whose pages may call, such as "https://shop.example"')
        for origin in self.origins:
            _check_origin(origin)
        _check_alone(self.origins, "origins")
        if self.credentials and ANY in self.origins:
            raise SetupError(
                'credentials: is true for the origins "*", so any page on the web could act as its user; name the origins, or make it false'
            )
        for method in self.methods:
            if not NAME.fullmatch(method.lower().encode()) or method != method.upper() or method in _FORBIDDEN_METHODS:
                raise SetupError(f'methods: {method!r} is no method that a page can use; give some in capitals, such as "GET" and "POST"')
        for header in self.headers:
            if not NAME.fullmatch(header.lower().encode()):
                raise SetupError(f'headers: {header!r} is no name of a header; give some such as "authorization", or "*" for all')
        _check_alone(self.headers, "headers")
        if not 0 <= self.max_age <= MAX_AGE:
            raise SetupError(f"max_age: {self.max_age!r} is out of range; give 0 to {MAX_AGE:.0f} seconds")


class CorsFields:
    """What every response to requests from one origin has beside its own fields."""

    __slots__ = ("_constant", "_heads", "_own_exposed")

    def __init__(self, constant: Iterable[Field], *, exposes: bool) -> None:
        self._constant = tuple(constant)
        self._own_exposed = exposes
        self._heads: dict[Template, Template] = {}

    def added_to(self, head: Template, fields: Sequence[Field]) -> tuple[Template, Sequence[Field]]:
        """The head and the fields of a response, with those that tell its origin what it may read."""
        whole = self._heads.get(head)
        if whole is None:
            whole = Template(*head.fields, *self._constant, *self._exposing(head.fields))
            if len(self._heads) < _MOST_HEADS:
                self._heads[head] = whole
        return whole, [*fields, *self._exposing(fields)] if fields else fields

    def _exposing(self, fields: Iterable[Field]) -> Sequence[Field]:
        """The field that lets a page read those of `fields` that it could not read yet; nothing if there are none."""
        if not self._own_exposed:
            return ()
        names = dict.fromkeys(name for name, _ in fields if name not in _READ_ANYWAY)
        return ((b"access-control-expose-headers", b", ".join(names)),) if names else ()

    def response(self, response: WholeResponse) -> WholeResponse:
        """A whole response with the fields."""
        head, fields = self.added_to(response.head, response.fields)
        return WholeResponse(head, fields, response.body)


class Cors:
    """The rule of one server."""

    def __init__(self, options: CorsOptions) -> None:
        self._options = options
        self._stranger = CorsFields([(b"vary", _ORIGIN_FIELD)], exposes=False)
        self._answers = {origin.encode(): self._of(origin.encode()) for origin in options.origins if origin != ANY}
        self._of_others = self._of(b"*") if ANY in options.origins else self._stranger

    def fields(self, origin: bytes | None) -> CorsFields:
        """What responses to requests from `origin` have; None for a request that names none."""
        return self._of_others if origin is None else self._answers.get(origin, self._of_others)

    def preflight(self, request: Mapping[bytes, bytes]) -> WholeResponse | None:
        """The response to an OPTIONS with the fields `request`; None if it is no preflight. For an origin that is not allowed it says so in
        words, which the browser shows to developers alone."""
        origin = request.get(_ORIGIN_FIELD)
        if origin is None or _METHOD_FIELD not in request:
            return None
        if self.fields(origin) is self._stranger:
            shown = printable(shortened(origin.decode("latin-1")))
            return WholeResponse(_REFUSED, (), f"pages of {shown} may not call this service\n".encode())
        options = self._options
        asked = request.get(_HEADERS_FIELD, b"")
        mirrors = ANY in options.headers
        headers = asked if mirrors else ", ".join((*REQUEST_FIELDS, *(name.lower() for name in options.headers))).encode()
        fields = [
            *self._allowed(origin if origin in self._answers else b"*"),
            (b"access-control-allow-methods", ", ".join(options.methods).encode()),
            *([(b"access-control-allow-headers", headers)] if headers else []),
            (b"access-control-max-age", b"%d" % options.max_age),
            (b"vary", b"origin, " + _HEADERS_FIELD if mirrors else _ORIGIN_FIELD),
        ]
        return WholeResponse(_PREFLIGHT, fields, b"")

    def _of(self, origin: bytes) -> CorsFields:
        exposed = (b"access-control-expose-headers", ", ".join(EXPOSED).encode())
        return CorsFields([*self._allowed(origin), exposed, (b"vary", _ORIGIN_FIELD)], exposes=True)

    def _allowed(self, origin: bytes) -> list[Field]:
        allowed = [(b"access-control-allow-origin", origin)]
        return [*allowed, (b"access-control-allow-credentials", b"true")] if self._options.credentials else allowed


_READ_ANYWAY: Final = frozenset({*_ALWAYS_READ, *(name.encode() for name in EXPOSED)})


def _check_alone(names: Sequence[str], key: str) -> None:
    if ANY in names and len(names) > 1:
        raise SetupError(f'{key}: "*" says all there is to say; write it without the others, or leave it out')


def _check_origin(origin: str) -> None:
    if origin == ANY or _is_origin(origin):
        return
    if origin == "null":
        raise SetupError("origins: 'null' is what every sandboxed page and every local file sends; name the origins that you trust")
    if ANY in origin:
        raise SetupError(f'origins: {origin!r} is no origin; "*" stands alone, for every origin: write out the others one by one')
    near = _near(origin) or "https://shop.example"
    raise SetupError(
        f"origins: {origin!r} is no origin, which is scheme://host or scheme://host:port in lower case, without a path and without "
        f'the port that the scheme has anyway; write "{near}"'
    )


def _is_origin(text: str) -> bool:
    found = _ORIGIN.fullmatch(text)
    if found is None:
        return False
    port = int(found[2] or 0)
    return port <= _LARGEST_PORT and port != _DEFAULT_PORTS.get(found[1])


def _near(origin: str) -> str:
    """The origin that was probably meant; empty if there is none."""
    text = origin if "://" in origin else f"https://{origin}"
    try:
        parts = urlsplit(text)
        port = "" if parts.port in (None, 0, _DEFAULT_PORTS.get(parts.scheme)) else f":{parts.port}"
        host = (parts.hostname or "").encode("idna").decode()
    except ValueError:
        return ""
    near = f"{parts.scheme}://{host}{port}"
    return near if _is_origin(near) else ""
