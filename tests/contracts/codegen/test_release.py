"""Which version a package of contracts has, by the tags of its repository."""

import os
import subprocess
from pathlib import Path

import pytest

from towpath._contracts.codegen.release import newest_release, normal_version, release_of
from towpath._core.errors import SetupError


@pytest.fixture
def repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    Path("proto/a").mkdir(parents=True)
    Path("proto/a/a.proto").write_text("1", "utf-8")
    return Path("proto")


def git(*arguments: str) -> None:
    settings = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main", "-c", "tag.gpgSign=false")
    subprocess.run(["git", *settings, *arguments], check=True, capture_output=True)


def commit() -> None:
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "--no-gpg-sign", "-m", "x")


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("v1.4.0", "1.4.0"),
        ("1", "1"),
        ("1.4.0-rc.1", "1.4.0rc1"),
        ("1.4.0alpha2", "1.4.0a2"),
        ("V2.0b3", "2.0b3"),
        ("1.0.post1", "1.0.post1"),
        ("01.0.dev0", "1.0.dev0"),
        ("1.0+Build.7", "1.0+build.7"),
        ("", None),
        ("one", None),
        ("1.", None),
        ("1.0 ", None),
        ("1.0\n", None),
        ("1.0-rc", None),
    ],
)
def test_versions_are_written_as_pythons_packages_write_them(text, version):
    assert normal_version(text) == version


@pytest.mark.parametrize(
    ("tags", "newest"),
    [
        (["v1.9.0", "v1.10.0", "v1.2"], ("v1.10.0", "1.10.0")),
        (["1.0.dev1", "1.0a1", "1.0a2"], ("1.0a2", "1.0a2")),
        (["v1.0", "v1.0-rc.2", "v1.0b9"], ("v1.0", "1.0")),
        (["1.0", "1.0.post1"], ("1.0.post1", "1.0.post1")),
        (["1.1rc1.dev3", "1.1rc1"], ("1.1rc1", "1.1rc1")),
        (["2.0", "shop-1.0", "shop/v1.1", "shopping-3.0", "nightly"], ("shop/v1.1", "1.1")),
        (["2.0", "shopping-3.0"], ("2.0", "2.0")),
        (["nightly", "shop-"], None),
        ([], None),
    ],
)
def test_the_newest_release_is_the_highest_version_of_the_package(tags, newest):
    assert newest_release("shop", tags) == newest


def test_the_version_is_that_of_the_release_while_its_contracts_are_what_they_were(repository):
    commit()
    git("tag", "v1.2.0")
    Path("code.py").write_text("", "utf-8")
    Path("proto/.cache").mkdir()
    Path("proto/.cache/b.proto").write_text("", "utf-8")
    Path("proto/notes.txt").write_text("", "utf-8")
    assert release_of("shop", [repository]) == "1.2.0"
    assert release_of("shop", [Path("proto/a/a.proto")]) == "1.2.0"
    commit()
    assert release_of("shop", [repository]) == "1.2.0"


@pytest.mark.parametrize("committed", [False, True])
def test_contracts_that_changed_have_no_version_yet(repository, committed):
    commit()
    git("tag", "v1.2.0")
    Path("proto/a/a.proto").write_text("2", "utf-8")
    for name in ("b", "c", "ä"):
        Path(f"proto/a/{name}.proto").write_text("1", "utf-8")
    if committed:
        commit()
    said = (
        r"of shop is not known: proto/a/a\.proto, proto/a/b\.proto, proto/a/c\.proto and 1 more changed since the release v1\.2\.0; tag a"
    )
    with pytest.raises(SetupError, match=said):
        release_of("shop", [repository])


def test_contracts_below_a_hidden_folder_are_compared_too(repository):
    Path(".shared").mkdir()
    repository.rename(".shared/proto")
    commit()
    git("tag", "v1.2.0")
    Path(".shared/proto/.cache").mkdir()
    Path(".shared/proto/.cache/b.proto").write_text("", "utf-8")
    assert release_of("shop", [Path(".shared/proto")]) == "1.2.0"
    Path(".shared/proto/a/a.proto").write_text("2", "utf-8")
    for given in (".shared", ".shared/proto", ".shared/proto/a/a.proto"):
        with pytest.raises(SetupError, match=r"\.shared/proto/a/a\.proto changed since the release v1\.2\.0"):
            release_of("shop", [Path(given)])


def test_settings_of_git_hide_no_change(repository):
    commit()
    git("tag", "v1.2.0")
    git("config", "diff.relative", "true")
    Path("other").mkdir()
    Path("proto/a/a.proto").write_text("2", "utf-8")
    with pytest.raises(SetupError, match=r"proto/a/a\.proto changed since the release v1\.2\.0"):
        release_of("shop", [Path("other"), repository])


def test_a_removed_contract_is_a_change(repository):
    commit()
    git("tag", "v1.2.0")
    Path("proto/a/a.proto").unlink()
    with pytest.raises(SetupError, match=r"proto/a/a\.proto changed since the release v1\.2\.0"):
        release_of("shop", [repository])


def test_without_a_release_an_error_says_what_to_do(repository, monkeypatch):
    with pytest.raises(SetupError, match=r"not known: git, whose tags say it, failed in proto: .*; mend that, or give --version, such as"):
        release_of("shop", [repository])
    commit()
    with pytest.raises(SetupError, match=r"no tag of a release, such as v1\.0\.0 or shop-1\.0\.0, is on the way to this commit"):
        release_of("shop", [repository])
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SetupError, match="git, whose tags say it, is not installed; install it, or give --version"):
        release_of("shop", [repository])
