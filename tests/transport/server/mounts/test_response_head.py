"""What a mounted application says of its response: what is sent, and what is kept."""

import pytest

from towpath._transport.server.mounts import response_head
from towpath._transport.server.mounts.response_head import ResponseHead


def test_a_header_of_any_bytes_is_sent_as_bytes() -> None:
    given = [(bytearray(b"X-One"), bytearray(b"1")), [b"x-two", memoryview(b"2")], (b"Content-Type", bytearray(b"text/plain"))]
    expected = [(b"x-one", b"1"), (b"x-two", b"2"), (b"content-type", b"text/plain")]
    for _ in range(2):  # also where such a field was seen before
        assert ResponseHead(200, given).fields == expected


def test_what_one_user_is_sent_is_kept_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    good: dict[tuple[bytes, bytes], tuple[bytes, bytes]] = {}
    monkeypatch.setattr(response_head, "_GOOD", good)
    fields = [(b"content-type", b"text/plain"), (b"set-cookie", b"session=secret"), (b"location", b"/?token=secret")]
    for _ in range(2):
        assert ResponseHead(200, fields).fields == fields
    assert set(good) == {(b"content-type", b"text/plain")}


def test_a_field_that_cannot_be_sent_is_refused_and_not_remembered() -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="content-type"):
            ResponseHead(200, [(b"content-type", b"text/plain\r\nx: 1")])
