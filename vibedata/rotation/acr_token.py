"""Start the rotation of the token with which a customer reads the publisher's container registry."""

from collections.abc import Mapping
from typing import Any

from publisher.instances.document import Instance
from publisher.instances.precedence import token_environment
from publisher.rotation.acr_token_credential import acr_token_rotation_run
from publisher.rotation.plan import RotationRequest
from publisher.rotation.run import RotationRun
from publisher.session import publisher_tables, subscription_clients, token_resource
from runbook_lib.azure.session import AzureSession
from runbook_lib.basics.clock import SYSTEM_CLOCK
from vibedata.progress_view.writer import View
from vibedata.rotation.command import jobs_of


def acr_token_rotation(
    session: AzureSession,
    instance: Instance | None,
    environ: Mapping[str, str],
    request: RotationRequest,
    view: View,
    *,
    correlation_id: str = "",
) -> RotationRun[Any]:
    """Return one run of the rotation. instance: the customer's document, None if the environment gives all settings.
    correlation_id: see `jobs_of`.

    Raises RunbookError VD-SETTINGS-005, -002 for the publisher's settings in the environment, and what
    `token_environment` does.
    """
    token = token_resource(environ if instance is None else token_environment(instance, environ))
    return acr_token_rotation_run(
        instance_id=session.settings.instance_id,
        request=request,
        tables=publisher_tables(session.settings, session.clients, environ, SYSTEM_CLOCK),
        subscription=subscription_clients(session.settings, session.clients, token.subscription_id, SYSTEM_CLOCK),
        token=token,
        run_runbook=jobs_of(session, view, correlation_id=correlation_id),
        redactor=session.redactor,
        clock=SYSTEM_CLOCK,
    )
