"""Tasks in daemon threads: a process ends although one hangs and another waits."""

import subprocess
import sys

import pytest

from runbook_lib.daemon_threads import DaemonThreads

CHILD = """
import threading
from runbook_lib.daemon_threads import DaemonThreads

threads, begun = DaemonThreads(1), threading.Event()

def hang():
    begun.set()
    threading.Event().wait()

for task in (hang, lambda: print("the second began", flush=True)):
    threading.Thread(target=threads.do, args=(task,), daemon=True).start()
    begun.wait()
print("the end", flush=True)
"""


def test_a_process_ends_although_a_task_hangs_and_another_waits() -> None:
    child = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, timeout=60, check=True)
    assert (child.stdout, child.stderr) == ("the end\n", "")


def test_a_task_returns_and_raises() -> None:
    threads = DaemonThreads(1)
    assert threads.do(lambda: 1) == 1
    with pytest.raises(ZeroDivisionError):
        threads.do(lambda: 1 // 0)
    assert threads.do(lambda: 2) == 2  # the failed task has left its room
