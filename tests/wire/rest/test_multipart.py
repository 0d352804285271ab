"""Forms with files, cut into their parts however they come."""

import email.message
import email.policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.rest.test_request_stream import cut
from towpath._core.errors import Code, RpcError
from towpath._wire.rest.multipart import HEAD_LIMIT, MOST_PARTS, Multipart, Part, boundary_of

BOUNDARY = b"x-0-x"
DELIMITERS = st.sampled_from([b"\r\n--x-0-x"[:length] for length in range(1, 9)])
CONTENTS = st.lists(DELIMITERS | st.binary(max_size=30)).map(b"".join).filter(lambda content: b"\r\n--x-0-x" not in content)
PLAIN = b'content-disposition: form-data; name="a"'


def form(*parts: tuple[bytes, bytes]) -> bytes:
    """The form of parts, each of which is the lines of its head and its content."""
    return b"".join(b"--x-0-x\r\n%s\r\n\r\n%s\r\n" % part for part in parts) + b"--x-0-x--\r\n"


def read(pieces: list[bytes], *, greedy: bool = True, most: int = 1 << 20) -> list[tuple[Part, bytes]]:
    multipart = Multipart(BOUNDARY, most)
    found: list[tuple[Part, bytes]] = []
    for piece in [*pieces, b""]:
        multipart.feed(piece)
        while (greedy or not piece) and (event := multipart.next()) is not None:
            if isinstance(event, Part):
                found.append((event, b""))
            else:
                assert len(event) <= most
                found[-1] = found[-1][0], found[-1][1] + event
    multipart.finish()
    assert multipart.unread == 0
    return found


def test_the_parts_are_those_of_the_form_however_it_comes() -> None:
    @given(st.lists(CONTENTS, max_size=5), st.lists(st.integers(min_value=0)), st.booleans(), st.integers(min_value=1, max_value=40))
    def holds(contents: list[bytes], at: list[int], greedy: bool, most: int) -> None:
        parts = [(b'Content-Disposition: form-data; name="%d"' % number, content) for number, content in enumerate(contents)]
        body = b"a preamble, which nobody reads\r\n" + form(*parts) + b"an epilogue, likewise"
        found = read(cut(body, at), greedy=greedy, most=most)
        assert [content for _, content in found] == contents
        assert [part.name for part, _ in found] == [str(number) for number in range(len(contents))]

    holds()


def test_it_is_read_as_pythons_own_parser_of_mail_reads_it() -> None:
    @given(st.lists(CONTENTS.filter(lambda content: content == content.strip()), min_size=1, max_size=4))
    def holds(contents: list[bytes]) -> None:
        body = form(*((PLAIN, content) for content in contents))
        head = b"content-type: multipart/form-data; boundary=x-0-x\r\n\r\n"
        message = email.message_from_bytes(head + body, policy=email.policy.HTTP)
        if message.defects or any(ord("\n") in content or ord("\r") in content or max(content, default=0) > 0x7F for content in contents):
            return  # mail knows lines that end with LF alone, and texts
        parts: list[email.message.Message] = list(message.iter_parts())  # type: ignore[assignment] # of this policy's messages
        assert [content for _, content in read([body])] == [part.get_payload(decode=True) for part in parts]

    holds()


@pytest.mark.parametrize(
    ("head", "part"),
    [
        (b'content-disposition: form-data; name="a"', Part("a", None, "")),
        (b"Content-Disposition:form-data;name=a", Part("a", None, "")),
        (b'content-disposition: form-data; name="a"; filename=""\r\ncontent-type: image/png', Part("a", "", "image/png")),
        (b'content-disposition: form-data; name="a"; filename="b c.txt"', Part("a", "b c.txt", "")),
        (b'content-disposition: form-data; name="a"; filename="\xc3\xa9.txt";', Part("a", "é.txt", "")),
        (b'content-disposition: form-data; name="a%22b"; filename="a\\"b%22c"', Part('a"b', 'a"b"c', "")),
        (b"content-disposition: form-data; name=a; filename=x; filename*=UTF-8''na%C3%AFve%20.txt", Part("a", "naïve .txt", "")),
        (b"content-disposition: form-data; name=a; filename*=utf-8'de'x", Part("a", "x", "")),
        (b"content-disposition: form-data; name=a; filename*=koi8-r''x; filename=y", Part("a", "y", "")),
        (b'content-disposition: form-data; name=a; filename="../../etc/passwd"', Part("a", "passwd", "")),
        (b'content-disposition: form-data; name=a; filename="C:\\dir\\x.txt"', Part("a", "x.txt", "")),
        (b'content-disposition: form-data; name=a; filename=".."', Part("a", "", "")),
        (b'content-disposition: form-data; name=a; filename="x\x1b[2J"', Part("a", "x\\x1b[2J", "")),
        (PLAIN + b"\r\ncontent-transfer-encoding: binary\r\nx-other: 1", Part("a", None, "")),
    ],
)
def test_the_head_of_a_part_says_what_it_is(head: bytes, part: Part) -> None:
    assert read([form((head, b"content"))]) == [(part, b"content")]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "ends before its last boundary"),
        (b'{"a": 1}', "ends before its last boundary"),
        (form((PLAIN, b"content"))[:-5], "ends before its last boundary"),
        (b"--x-0-x\r\n" + PLAIN, "ends before its last boundary"),
        (b"--x-0-x", "ends before its last boundary"),
        (b"--x-0-x-", "ends before its last boundary"),
        (b"--x-0-x \r", "ends before its last boundary"),
        (b"--x-0-xy\r\n", "goes on with something else"),
        (b"--x-0-x -\r\n", "goes on with something else"),
        (b"--x-0-x" + b" " * 2 * HEAD_LIMIT, "blanks without end"),
        (b"--x-0-x\r\nx: " + b"y" * HEAD_LIMIT, "the head of a part has over 8192 bytes"),
        (form((b"", b"content")), "is no header of a part"),
        (form((b"no colon", b"")), "'no colon' is no header of a part"),
        (form((PLAIN + b"\r\n folded", b"")), "' folded' is no header of a part"),
        (form((PLAIN + b"\nx: y", b"")), "is no header of a part"),
        (form((PLAIN + b"\r\n" + PLAIN, b"")), "two headers 'content-disposition'"),
        (form((PLAIN + b"\r\nx: \xff", b"")), "a part's 'x' is not UTF-8"),
        (form((b"content-type: text/plain", b"")), "no header such as content-disposition"),
        (form((b"content-disposition: form-data", b"")), "no header such as content-disposition"),
        (form((b"content-disposition: attachment; name=a", b"")), "no header such as content-disposition"),
        (form((b'content-disposition: form-data; name="a', b"")), "no header such as content-disposition"),
        (form((b"content-disposition: form-data; name=a; name=b", b"")), "no header such as content-disposition"),
        (form((b"content-disposition: form-data; name=a; filename*=utf-8''%ff", b"")), "a filename[*] is not UTF-8"),
        (form((PLAIN + b"\r\ncontent-transfer-encoding: base64", b"")), "'base64' is not understood"),
        (form(*[(PLAIN, b"")] * (MOST_PARTS + 1)), "over 1000 parts"),
    ],
)
def test_what_is_no_form_is_refused_in_one_sentence(body: bytes, message: str) -> None:
    for pieces in ([body], [body[at : at + 1] for at in range(len(body))] if len(body) < 1000 else [body[:100], body[100:]]):
        with pytest.raises(RpcError, match=message) as caught:
            read(pieces)
        assert caught.value.code is Code.INVALID_ARGUMENT
        assert "\n" not in caught.value.message


def test_a_part_may_be_a_head_alone_and_a_boundary_may_be_followed_by_blanks() -> None:
    body = b"--x-0-x \t\r\n" + PLAIN + b"\r\n\r\n--x-0-x\r\n" + PLAIN + b"\r\n\r\nb\r\n--x-0-x--"
    for pieces in ([body], [body[at : at + 1] for at in range(len(body))]):
        assert [content for _, content in read(pieces)] == [b"", b"b"]


def test_what_no_boundary_can_be_in_is_given_at_once() -> None:
    multipart = Multipart(BOUNDARY, 1 << 20)
    multipart.feed(form((PLAIN, b""))[: -len(b"\r\n--x-0-x--\r\n")])
    assert isinstance(multipart.next(), Part)
    for piece, given_, left in ((b"some content", b"some content", 0), (b"a\r\n--x-0", b"a", 7), (b"yz", b"\r\n--x-0yz", 0)):
        multipart.feed(piece)
        assert (multipart.next(), multipart.unread) == (given_, left)
        assert multipart.next() is None


def test_a_preamble_and_an_epilogue_are_not_kept() -> None:
    multipart = Multipart(BOUNDARY, 1 << 20)
    for _ in range(10):
        multipart.feed(bytes(1000))
        assert (multipart.next(), multipart.unread) == (None, 0)
    multipart.feed(b"\r\n--x-0-x--")
    assert (multipart.next(), multipart.ended) == (None, True)
    multipart.feed(bytes(1000))
    assert multipart.unread == 0


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=abc", b"abc"),
        ('multipart/form-data; charset=utf-8; boundary="a b:c"', b"a b:c"),
        ("Multipart/Form-Data;Boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW", b"----WebKitFormBoundary7MA4YWxkTrZu0gW"),
    ],
)
def test_the_boundary_is_the_content_types(content_type: str, boundary: bytes) -> None:
    assert boundary_of(content_type) == boundary


@pytest.mark.parametrize(
    "rest", ["", "; boundary=", "; boundary=" + "x" * 71, "; boundary=é", '; boundary="a ', "; boundary=a; boundary=b"]
)
def test_a_form_without_a_boundary_is_refused(rest: str) -> None:
    with pytest.raises(RpcError, match="no boundary of 1 to 70 characters") as caught:
        boundary_of("multipart/form-data" + rest)
    assert caught.value.code is Code.INVALID_ARGUMENT
