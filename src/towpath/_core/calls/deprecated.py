"""The mark of deprecated clients and methods in generated code, as type checkers read it (PEP 702).

It does nothing at run time. `warnings.deprecated` (Python 3.13) and that of typing_extensions put a function of their own around each call,
and the log tells of the first call anyway (`towpath._layers.deprecation`). To a type checker `towpath.generated` shows typing_extensions'
own, which has to be the one that it knows.
"""

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T", bound=Callable[..., object])


def deprecated(message: str, /) -> Callable[[T], T]:
    """A decorator that leaves a function or class as it is. `message` is for type checkers."""
    del message
    return _unchanged


def _unchanged(marked: T, /) -> T:
    return marked
