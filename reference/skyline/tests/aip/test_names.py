"""Names that several contracts refer to."""

import pytest

from skyline.aip import airport_code, flight_key
from towpath import Code, RpcError


def test_a_name_gives_what_it_names() -> None:
    assert airport_code("origin", "airports/JFK") == "JFK"
    assert flight_key("name", "flights/2013-01-01-UA1545-EWR") == "2013-01-01-UA1545-EWR"


@pytest.mark.parametrize("name", ["", "flights/", "2013-01-01-UA1545-EWR", "flights/2013-01-01-UA1545-EWR\n", "flights/-", "airports/JFK"])
def test_what_is_not_a_flight_is_refused_with_its_field(name: str) -> None:
    with pytest.raises(RpcError) as caught:
        flight_key("parent", name)
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert repr(name) in caught.value.message
    assert [violation.field for violation in caught.value.details[0].field_violations] == ["parent"]
