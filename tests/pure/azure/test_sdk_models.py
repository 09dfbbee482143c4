"""Model classes of the SDK clients, used by many threads at once."""

import subprocess
import sys

import pytest

# In a Python of its own: a class works out its fields once in a process. With a short switch interval, threads that
# come to a class for the first time meet in it.
MEET = """
import sys, threading, types
from azure.mgmt.automation import models
from runbook_lib.automation.account import AutomationAccount
if sys.argv[1] == "account":
    AutomationAccount(client=None, settings=types.SimpleNamespace(resource_group="g", automation_account="a"))
classes = [model for model in vars(models).values() if isinstance(model, type) and hasattr(model, "_calculated")]
before = len(classes[0]._calculated)
sys.setswitchinterval(1e-6)
failed, barrier = [], threading.Barrier(8)
def use():
    for model in classes:
        barrier.wait()
        try:
            model.__new__(model)
        except RuntimeError as error:
            failed.append(str(error))
threads = [threading.Thread(target=use) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(classes), len(classes) <= before, len(failed))
"""


def meet(way: str) -> list[str]:
    """Return how many classes there are, whether all had worked out their fields before, and how many uses failed."""
    command = [sys.executable, "-c", MEET, way]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout.split()[:3]


@pytest.mark.slow
def test_the_account_s_classes_can_be_used_by_many_threads() -> None:
    count, all_known, failed = meet("account")
    assert (int(count) > 100, all_known, failed) == (True, "True", "0")
    # What would be if it did not see to it: not yet known, and so open to the race.
    assert meet("nothing")[:2] == [count, "False"]
