"""The fakes of one contract: a class per service, with a typed keyword per method. All that they do is in `towpath.testing.fakes`."""

from collections.abc import Iterator
from typing import Final

from towpath._contracts.codegen.docstrings import docstring
from towpath._contracts.codegen.emitter import MARK
from towpath._contracts.codegen.layout import LEVEL, WIDTH, imports
from towpath._contracts.codegen.namespace import FAKES, FakesNamespace
from towpath._contracts.model import ContractModel, Method, ServiceModel

NO_SORTING: Final = "# isort: skip_file"
"""Keeps linters from sorting the imports as a project's settings ask. All else that projects ask of `*_fakes.py` holds: `test_fakes.py` has
such a name too, so a project cannot leave out generated fakes by theirs."""


def emit_fakes(contract: ContractModel, module: str) -> str:
    """The text of `contract`'s `_fakes.py`; `module` is the one that has its services."""
    names = FakesNamespace(contract, module)
    about = f"Fakes of the services of {contract.name}, for tests of what calls them.\n\n{MARK}{contract.name}; do not edit."
    lines = [*docstring(about), "", NO_SORTING, *imports(names)]
    if contract.has_deprecated_messages:  # as in `_towpath.py`
        lines += ["", "# pyright: reportDeprecated=false"]
    for service in contract.services:
        lines += ["", "", *_fake(service, names)]
    return "\n".join(lines) + "\n"


def _fake(service: ServiceModel, names: FakesNamespace) -> Iterator[str]:
    yield f"class {service.fake_name}({names['FakeService']}):"
    yield from docstring(f"Stands in for `{service.full_name}` in tests.", LEVEL)
    yield ""
    yield f"{LEVEL}spec = {names.of_services(service.class_name)}.spec"
    if not service.methods:
        return
    own = "_self" if any(method.attribute == "self" for method in service.methods) else "self"
    yield ""
    yield f"{LEVEL}def __init__("
    yield f"{LEVEL * 2}{own},"
    yield f"{LEVEL * 2}*,"
    for method in service.methods:
        yield from _keyword(method, names)
    yield f"{LEVEL}) -> None:"
    for method in service.methods:
        line = f"{LEVEL * 2}{own}.{method.attribute} = {names[FAKES[method.kind][0]]}("
        arguments = names.of_services(method.constant), method.attribute
        if len(f"{line}{', '.join(arguments)})") <= WIDTH:
            yield f"{line}{', '.join(arguments)})"
        else:
            yield line
            yield from (f"{LEVEL * 3}{argument}," for argument in arguments)
            yield f"{LEVEL * 2})"


def _keyword(method: Method, names: FakesNamespace) -> Iterator[str]:
    start = f"{LEVEL * 2}{method.attribute}: {names[FAKES[method.kind][1]]}["
    types = names.type(method.request), names.type(method.response)
    line = f"{start}{', '.join(types)}] = None,"
    if len(line) <= WIDTH:
        yield line
        return
    yield start
    yield from (f"{LEVEL * 3}{one}," for one in types)
    yield f"{LEVEL * 2}] = None,"
