"""Where the answer of a call on the server goes, whichever HTTP carries it."""

from collections.abc import Sequence
from typing import Protocol

from towpath._wire.http.fields import Field, Template


class ResponseWriter(Protocol):
    """The HTTP exchange that carries a call, as the call sees it."""

    @property
    def queued(self) -> int:
        """Bytes that wait for the caller."""
        ...

    def send_head(self, head: Template, fields: Sequence[Field], *, end: bool, sized: bool = False) -> None:
        """The response's head; its end too, if it has no body. It is `sized` if it says how many bytes the body has."""
        ...

    def send_whole(self, head: Template, fields: Sequence[Field], data: bytes, *, sized: bool = False) -> None:
        """The whole response, of which nothing was sent before. It is `sized` as in `send_head`."""
        ...

    def send_data(self, data: bytes, *, end: bool) -> None:
        """A piece of the response's body."""
        ...

    def send_trailers(self, fields: Sequence[Field]) -> None:
        """The end, with trailers."""
        ...

    def abandon(self) -> None:
        """The response is over; nothing more of the request is wanted."""
        ...

    def cut(self) -> None:
        """Drop what waits, and make the caller notice that the response is not whole."""
        ...

    def handler_ended(self) -> None:
        """The call's handler is not running any more. Where no part of the response waits, the call needs to hear of nothing else, and the
        writer lets go of it: two objects that refer to each other stay until the garbage collector looks for them."""
        ...

    def consumed(self, size: int) -> None:
        """Give the caller room for `size` bytes more of its request."""
        ...
