"""Where imports of towpath's own messages lead."""

import pytest

from towpath._contracts.own_package import importable, rewrite_imports


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("from towpath.v1 import options_pb2 as x\n", "from towpath._gen.towpath.v1 import options_pb2 as x\n"),
        ("from towpath.v1.options_pb2 import *\n", "from towpath._gen.towpath.v1.options_pb2 import *\n"),
        ("from towpath.v1beta1 import a_pb2\n", "from towpath._gen.towpath.v1beta1 import a_pb2\n"),
        ("from towpath._core import errors\n", "from towpath._core import errors\n"),
        ("from towpaths.v1 import a_pb2\n", "from towpaths.v1 import a_pb2\n"),
        ("from echo.v1 import towpath_pb2\n", "from echo.v1 import towpath_pb2\n"),
        ("# from towpath.v1 import it\n", "# from towpath.v1 import it\n"),
    ],
)
def test_only_imports_of_own_modules_are_turned(before, after):
    assert rewrite_imports("import os\n" + before) == "import os\n" + after


def test_own_modules_are_imported_from_where_they_are():
    assert importable("towpath.v1.options_pb2") == "towpath._gen.towpath.v1.options_pb2"
    assert importable("echo.v1.echo_pb2") == "echo.v1.echo_pb2"
    assert importable("towpath.vehicles.car_pb2") == "towpath.vehicles.car_pb2"
