"""The guide to mounted applications is run as a reader would: its file is written down, and its request is made."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.app.stage import PATIENCE, importable
from tests.programs import needed

GUIDE = Path(__file__).parents[2] / "docs" / "howto" / "mount-an-asgi-app.md"
FILES = dict(re.findall(r"```python\n# (\S+)\n(.*?)```", GUIDE.read_text(), re.DOTALL))
COMMAND, ANSWER = re.findall(r"```console\n\$ (.*?)\n(.*?)\n```", GUIDE.read_text())[0]


def test_the_request_of_the_page_is_answered_as_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    needed("curl")
    importable(monkeypatch)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "towpath.toml").write_text(f'[service]\nlisten = "127.0.0.1:{port}"\n\n[targets]\nweather = "127.0.0.1:{port}"\n')
    with subprocess.Popen([sys.executable, "weather.py"], cwd=tmp_path, stdout=-1, stderr=-1, encoding="utf-8") as process:
        try:
            assert process.stderr is not None
            assert process.stdout is not None
            assert process.stdout.readline() == "admin starts\n"
            assert next(line for line in process.stderr if " serves " in line).endswith(
                f"serves skyline.weather.v1.WeatherService, /admin on 127.0.0.1:{port}\n"
            )
            command = COMMAND.replace("8080", str(port)).replace("5S", "2M")
            answer = subprocess.run(command, shell=True, check=True, capture_output=True, encoding="utf-8").stdout
            assert process.stdout.readline() == "JFK for acme\n"
            process.send_signal(signal.SIGTERM)
            assert process.stdout.read() == "admin ends\n"
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
    pattern = re.escape(ANSWER).replace(r"4\.99", r"[0-9.e-]+")
    assert re.fullmatch(pattern, answer)
