"""The step that finds everything that would make the deployment fail, before it changes anything in use.

1. First it makes the checks that are possible from here. If one of them is bad, it changes nothing at all.
2. Only a job sees what the other jobs will see, because it has their identity and runs in the same place. So it
   publishes the preflight, with only what the preflight needs (docs/decisions/0056-the-preflight-runs-as-a-job.md).
"""

from dataclasses import replace
from functools import partial

from vibedata.deployment.first_credentials import REGISTRY_TOKEN, look_in_sandbox
from vibedata.deployment.first_publication import PREFLIGHT
from vibedata.deployment.plan.from_here import LookFromHere
from vibedata.deployment.plan.steps import plan_needs_of_preflight
from vibedata.deployment.publication_step import publish_within
from vibedata.deployment.step import WELL, StepResult, stopwatch
from vibedata.deployment.work import DeploymentWork
from vibedata.preflight.in_place import check_in_place
from vibedata.preflight.rows import row_of, text


def preflight(work: DeploymentWork, look: LookFromHere) -> StepResult:
    """Look from here, publish only the preflight, and run it as a job. Raises what the rotation of a first token does,
    and the error of the first bad finding, if it can be seen from here.

    look: finds out whether there is anything to publish. Later steps use the facts that it reads.
    """
    with stopwatch() as seconds:
        _look_from_here(work)
        unfinished = REGISTRY_TOKEN.unfinished(work) if REGISTRY_TOKEN.step in work.chosen else False
        if unfinished:
            REGISTRY_TOKEN.rotation(work)  # raises now an error about the token that no check has found
        published = _published(work, look)
        if published.status not in WELL:
            checked = published
        else:
            # If the vault cannot be read from here (None), the job finds out whether the token must follow.
            checked = look_in_sandbox(work, {} if unfinished is False else {"token_follows": True})
            if unfinished is None and checked.status in WELL and REGISTRY_TOKEN.unfinished(work):
                REGISTRY_TOKEN.rotation(work)  # the same as above
            checked = replace(checked, changed=checked.changed + published.changed)
    status = "succeeded" if checked.changed and checked.status == "unchanged" else checked.status
    return replace(checked, status=status, seconds=seconds())


def _published(work: DeploymentWork, look: LookFromHere) -> StepResult:
    plan = look.idle(partial(plan_needs_of_preflight, PREFLIGHT))
    if plan is None:
        return publish_within(work, PREFLIGHT, work.publication((PREFLIGHT,)))
    work.report(f"{PREFLIGHT}: 0 to change, {plan.unchanged} already right")
    return StepResult(name=PREFLIGHT, status="unchanged", seconds=0.0, changed=0)


def _look_from_here(work: DeploymentWork) -> None:
    """Show each bad finding with the command that repairs it. Raises the error of the first bad finding."""
    findings = check_in_place(work.session, work.environ)
    errors = [finding.error for finding in findings if finding.error is not None]
    if errors:
        bad = [row_of(finding) for finding in findings if finding.error is not None]
        for line in text("preflight from here", bad).splitlines():
            work.view.say(line)
        raise errors[0]
