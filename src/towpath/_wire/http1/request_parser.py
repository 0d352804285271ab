"""The requests of an HTTP/1.1 connection, as llhttp reads them out of its bytes: their heads, the pieces of their bodies, and their ends.

llhttp, through httptools, refuses requests that could be smuggled past proxies: two lengths, a length beside chunks, folded or malformed
fields (RFC 9112, sections 5 to 7 and 11). `Upgrade` is ignored, as RFC 9110, section 7.8, allows: the request and all bytes behind it mean
the same without the field. CONNECT is refused.
"""

from abc import abstractmethod

import httptools

from towpath._wire.http.fields import Field, Section
from towpath._wire.http1.fault import Fault
from towpath._wire.http1.head import without_offer
from towpath._wire.http1.intake import Intake
from towpath._wire.http1.known_heads import KnownHeads
from towpath._wire.http1.limits import Http1Limits
from towpath._wire.http1.stream import Http1ConnectionDelegate


class RequestParser(Intake):
    """What has come, told as requests to the class that derives from this one."""

    def __init__(self, delegate: Http1ConnectionDelegate, limits: Http1Limits) -> None:
        super().__init__(delegate, limits)
        self._parser = httptools.HttpRequestParser(self)
        # The request that is being parsed.
        self._target = b""
        self._fields: list[Field] = []
        self._in_head = True
        self._has_body = False
        self._opened = False
        """Whether more of a request has come than the empty lines that may stand before one (RFC 9112, section 2.2)."""
        # Bytes that have become neither a head nor a body yet: fields, also those after a body, and the lines between chunks.
        self._unparsed = 0
        self._heads = 0
        """Heads that llhttp has read."""
        self._between = True
        """Whether llhttp stands before a request, as it does behind each that has come whole and is not the last."""
        self._known = KnownHeads(limits.max_head)  # those that came before on this connection, whose results serve the next

    @abstractmethod
    def _request(self, head: Section, *, old: bool, last: bool, has_body: bool) -> None:
        """The head of a request has come, in an `old` version of HTTP; it is the `last` one if its client says so."""

    @abstractmethod
    def _body_piece(self, data: bytes) -> None:
        """A piece of its body has come."""

    @abstractmethod
    def _body_end(self) -> None:
        """Its body has come whole."""

    @abstractmethod
    def _refuse(self, fault: Fault) -> None:
        """What has come is no request that is served here."""

    @property
    def awaits_head(self) -> bool:
        """Whether a request has begun and its head is not complete."""
        return self._in_head and self._opened

    def _take(self, data: memoryview | bytes) -> None:
        between, heads = self._between, self._heads
        if between and type(data) is bytes:
            head = self._known.recall(data)
            if head is not None:
                self._take_known(head, data)
                return
        self._unparsed += len(data)
        behind = 0
        try:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                behind = offer.args[0]
            if behind:  # outside the handler, in which the offer would take the place of a fault as the context of what comes next
                self._decline(data[behind:])
            if self._unparsed > self._limits.max_head:
                raise Fault(431, f"the request's fields are larger than {self._limits.max_head} bytes")
            if between and self._between and self._heads == heads + 1 and not behind and type(data) is bytes:
                self._known.remember(data, self._target)
        except Fault as fault:
            self._refuse(fault)
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            self._refuse(cause if isinstance(cause, Fault) else Fault(400, str(error)))
        except httptools.HttpParserError as error:
            self._refuse(Fault(400, f"this is not HTTP/1.1: {error}"))

    def _take_known(self, head: Section, data: bytes) -> None:
        """Take a request as if llhttp had read it, which stands before it and would stand behind it again."""
        self._left -= 1
        self._after_small, self._unparsed = False, 0
        length = head.content_length
        self._request(head, old=False, last=False, has_body=length > 0)
        if length > 0:
            self.on_body(data[-length:])
            self._body_end()

    # Called by llhttp.

    def on_message_begin(self) -> None:
        """A request begins."""
        self._target, self._fields = b"", []
        self._in_head = self._opened = True
        self._between = False
        self._left -= 1
        self._after_small = False
        self._unparsed = self._unparsed or 1  # if it came behind another request, whose end has set this to 0

    def on_url(self, url: bytes) -> None:
        """A piece of the request's target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header or trailer field."""
        self._fields.append((name, value))
        if len(self._fields) > self._max_fields:
            raise Fault(431, f"the request has over {self._max_fields} fields")

    def on_headers_complete(self) -> None:
        """The head has come whole."""
        if self._unparsed > self._limits.max_head and not self._limits.has_room_for(self._target, self._fields):
            raise Fault(431, f"the request's fields are larger than {self._limits.max_head} bytes")
        self._in_head, self._unparsed = False, 0
        version, method = self._parser.get_http_version(), self._parser.get_method()
        if method == b"CONNECT":
            raise Fault(501, "CONNECT is not served here")
        if self._parser.should_upgrade():
            self._has_body = False  # llhttp ends the message here; `_decline` begins it anew
            return
        self._heads += 1
        head, has_body = self._known.section(method, self._target, version, tuple(self._fields))
        self._has_body = has_body
        self._request(head, old=version != "1.1", last=not self._parser.should_keep_alive(), has_body=has_body)

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        self._unparsed = 0
        self._count_piece(len(data))
        self._body_piece(data)

    def on_message_complete(self) -> None:
        """The request has ended."""
        self._in_head, self._opened, self._unparsed = True, False, 0
        self._between = self._parser.should_keep_alive()
        if self._has_body:  # without a body, the head was the end
            self._body_end()

    def _decline(self, rest: memoryview | bytes) -> None:
        # llhttp takes the bytes behind the head for the other protocol, and cannot be told otherwise. So another parser gets the head
        # without the offer, then the bytes behind it: the request's body, and further requests.
        while True:
            head = without_offer(self._parser.get_method(), self._target, self._parser.get_http_version(), self._fields)
            self._parser = httptools.HttpRequestParser(self)
            self._parser.feed_data(head)
            try:
                self._parser.feed_data(rest)
            except httptools.HttpParserUpgrade as another:
                rest = rest[another.args[0] :]
            else:
                return
