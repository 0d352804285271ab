"""A method is put where its service ends, whatever stands in comments and texts."""

import pytest

from towpath._core.errors import SetupError
from towpath._scaffold.additions.contract_text import with_method

TEXT = """syntax = "proto3";
package a.v1;
import "towpath/v1/options.proto";
// service S { } is not here
service Other { rpc Get(X) returns (X); }
service S {
  /* } */ rpc Say(X) returns (X) { option (o) = {a: "}"}; } // }
}
message X {}
"""


def test_braces_in_comments_and_texts_are_none():
    edited = with_method(TEXT, "S", "Get", "  rpc Get();\n", "f")
    assert "// }\n\n  rpc Get();\n}\nmessage X {}\n\nmessage GetRequest {}\n" in edited
    assert edited.endswith("message GetResponse {}\n")


def test_the_import_of_the_options_is_added_once():
    edited = with_method(TEXT.replace('import "towpath/v1/options.proto";\n', ""), "S", "Get", "", "f")
    assert edited.count('package a.v1;\n\nimport "towpath/v1/options.proto";\n') == 1


@pytest.mark.parametrize(
    ("service", "rpc", "message"),
    [("T", "Get", "f has no service T"), ("S", "Say", "S has a method Say already"), ("Other", "Get", "Other has a method Get already")],
)
def test_what_is_not_there_and_what_is_taken_is_named(service, rpc, message):
    with pytest.raises(SetupError, match=message):
        with_method(TEXT, service, rpc, "", "f")
