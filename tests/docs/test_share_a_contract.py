"""The page about shared contracts is followed whole: a package is built from one repository's contracts and installed into an environment
that knows of none, and another repository calls with it, imports its contract and serves."""

import os
import re
import shlex
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from email.parser import Parser
from pathlib import Path

import pytest

from tests.scaffold.projects import git

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "howto" / "share-a-contract.md").read_text()
MAKE, INSTALL, GENERATE = (
    [line.removeprefix("$ ") for line in block.splitlines()] for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
)
FILES = dict(re.findall(r"`([\w./]+\.\w+)`[^`]*```(?:proto|python)\n(.*?)```", PAGE, re.DOTALL))
"""The page's files, by their path."""

SLOWLY = 600.0
"""Seconds for a command in a new environment, where Python compiles all that it imports, beside other tests."""

CATALOG = """\
from catalog_contracts.catalog.v1.catalog_pb2 import Product
from catalog_contracts.catalog.v1.catalog_towpath import CatalogService

from towpath import App, run


class Catalog(CatalogService):
    async def get_product(self, request, ctx):
        return Product(id=request.id, title="Umbrella", price_cents=1995)


async def main(app: App) -> None:
    app.add(Catalog())


run(main)
"""


def written(folder: Path, place: str) -> None:
    """Write the page's file `place` into `folder`."""
    (folder / place).parent.mkdir(parents=True, exist_ok=True)
    (folder / place).write_text(FILES[place], "utf-8")


def run(folder: Path, *command: str) -> str:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("TOWPATH_", "PYTHON", "COV_", "GIT_", "PIP_"))}
    ran = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=SLOWLY)
    assert ran.returncode == 0, f"{shlex.join(command)}: {ran.stdout}{ran.stderr}"
    return ran.stdout


def build(project: Path, folder: Path) -> Path:
    """What `uv build` does, without a network: an sdist, and a wheel from what is in it. Returns the wheel."""
    hook = "import sys; from setuptools import build_meta; print(build_meta.build_{kind}(sys.argv[1]))"
    name = run(project, sys.executable, "-c", hook.format(kind="sdist"), str(folder)).splitlines()[-1]
    with tarfile.open(folder / name) as archive:
        archive.extractall(folder, filter="data")
    unpacked = folder / name.removesuffix(".tar.gz")
    return folder / run(unpacked, sys.executable, "-c", hook.format(kind="wheel"), str(folder)).splitlines()[-1]


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """The Python of a new environment that can import what this one can, and has no package of contracts."""
    venv.EnvBuilder(symlinks=True, with_pip=False).create(tmp_path / "env")
    (site,) = (tmp_path / "env").glob("lib/python*/site-packages")
    there = [path for path in sys.path if Path(path).name == "site-packages"]
    (site / "others.pth").write_text("\n".join([str(ROOT / "src"), *there]), "utf-8")
    return tmp_path / "env/bin/python"


@contextmanager
def serving(python: Path, script: Path, **variables: str) -> Iterator[str]:
    """The address at which `script` serves."""
    environ = {"PATH": os.environ["PATH"], **variables}
    with subprocess.Popen([str(python), script.name], cwd=script.parent, env=environ, stderr=subprocess.PIPE, text=True) as service:
        try:
            assert service.stderr is not None
            said = next((line for line in service.stderr if " serves " in line), "")
            (address,) = re.findall(r"127\.0\.0\.1:\d+", said)
            yield address
        finally:
            service.kill()


def installed(python: Path, wheel: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python), "install", "--no-index", "--no-deps"]
    assert [f"pip install {wheel.name.partition('-')[0].replace('_', '-')}"] == INSTALL
    run(wheel.parent, *pip, str(wheel))


@pytest.mark.timeout(1800)
def test_the_page_is_followed_from_one_repository_to_a_call_in_another(tmp_path, environment):
    ours, theirs = tmp_path / "catalogue", tmp_path / "checkout"
    written(ours, "proto/catalog/v1/catalog.proto")
    git(ours, "init", "--quiet")
    git(ours, "add", "--all")
    git(ours, "commit", "--quiet", "--message", "The catalogue")
    tag, make, uv = MAKE
    git(ours, *shlex.split(tag)[1:])
    run(ours, sys.executable, "-m", *shlex.split(make))
    (tmp_path / "built").mkdir()
    wheel = build(ours / uv.removeprefix("uv build "), tmp_path / "built")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        about = Parser().parsestr(archive.read("catalog_contracts-1.4.0.dist-info/METADATA").decode())
    assert {f"catalog_contracts/catalog/v1/catalog{end}" for end in ("_pb2.py", "_pb2.pyi", "_towpath.py", "_fakes.py", ".proto")} <= names
    assert [name for name in names if name.endswith(("_fakes.py", "_towpath.py", ".proto")) and f"`src/{name}`" not in PAGE] == []
    assert "catalog_contracts/py.typed" in names
    assert {name.partition("/")[0] for name in names} == {"catalog_contracts", "catalog_contracts-1.4.0.dist-info"}
    assert about["Version"] == "1.4.0"
    assert {needed.partition(">")[0].partition("<")[0] for needed in about.get_all("Requires-Dist", [])} == {"protobuf", "towpath"}

    installed(environment, wheel)
    for place in ("show.py", "proto/checkout/v1/checkout.proto", "src/serve.py"):
        written(theirs, place)
    (command,) = GENERATE
    assert "src/checkout/v1/checkout_towpath.py" in run(theirs, str(environment), "-m", *shlex.split(command))
    catalog = tmp_path / "catalog.py"
    catalog.write_text(CATALOG, "utf-8")
    with serving(environment, catalog) as address:
        assert run(theirs, str(environment), "show.py", address) == "Umbrella: 19.95\n"
        with serving(environment, theirs / "src/serve.py", TOWPATH_TARGET_CATALOG=address) as checkout:
            call = ("-m", "towpath", "call", checkout, "CheckoutService/AddProduct", '{"id": "p-1"}', "--timeout", "100s")
            assert '"title":"Umbrella"' in run(theirs, str(environment), *call)
