"""Contracts written out by a test, and what towpath makes of them with the real protoc."""

from collections.abc import Callable
from pathlib import Path

import pytest

from towpath._contracts.codegen.generator import GenerateOptions, GenerateResult, generate

HEADER = 'syntax = "proto3";\npackage {package};\n'


class Workplace:
    """A directory of contracts and one of generated code, named relatively as a person would."""

    def __init__(self) -> None:
        self.proto = Path("proto")
        self.out = Path("out")
        self.proto.mkdir()

    def write(self, name: str, text: str) -> Path:
        path = self.proto / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    def service(self, body: str, *, imports: str = "", name: str = "shop/v1/shop.proto") -> Path:
        """A contract with messages M and N, whose service ShopService starts on line 6 (plus the lines of `imports`)."""
        package = ".".join(Path(name).parts[:-1])
        return self.write(
            name, HEADER.format(package=package) + f"{imports}message M {{}}\nmessage N {{}}\n\nservice ShopService {{\n{body}\n}}\n"
        )

    def generate(self, *, check: bool = False, ship_protos: bool = False) -> GenerateResult:
        return generate(GenerateOptions(paths=[self.proto], out=self.out, check=check, ship_protos=ship_protos))

    def text(self, name: str) -> str:
        return (self.out / name).read_text("utf-8")


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    monkeypatch.chdir(tmp_path)
    return Workplace()


@pytest.fixture
def importing(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], object]:
    """Imports a generated module. protobuf keeps one pool of names a process, so each test needs a package of its own."""
    from importlib import import_module, invalidate_caches

    monkeypatch.syspath_prepend(workplace.out.absolute())

    def load(module: str) -> object:
        invalidate_caches()
        return import_module(module)

    return load
