"""A message that was taken of a source and is put back."""

from towpath._wire.grpc.framing import MessageReader, frame
from towpath._wire.response_reader import PutBack


def test_it_is_the_next_message_and_the_source_goes_on_behind_it() -> None:
    reader = MessageReader(1000)
    reader.feed(frame(b"one") + frame(b"two"))
    source = PutBack(reader.next() or b"", reader)
    assert source.complete()
    assert source.unread == len(frame(b"two"))
    assert (source.next(), source.next(), source.next()) == (b"one", b"two", None)
    assert not source.complete()
    source.feed(frame(b"three"))
    assert source.complete()
    assert source.next() == b"three"
