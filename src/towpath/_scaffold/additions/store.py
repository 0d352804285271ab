"""`towpath add store`: where the answers to calls with an idempotency key are kept, and the package that this needs."""

import re
from pathlib import Path, PurePosixPath
from typing import Final

from towpath._core.errors import SetupError
from towpath._scaffold.additions.edits import Addition, edits_of
from towpath._scaffold.additions.toml_text import with_value

STORES: Final = {
    "sqlite": ("", "sqlite:///{name}.db"),
    "postgres": ("postgres", "postgresql://127.0.0.1:5432/{package}"),
    "redis": ("redis", "redis://127.0.0.1:6379/0"),
}
"""Each store with the extra of towpath that it needs and the address that is written down."""

_REQUIREMENT: Final = re.compile(r'"towpath(?:\[(?P<extras>[\w,-]*)\])?(?P<rest>[^"\[\]]*)"')


def add_store(folder: Path, kind: str, *, address: str = "") -> Addition:
    """Keep the idempotency keys of the service in `folder` in a store of `kind`, at `address`. Raises SetupError, with nothing written, for
    another kind, and if the service has a store already."""
    if kind not in STORES:
        raise SetupError(f"{kind!r} is no store; give {', '.join(STORES)}")
    edits = edits_of(folder, "store")
    extra, usual = STORES[kind]
    place = address or usual.format(name=edits.record.answers.name, package=edits.record.answers.package)
    if '"' in place or "\\" in place or not place.isprintable():
        raise SetupError('--address: has a ", a \\ or an unprintable character; put such an address into TOWPATH_IDEMPOTENCY')
    config = PurePosixPath("towpath.toml")
    edits.texts[config] = with_value(edits.text(config), "service", "idempotency", place, str(folder / config))
    if extra:
        project = PurePosixPath("pyproject.toml")
        edits.texts[project] = _with_extra(edits.text(project), extra, str(folder / project))
    return edits.write("run make setup; in production set TOWPATH_IDEMPOTENCY, since an address may hold a password")


def _with_extra(text: str, extra: str, where: str) -> str:
    found = _REQUIREMENT.search(text)
    if found is None:
        raise SetupError(f'{where}: dependencies has no "towpath"; add "towpath[{extra}]" by hand')
    extras = sorted({*filter(None, (found["extras"] or "").split(",")), extra})
    return f'{text[: found.start()]}"towpath[{",".join(extras)}]{found["rest"]}"{text[found.end() :]}'
