"""Layers that the service file names by their import paths, as a target's `layers = ["shop.layers:Audit"]`."""

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from towpath._app.settings.suggest import suggestion
from towpath._app.settings.targets import check_layer_path
from towpath._core.errors import SetupError
from towpath._core.service import Layer
from towpath._layers.own_layers import checked_layers


def named_layers(paths: Sequence[str], where: str) -> tuple[Layer, ...]:
    """The layers at `paths`. A name may stand for a layer, or for a class or function that makes one without arguments, which is called for
    each target that names it. Raises SetupError that names the setting `where`, for a module or name that is not there, and for anything
    that is no layer."""
    layers: list[Any] = []
    for number, path in enumerate(paths):
        place = f"{where}[{number}]"
        check_layer_path(path, place)
        layers.append(_made(_found(path, place), path, place))
    return checked_layers(layers, where)


def _found(path: str, place: str) -> Any:
    name, _, attribute = path.partition(":")
    # A project that is not installed is found from its folder, as with `python -m`.
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        raise SetupError(f"{place}: {name} cannot be imported: {error}; is its package installed?") from error
    if not hasattr(module, attribute):
        near = suggestion(attribute, (known for known, value in vars(module).items() if hasattr(value, "wrap")), kind="layers")
        raise SetupError(f"{place}: {name} has no {attribute!r}; {near}")
    return getattr(module, attribute)


def _made(found: Any, path: str, place: str) -> Any:
    if not isinstance(found, type) and (hasattr(found, "wrap") or not callable(found)):
        return found
    try:
        return found()
    except TypeError as error:
        raise SetupError(
            f"{place}: {path} cannot be made without arguments: {error}; name a function of your own that takes none and returns the layer"
        ) from error
