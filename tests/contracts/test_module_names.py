"""Where imports in protoc's output lead."""

import pytest

from towpath._contracts.module_names import ModuleNames
from towpath._core.errors import SetupError

NAMES = ModuleNames({"a_pb2", "types.v1.a_pb2", "lambda.v1.b_pb2"}, "shop.gen")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("import a_pb2 as a__pb2", "from shop.gen import a_pb2 as a__pb2"),
        ("import b_pb2 as b__pb2", "import b_pb2 as b__pb2"),
        ("from types.v1 import a_pb2 as x", "from shop.gen.types.v1 import a_pb2 as x"),
        ("from types.v1 import b_pb2 as x", "from types.v1 import b_pb2 as x"),
        ("from types.v1.a_pb2 import *", "from shop.gen.types.v1.a_pb2 import *"),
        ("from types.v1.a_pb2 import A as A", "from shop.gen.types.v1.a_pb2 import A as A"),
        ("from a_pb2 import *", "from shop.gen.a_pb2 import *"),
        ("from google.protobuf import empty_pb2 as x", "from google.protobuf import empty_pb2 as x"),
        ("from towpath.v1 import options_pb2 as x", "from towpath._gen.towpath.v1 import options_pb2 as x"),
        ("b = importlib.import_module('lambda.v1.b_pb2')", "b = importlib.import_module('shop.gen.lambda.v1.b_pb2')"),
        ("b = importlib.import_module('lambda.v1.c_pb2')", "b = importlib.import_module('lambda.v1.c_pb2')"),
        ("_builder.BuildTopDescriptorsAndMessages(DESCRIPTOR, 'types.v1.a_pb2', _globals)",) * 2,
        ("from types.v1 import 3d_pb2 as x", "import importlib\nx = importlib.import_module('types.v1.3d_pb2')"),
        ("import 3d_pb2 as x", "import importlib\nx = importlib.import_module('3d_pb2')"),
        ("# from types.v1 import a_pb2", "# from types.v1 import a_pb2"),
    ],
)
def test_imports_of_the_run_lead_to_the_package(before: str, after: str) -> None:
    after = after.replace("'types.v1.a_pb2'", "'shop.gen.types.v1.a_pb2'")
    assert NAMES.rewrite(f"import sys\n{before}\n") == f"import sys\n{after}\n"


def test_without_a_prefix_only_own_modules_are_turned() -> None:
    text = "from types.v1 import a_pb2 as x\nfrom towpath.v1 import options_pb2 as y\n"
    assert ModuleNames({"types.v1.a_pb2"}).rewrite(text) == text.replace("towpath.v1", "towpath._gen.towpath.v1")


def test_a_public_import_of_a_keyword_is_no_statement() -> None:
    made = ModuleNames().rewrite("lambda_dot_v1_dot_b__pb2 = 1\nfrom lambda.v1.b_pb2 import *\n")
    assert "globals().update(" in made
    assert "vars(lambda_dot_v1_dot_b__pb2)" in made
    compile(made, "made", "exec")


def test_names_are_importable_from_the_package() -> None:
    assert NAMES.importable("types.v1.a_pb2") == "shop.gen.types.v1.a_pb2"
    assert NAMES.importable("google.protobuf.empty_pb2") == "google.protobuf.empty_pb2"
    assert NAMES.importable("towpath.v1.options_pb2") == "towpath._gen.towpath.v1.options_pb2"


@pytest.mark.parametrize("prefix", ["1", "a-b", "a.", "import"])
def test_a_prefix_is_the_name_of_a_package(prefix: str) -> None:
    with pytest.raises(SetupError, match="is no name of a Python package"):
        ModuleNames((), prefix)
