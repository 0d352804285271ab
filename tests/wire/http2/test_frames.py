import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.http2.recording import Frame, parse
from towpath._wire.http2 import frames
from towpath._wire.http2.frames import CONTINUATION, END_HEADERS, END_STREAM, HEADERS, Setting


def test_a_frame_begins_with_length_type_flags_and_stream() -> None:
    assert frames.frame(frames.DATA, END_STREAM, 0x7FFF_FFFF, b"abc") == bytes.fromhex("000003 00 01 7fffffff") + b"abc"


def test_the_frames_of_the_connection_are_as_rfc_9113_section_6_draws_them() -> None:
    assert frames.settings([(Setting.INITIAL_WINDOW_SIZE, 65_536)]) == bytes.fromhex("000006 04 00 00000000 0004 00010000")
    assert frames.window_update(3, 1) == bytes.fromhex("000004 08 00 00000003 00000001")
    assert frames.rst_stream(3, 8) == bytes.fromhex("000004 03 00 00000003 00000008")
    assert frames.goaway(3, 0xB, b"why") == bytes.fromhex("00000b 07 00 00000000 00000003 0000000b") + b"why"


@given(st.lists(st.tuples(st.sampled_from(Setting), st.integers(0, 2**32 - 1))))
def test_settings_are_read_as_written(values: list[tuple[Setting, int]]) -> None:
    assert frames.read_settings(parse(frames.settings(values))[0].payload) == values


@pytest.mark.parametrize("end_stream", [False, True])
@pytest.mark.parametrize("size", [0, 1, 9, 10])
def test_a_block_that_fits_is_one_frame(size: int, end_stream: bool) -> None:
    parts = frames.header_block(5, b"x" * size, end_stream=end_stream, max_frame_size=10)
    assert parse(b"".join(parts)) == [Frame(HEADERS, END_HEADERS | end_stream, 5, b"x" * size)]


@given(st.binary(min_size=11, max_size=100), st.booleans())
def test_a_block_that_does_not_fit_continues_and_only_its_last_frame_ends_it(block: bytes, end_stream: bool) -> None:
    sent = parse(b"".join(frames.header_block(5, block, end_stream=end_stream, max_frame_size=10)))
    assert b"".join(each.payload for each in sent) == block
    assert [each.kind for each in sent] == [HEADERS] + [CONTINUATION] * (len(sent) - 1)
    assert all(0 < len(each.payload) <= 10 and each.stream_id == 5 for each in sent)
    # END_STREAM belongs to HEADERS, END_HEADERS to the last CONTINUATION (RFC 9113 6.2, 6.10).
    assert [each.flags for each in sent] == [END_STREAM if end_stream else 0] + [0] * (len(sent) - 2) + [END_HEADERS]
