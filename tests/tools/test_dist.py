"""`make dist`: what is built has all that a user needs, shown in an environment that has the wheel and what it asks for, and nothing else.

The packages that the wheel asks for come from the environment of this repository by links, so that no network is needed.
"""

import os
import re
import shlex
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.app.stage import PATIENCE
from tests.programs import needed as needed_program
from tests.tools.environments import installed, run

ROOT = Path(__file__).parents[2]
BY_HAND = (ROOT / "docs" / "howto" / "by-hand.md").read_text()
FILES = {
    place: text
    for place, kind in (("proto/greeter/v1/greeter.proto", "proto"), ("service.py", "python"), ("client.py", "python"))
    for text in re.findall(rf"`{re.escape(place)}`[^`]*```{kind}\n(.*?)```", BY_HAND, re.DOTALL)
}
"""The three files of the page."""

GEN, SERVE, CURL = re.findall(r"^\$ ((?:towpath gen|TOWPATH_LISTEN|curl) ?.*)$", BY_HAND, re.MULTILINE)
"""Its commands, after those that install towpath."""


def test_the_wheels_have_templates_types_contracts_and_the_writer_where_it_was_built(built):
    for kind in sorted({"pure", "native"} & set(built)):
        names = set(zipfile.ZipFile(built[kind]).namelist())
        templates = ROOT / "src/towpath/_scaffold/templates"
        there = {f"towpath/_scaffold/templates/{path.relative_to(templates).as_posix()}" for path in templates.rglob("*") if path.is_file()}
        assert there <= names
        assert {"towpath/py.typed", "towpath/_gen/towpath/v1/options.proto"} <= names
        assert any(name.startswith("towpath/_wire/json/_writer.") for name in names) is (kind == "native")


def test_the_sdist_has_what_a_build_of_the_writer_needs(built):
    with tarfile.open(built["sdist"]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"src/towpath/_wire/json/_writer.c", "src/towpath/_wire/json/_text.h", "LICENSE", "README.md", "pyproject.toml"} <= names
    assert "src/towpath/_scaffold/templates/service/Makefile.tmpl" in names


@pytest.mark.timeout(1800)
def test_a_service_by_hand_runs_from_the_wheel_alone(built, tmp_path, port):
    """The page's files and commands. The service itself runs with what a plain `pip install` brings."""
    assert len(FILES) == 3
    tools = installed(tmp_path / "tools", built["pure"], "cli", "gen", "speed")
    plain = installed(tmp_path / "plain", built.get("native", built["pure"]))
    shop = tmp_path / "shop"
    for place, text in FILES.items():
        (shop / place).parent.mkdir(parents=True, exist_ok=True)
        (shop / place).write_text(text.replace("127.0.0.1:8080", f"127.0.0.1:{port}").replace("timeout=0.2", f"timeout={PATIENCE}"))
    run(tools, shop, "-m", *shlex.split(GEN))
    variable, program, *arguments = shlex.split(SERVE)
    assert (variable, program) == ("TOWPATH_LISTEN=127.0.0.1:8080", "python")
    environ = {"PATH": os.environ["PATH"], "TOWPATH_LISTEN": f"127.0.0.1:{port}"}
    with subprocess.Popen([str(plain), *arguments], cwd=shop, env=environ, stderr=subprocess.PIPE, text=True) as service:
        try:
            assert service.stderr is not None
            assert any(" serves greeter.v1.GreeterService " in line for line in service.stderr)
            assert run(plain, shop, "client.py") == "Hello, Ada!\n"
            call = ("-m", "towpath", "call", f"127.0.0.1:{port}", "GreeterService/Greet", '{"name": "Ada"}', "--timeout", "100s")
            assert run(tools, shop, *call) == '{"text":"Hello, Ada!"}\n'
            program = needed_program("curl")
            said = run(Path(program), shop, "-sSf", *shlex.split(CURL.replace("8080", str(port)))[1:])
            assert said.strip() == '{"text":"Hello, Ada!"}'
        finally:
            service.kill()


@pytest.mark.timeout(1800)
def test_a_service_is_made_from_the_wheel_alone_and_its_tests_pass(built, tmp_path):
    python = installed(tmp_path / "env", built.get("native", built["pure"]), "cli", "gen", "testing")
    run(python, tmp_path, "-m", "towpath", "new", "order-book")
    assert " passed in " in run(python, tmp_path / "order-book", "-m", "pytest", "-q")
    assert not (tmp_path / "order-book/local.mk").exists()


def test_a_command_without_its_extra_says_what_to_install(built, tmp_path):
    python = installed(tmp_path / "env", built["pure"])
    ran = subprocess.run([str(python), "-m", "towpath", "new", "x"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert ran.stderr == "error: the command line needs cyclopts and rich; install with: pip install 'towpath[cli]'\n"
