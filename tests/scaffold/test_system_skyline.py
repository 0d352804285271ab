"""Skyline, the reference system, is built as `towpath new --system` builds one, so that whoever has read one knows the other.

What Skyline does otherwise is in a table here with its reason. A new difference fails, on whichever side it was made.
"""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from towpath._scaffold.answers import checked
from towpath._scaffold.project import make_system

SKYLINE = Path(__file__).parents[2] / "reference" / "skyline"
SERVICES = tuple(tomllib.loads((SKYLINE / "system.toml").read_text())["services"])
WITH_CONTRACT = tuple(name for name in SERVICES if name != "gateway")
"""The gateway serves the contracts of the others by calling them, and has none of its own."""

OTHERWISE = {
    "Makefile": "the Makefile of the repository runs what the template's runs",
    "Dockerfile": "Skyline is run from a clone",
    "src/cart/settings.py": "its services have no settings of their own",
    "tests/test_settings.py": "see settings.py",
    "tests/test_contract.py": "nobody has an older Skyline to call",
    "tests/test_over_the_wire.py": "tests/test_system.py asks all services over the wire",
    "tests/test_resilience.py": "labs/ and the tutorial simulate bad days of Skyline",
    "service.listen": "system.toml gives each service a free port",
    "service.grace": "the default",
    "service.settings": "see settings.py",
}
"""The files of a service `cart` and the keys of its service file that the template has and Skyline has not, with the reason."""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A system that the template makes."""
    return make_system(checked("shop"), ["cart", "stock"], tmp_path_factory.mktemp("new")).folder


def read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text())


def entry_point(path: Path) -> Iterator[str]:
    """What `python -m` finds in the file: a docstring that says so, the function that puts the service together, and who runs it."""
    module = ast.parse(path.read_text())
    said = re.search(r"`python -m [\w.]+`", ast.get_docstring(module) or "")
    yield "a docstring with its command" if said else "no command"
    (main,) = (node for node in module.body if isinstance(node, ast.AsyncFunctionDef))
    yield f"async def {main.name}({ast.unparse(main.args)}) -> {ast.unparse(main.returns) if main.returns else ''}"
    yield ast.unparse(module.body[-1])


def in_skyline(file: str, service: str) -> Path:
    """Where Skyline has what is `file` in the folder of a service `cart` of the template."""
    once = {
        "README.md": "README.md",
        "pyproject.toml": "pyproject.toml",  # one distribution: the services share names, pages and the data, and are released together
        "tests/conftest.py": "tests/conftest.py",
        "src/cart/py.typed": "src/skyline/py.typed",
        "docs/adr/README.md": "../../docs/adr/README.md",
        "docs/adr/0001-built-on-towpath.md": "../../docs/adr/0001-own-http2-transport.md",
        "towpath.toml": f"services/{service}.toml",
    }
    places = {"src/cart/": f"src/skyline/{service}/", "proto/cart/": f"proto/skyline/{service}/", "tests/": f"tests/{service}/"}
    found = once.get(file, file)
    for before, after in places.items():
        found = found.replace(before, after) if found == file and file not in once else found
    return SKYLINE / found.replace("cart", service)


@pytest.mark.parametrize("service", WITH_CONTRACT)
def test_each_file_of_the_template_is_where_skyline_has_it_or_is_excused(shop, service):
    files = {path.relative_to(shop / "cart").as_posix() for path in (shop / "cart").rglob("*") if path.is_file()}
    excused = {key for key in OTHERWISE if not key.startswith("service.")}
    assert excused <= files
    for file in sorted(file for file in files if not file.startswith(".")):
        assert (file in excused) != in_skyline(file, service).is_file(), file


def test_an_entry_point_reads_as_the_template_s(shop):
    wanted = list(entry_point(shop / "cart/src/cart/__main__.py"))
    for name in SERVICES:
        assert list(entry_point(SKYLINE / "src/skyline" / name / "__main__.py")) == wanted, name


def test_a_contract_is_where_the_template_has_it_and_names_its_service_so(shop):
    assert "service CartService {" in (shop / "cart/proto/cart/v1/cart.proto").read_text()
    for name in WITH_CONTRACT:
        contract = (SKYLINE / f"proto/skyline/{name}/v1/{name}.proto").read_text()
        assert f"service {name.capitalize()}Service {{" in contract
        assert f"package skyline.{name}.v1;" in contract


def test_a_service_file_has_the_keys_of_the_template(shop):
    wanted = set(read(shop / "cart/towpath.toml")["service"])
    left_out = {key.removeprefix("service.") for key in OTHERWISE if key.startswith("service.")}
    assert left_out <= wanted
    for name in WITH_CONTRACT:
        service = read(SKYLINE / f"services/{name}.toml")["service"]
        assert wanted - left_out <= set(service), name
        assert service["name"] == name
        assert f"skyline.{name}.v1.{name.capitalize()}Service" in service["serves"]


def test_the_system_file_has_the_keys_of_the_template(shop):
    wanted = read(shop / "system.toml")
    skyline = read(SKYLINE / "system.toml")
    assert set(skyline["system"]) == set(wanted["system"])
    for name, table in skyline["services"].items():
        assert set(table) == set(wanted["services"]["cart"]), name
        assert (SKYLINE / table["config"]).is_file()
        assert (SKYLINE / table["path"] / table["module"].replace(".", "/") / "__main__.py").is_file()


def test_the_distributions_are_built_alike(shop):
    template, skyline = read(shop / "cart/pyproject.toml"), read(SKYLINE / "pyproject.toml")
    assert skyline["build-system"] == template["build-system"]
    assert set(template["project"]) - {"optional-dependencies", "readme"} <= set(skyline["project"])
    for project in (template, skyline):
        assert project["tool"]["setuptools"]["packages"] == {"find": {"where": ["src"]}}
    assert set(template["tool"]["setuptools"]["package-data"]["*"]) <= set(skyline["tool"]["setuptools"]["package-data"]["*"])
