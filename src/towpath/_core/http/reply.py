"""What HTTP's caches and conditional requests need of a handler: `ctx.http`.

A handler names the version of what it answers, and asks whether a write may go on. It need not know in which protocol it is called. Over
REST the names of versions are ETags (RFC 9110, section 8.8), a read of a version that the caller has is a 304 without a body, and a write
to another version than the caller's is a 412. Over other protocols headers are metadata, a read has its answer, and such a write ends with
ABORTED."""

import re
from typing import Final, Protocol

from towpath._core.errors import Code, RpcError
from towpath._core.metadata import Metadata

MISMATCH: Final = "ETAG_MISMATCH"
"""The reason in the ErrorInfo of an error that a condition of the caller made. REST gives it the status 412."""

DOMAIN: Final = "towpath"
"""The domain of that ErrorInfo."""

_TAG: Final = re.compile(r"[\x21\x23-\x7e]+")
_TAGS: Final = re.compile(r'(W/)?"([\x21\x23-\x7e]*)"')


class Answer(Protocol):
    """The answer's metadata, `towpath._core.context.Reply`."""

    headers: Metadata
    unchanged: bool


class Call(Protocol):
    """The call, `towpath._core.context.Context`."""

    @property
    def metadata(self) -> Metadata:
        """The headers of the request."""
        ...

    @property
    def reply(self) -> Answer:
        """The answer's metadata."""
        ...


class HttpReply:
    """The headers of one call's answer, and the conditions of its request."""

    __slots__ = ("_ctx",)

    def __init__(self, ctx: Call) -> None:
        self._ctx = ctx

    def etag(self, tag: str, *, weak: bool = False) -> None:
        """Say which version the answer is, by a `tag` without quotes such as a revision or a hash. `weak` says that answers of one tag mean
        the same and may differ in bytes. A GET over REST whose If-None-Match has the tag is answered with 304, without what the handler
        returns. Raises ValueError for a tag that is empty or has spaces, quotes or other characters than ASCII's."""
        self._set("etag", _quoted(tag, weak=weak))
        self._ctx.reply.unchanged = self._named("if-none-match", tag)

    def check_match(self, tag: str | None, *, weak: bool = False) -> None:
        """Check, before a write, the conditions of the request against the version that there is; None if there is none. Raises RpcError
        (ABORTED) if the request has an If-Match without the tag, or an If-None-Match with it. `*` stands for whatever there is. A weak
        tag is never what If-Match asks for."""
        if tag is not None:
            _quoted(tag, weak=weak)
        if self._asked("if-match") and (tag is None or not self._named("if-match", tag, weak=weak)):
            raise _mismatch("the request asks for another version than there is, if any")
        if tag is not None and self._named("if-none-match", tag):
            raise _mismatch("the request asks that there be no such version, and there is")

    def cache_control(
        self,
        *,
        max_age: float | None = None,
        public: bool = False,
        private: bool = False,
        no_cache: bool = False,
        no_store: bool = False,
        immutable: bool = False,
    ) -> None:
        """Say how caches may treat the answer (RFC 9111, section 5.2.2). `max_age` is in seconds, for which the answer is fresh. Raises
        ValueError for what contradicts itself, and for a negative `max_age`."""
        if (public and private) or (no_store and (public or max_age is not None or immutable)):
            raise ValueError(
                "the directives of cache_control contradict each other; give public or private, and no_store without the others"
            )
        if max_age is not None and max_age < 0:
            raise ValueError(f"max_age is {max_age!r}; give seconds, 0 or more")
        flags = {"public": public, "private": private, "no-cache": no_cache, "no-store": no_store, "immutable": immutable}
        directives = [name for name, holds in flags.items() if holds]
        if max_age is not None:
            directives.append(f"max-age={int(max_age)}")
        self._set("cache-control", ", ".join(directives))

    def retry_after(self, seconds: float) -> None:
        """Say when to ask again, as an answer that is not ready yet does. An error says it by the detail RetryInfo. Raises ValueError for a
        negative number."""
        if seconds < 0:
            raise ValueError(f"retry_after is {seconds!r}; give seconds, 0 or more")
        self._set("retry-after", str(-int(-seconds // 1)))

    def _set(self, name: str, value: str) -> None:
        reply = self._ctx.reply
        reply.headers = Metadata([*((key, old) for key, old in reply.headers if key != name), *([(name, value)] if value else [])])

    def _asked(self, name: str) -> str:
        return ", ".join(str(value) for value in self._ctx.metadata.get_all(name))

    def _named(self, name: str, tag: str, *, weak: bool | None = None) -> bool:
        """Whether the header `name` has `tag`. With `weak` the comparison is the strong one (RFC 9110, section 8.8.3.2)."""
        asked = self._asked(name).strip()
        if asked == "*":
            return True
        return any(found == tag and (weak is None or not (weak or prefix)) for prefix, found in _TAGS.findall(asked))


def _quoted(tag: str, *, weak: bool) -> str:
    if not _TAG.fullmatch(tag):
        raise ValueError(f"the tag {tag!r} cannot be an ETag; give printable ASCII without spaces and quotes, such as a revision or a hash")
    return f'{"W/" if weak else ""}"{tag}"'


def _mismatch(message: str) -> RpcError:
    from google.rpc.error_details_pb2 import ErrorInfo  # noqa: PLC0415 # 2 ms to import, for few services

    return RpcError(Code.ABORTED, f"{message}; read it again first", [ErrorInfo(reason=MISMATCH, domain=DOMAIN)])


def is_mismatch(error: RpcError) -> bool:
    """Whether `check_match` raised the error, here or where it was passed on from."""
    if error.code is not Code.ABORTED:
        return False
    return any(getattr(detail, "reason", "") == MISMATCH and getattr(detail, "domain", "") == DOMAIN for detail in error.details)
