"""Calls that end before their stack of layers begins: their deadlines pass, or their callers leave, while requests still come or calls wait
to be admitted; or their requests cannot be read.

No handler runs for such a call, so no layer around handlers sees it. The transport tells those layers of it that want to know, such as the
one that counts calls. It tells them of calls to methods that the server does not have, too. It does not tell of a call that an early
rejection ends: the layer that rejects early counts its own.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

from towpath._core.errors import Code
from towpath._core.service import Layer, MethodSpec

OnUnstarted = Callable[[Code, float], None]
"""A callback that gets the code with which a call has ended, and the seconds since its head came. It must be quick and may not raise."""


@runtime_checkable
class HearsUnstarted(Protocol):
    """A layer that is told of calls which end before their stack begins."""

    def on_unstarted(self, method: MethodSpec[Any, Any], /) -> OnUnstarted:
        """What is called for such a call of `method`."""
        ...


def unstarted_callbacks(layers: Sequence[Layer], method: MethodSpec[Any, Any]) -> tuple[OnUnstarted, ...]:
    """The callbacks that `layers` have for `method`, outermost first."""
    return tuple(layer.on_unstarted(method) for layer in layers if isinstance(layer, HearsUnstarted))


OnUnknown = Callable[[], None]
"""A callback for a call of a method that the server does not have. It must be quick and may not raise."""


@runtime_checkable
class HearsUnknown(Protocol):
    """A layer that is told of calls of methods which the server does not have."""

    def on_unknown(self) -> None:
        """Take note of one such call. Its path is the caller's choice, and is not told."""
        ...


def unknown_callbacks(layers: Sequence[Layer]) -> list[OnUnknown]:
    """The callbacks of `layers`, outermost first."""
    return [layer.on_unknown for layer in layers if isinstance(layer, HearsUnknown)]
