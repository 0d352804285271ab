"""The mark of deprecated code does nothing at run time."""

from towpath._core.calls.deprecated import deprecated


def test_what_is_marked_stays_what_it_is() -> None:
    def old() -> int:
        return 7

    assert deprecated("use another one")(old) is old
