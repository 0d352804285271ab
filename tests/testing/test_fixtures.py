"""The plugin as a repository uses it: in a pytest of its own."""

import subprocess
import sys
from pathlib import Path

TEST = """
def test_seed(simulation):
    async def main(run):
        assert run.seed != 7
    simulation(main)
"""


def pytest_in(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_seed.py").write_text(TEST)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", ".", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_failure_names_its_seed(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["towpath.testing.fixtures"]\n')
    outcome = pytest_in(tmp_path, "--towpath-seed", "7")
    assert outcome.returncode == 1
    assert "see it again with --towpath-seed 7" in outcome.stdout


def test_without_a_seed_it_is_0_wherever_the_plugin_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from towpath.testing.fixtures import simulation\n")
    assert pytest_in(tmp_path).returncode == 0
