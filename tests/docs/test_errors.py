"""The guide to errors is run as a reader would: its caller prints what the page says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.app.stage import PATIENCE, importable

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "errors.md").read_text()
FILES = dict(re.findall(r"```python\n# (\S+)\n(.*?)```", PAGE, re.DOTALL))
(PRINTED,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
SERVE = "from orders import Weather\nfrom towpath import run\n\n\nasync def main(app):\n    app.add(Weather())\n\n\nrun(main)\n"


def test_the_caller_prints_what_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    importable(monkeypatch)
    monkeypatch.setenv("TOWPATH_LISTEN", f"127.0.0.1:{port}")
    for name, text in {**FILES, "serve.py": SERVE}.items():
        patient = re.sub(r"(await weather\.\w+\(.*\))\)$", rf"\1, CallOptions(timeout={PATIENCE}))", text, flags=re.MULTILINE)
        patient = patient.replace("import Code, RpcError, connect", "import CallOptions, Code, RpcError, connect")
        (tmp_path / name).write_text(patient.replace("8080", str(port)))
    with subprocess.Popen([sys.executable, "serve.py"], cwd=tmp_path, stderr=subprocess.PIPE, encoding="utf-8") as process:
        try:
            assert process.stderr is not None
            assert any(f" on 127.0.0.1:{port}" in line for line in process.stderr)
            done = subprocess.run(
                [sys.executable, "caller.py"], cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=PATIENCE, check=False
            )
        finally:
            process.kill()
    printed = re.sub(r"request id [0-9a-f]{32}", "request id 4bf92f3577b34da6a3ce929d0e0e4736", done.stdout)
    assert printed.replace(str(port), "8080") == PRINTED, done.stderr
