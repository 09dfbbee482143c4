"""Model classes of the SDK clients that many threads use at once."""

import subprocess
import sys

import pytest

# Run it in a separate Python, because a class computes its fields only once in a process. With a short switch interval,
# threads meet in a class that they use for the first time.
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
    """Return how many classes there are, whether all had computed their fields before, and how many uses failed."""
    command = [sys.executable, "-c", MEET, way]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout.split()[:3]


@pytest.mark.slow
def test_the_account_s_classes_can_be_used_by_many_threads() -> None:
    count, all_known, failed = meet("account")
    assert (int(count) > 100, all_known, failed) == (True, "True", "0")
    # The state without this protection: the fields are not computed yet, so the race is possible.
    assert meet("nothing")[:2] == [count, "False"]
