"""A project of an older template gets what is new and keeps what was edited: three versions, with edits of the project between them."""

import errno
import json
import os
import shutil
from pathlib import Path

import pytest

from tests.scaffold.projects import commit, git, original, template
from towpath._app.settings.service_file import load
from towpath._cli.main import main
from towpath._core.errors import SetupError
from towpath._scaffold.answers import checked
from towpath._scaffold.contracts import compiled
from towpath._scaffold.project import make_service, make_system
from towpath._scaffold.record import PLACE, read_record
from towpath._scaffold.template import read_template
from towpath._scaffold.upgrade import Upgrade, upgrade

MAKEFILE, CONTRACT, SETTINGS = "Makefile.tmpl", "proto/@@package@@/v1/@@package@@.proto.tmpl", "src/@@package@@/settings.py.tmpl"
RUNBOOK = "docs/runbook.md.tmpl"

SECOND = {
    MAKEFILE: original(MAKEFILE).replace(
        "image: $(SETUP) ##", "lock: ## Write down what is installed\n\t@$(BIN)/python -m pip freeze\n\nimage: $(SETUP) ##"
    ),
    CONTRACT: original(CONTRACT).replace("// Greets one person by name.", "// Greets one person by the name that they gave."),
    RUNBOOK: "# When @@name@@ is down\n\nLook at its logs.\n",
    "dot_vscode/extensions.json.tmpl": "{}\n",
    "dot_editorconfig.tmpl": original("dot_editorconfig.tmpl").replace("indent_size = 4", "indent_size = 3"),
    "docs/adr/0001-built-on-towpath.md.tmpl": None,
    "README.md.tmpl": original("README.md.tmpl").replace("@@description@@", "@@description@@ See docs/runbook.md."),
}
"""The second template: a target, a comment of the contract, a new page, and two files less or other."""

THIRD = {
    **{name: text for name, text in SECOND.items() if name != RUNBOOK},
    MAKEFILE: SECOND[MAKEFILE].replace("PYTHON ?= python3", "PYTHON ?= python3.12"),
    SETTINGS: original(SETTINGS).replace('greeting: str = "Hello"', 'greeting: str = "Good day"'),
    "README.md.tmpl": SECOND["README.md.tmpl"].replace("docs/runbook.md", "the wiki"),
}
"""The third: the new page is gone again, and a default and a line of the README are others."""


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("templates")
    return [template(root / "t1", 1), template(root / "t2", 2, SECOND), template(root / "t3", 3, THIRD)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, templates: list[Path]) -> Path:
    folder = make_service(checked("shop"), tmp_path_factory.mktemp("made"), template=templates[0]).folder
    commit(folder)
    return folder


@pytest.fixture
def shop(tmp_path: Path, made: Path) -> Path:
    """A service of the first template, committed."""
    return Path(shutil.copytree(made, tmp_path / "shop"))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def told(done: Upgrade) -> dict[str, str]:
    return {str(change.path): change.what for change in done.changes}


FIRST_SETTINGS = """\
# How @@name@@ runs. Every setting is optional, and the environment wins over this file.
# `towpath explain @@Service@@Service/Greet` shows what results.

[service]
name = "@@name@@"
listen = "127.0.0.1:@@port@@" # a container sets TOWPATH_LISTEN
contracts = ["@@package@@.v1.@@package@@_towpath"]
serves = ["@@package@@.v1.@@Service@@Service"]
grace = "5s" # how long running calls may take to end after SIGTERM
"""
"""The service file of the first template that was released."""


def test_a_service_file_with_more_at_its_end_merges_with_that_of_today(tmp_path):
    """`towpath add` writes there, and so do those who have settings of their own."""
    old = template(tmp_path / "old", 1, {"towpath.toml.tmpl": FIRST_SETTINGS})
    folder = make_service(checked("shop"), tmp_path, template=old).folder
    file = folder / "towpath.toml"
    added = 'idempotency = "sqlite:///shop.db"\n\n[settings]\ngreeting = "Ahoy"\n'
    file.write_text(file.read_text() + added)
    commit(folder)
    assert told(upgrade(folder)) == {"towpath.toml": "merged"}
    assert file.read_text().endswith(added)
    config = load(file, {})
    assert (config.idempotency, config.own.table) == ("sqlite:///shop.db", {"greeting": "Ahoy"})


def test_three_versions_with_the_edits_of_a_project(shop, templates):
    """What a team does in between: handlers, a method, settings, an own target, other words, a file deleted, and ends of lines."""
    edit(shop / "Makefile", "help: ##", "deploy: ## Ship it\n\t@./ship\n\nhelp: ##")
    edit(shop / "src/shop/service.py", 'text=f"{self', 'text=f"Dear guest: {self')
    edit(shop / "proto/shop/v1/shop.proto", "  string text = 1;\n", "  string text = 1;\n\n  // Who greets.\n  string from = 2;\n")
    (shop / ".vscode/extensions.json").unlink()
    (shop / "docs/adr/0002-ours.md").write_text("# 0002: ours\n")
    (shop / ".editorconfig").write_bytes((shop / ".editorconfig").read_bytes().replace(b"\n", b"\r\n"))
    commit(shop)

    second = upgrade(shop, template=templates[1])
    assert second.versions == ((".", 1, 2),)
    assert told(second) == {
        ".editorconfig": "changed",
        ".vscode/extensions.json": "kept",
        "Makefile": "merged",
        "README.md": "changed",
        "docs/adr/0001-built-on-towpath.md": "removed",
        "docs/runbook.md": "added",
        "proto/shop/v1/shop.proto": "merged",
        "src/shop/v1/shop_pb2.py": "generated",
        "src/shop/v1/shop_pb2.pyi": "generated",
        "src/shop/v1/shop_towpath.py": "generated",
    }
    assert not (shop / ".vscode/extensions.json").exists()
    assert b"indent_size = 3\r\n" in (shop / ".editorconfig").read_bytes()
    assert b"\n\n" not in (shop / ".editorconfig").read_bytes()
    assert "deploy: ## Ship it" in (shop / "Makefile").read_text()
    assert "pip freeze" in (shop / "Makefile").read_text()
    contract = (shop / "proto/shop/v1/shop.proto").read_text()
    assert "string from = 2;" in contract
    assert "name that they gave" in contract
    assert compiled(shop, {}) == {path: (shop / path).read_bytes() for path in compiled(shop, {})}
    commit(shop)

    edit(shop / "docs/runbook.md", "Look at its logs.", "Call Ada.")
    edit(shop / "README.md", "See docs/runbook.md.", "See docs/runbook.md, and call Ada.")
    edit(shop / "src/shop/settings.py", "from one installation to the next.", "from one installation to the next, such as Hello or Hi.")
    commit(shop)
    third = upgrade(shop, template=templates[2])
    assert told(third) == {"Makefile": "merged", "README.md": "conflict", "docs/runbook.md": "kept", "src/shop/settings.py": "merged"}
    assert not third.complete
    readme = (shop / "README.md").read_text()
    assert "<<<<<<< yours\nThe service shop. See docs/runbook.md, and call Ada.\n" in readme
    assert "The service shop. See the wiki.\n>>>>>>> template 3\n" in readme
    assert (shop / "docs/runbook.md").read_text().endswith("Call Ada.\n")
    settings = (shop / "src/shop/settings.py").read_text()
    assert 'greeting: str = "Good day"' in settings
    assert "Hello or Hi" in settings
    assert "Dear guest" in (shop / "src/shop/service.py").read_text()
    assert (shop / "docs/adr/0002-ours.md").exists()
    assert read_record(shop).version == 3
    commit(shop)
    assert upgrade(shop, template=templates[2]).changes == ()


def test_a_version_may_be_left_out(shop, templates):
    edit(shop / "Makefile", "help: ##", "deploy: ## Ship it\n\t@./ship\n\nhelp: ##")
    commit(shop)
    done = upgrade(shop, template=templates[2])
    assert done.complete
    assert told(done)["Makefile"] == "merged"
    assert "deploy" in (shop / "Makefile").read_text()
    assert "python3.12" in (shop / "Makefile").read_text()
    assert "docs/runbook.md" not in told(done)


def test_a_dry_run_says_all_and_writes_nothing(shop, templates):
    done = upgrade(shop, template=templates[1], dry_run=True)
    assert told(done)["docs/runbook.md"] == "added"
    assert git(shop, "status", "--porcelain") == ""


def test_git_takes_an_upgrade_back(shop, templates):
    upgrade(shop, template=templates[1])
    git(shop, "checkout", "--", ".")
    git(shop, "clean", "--quiet", "--force", "-d")
    assert read_record(shop).version == 1
    assert told(upgrade(shop, template=templates[1]))["docs/runbook.md"] == "added"


def test_a_file_of_ours_where_the_template_has_a_new_one_is_a_conflict(shop, templates):
    (shop / "docs/runbook.md").write_text("# Ours\n")
    commit(shop)
    done = upgrade(shop, template=templates[1])
    assert told(done)["docs/runbook.md"] == "conflict"
    assert "# Ours" in (shop / "docs/runbook.md").read_text()


def test_a_contract_in_conflict_is_not_compiled(shop, templates):
    edit(shop / "proto/shop/v1/shop.proto", "// Greets one person by name.", "// Greets.")
    commit(shop)
    before = (shop / "src/shop/v1/shop_towpath.py").read_bytes()
    done = upgrade(shop, template=templates[1])
    assert told(done)["proto/shop/v1/shop.proto"] == "conflict"
    assert [change.note for change in done.changes if str(change.path) == "proto"] == [
        "its code was not generated; mend the contract, then run make gen"
    ]
    assert (shop / "src/shop/v1/shop_towpath.py").read_bytes() == before


def test_a_contract_that_does_not_compile_is_told_and_the_rest_is_done(shop, templates):
    edit(shop / "proto/shop/v1/shop.proto", "message GreetRequest {", "message GreetRequest { strin x = 9;")
    commit(shop)
    done = upgrade(shop, template=templates[1])
    assert not done.complete
    (note,) = [change.note for change in done.changes if str(change.path) == "proto"]
    assert note.startswith("its code was not generated: ")
    assert (shop / "docs/runbook.md").exists()


@pytest.mark.parametrize("dirt", ["changed", "untracked", "staged"])
def test_a_tree_that_is_not_committed_is_left_as_it_is(shop, templates, dirt):
    if dirt == "changed":
        edit(shop / "Makefile", "help: ##", "helps: ##")
    else:
        (shop / "new.txt").touch()
        if dirt == "staged":
            git(shop, "add", "new.txt")
    before = git(shop, "status", "--porcelain")
    with pytest.raises(
        SetupError, match=r"has changes that are not committed \(.*\); commit or stash them first, so that git can take this back"
    ):
        upgrade(shop, template=templates[1])
    assert git(shop, "status", "--porcelain") == before


def test_a_folder_without_git_is_told(tmp_path, templates, monkeypatch):
    monkeypatch.setattr("towpath._scaffold.git.start", lambda _folder: False)
    folder = make_service(checked("shop"), tmp_path, template=templates[0]).folder
    with pytest.raises(SetupError, match="is in no git repository, so nothing could be taken back; run git init there, and commit first"):
        upgrade(folder, template=templates[1])


def test_a_folder_that_was_not_made_by_new_is_told(tmp_path):
    with pytest.raises(SetupError, match=r"was not made by towpath new: it has no \.towpath/template\.json; run this in the folder of"):
        upgrade(tmp_path)


def test_a_later_template_is_told(shop, templates):
    upgrade(shop, template=templates[1])
    commit(shop)
    with pytest.raises(SetupError, match="was made by version 2 of the template, and this towpath has 1; upgrade towpath"):
        upgrade(shop, template=templates[0])


@pytest.mark.parametrize(
    "damage",
    [
        lambda _text: "{",
        lambda _text: "[]",
        lambda _text: "{}",
        lambda text: json.dumps({**json.loads(text), "answers": {}}),
        lambda text: json.dumps({**json.loads(text), "answers": []}),
        lambda text: json.dumps({**json.loads(text), "files": {"../x": []}}),
        lambda text: json.dumps({**json.loads(text), "files": {"x": 1}}),
    ],
)
def test_a_damaged_record_is_named(shop, damage):
    edit(shop / PLACE, (shop / PLACE).read_text(), damage((shop / PLACE).read_text()))
    with pytest.raises(SetupError, match=r"template\.json.*take the file from the repository's history"):
        upgrade(shop)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
def test_a_disk_that_cannot_be_written_is_left_as_it_was(shop, templates, monkeypatch, number):
    def full(_file: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SetupError, match=r"cannot be written: .*; .*\. Nothing was changed"):
        upgrade(shop, template=templates[1])
    assert git(shop, "status", "--porcelain") == ""


def test_a_system_brings_its_services(tmp_path):
    old, new = template(tmp_path / "t1", 1), template(tmp_path / "t2", 2, SECOND)
    (new / "system/README.md.tmpl").write_text("# @@name@@, anew\n")
    folder = make_system(checked("shop"), ["cart", "catalogue"], tmp_path, template=old).folder
    commit(folder)
    done = upgrade(folder, template=new)
    shipped = read_template("system").version
    assert done.versions == ((".", shipped, shipped), ("cart", 1, 2), ("catalogue", 1, 2))
    assert told(done)["README.md"] == "changed"
    assert told(done)["cart/docs/runbook.md"] == "added"
    assert "[services.cart]" in (folder / "system.toml").read_text()


def test_what_it_did_and_what_is_left_is_printed(shop, templates, capsys):
    edit(shop / "README.md", "The service shop.", "Our shop.")
    commit(shop)
    assert main(["upgrade", str(shop), "--template", str(templates[1])]) == 1
    output = capsys.readouterr()
    assert f"{shop}: template 1 -> 2" in output.out
    assert "  added     docs/runbook.md\n" in output.out
    assert "  conflict  README.md: both sides changed 1 place; look for <<<<<<< in it\n" in output.out
    assert output.err == "mend the files that say conflict or kept, run make check and make test, and commit\n"


def test_it_is_printed_as_json_too(shop, templates, capsys):
    assert main(["upgrade", str(shop), "--template", str(templates[1]), "--json", "--dry-run"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["projects"] == [{"folder": ".", "from": 1, "to": 2}]
    assert {"what": "added", "path": "docs/runbook.md", "note": ""} in found["changes"]


def test_nothing_to_do_is_said(shop, capsys, templates):
    assert main(["upgrade", str(shop), "--template", str(templates[0])]) == 0
    assert capsys.readouterr().out.endswith("template 1, as before\nnothing to do\n")
