"""The runbooks whose jobs a successor looks for."""

from runbook_lib.deployment_lock.former_jobs import RUNBOOKS
from vibedata.runbook_names import runbook_names


def test_a_successor_looks_for_jobs_of_every_runbook() -> None:
    assert list(RUNBOOKS) == runbook_names()
