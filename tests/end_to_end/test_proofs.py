"""Do a sample of `make proof`, from the first steps. A process is killed, or requests fail, and the end is the same.

The cases are fixed, and each means the same moment in every run (bench/proofs/moments.py).
"""

from collections.abc import Iterator

import pytest

from bench.proofs.cases import KILLED, Case, Prover
from bench.proofs.end_state import end_state
from bench.proofs.logged_writes import unlogged_writes
from bench.proofs.world import World, world

JOBS, WRITES = "preflight", "first_runbooks"
ACCOUNT = "/subscriptions/{id}/resourceGroups/vibedata-managed/providers/Microsoft.Automation/automationAccounts"
DRAFT = f"{ACCOUNT}/vibedata-automation/runbooks/import_images/draft/content"
LOG = "/dataCollectionRules/dcr-{version}/streams/Custom-VibeData_Operations_CL"
JOB_KILLED = Case(KILLED, JOBS, f"logs POST {LOG} 1")
COMMAND_KILLED = Case(KILLED, WRITES, f"arm PUT {DRAFT} 1")
ANSWERS_LOST = Case("answer lost", WRITES, "1")


@pytest.fixture(scope="module")
def made() -> Iterator[World]:
    with world() as found:
        yield found


@pytest.fixture(scope="module")
def prover(made: World) -> Prover:
    return Prover(made)


def test_a_step_without_trouble_has_no_problem_and_the_proof_finds_made_problems(made: World, prover: Prover) -> None:
    for step, case in ((JOBS, JOB_KILLED), (WRITES, COMMAND_KILLED)):
        undisturbed = prover.undisturbed(step)
        assert undisturbed.problems == []
        assert undisturbed.made > len(undisturbed.moments) > undisturbed.writes > 20
        # The moments of the cases below are moments of the whole proof, too.
        assert case.at in undisturbed.moments
    # The proof finds missing things: a write without an event, and a blob that an undisturbed run does not have.
    job = made.lab.control("GET", "/jobs")["jobs"][-1]
    stranger = {"job_id": job["id"], "service": "blob", "method": "PUT", "status": 201, "path": "/a/artifacts/b"}
    assert unlogged_writes(made, [stranger]) == [f"no event for {job['runbook']}: blob PUT /a/artifacts/b"]
    made.blobs["customer"].get_blob_client("artifacts", "b").upload_blob(b"")
    assert "customer: blob artifacts/b" in end_state(made)


@pytest.mark.parametrize(
    ("case", "who"), [(JOB_KILLED, "preflight"), (COMMAND_KILLED, "operator")], ids=["job", "command"]
)
def test_a_step_whose_job_or_command_is_killed_comes_to_the_same_end(prover: Prover, case: Case, who: str) -> None:
    killed = prover.prove(case)
    assert killed.problems == [], "\n".join(killed.problems)
    assert (killed.met, killed.where) == (1, who)


def test_a_step_whose_answers_are_lost_comes_to_the_same_end(prover: Prover) -> None:
    troubled = prover.prove(ANSWERS_LOST)
    assert troubled.problems == [], "\n".join(troubled.problems)
    # At least one request of each kind has met trouble.
    assert troubled.met > 40
