"""The step that gives a customer its first token for the publisher's container registry.

The template may have put a token into the customer's vault already, and later rotations renew it. Then there is nothing
to do here. Without a token no runbook can fetch a release.
"""

from collections.abc import Mapping

from publisher.instances.document import Instance
from publisher.rotation.plan import RotationRequest
from runbook_lib.azure.session import AzureSession
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.network.failures import as_runbook_error
from runbook_lib.rotation.rules import OVERLAP_SECONDS
from runbook_lib.vault.credential_states import read_credential_states
from runbook_lib.vault.publisher_token import SECRET
from vibedata.deployment.step import Step, stopwatch
from vibedata.progress import WriteLine
from vibedata.rotation.acr_token import acr_token_rotation
from vibedata.rotation.drive import drive

NAME = "rotate-acr-token"


def lacks_token(session: AzureSession, report: WriteLine) -> bool:
    """Tell whether the customer's vault has no token.

    Who starts a deployment needs no right on that vault. If it cannot be seen, the runbooks will tell.
    """
    try:
        states = read_credential_states(session.clients.secrets, session.clock.now())
    except Exception as error:
        named = as_runbook_error(error)
        if named is None:
            raise
        report(f"{NAME}: whether the customer has a token cannot be seen from here: {named.code}")
        return False
    return any(each.id == SECRET and each.state == "absent" for each in states)


def give_token(session: AzureSession, instance: Instance | None, environ: Mapping[str, str], report: WriteLine) -> Step:
    """Make the first token and send it to the customer's vault: all phases of a rotation but the retirement.

    instance, environ: see acr_token_rotation, which says what is raised.
    """
    report(f"{NAME}: the customer has no token yet")
    rotating = acr_token_rotation(session, instance, environ, RotationRequest(overlap_seconds=OVERLAP_SECONDS), report)
    with stopwatch() as seconds:
        outcome = drive(rotating, wait=False, report=report, redactor=session.redactor, clock=SYSTEM_CLOCK)
    failed = outcome.failed
    return Step(
        name=NAME,
        status="failed" if failed else "succeeded",
        seconds=seconds(),
        changed=sum(each.outcome == "done" for each in outcome.results),
        error=failed.error.as_json() if failed and failed.error else None,
    )
