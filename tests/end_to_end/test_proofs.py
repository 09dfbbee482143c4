"""A sample of `make proof`: the deployment is killed, and the same command ends it.

It is marked as soak for now: it takes minutes, and which request is the nth depends on how often a run looks at
something that takes its time, so that it does not meet the same moment each time.
"""

import pytest

from bench.proofs.cases import KILLED, Prover
from bench.proofs.end_state import end_state
from bench.proofs.logged_writes import unlogged_writes
from bench.proofs.world import world

# In the midst of the rotation that brings the first token: requests of the command and of a job, in turns.
NUMBER = 330


@pytest.mark.soak
def test_a_deployment_that_is_killed_comes_to_the_same_end() -> None:
    with world() as made:
        prover = Prover(made)
        undisturbed = prover.undisturbed()
        assert undisturbed.problems == []
        assert undisturbed.requests > 2 * NUMBER > undisturbed.writes > 100
        # What is not there is found out: a write that nobody logged, and a blob that nobody else has.
        job = made.lab.control("GET", "/jobs")["jobs"][-1]
        stranger = {"job_id": job["id"], "service": "blob", "method": "PUT", "status": 201, "path": "/a/artifacts/b"}
        assert unlogged_writes(made, [stranger]) == [f"no event for {job['runbook']}: blob PUT /a/artifacts/b"]
        made.blobs["customer"].get_blob_client("artifacts", "b").upload_blob(b"")
        assert "customer: blob artifacts/b" in end_state(made)

        killed = prover.prove(KILLED, NUMBER)
        assert (killed.problems, killed.met) == ([], 1), "\n".join(killed.problems)
        assert killed.where != ""
