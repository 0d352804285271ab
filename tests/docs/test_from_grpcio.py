"""The guide from grpcio is run as a reader would: a servicer and a stub of a contract, and what they say to each other."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from grpc_tools import protoc

from tests.app.stage import PATIENCE, importable

GUIDE = Path(__file__).parents[2] / "docs" / "howto" / "from-grpcio.md"
FILES = dict(re.findall(r"```python\n# (\S+)\n(.*?)```", GUIDE.read_text(), re.DOTALL))
CONTRACT = """
syntax = "proto3";
package greeter;
service Greeter { rpc Greet(GreetRequest) returns (GreetResponse); }
message GreetRequest { string name = 1; }
message GreetResponse { string text = 1; }
"""


def test_the_servicer_and_the_stub_understand_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    importable(monkeypatch)
    monkeypatch.setenv("TOWPATH_LISTEN", f"127.0.0.1:{port}")
    (tmp_path / "greeter.proto").write_text(CONTRACT)
    made = f"--python_out={tmp_path}", f"--grpc_python_out={tmp_path}"
    assert protoc.main(["protoc", f"-I{tmp_path}", *made, str(tmp_path / "greeter.proto")]) == 0
    for name, text in FILES.items():
        (tmp_path / name).write_text(text.replace("8080", str(port)))
    with subprocess.Popen([sys.executable, "server.py"], cwd=tmp_path, stderr=subprocess.PIPE, encoding="utf-8") as process:
        try:
            assert process.stderr is not None
            assert next(line for line in process.stderr if " serves " in line).endswith(f"serves greeter.Greeter on 127.0.0.1:{port}\n")
            client = [sys.executable, "client.py"]
            done = subprocess.run(client, cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=PATIENCE, check=False)
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
    assert (done.stdout, done.stderr) == ("Hello, Ada [('greeted', 'Ada')]\nINVALID_ARGUMENT say who you are\n", "")
