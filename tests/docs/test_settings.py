"""The page of settings can be read as a service file, and has every setting and every variable that a user sets."""

import inspect
import re
from pathlib import Path

import msgspec
import pytest

from towpath._app.settings import (
    attempts,
    declarations,
    fallback,
    quotas_and_bulkheads,
    resilience,
    server_options,
    service_file,
    targets,
    tls,
)
from towpath._app.settings.server import cors, messages
from towpath.settings import load

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "settings.md").read_text()
TABLES = "\n".join(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL))
MODULES = (attempts, declarations, fallback, quotas_and_bulkheads, resilience, server_options, service_file, targets, tls, cors, messages)
STRUCTS = sorted(
    {kind for module in MODULES for kind in vars(module).values() if inspect.isclass(kind) and issubclass(kind, msgspec.Struct)}, key=str
)


def test_its_tables_are_a_service_file(tmp_path: Path) -> None:
    (tmp_path / "towpath.toml").write_text(TABLES)
    config = load(tmp_path / "towpath.toml", {})
    assert config.name == "search"


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_it_has_every_setting(struct: type[msgspec.Struct]) -> None:
    keys = {field.encode_name for field in msgspec.structs.fields(struct)}
    assert {key for key in keys if not re.search(rf"\b{key}\b", TABLES)} == set()
