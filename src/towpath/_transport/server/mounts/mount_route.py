"""A head that asks a mounted application for something, with all that its requests have in common."""

from collections.abc import Sequence
from typing import Any, final
from urllib.parse import unquote

from towpath._core.propagation.trust import Belief
from towpath._transport.server.method_route import MethodRoute
from towpath._transport.server.mounts.mount import Mount
from towpath._wire.http.fields import Field, Section
from towpath._wire.propagation import Inherited

_COOKIE = b"cookie"
_LONGEST_PATH = 256
"""Bytes of a path that tell one page from another, where it matters little."""


@final
class MountRoute:
    """A head whose requests go to a mounted application. `limit` bounds the body in bytes; None bounds it not."""

    __slots__ = (
        "_connection",
        "_headers",
        "_query",
        "_raw_path",
        "_scope",
        "bodiless",
        "content_length",
        "expects_continue",
        "inherited",
        "limit",
        "method_route",
        "mount",
    )

    cors = None  # the application has its own rule for pages of other origins
    needs_http2 = False
    reads_on = True

    def __init__(
        self, head: Section, mount: Mount, method_route: MethodRoute, belief: Belief, limit: int | None, *, expects_continue: bool
    ) -> None:
        self.mount = mount
        self.method_route = method_route
        self.bodiless = head.method == b"HEAD"
        self.expects_continue = expects_continue
        self.content_length = head.content_length
        self.limit = limit
        self.inherited = Inherited(head.fields, method_route.criticality, belief)
        self._raw_path, _, self._query = head.path.partition(b"?")
        fields = head.fields
        if head.authority and not any(name == b"host" for name, _ in fields):
            fields = ((b"host", head.authority), *fields)
        self._headers = _one_cookie(list(fields))
        self._connection: dict[str, Any] | None = None
        # What differs from request to request has its place already: a copy that does not grow costs half.
        self._scope: dict[str, Any] = {
            "type": "http",
            "method": head.method.decode("latin-1"),
            "root_path": mount.prefix,
            "path": "",
            "raw_path": b"",
            "query_string": b"",
            "asgi": {},
            "headers": [],
            "state": {},
        }

    @property
    def page(self) -> bytes:
        """What tells one page from another: the path, of which the beginning is enough."""
        return self._raw_path[:_LONGEST_PATH]

    def at(self, path: bytes, query: bytes) -> "MountRoute":
        """What becomes of a head that differs from this one's in its path and query alone."""
        route: Any = object.__new__(MountRoute)
        route.mount = self.mount
        route.method_route = self.method_route
        route.bodiless = self.bodiless
        route.expects_continue = self.expects_continue
        route.content_length = self.content_length
        route.limit = self.limit
        route.inherited = self.inherited
        route._headers = self._headers  # noqa: SLF001 - of another route
        route._connection = self._connection  # noqa: SLF001
        route._scope = self._scope  # noqa: SLF001
        route._raw_path = path  # noqa: SLF001
        route._query = query  # noqa: SLF001
        return route

    def scope(self, extra: Sequence[Field], connection: dict[str, Any]) -> dict[str, Any]:
        """The scope of one request: `extra` are the fields of its head beside the route's, `connection` is what the connection says."""
        if self._connection is not connection:  # its head is no other connection's
            self._connection = connection
            self._scope.update(connection)
        scope = self._scope.copy()
        path = scope["raw_path"] = self._raw_path
        scope["path"] = unquote(path.decode("latin-1")) if b"%" in path else path.decode("latin-1")
        scope["query_string"] = self._query
        scope["asgi"] = {"version": "3.0", "spec_version": "2.3"}
        scope["headers"] = _one_cookie([*self._headers, *extra]) if extra else self._headers.copy()
        scope["state"] = self.mount.state.copy()
        return scope


def _one_cookie(headers: list[Field]) -> list[Field]:
    """HTTP/2 may send a cookie in crumbs, which ASGI wants in one field (RFC 9113, section 8.2.3)."""
    crumbs = [value for name, value in headers if name == _COOKIE]
    if len(crumbs) < 2:
        return headers
    return [*(field for field in headers if field[0] != _COOKIE), (_COOKIE, b"; ".join(crumbs))]
