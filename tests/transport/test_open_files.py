"""How many files a process may have open, and what of that is for connections."""

import subprocess
import sys

import pytest

from towpath._transport.open_files import affordable, raise_limit

LOWERED = """
import resource
from towpath._transport.open_files import raise_limit
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
raise_limit()
assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
"""


@pytest.mark.parametrize(("soft", "most"), [(1024, 896), (64, 32), (32, 1), (1 << 20, 10_000), (-1, 10_000)])
def test_connections_leave_file_descriptors_for_others(soft: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (soft, soft))
    assert affordable(10_000) == most
    assert affordable(5) == min(5, most)


def test_the_limit_is_raised_as_far_as_a_process_may() -> None:
    assert subprocess.run([sys.executable, "-c", LOWERED], check=False).returncode == 0


def test_a_system_that_refuses_leaves_the_limit_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: int, limits: tuple[int, int]) -> None:
        assert limits == (9, 9)
        raise ValueError("current limit exceeds maximum limit")

    monkeypatch.setattr("resource.getrlimit", lambda _: (5, 9))
    monkeypatch.setattr("resource.setrlimit", refused)
    raise_limit()
