from towpath._core.propagation.span_ids import own_span_id


def test_each_serial_number_has_an_id_of_its_own() -> None:
    ids = {own_span_id(1 << 63, serial) for serial in range(10_000)}
    assert len(ids) == 10_000
    assert all(0 < one < 2**64 for one in ids)


def test_no_id_is_zero() -> None:
    assert own_span_id(0, 0) != 0
    assert own_span_id(2**64 - 0x9E37_79B9_7F4A_7C15, 1) != 0
