import os

import pytest

from towpath._core.propagation.span_ids import ProcessKey, own_span_id


def test_each_serial_number_has_an_id_of_its_own() -> None:
    ids = {own_span_id(serial) for serial in range(10_000)}
    assert len(ids) == 10_000
    assert all(0 < one < 2**64 for one in ids)


def test_no_id_is_zero() -> None:
    odd, key = 0x9E37_79B9_7F4A_7C15, ProcessKey.number
    ProcessKey.number = 2**64 - odd
    try:
        assert own_span_id(1) == odd
    finally:
        ProcessKey.number = key


def test_a_serial_number_counts_as_far_as_a_row_has_it() -> None:
    assert own_span_id(2**32 + 5) == own_span_id(5)


def test_another_key_is_another_id() -> None:
    before, key = own_span_id(7), ProcessKey.number
    ProcessKey.draw()
    try:
        assert own_span_id(7) != before
    finally:
        ProcessKey.number = key


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_process_gives_its_calls_other_ids() -> None:
    receiving, sending = os.pipe()
    if not (child := os.fork()):
        os.write(sending, own_span_id(1).to_bytes(8, "big"))
        os._exit(0)
    os.waitpid(child, 0)
    assert int.from_bytes(os.read(receiving, 8), "big") != own_span_id(1)
    os.close(receiving)
    os.close(sending)
