"""Generated packages whose names others have."""

import sys
from pathlib import Path, PurePosixPath

import pytest

from towpath._contracts.codegen.shadowed_modules import shadowed_modules


def told(*files: str, out: Path = Path("out"), prefix: str = "") -> list[str]:
    return list(shadowed_modules([PurePosixPath(file) for file in files], out, prefix))


def test_names_of_the_standard_library_and_of_installed_packages_are_told_once_each() -> None:
    types, grpc = sorted(told("types/v1/a_pb2.py", "types/v1/a_towpath.py", "types/v2/b_pb2.py", "grpc/health/v1/a_pb2.py"), reverse=True)
    assert types.startswith("out: warning: types.v1 cannot be imported from here: `import types` finds the module of the standard library;")
    assert "grpc.health.v1 cannot be imported from here: `import grpc` finds the installed /" in grpc
    assert all("--import-prefix" in warning for warning in (types, grpc))


@pytest.mark.parametrize(
    "file", ["shop/v1/shop_pb2.py", "google/shop/v1/a_pb2.py", "google/cloud/b_pb2.py", "types_pb2.py", "towpath/v1/options_pb2.py"]
)
def test_other_names_are_not(file: str) -> None:
    assert told(file) == []


def test_a_package_below_the_output_is_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a_shop").mkdir()
    (tmp_path / "a_shop/__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert told("a_shop/v1/a_pb2.py", out=tmp_path) == []
    assert len(told("a_shop/v1/a_pb2.py", out=tmp_path / "elsewhere")) == 1


def test_a_package_within_a_namespace_is_told_by_its_whole_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a_space/inner").mkdir(parents=True)
    (tmp_path / "a_space/inner/__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    (warning,) = told("a_space/inner/v1/a_pb2.py", "a_space/other/v1/a_pb2.py")
    assert "`import a_space.inner` finds the installed" in warning


def test_what_is_odd_is_left_to_the_import(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "odd_one", None)
    assert told("odd_one/v1/a_pb2.py") == []


@pytest.mark.parametrize(("prefix", "count"), [("shop.gen", 0), ("types.gen", 1)])
def test_with_a_prefix_only_its_own_name_counts(prefix: str, count: int) -> None:
    assert len(told("types/v1/a_pb2.py", "grpc/v1/a_pb2.py", prefix=prefix)) == count
