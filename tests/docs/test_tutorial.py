"""The tutorials are run as a reader would: their files are written down, and what they say happens does happen."""

import os
import re
import subprocess
import sys
from pathlib import Path

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial" / "survive-your-slowest-dependency.md"
FILES = dict(re.findall(r"```python\n# ([^\n]+)\n(.*?)```", TUTORIAL.read_text(), re.DOTALL))


def pytest_in(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", "."]
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_a_service_survives_its_slowest_dependency_once_it_is_mended(tmp_path: Path) -> None:
    files = dict(FILES)
    mended = files.pop("search.py, weather_at")
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    before = pytest_in(tmp_path)
    assert before.returncode == 1
    assert "DEADLINE_EXCEEDED" in before.stdout
    assert "--towpath-seed 0" in before.stdout

    service, _ = files["search.py"].split("    async def weather_at")
    (tmp_path / "search.py").write_text("from towpath import CallOptions, RpcError\n" + service + mended)
    after = pytest_in(tmp_path)
    assert after.returncode == 0, after.stdout
