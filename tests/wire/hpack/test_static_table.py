from hpack.table import HeaderTable

from towpath._wire.hpack.static_table import FIRST_DYNAMIC_INDEX, STATIC_INDEX, STATIC_NAME_INDEX, STATIC_NAMES, STATIC_TABLE


def test_entries_are_those_of_the_reference() -> None:
    assert STATIC_TABLE[1:] == HeaderTable.STATIC_TABLE
    assert FIRST_DYNAMIC_INDEX == 62


def test_fields_and_names_are_found_at_their_lowest_index() -> None:
    assert len(STATIC_INDEX) == 61
    for field, index in STATIC_INDEX.items():
        assert STATIC_TABLE[index] == field
    for name, index in STATIC_NAME_INDEX.items():
        assert index == min(i for i in range(1, 62) if STATIC_TABLE[i][0] == name)
        assert STATIC_NAMES[bytes(bytearray(name))] is STATIC_NAMES[name]


def test_the_placeholder_is_not_found() -> None:
    assert b"" not in STATIC_NAME_INDEX
    assert (b"", b"") not in STATIC_INDEX
