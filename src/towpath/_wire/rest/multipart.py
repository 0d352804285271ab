"""The form that a browser, or `curl -F`, uploads: `multipart/form-data` (RFC 7578), cut into its parts as it comes.

What is kept is what came and was not asked for, and the head of one part.
"""

import re
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from towpath._core.disclosure.printable import printable, shortened
from towpath._core.errors import Code, RpcError
from towpath._wire.http.fields import NAME, is_good

MEDIA_TYPE: Final = b"multipart/form-data"

MOST_PARTS: Final = 1000
"""Parts that one form may have."""

HEAD_LIMIT: Final = 8 * 1024
"""Bytes that the head of one part may have."""

_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")
_PARAMETER: Final = re.compile(r';[ \t]*([!#$%&\'*+\-.^_`|~0-9A-Za-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^;" \t]*))[ \t]*')
_ENCODED: Final = re.compile(r"(?i)utf-8'[^']*'(.*)")
_NOT_ENCODED: Final = frozenset({"", "binary", "8bit", "7bit"})
_BLANKS: Final = re.compile(rb"[ \t]*")
_PREAMBLE, _BOUNDARY_LINE, _HEAD, _BLANK_LINE, _CONTENT, _END = range(6)


class Part(NamedTuple):
    """The head of a part."""

    name: str
    filename: str | None
    """The last segment of the file's path where it came from; None if the part is not said to be a file."""
    content_type: str


class Multipart:
    """Takes a form in pieces and gives its parts: for each part its Part, then its content in pieces of up to `most` bytes, then b"".

    Raises RpcError (INVALID_ARGUMENT) for what is no form.
    """

    __slots__ = ("_at", "_buffer", "_delimiter", "_most", "_parts", "_state")

    def __init__(self, boundary: bytes, most: int) -> None:
        self._delimiter = b"\r\n--" + boundary
        self._most = most
        self._buffer = bytearray(b"\r\n")  # so that the first boundary is found as the others are
        self._at = 0
        """No boundary begins before there in the buffer."""
        self._parts = 0
        self._state = _PREAMBLE

    @property
    def unread(self) -> int:
        """Bytes that have come and were not yet given."""
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        """Take a piece of the form."""
        if self._state != _END:  # what stands behind the form means nothing
            self._buffer += data

    def next(self) -> Part | bytes | None:
        """A part's head, or a piece of its content, which b"" ends; None until more has come."""
        if self._state == _PREAMBLE and not self._preamble():
            return None
        if self._state == _BOUNDARY_LINE and not self._boundary_line():
            return None
        if self._state == _HEAD:
            return self._head()
        if self._state == _BLANK_LINE and not self._blank_line():
            return None
        return self._content() if self._state == _CONTENT else None

    @property
    def ended(self) -> bool:
        """Whether `next` has given all of a whole form."""
        return self._state == _END

    def finish(self) -> None:
        """The body has ended, and `next` has given all of it."""
        if not self.ended:
            raise malformed("it ends before its last boundary")

    def _preamble(self) -> bool:
        """Skip what stands before the first boundary. False until that has come."""
        found = self._search()
        del self._buffer[: self._at]
        self._at = 0
        if found:
            self._pass_boundary()
        return found

    def _boundary_line(self) -> bool:
        """Read what closes the line of a boundary. False until that has come."""
        buffer = self._buffer
        if buffer.startswith(b"--"):
            self._state = _END
            buffer.clear()
            return True
        blanks = _BLANKS.match(buffer)
        at = 0 if blanks is None else blanks.end()
        if at > HEAD_LIMIT:
            raise malformed("there are blanks without end behind a boundary")
        line_end = bytes(buffer[at : at + 2])
        if line_end != b"\r\n" and not (line_end in (b"", b"\r") or (line_end == b"-" and not at)):
            raise malformed("a line begins with the boundary and goes on with something else")
        if line_end != b"\r\n":
            return False
        del buffer[:at]
        self._state = _HEAD
        return True

    def _head(self) -> Part | None:
        buffer = self._buffer  # it begins with the end of the boundary's line
        end = buffer.find(b"\r\n\r\n", self._at, HEAD_LIMIT)
        if end < 0:
            if len(buffer) >= HEAD_LIMIT:
                raise malformed(f"the head of a part has over {HEAD_LIMIT} bytes")
            self._at = max(len(buffer) - 3, 0)
            return None
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise malformed(f"it has over {MOST_PARTS} parts")
        head = bytes(buffer[2:end])
        del buffer[: end + 2]
        self._at = 0
        self._state = _BLANK_LINE
        return _part(head.split(b"\r\n"))

    def _blank_line(self) -> bool:
        """Skip the line behind a head, unless it belongs to a boundary: a part may be without content."""
        buffer = self._buffer
        if len(buffer) < len(self._delimiter):
            return False
        if not buffer.startswith(self._delimiter):
            del buffer[:2]
        self._state = _CONTENT
        return True

    def _content(self) -> bytes | None:
        found = self._search()
        if not self._at:
            if not found:
                return None
            self._pass_boundary()
            return b""
        size = min(self._at, self._most)
        with memoryview(self._buffer) as view:
            content = bytes(view[:size])
        del self._buffer[:size]
        self._at -= size
        return content

    def _search(self) -> bool:
        """Whether there is a boundary, which begins at `_at`."""
        buffer, delimiter = self._buffer, self._delimiter
        found = buffer.find(delimiter, self._at)
        if found >= 0:
            self._at = found
            return True
        begun = buffer.find(b"\r", max(len(buffer) - len(delimiter) + 1, self._at))  # of a boundary a part may have come
        self._at = len(buffer) if begun < 0 else begun
        return False

    def _pass_boundary(self) -> None:
        del self._buffer[: len(self._delimiter)]
        self._state = _BOUNDARY_LINE


def boundary_of(content_type: str) -> bytes:
    """The boundary that the content type of a form names. Raises RpcError (INVALID_ARGUMENT) if it names none."""
    found = _parameters(content_type)
    boundary = "" if found is None else found.get("boundary", "")
    if not _BOUNDARY.fullmatch(boundary):
        raise malformed("its content-type has no boundary of 1 to 70 characters")
    return boundary.encode()


def malformed(why: str) -> RpcError:
    """The error of a form that is none."""
    return RpcError(Code.INVALID_ARGUMENT, f"the body is no multipart/form-data: {why}")


def _part(lines: list[bytes]) -> Part:
    """The part of whose head these are the lines."""
    found: dict[bytes, str] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        name, value = name.lower(), value.strip(b" \t")
        if not (colon and NAME.fullmatch(name) and is_good(value)):
            raise malformed(f"{_shown(line)} is no header of a part")
        if name in found:
            raise malformed(f"a part has two headers {_shown(name)}")
        try:
            found[name] = value.decode()
        except UnicodeDecodeError:
            raise malformed(f"a part's {_shown(name)} is not UTF-8") from None
    disposition = found.get(b"content-disposition", "")
    parameters = _parameters(disposition)
    if parameters is None or disposition.partition(";")[0].strip().lower() != "form-data" or "name" not in parameters:
        raise malformed('a part has no header such as content-disposition: form-data; name="file"')
    encoding = found.get(b"content-transfer-encoding", "").lower()
    if encoding not in _NOT_ENCODED:
        raise malformed(f"the content-transfer-encoding {_shown(encoding.encode())} is not understood; send the bytes as they are")
    return Part(parameters["name"], _filename(parameters), found.get(b"content-type", ""))


def _parameters(value: str) -> dict[str, str] | None:
    """The parameters of a header; None if they cannot be read."""
    at, found = len(value.partition(";")[0]), dict[str, str]()
    while at < len(value):
        match = _PARAMETER.match(value, at)
        if match is None:
            return found if not value[at:].strip("; \t") else None
        name, quoted, plain = match[1].lower(), match[2], match[3]
        if name in found:
            return None
        # Browsers write a quotation mark as %22, as HTML says; others put a backslash before it. A backslash alone is one.
        found[name] = plain if quoted is None else quoted.replace('\\"', '"').replace("%22", '"')
        at = match.end()
    return found


def _filename(parameters: dict[str, str]) -> str | None:
    name = parameters.get("filename")
    encoded = _ENCODED.fullmatch(parameters.get("filename*", ""))
    if encoded is not None:
        try:
            name = unquote_to_bytes(encoded[1]).decode()
        except UnicodeDecodeError:
            raise malformed("a filename* is not UTF-8") from None
    if name is None:
        return None
    name = printable(name.replace("\\", "/").rpartition("/")[2])
    return "" if name in (".", "..") else name


def _shown(value: bytes) -> str:
    return repr(shortened(value.decode("latin-1")))
