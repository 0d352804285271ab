"""The code that grpcio's own plugin makes of the tests' contracts, made once for all tests."""

import importlib.util
import sys
import tempfile
from functools import cache
from pathlib import Path
from types import ModuleType

from google.rpc import code_pb2
from grpc_tools import protoc

PROTO = Path(__file__).parents[1] / "proto"


@cache
def grpcio_code(contract: str) -> ModuleType:
    """The module with stub and servicer of a contract, such as `echo`."""
    with tempfile.TemporaryDirectory() as folder:
        file = f"{contract}/v1/{contract}.proto"
        import_root = Path(protoc.__file__).parent / "_proto"
        shipped, googleapis = PROTO.parents[1] / "proto", Path(code_pb2.__file__).parents[2]
        roots = [f"-I{root}" for root in (PROTO, import_root, shipped, googleapis)]
        arguments = ["protoc", *roots, f"--grpc_python_out={folder}", file]
        assert protoc.main(arguments) == 0
        path = Path(folder) / contract / "v1" / f"{contract}_pb2_grpc.py"
        spec = importlib.util.spec_from_file_location(f"grpcio_{contract}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module
