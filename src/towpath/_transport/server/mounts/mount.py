"""A mounted application: where it is, what it may be sent, and which paths of the server are its own.

A path belongs to the contract before it belongs to a mount. Where both could want one, the server does not start; only the application at
`/` may share its paths, and gets those that the contract leaves.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from google.protobuf.empty_pb2 import Empty

from towpath._core.errors import SetupError
from towpath._core.http_bindings import REST, PathTemplate
from towpath._core.service import MethodKind, MethodSpec

Event = MutableMapping[str, Any]
"""A message of ASGI, in either direction."""

AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]
"""An application of ASGI 3, such as FastAPI's, Starlette's and Django's are: it takes a scope, `receive` and `send`."""

LifespanMode = Literal["auto", "off"]
"""Whether an application hears of the start and the end of the server. With "auto" it does, if it wants to."""

MaxBody = int | Literal["message_limit"] | None
"""Bytes that the body of a request may have; "message_limit" for as many as a message may; None for any number."""

_MOST_PATHS: Final = 256
"""Paths of which it is known how large their responses are."""

_IN_SEGMENT: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()+,;=@")


@dataclass(kw_only=True, eq=False)
class Mount:
    """An application and its place. `mounted` makes it of what a user gives."""

    prefix: str
    """The path below which it is; empty for the whole server."""
    app: AsgiApp
    max_body: MaxBody = "message_limit"
    lifespan: LifespanMode = "auto"
    state: dict[str, Any] = field(default_factory=dict[str, Any])
    """What the application's lifespan has put there. Each request gets a copy."""
    large_answers: dict[bytes, int] = field(default_factory=dict[bytes, int])
    """Bytes of the last large piece of a response, by path: an application's pages are as different as methods are."""
    running: set[asyncio.Task[Any] | None] = field(default_factory=set[asyncio.Task[Any] | None])
    """The tasks in which the application works. They may outlive the responses, and the clients."""

    @property
    def name(self) -> str:
        """What metrics, logs and errors call it."""
        return self.prefix or "/"

    def method(self) -> MethodSpec[Any, Any]:
        """The application as layers see it: one method, whose calls are streams."""
        return MethodSpec(service="mount", name=self.prefix[1:], request=Empty, response=Empty, kind=MethodKind.BIDI_STREAMING)

    def note_large(self, path: bytes, size: int) -> None:
        """A piece of so many bytes was sent at `path`."""
        if len(self.large_answers) >= _MOST_PATHS:  # clients choose paths
            self.large_answers.clear()
        self.large_answers[path] = size

    def limit(self, message_limit: int) -> int | None:
        """Bytes that a body may have where messages may have `message_limit`; None for any number."""
        return message_limit if self.max_body == "message_limit" else self.max_body


def mounted(prefix: Any, app: Any, *, max_body: Any, lifespan: Any, others: Iterable[Mount]) -> Mount:
    """The mount of `app` at `prefix`, beside `others`. Raises SetupError for what cannot be mounted, or not there."""
    if not isinstance(prefix, str) or not prefix.startswith("/"):
        raise SetupError(f'mount({prefix!r}, ...): the first argument is the path of the application; begin it with a slash, as "/admin"')
    path = prefix.rstrip("/")
    where = f'mount("{path or "/"}", ...)'
    for segment in path.split("/")[1:]:
        if not segment or segment in (".", "..") or not _IN_SEGMENT.issuperset(segment):
            raise SetupError(
                f"mount({prefix!r}, ...): {segment!r} cannot be a part of the path; use letters, digits and -._~!$&'()+,;=@ between slashes"
            )
    if isinstance(app, type) or not callable(app):
        shown = f"the class {app.__name__}" if isinstance(app, type) else repr(app)
        raise SetupError(f"{where}: {shown} is no ASGI application; give the object that a server such as uvicorn is given")
    if not (max_body is None or max_body == "message_limit" or (type(max_body) is int and max_body >= 0)):
        raise SetupError(f'{where}: max_body is {max_body!r}; give bytes, None for any number, or "message_limit"')
    if lifespan not in ("auto", "off"):
        raise SetupError(f'{where}: lifespan is {lifespan!r}; choose "auto" or "off"')
    if any(other.prefix == path for other in others):
        raise SetupError(f"{where}: another application is mounted there; give each a path of its own")
    application: Any = app
    return Mount(prefix=path, app=application, max_body=max_body, lifespan=lifespan)


class Mounts:
    """The applications of one server, by path."""

    def __init__(self, mounts: Iterable[Mount]) -> None:
        self._by_prefix = {mount.prefix.encode(): mount for mount in mounts}
        self._root = self._by_prefix.pop(b"", None)
        self._longest_first = sorted(self._by_prefix, key=len, reverse=True)

    def __bool__(self) -> bool:
        return self._root is not None or bool(self._by_prefix)

    def below_prefix(self, path: bytes) -> Mount | None:
        """The application that has `path` for itself."""
        for prefix in self._longest_first:
            if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in (b"", b"/"):
                return self._by_prefix[prefix]
        return None

    def at_root(self, path: bytes) -> Mount | None:
        """The application that has `path` if nobody else has."""
        return self._root if path.startswith(b"/") else None

    def check(self, methods: Mapping[bytes, MethodSpec[Any, Any]], documents: Iterable[bytes]) -> None:
        """Raise SetupError for a path that the contract, or a document of the server, could want of an application."""
        for prefix, mount in self._by_prefix.items():
            for path in (*methods, *documents):
                if self.below_prefix(path) is mount:
                    raise SetupError(f"the server itself serves {path.decode()}, below the application mounted at {mount.prefix}; move one")
            place = (*prefix.decode()[1:].split("/"), REST)
            for method in methods.values():
                for binding in method.http:
                    if binding.template.overlaps(PathTemplate(segments=place, variables=(), verb=binding.template.verb)):
                        raise SetupError(
                            f"{binding} of {method.full_name} could be a path of the application at {mount.prefix}; mount that elsewhere"
                        )
