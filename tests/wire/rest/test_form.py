"""Requests that are forms with files: what becomes of their parts."""

from typing import Any, cast

import pytest
from everything.v1.everything_pb2 import Everything
from file.v1 import file_pb2 as pb
from google.api.httpbody_pb2 import HttpBody
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.rest.test_multipart import BOUNDARY
from tests.wire.rest.test_request_stream import cut
from towpath._core.errors import Code, RpcError
from towpath._core.http_bindings import HttpBinding, UnknownQuery
from towpath._wire.rest.binding import Binding
from towpath._wire.rest.form import FormReader, read_form


def binding(request: type[Message] = pb.UploadRequest, unknown: UnknownQuery = "refuse") -> Binding:
    path, body = ("/v1/copy", "*") if request is HttpBody else ("/v1/files/{name}", "content")
    return Binding(HttpBinding(method="POST", path=path, body=body), request, pb.UploadResponse, unknown_query=unknown)


def part(name: str, content: bytes, filename: str | None = None, kind: str = "") -> bytes:
    file = "" if filename is None else f'; filename="{filename}"'
    head = f'content-disposition: form-data; name="{name}"{file}\r\n' + (f"content-type: {kind}\r\n" if kind else "")
    return b"--x-0-x\r\n" + head.encode() + b"\r\n" + content + b"\r\n"


END = b"--x-0-x--\r\n"
FILE = part("content", b"the file", "a.png", "image/png")


def stream(bound: Binding, parameters: Message, pieces: list[bytes], *, limit: int = 1 << 20, greedy: bool = False) -> list[Any]:
    reader = FormReader(bound, parameters, BOUNDARY, limit)
    found: list[Any] = []
    for piece in pieces:
        reader.feed(piece)
        while greedy and reader.complete():
            found.append(reader.next())
    reader.finish()
    while (request := reader.next()) is not None:
        found.append(request)
    reader.finish()
    assert (reader.unread, reader.complete()) == (0, False)
    return found


def refused(*parts: bytes, bound: Binding | None = None, limit: int = 1 << 20) -> RpcError:
    bound = bound or binding()
    parameters = bound.parameters((), "")
    with pytest.raises(RpcError) as caught:
        stream(bound, parameters, [*parts, END], limit=limit)
    with pytest.raises(RpcError) as whole:
        read_form(bound, parameters, BOUNDARY, b"".join((*parts, END)), limit)
    assert whole.value.message == caught.value.message
    return caught.value


def test_a_file_is_the_body_and_the_other_parts_are_fields() -> None:
    bound = binding()
    parameters = bound.parameters((("name", "n"),), "tags=query")
    body = part("draft", b"true") + part("tags", b"a") + part("tags", "\u00e9".encode()) + part("digest", b"\x00\xff") + FILE + END
    expected = pb.UploadRequest(
        name="n",
        content=HttpBody(content_type="image/png", data=b"the file"),
        draft=True,
        filename="a.png",
        tags=["query", "a", "\u00e9"],
        digest=b"\x00\xff",
    )
    assert stream(bound, parameters, [body]) == [expected]
    assert read_form(bound, parameters, BOUNDARY, body, 1 << 20) == expected
    assert parameters == pb.UploadRequest(name="n", tags=["query"])  # it is shared by all calls of a head


def test_the_files_are_whole_however_they_come() -> None:
    files = st.lists(st.binary(max_size=200).filter(lambda data: b"\r\n--x-0-x" not in data), max_size=4)

    @given(files, st.lists(st.integers(min_value=0)), st.booleans(), st.integers(min_value=20, max_value=60))
    def holds(files: list[bytes], at: list[int], greedy: bool, limit: int) -> None:
        bound = binding()
        body = part("tags", b"t") + b"".join(part("content", data, f"{number}.bin") for number, data in enumerate(files)) + END
        found = stream(bound, bound.parameters((), ""), cut(body, at), limit=limit, greedy=greedy)
        gathered: dict[int, bytes] = {}
        for request in found:
            assert (request.filename, list(request.tags)) == (f"{request.file_index}.bin" if files else "", ["t"])
            assert len(request.content.data) <= limit
            gathered[request.file_index] = gathered.get(request.file_index, b"") + request.content.data
        assert gathered == (dict(enumerate(files)) or {0: b""})

    holds()


def test_fields_behind_the_file_are_told() -> None:
    bound = binding()
    parameters = bound.parameters((), "")
    body = FILE + part("draft", b"true") + END
    found = stream(bound, parameters, [body])
    assert [(one.content.data, one.filename, one.draft) for one in found] == [(b"the file", "a.png", False), (b"", "a.png", True)]
    whole = cast("pb.UploadRequest", read_form(bound, parameters, BOUNDARY, body, 1 << 20))
    assert (whole.content.data, whole.draft) == (b"the file", True)


@pytest.mark.parametrize("body", [END, part("draft", b"true") + END, part("content", b"", "", "application/octet-stream") + END])
def test_a_form_without_a_file_is_one_request(body: bytes) -> None:
    bound = binding()
    (request,) = stream(bound, bound.parameters((), ""), [body])
    assert (request.content.data, request.draft) == (b"", b"draft" in body)
    assert read_form(bound, bound.parameters((), ""), BOUNDARY, body, 1 << 20) == request


def test_where_the_request_is_the_body_any_part_is_the_file() -> None:
    bound = binding(HttpBody)
    expected = HttpBody(content_type="image/png", data=b"x")
    assert stream(bound, HttpBody(), [part("whatever", b"x", "a", "image/png") + END]) == [expected]
    assert read_form(bound, HttpBody(), BOUNDARY, part("whatever", b"x", "a", "image/png") + END, 100) == expected
    assert "second file" in refused(part("a", b""), part("b", b""), bound=bound).message


def test_a_request_that_has_no_place_for_the_files_number_has_one_file() -> None:
    bound = binding(pb.ReplaceRequest)
    assert "second file, which the method does not take" in refused(FILE, FILE, bound=bound).message
    with pytest.raises(RpcError, match="second file"):
        read_form(binding(), pb.UploadRequest(), BOUNDARY, FILE + FILE + END, 1 << 20)


def test_the_path_wins() -> None:
    bound = Binding(HttpBinding(method="POST", path="/v1/files/{filename}/{name}", body="content"), pb.UploadRequest, pb.UploadResponse)
    parameters = bound.parameters((("filename", "p"), ("name", "n")), "")
    (found,) = stream(bound, parameters, [part("name", b"x") + FILE + END])
    assert (found.filename, found.name) == ("p", "n")


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (part("file", b"x", "a.png"), "the form's field file: file.v1.UploadRequest has no field file"),
        (part("draft", b"perhaps"), "the form's field draft: expected true or false, found 'perhaps'"),
        (part("draft", b"true") + part("draft", b"true"), "the form's field 'draft' is given twice"),
        (part("tags", b"\xff"), "the form's field 'tags' is not UTF-8"),
        (part("content.data", b"x"), "the form's field 'content.data' belongs into the body"),
    ],
)
def test_a_part_that_is_no_field_is_named(field: bytes, message: str) -> None:
    error = refused(field, FILE)
    assert (error.code, error.message) == (Code.INVALID_ARGUMENT, message)


def test_a_part_that_is_no_field_may_be_ignored_as_in_a_query() -> None:
    bound = binding(unknown="ignore")
    (found,) = stream(bound, bound.parameters((), ""), [part("submit", b"Send") + FILE + END])
    assert found.content.data == b"the file"


def test_fields_of_bytes_are_bytes_at_any_depth() -> None:
    bound = Binding(HttpBinding(method="POST", path="/v1/everything", body="nested"), Everything, Everything)
    message = Everything()
    for name, value in (("someBytes", b"\xff"), ("bytess", b"a"), ("bytess", b"b"), ("chosen_child.some_bytes", b"c")):
        bound.set_form_field(message, name, value, {})
    assert message == Everything(some_bytes=b"\xff", bytess=[b"a", b"b"], chosen_child=Everything(some_bytes=b"c"))


def test_fields_are_bounded_together() -> None:
    error = refused(*[part("tags", bytes(5000))] * 3, limit=10_000)
    told = "the part 'tags' is a field, and the fields of the form are larger than 10000 bytes together"
    assert (error.code, error.message) == (Code.RESOURCE_EXHAUSTED, told)
    reader = FormReader(binding(), pb.UploadRequest(), BOUNDARY, 1 << 30)
    reader.feed(part("tags", bytes(65_000)) + part("tags", b"")[:-2])
    assert not reader.complete()
    reader.feed(bytes(500))
    assert not reader.complete()
    assert reader.unread == 500  # a field under way is counted
    reader.feed(bytes(37))
    with pytest.raises(RpcError, match="larger than 65536 bytes"):
        reader.complete()


def test_a_fault_behind_a_piece_is_told_once_the_piece_is_taken() -> None:
    reader = FormReader(binding(), pb.UploadRequest(), BOUNDARY, 1 << 20)
    reader.feed(FILE)
    reader.finish()
    assert reader.next() is not None
    with pytest.raises(RpcError, match="ends before its last boundary"):
        reader.finish()
