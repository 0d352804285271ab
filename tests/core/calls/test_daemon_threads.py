"""Threads that end with the process."""

import os
import subprocess
import sys
import threading
from concurrent.futures import wait

import pytest

from tests.echo_service import PATIENCE
from towpath._core.calls.daemon_threads import DaemonThreads


def test_results_and_errors_of_any_class_come_back() -> None:
    threads = DaemonThreads(2, "t")
    assert threads.submit(pow, 2, 3).result(PATIENCE) == 8
    for error in (ValueError, SystemExit, KeyboardInterrupt):

        def fails(error: type[BaseException] = error) -> None:
            raise error

        with pytest.raises(error):
            threads.submit(fails).result(PATIENCE)


def test_an_idle_thread_is_used_again_and_no_more_are_started_than_may_be() -> None:
    threads, gate, names = DaemonThreads(2, "t"), threading.Event(), set[str]()

    def work() -> None:
        names.add(threading.current_thread().name)
        assert gate.wait(PATIENCE)

    waiting = [threads.submit(work) for _ in range(5)]
    given_up = threads.submit(names.clear)
    assert given_up.cancel()
    gate.set()
    assert not wait(waiting, PATIENCE).not_done
    assert names == {"t_0", "t_1"}
    for _ in range(3):
        threads.submit(work).result(PATIENCE)
    assert names == {"t_0", "t_1"}


def test_what_runs_is_counted() -> None:
    threads, begun, gate = DaemonThreads(1, "t"), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        assert gate.wait(PATIENCE)

    done = threads.submit(work)
    assert begun.wait(PATIENCE)
    assert threads.running == 1
    gate.set()
    done.result(PATIENCE)
    assert threads.running == 0


FORKS = """
import os, sys
from towpath._core.calls.daemon_threads import DaemonThreads
threads = DaemonThreads(1, "t")
assert threads.submit(os.getpid).result() == os.getpid()
child = os.fork()
if not child:
    os._exit(0 if threads.submit(os.getpid).result(120) == os.getpid() else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""

ENDS = """
import threading, time
from towpath._core.calls.daemon_threads import DaemonThreads
begun = threading.Event()
DaemonThreads(1, "t").submit(lambda: (begun.set(), time.sleep(3600)))
begun.wait()
"""


@pytest.mark.parametrize("program", [FORKS, ENDS], ids=["a forked process has threads of its own", "a process ends though one blocks"])
def test_processes(program: str) -> None:
    path = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", program], env=path, timeout=3 * PATIENCE, check=False).returncode == 0
