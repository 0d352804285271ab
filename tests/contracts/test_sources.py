"""Which files are compiled, and what is said of those that cannot be."""

import os
from pathlib import Path

import pytest

from towpath._contracts.diagnostics import ContractError
from towpath._contracts.sources import Source, find_roots, find_sources
from towpath._core.errors import SetupError


@pytest.fixture(autouse=True)
def in_a_directory_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def touch(name: str) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_a_directory_gives_its_contracts_at_any_depth_but_hidden_ones_sorted_by_name():
    touch("proto/b/v1/b.proto")
    touch("proto/a/v1/z.proto")
    touch("proto/a/v1/notes.txt")
    touch("proto/.venv/c/v1/c.proto")
    root = Path("proto")
    assert find_sources([root], [root]) == (Source(name="a/v1/z.proto", root=root), Source(name="b/v1/b.proto", root=root))


def test_a_file_named_twice_is_compiled_once():
    file = touch("proto/a.proto")
    assert find_sources([file, Path("proto")], [Path("proto")]) == (Source(name="a.proto", root=Path("proto")),)


def test_directories_are_roots_unless_roots_are_given():
    touch("one/a.proto")
    touch("two/b.proto")
    paths = [Path("one"), Path("two"), Path("one")]
    assert find_roots(paths, []) == (Path("one"), Path("two"))
    assert find_roots(paths, [Path()]) == (Path(),)


def test_a_file_alone_has_no_root():
    with pytest.raises(SetupError, match=r"a\.proto given; name a directory of contracts, or give --proto-root"):
        find_roots([touch("proto/a.proto")], [])


def test_a_file_below_no_root_is_refused():
    touch("proto/a.proto")
    with pytest.raises(ContractError, match=r"^elsewhere/b\.proto: the file is below no proto root \(proto\)"):
        find_sources([touch("elsewhere/b.proto")], [Path("proto")])


@pytest.mark.parametrize("root", ["missing", "file"])
def test_a_root_must_be_a_directory(root):
    touch("file")
    with pytest.raises(ContractError, match=rf"^{root}: the proto root is not a directory"):
        find_roots([touch("proto/a.proto")], [Path(root)])


@pytest.mark.skipif(os.name == "nt", reason="the separator cannot be part of a name there")
@pytest.mark.parametrize("root", ["a:b", "a=b"])
def test_a_root_that_protoc_would_misread_is_refused(root):
    Path(root).mkdir()
    with pytest.raises(ContractError, match="protoc cannot take a root"):
        find_roots([Path(root)], [])


def test_a_missing_path_is_told_by_name():
    with pytest.raises(ContractError, match=r"^nope/a\.proto: cannot be read: no such file or directory\n  hint: "):
        find_roots([Path("nope/a.proto")], [])


def test_a_directory_without_contracts_is_told():
    Path("empty").mkdir()
    with pytest.raises(ContractError, match=r"^empty: there is no \.proto file here"):
        find_sources([Path("empty")], [Path("empty")])


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need a privilege there")
def test_a_contract_that_cannot_be_opened_is_told_by_name():
    touch("proto/a.proto")
    Path("proto/loop.proto").symlink_to("loop.proto")
    with pytest.raises(ContractError, match=r"^proto/loop\.proto: cannot be read: "):
        find_sources([Path("proto")], [Path("proto")])


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions do not bind the superuser")
@pytest.mark.parametrize("closed", ["proto/a", "proto/a/v1", "proto/a/v1/a.proto"])
def test_what_may_not_be_read_is_told_by_name(closed):
    touch("proto/a/v1/a.proto")
    Path(closed).chmod(0)
    try:
        with pytest.raises(ContractError, match=f"^{closed}: cannot be read: permission denied"):
            find_sources([Path("proto")], [Path("proto")])
    finally:
        Path(closed).chmod(0o700)


def test_a_directory_that_ends_in_proto_is_no_contract():
    touch("proto/a.proto")
    touch("proto/dir.proto/b.proto")
    assert [source.name for source in find_sources([Path("proto")], [Path("proto")])] == ["a.proto", "dir.proto/b.proto"]


def test_two_files_imported_by_one_name_are_both_named():
    touch("one/v1/a.proto")
    touch("two/v1/a.proto")
    roots = [Path("one"), Path("two")]
    with pytest.raises(
        ContractError, match=r"(?s)^two/v1/a\.proto: two contracts are both imported as v1/a\.proto\n  also: one/v1/a\.proto\n"
    ):
        find_sources(roots, roots)
    with pytest.raises(ContractError, match=r"(?s)^two/v1/a\.proto: .*also: one/v1/a\.proto\n"):
        find_sources([Path("two")], roots)
