"""The head of a mounted application's response, checked: the application is not to break the framing of its connection."""

from collections.abc import Iterable
from typing import Any, Final, cast

from towpath._wire.http.fields import NAME, RESPONSE, Field, Template, is_bad

_HEADS: Final[dict[int, Template]] = {}
"""The fields of a head that are the same for each response of a status; there are at most 500."""

_OF_THE_CONNECTION: Final = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"})
"""What the server decides, and HTTP/2 forbids (RFC 9110, section 7.6.1). An application may have set it for another server."""

_GOOD: Final[dict[Field, Field]] = {}
"""Fields that were checked before. Applications send few that differ, and the check was a tenth of a small response's time (profiled)."""

_RECURRING: Final = frozenset({b"cache-control", b"content-encoding", b"content-language", b"content-type", b"server", b"vary"})
"""Names of the fields that are remembered. Others have a value for each user, such as a cookie, which is nobody's to keep."""

_MOST_GOOD: Final = 1024
_SHORT: Final = 128
"""Bytes of such a value at most."""

_LENGTH: Final = b"content-length"

_BODILESS: Final = frozenset({204, 304})


class ResponseHead:
    """What `http.response.start` says."""

    __slots__ = ("bodiless", "fields", "head", "length", "status")

    def __init__(self, status: Any, headers: Iterable[Any]) -> None:
        """Raises ValueError for what HTTP cannot carry."""
        if not isinstance(status, int) or not 200 <= status <= 599:
            raise ValueError(f"the response's status is {status!r}; give a number from 200 to 599")
        self.status = int(status)
        self.bodiless = self.status in _BODILESS
        self.length = -1
        """Bytes of the body, as the head says; -1 if it does not."""
        fields: list[Field] = []
        for name, value in cast("Iterable[Field]", headers):
            if type(name) is bytes and type(value) is bytes:  # others may have no hash
                good = _GOOD.get((name, value))
                if good is not None:
                    fields.append(good)  # whose parts have their hashes
                    continue
                if name == _LENGTH and self.length < 0 and value.isdigit() and self.status != 204:  # nearly every response has one
                    self.length = int(value)
                    fields.append((name, value))
                    continue
            name, value = bytes(name).lower(), bytes(value)  # noqa: PLW2901 - from here on as HTTP has them
            fields += self._checked(name, value)
            if name in _RECURRING and len(value) <= _SHORT and len(_GOOD) < _MOST_GOOD:
                _GOOD[name, value] = name, value
        self.fields = fields
        head = _HEADS.get(self.status)
        if head is None:
            head = _HEADS[self.status] = Template((b":status", b"%d" % self.status))
        self.head = head

    def _checked(self, name: bytes, value: bytes) -> tuple[Field, ...]:
        if name in _OF_THE_CONNECTION:
            return ()
        if name == _LENGTH:
            if not value.isdigit() or self.length not in (-1, int(value)):
                raise ValueError(f"the response's content-length is {value[:32]!r}; give one number of bytes")
            if self.length >= 0 or self.status == 204:
                return ()
            self.length = int(value)
        elif not NAME.fullmatch(name) or is_bad(value, RESPONSE):
            raise ValueError(f"the response's header {name[:64]!r} cannot be sent: its name or value has a forbidden character")
        return ((name, value),)
