"""Which frames a person is shown: those of towpath only where a bug was raised in them."""

import traceback
from types import TracebackType
from typing import Any

from towpath._core.disclosure.tracebacks import without_layers, without_own_frames

LAYER = "def call(inner):\n    return inner()\n"
RAISES = "def fail():\n    raise ValueError\n"


def function(source: str, name: str, module: str) -> Any:
    """A function of a module with such a name."""
    scope: dict[str, Any] = {"__name__": module}
    exec(source, scope)  # how else would a test have frames of another module
    return scope[name]


def raised(inner: Any) -> TracebackType | None:
    try:
        function(LAYER, "call", "towpath._layers.deadline")(lambda: function(LAYER, "call", "towpath._core.service")(inner))
    except ValueError as error:
        return error.__traceback__
    return None


def modules(found: TracebackType | None) -> list[str]:
    return [frame.f_globals["__name__"] for frame, _ in traceback.walk_tb(found)]


def test_an_error_of_a_call_has_none() -> None:
    assert modules(without_own_frames(raised(function(RAISES, "fail", "shop")))) == [__name__, __name__, "shop"]
    assert modules(without_own_frames(raised(function(RAISES, "fail", "towpath._wire.codec")))) == [__name__, __name__]
    assert without_own_frames(None) is None


def test_a_bug_has_those_in_which_it_was_raised() -> None:
    assert modules(without_layers(raised(function(RAISES, "fail", "shop")))) == [__name__, __name__, "shop"]
    in_towpath = raised(function(RAISES, "fail", "towpath._wire.codec"))
    assert modules(without_layers(in_towpath)) == [__name__, __name__, "towpath._core.service", "towpath._wire.codec"]


def test_a_module_of_another_name_that_begins_so_is_none_of_ours() -> None:
    assert modules(without_own_frames(raised(function(RAISES, "fail", "towpath_shop")))) == [__name__, __name__, "towpath_shop"]
