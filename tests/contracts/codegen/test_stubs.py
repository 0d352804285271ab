"""What is deprecated in a contract is reported by a type checker where it is used, and nowhere else."""

import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from towpath._contracts.codegen.stubs import mark_deprecated

CONTRACT = """\
syntax = "proto3";
package attic.v1;

message Item {
  string id = 1;
  // The name that people see.
  //
  // Deprecated: use "title",
  // which is translated.
  string name = 2 [deprecated = true];
  repeated string tags = 3 [deprecated = true];
  Box box = 4 [deprecated = true];
  Kind kind = 5 [deprecated = true];
  map<string, string> labels = 6 [deprecated = true];
  optional int64 weight = 7 [deprecated = true];
  string property = 8;
  oneof place { string shelf = 9 [deprecated = true]; string room = 10; }

  enum Shape {
    SHAPE_UNSPECIFIED = 0;
    // Deprecated: use SHAPE_ROUND.
    SHAPE_OVAL = 1 [deprecated = true];
    SHAPE_ROUND = 2;
  }
  Shape shape = 11;

  message Box {
    string id = 1 [deprecated = true];
    enum Size { option deprecated = true; SIZE_UNSPECIFIED = 0; }
  }
}

enum Kind {
  KIND_UNSPECIFIED = 0;
  KIND_LOST = 1 [deprecated = true];
}

message Old {
  option deprecated = true;
  string id = 1;
}

service AtticService {
  // Gets.
  //
  // Deprecated: use Find.
  rpc Get(Old) returns (Item) { option deprecated = true; }
  rpc Find(Item) returns (stream Item);
  rpc Watch(Item) returns (stream Item) { option deprecated = true; }
}

service OldService {
  option deprecated = true;
  rpc Get(Item) returns (Item);
}
"""
USE = """\
from attic.v1 import attic_pb2 as pb
from attic.v1.attic_towpath import AtticService, AtticServiceClient, AtticServiceSyncClient, OldService
from attic.v1.attic_towpath import OldServiceClient  # reported
from attic.v1.attic_pb2 import Old  # reported
from towpath import Context
from towpath.transport import Channel


def fields(item: pb.Item, box: pb.Item.Box) -> str:
    item.id = item.property
    item.room = "attic"
    item.name = "x"  # reported
    item.weight = 3  # reported
    item.kind = pb.KIND_UNSPECIFIED  # reported
    item.shelf = "x"  # reported
    item.tags.append("x")  # reported
    item.labels["x"] = "y"  # reported
    item.box.id = "x"  # reported reported
    return item.name  # reported


def values(item: pb.Item) -> pb.Kind:
    item.shape = pb.Item.SHAPE_OVAL  # reported
    item.shape = pb.Item.Shape.SHAPE_OVAL  # reported
    item.shape = pb.Item.SHAPE_ROUND
    if item.shape == pb.Item.Shape.SHAPE_ROUND:
        return pb.KIND_LOST
    return pb.Kind.KIND_LOST  # reported


async def calls(channel: Channel) -> None:
    client = AtticServiceClient(channel)
    await client.get(Old())  # reported reported
    client.find(pb.Item(name="x"))
    client.watch(pb.Item())  # reported
    OldServiceClient(channel)  # reported


def blocking(client: AtticServiceSyncClient) -> None:
    client.get(Old())  # reported reported


class Served(OldService):
    async def get(self, request: pb.Item, ctx: Context) -> pb.Item:
        return request
"""


@pytest.mark.timeout(1800)
def test_a_type_checker_reports_the_use_of_what_is_deprecated(workplace):
    if find_spec("basedpyright") is None:
        pytest.skip("no type checker is installed")
    workplace.write("attic/v1/attic.proto", CONTRACT)
    workplace.generate()
    Path("use.py").write_text(USE, "utf-8")
    settings = {
        "include": ["use.py", "out"],
        "extraPaths": ["out", str(Path(sys.modules["towpath"].__path__[0]).parent)],
        "typeCheckingMode": "basic",
        "reportDeprecated": "error",
    }
    Path("pyrightconfig.json").write_text(json.dumps(settings), "utf-8")
    command = [sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable, "--outputjson"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    found = json.loads(ran.stdout)["generalDiagnostics"]
    assert {finding["rule"] for finding in found} == {"reportDeprecated"}, found
    assert {Path(finding["file"]).name for finding in found} == {"use.py"}
    lines = sorted(finding["range"]["start"]["line"] + 1 for finding in found)
    assert lines == [number for number, line in enumerate(USE.splitlines(), 1) for _ in range(line.count("reported"))]
    said = {finding["message"].partition("\n")[2].strip() for finding in found}
    assert "Deprecated: use 'title', which is translated." in said
    assert "Deprecated: use Find." in said
    assert "Deprecated: use SHAPE_ROUND." in said
    assert "the value attic.v1.Kind.KIND_LOST is deprecated, as its contract says" in said
    assert "the method attic.v1.AtticService/Watch is deprecated, as its contract says" in said
    assert "the service attic.v1.OldService is deprecated, as its contract says" in said
    assert "the message attic.v1.Old is deprecated, as its contract says" in said


def test_a_deprecated_field_has_its_comment_as_docstring(workplace):
    workplace.write("attic/v1/attic.proto", CONTRACT)
    workplace.generate()
    stub = workplace.text("attic/v1/attic_pb2.pyi")
    assert 'def name(self) -> str:\n        """The name that people see.\n' in stub
    assert "Deprecated: the contract has the option `deprecated` for this field." in stub
    assert re.findall(r"@(\w+)\.setter", stub) == ["id", "name", "kind", "weight", "shelf"]
    assert re.findall(r"( *)@_deprecated\(.*\)\n *class (\w+)", stub) == [("        ", "Size"), ("", "Old")]


def test_marked_code_runs_as_before(workplace, importing):
    workplace.write("attic/v1/attic.proto", CONTRACT)
    workplace.generate()
    module = importing("attic.v1.attic_towpath")
    assert module.AtticServiceClient.get.__name__ == "get"
    assert module.OldServiceClient.__name__ == "OldServiceClient"
    assert not hasattr(module.AtticServiceClient.get, "__deprecated__")


def test_a_stub_without_anything_deprecated_is_left_as_it_is():
    assert mark_deprecated("class M(_message.Message):\n", FileDescriptorProto(name="a.proto")) == "class M(_message.Message):\n"
