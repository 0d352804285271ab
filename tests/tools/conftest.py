"""What `make dist` builds, once for all tests of it."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The files that `make dist` makes: `sdist`, `pure`, and `native` where there is a compiler."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base  # what the processes that share a run have in common
    out = shared / "dist"
    with (shared / "dist.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not out.exists():
            making = tmp_path_factory.mktemp("making")
            subprocess.run([sys.executable, str(ROOT / "tools/dist.py"), "--out", str(making)], check=True, capture_output=True)
            making.rename(out)
    kinds = {
        path: "sdist" if path.suffix == ".gz" else "pure" if path.name.endswith("-none-any.whl") else "native" for path in out.iterdir()
    }
    return {kind: path for path, kind in kinds.items()}
