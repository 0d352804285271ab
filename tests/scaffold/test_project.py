"""A new service is whole, and its own checks and tests pass as made."""

import asyncio
import errno
import os
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest

from tests.scaffold.projects import environment, make, template
from towpath._app.own_class import own_class
from towpath._app.settings.service_file import load
from towpath._cli.doctor_checks import looked_at
from towpath._contracts.lint import lint
from towpath._contracts.sources import find_roots, find_sources
from towpath._core.errors import SetupError
from towpath._scaffold.answers import checked
from towpath._scaffold.project import make_service, make_system

PARTS = [
    ".dockerignore",
    ".editorconfig",
    ".github/workflows/ci.yml",
    ".gitignore",
    ".pre-commit-config.yaml",
    ".towpath/template.json",
    ".vscode/settings.json",
    "Dockerfile",
    "Makefile",
    "README.md",
    "docs/adr/README.md",
    "proto/order_book/v1/order_book.proto",
    "pyproject.toml",
    "src/order_book/__main__.py",
    "src/order_book/py.typed",
    "src/order_book/service.py",
    "src/order_book/settings.py",
    "src/order_book/v1/order_book_towpath.py",
    "tests/test_contract.py",
    "tests/test_over_the_wire.py",
    "tests/test_resilience.py",
    "tests/test_service.py",
    "towpath.toml",
]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.timeout(1800)
def test_a_new_service_passes_its_own_checks_and_tests(tmp_path):
    made = make_service(checked("order-book", description="Keeps the orders."), tmp_path)
    assert made.folder == tmp_path / "order-book"
    assert [part for part in PARTS if not (made.folder / part).is_file()] == []
    assert names(tmp_path) == ["order-book"]
    ran = make(made.folder, "check", "test")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "14 passed" in ran.stdout


@pytest.mark.parametrize("name", ["a", "zz-top", "twelve-characters-and-thelimit", "a2-b_c", "search-service"])
def test_any_name_makes_code_in_the_order_and_form_that_ruff_wants(tmp_path, name):
    made = make_service(checked(name), tmp_path)
    ran = make(made.folder, "check-format", "check-lint")
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_its_settings_have_the_type_of_their_class(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    settings = load(make_service(checked("rope-walk"), tmp_path).folder / "towpath.toml", {})
    found = own_class(settings)
    assert found is not None
    assert settings.own.read(found).greeting == "Hello"
    told = {check.check: (check.status, check.text) for check in asyncio.run(looked_at(settings))}
    assert (told["settings"], told["contracts"]) == (("ok", "fit Settings"), ("ok", "1 method"))


def test_the_contract_has_nothing_that_buf_finds(tmp_path):
    root = make_service(checked("order-book"), tmp_path).folder / "proto"
    roots = find_roots([root], [root])
    assert lint(find_sources([root], roots), roots) == ()


def test_a_system_has_a_folder_and_a_port_for_each_service(tmp_path):
    made = make_system(checked("shop", port=9000), ["catalogue", "cart"], tmp_path)
    assert {"Makefile", "README.md", "cart", "catalogue", "system.toml", ".towpath"} <= set(names(made.folder))
    assert 'listen = "127.0.0.1:9001"' in (made.folder / "cart/towpath.toml").read_text()
    ran = make(made.folder, "graph")
    assert ran.stdout == "2 services, 2 methods, 0 calls: nothing found\n", ran.stderr


def test_a_system_works_in_a_folder_with_a_space(tmp_path):
    """With an environment of its own, below that folder."""
    (tmp_path / "my work").mkdir()
    made = make_system(checked("shop"), ["cart"], tmp_path / "my work")
    (made.folder / ".venv").symlink_to(sys.prefix)
    ran = subprocess.run(
        ["make", "gen", "graph", "SETUP="], cwd=made.folder, env=environment(), capture_output=True, text=True, check=False
    )
    assert ran.stdout == "== cart\n4 files are up to date in src\n1 services, 1 methods, 0 calls: nothing found\n", ran.stderr


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "Shop",
            "'Shop' is no name for a service; give lower-case words with '-' between them, such as order-book, of at most 30 characters",
        ),
        ("a--b", "is no name for a service"),
        ("../x", "is no name for a service"),
        ("", "is no name for a service"),
        ("x" * 31, "of at most 30 characters"),
        ("1st", "is no name for a service"),
        ("naïve", "is no name for a service"),
        ("class", "Python has a module or word class; give another, such as class-api"),
        ("json", "Python has a module or word json"),
        ("towpath", "Python has a module or word towpath"),
    ],
)
def test_a_name_that_will_not_do_is_refused(name, message):
    with pytest.raises(SetupError, match=r".") as caught:
        checked(name)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"port": 0}, "--port: is 0; give 1 to 65535"),
        ({"port": 70000}, "--port: is 70000; give 1 to 65535"),
        ({"python": "2.7"}, "--python: is '2.7'; give one of 3.11, 3.12, 3.13, 3.14"),
        ({"description": 'say "x"'}, "--description: give one line"),
        ({"description": "a\nb"}, "--description: give one line"),
        ({"description": "x" * 91}, "--description: give one line of at most 90 characters"),
        ({"description": "@@name@@"}, "--description: give one line"),
    ],
)
def test_an_answer_out_of_range_is_refused(answer, message):
    with pytest.raises(SetupError) as caught:
        checked("shop", **answer)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("kind", ["file", "folder", "dangling link"])
def test_a_place_that_is_taken_is_left_as_it_is(tmp_path, kind):
    place = tmp_path / "shop"
    {"file": place.touch, "folder": place.mkdir, "dangling link": lambda: place.symlink_to("nowhere")}[kind]()
    with pytest.raises(SetupError, match=r"shop exists already; choose another name, or another folder with --into"):
        make_service(checked("shop"), tmp_path)
    assert names(tmp_path) == ["shop"]


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(SetupError, match=r"--into: .*nowhere is not a folder; create it first"):
        make_service(checked("shop"), tmp_path / "nowhere")


def test_two_services_of_one_name_are_refused(tmp_path):
    with pytest.raises(SetupError, match="--system: a, b, a has a name twice"):
        make_system(checked("shop"), ["a", "b", "a"], tmp_path)
    assert names(tmp_path) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
def test_a_disk_that_cannot_be_written_is_left_as_it_was(tmp_path, monkeypatch, number):
    written = []

    def write(path: Path, content: bytes) -> int:
        written.append(path)
        if len(written) > 10:
            raise OSError(number, os.strerror(number))
        return len(content)

    monkeypatch.setattr(Path, "write_bytes", write)
    with pytest.raises(SetupError, match=r"shop cannot be written: .*; .*\. Nothing was changed"):
        make_service(checked("shop"), tmp_path)
    assert names(tmp_path) == []


def test_an_interruption_leaves_nothing_behind(tmp_path, monkeypatch):
    def interrupted(_path: Path) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr("towpath._scaffold.git.start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make_service(checked("shop"), tmp_path)
    assert names(tmp_path) == []


def test_a_contract_of_a_team_s_template_that_does_not_compile_makes_nothing(tmp_path):
    root = template(tmp_path / "t", 1, {"proto/@@package@@/v1/@@package@@.proto.tmpl": "syntax = 'proto3'\n"})
    with pytest.raises(SetupError):
        make_service(checked("shop"), tmp_path, template=root)
    assert names(tmp_path) == ["t"]


def test_the_record_has_what_the_template_made(tmp_path):
    from towpath._scaffold.record import read_record

    made = make_service(checked("shop", port=81), tmp_path)
    record = read_record(made.folder)
    assert (record.kind, record.answers.port) == ("service", 81)
    assert record.files[PurePosixPath("Makefile")] == (made.folder / "Makefile").read_text()
