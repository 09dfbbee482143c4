"""A command's way to a customer's Azure: the same settings, identity and clients that runbooks have."""

import argparse
import os
import sys
from collections.abc import Mapping

from publisher.instances.document import Instance
from publisher.instances.precedence import settings_of
from runbook_lib.automation.access import AccountAccess
from runbook_lib.azure.clients import ARM_SCOPE, AzureClients
from runbook_lib.azure.identity import credential
from runbook_lib.azure.session import AzureSession
from runbook_lib.azure.settings import Settings, load
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.basics.redaction import Redactor
from runbook_lib.component_registry.identity import compare_identity
from runbook_lib.errors import azure
from runbook_lib.network.failures import as_runbook_error
from runbook_lib.network.retry import NetworkRetryPolicy
from runbook_lib.network.trouble import once_in_a_while, tenant_id_in
from vibedata.instances.choice import Customer, announce, choose


def open_session(environ: Mapping[str, str] | None = None) -> AzureSession:
    """Return a session from the environment's VIBEDATA_* settings.

    Raises RunbookError VD-SETTINGS-* if a setting is missing or malformed, VD-IDENTITY-* where there is no identity.
    """
    environment = os.environ if environ is None else environ
    return _session(load({}, environment, None), environment)


def open_customer(arguments: argparse.Namespace) -> tuple[AzureSession, Customer]:
    """Return a session with the instance that a command line means, and say whose it is.

    Raises RunbookError VD-IDENTITY-001, -002 (no login), VD-COMPONENT-008, -009 where the settings lead to another
    instance's resources, and what `vibedata.instances.choice.choose` and `open_session` do.
    """
    customer = choose(arguments.instance, os.environ)
    session = session_at(customer)
    announce(customer)
    _compare(session)
    return session, customer


def open_instance(instance: Instance, environ: Mapping[str, str]) -> AzureSession:
    """Return a session with an instance of which a command knows the document already.

    Raises RunbookError VD-COMPONENT-008, -009 where the document leads to another instance's resources, VD-INSTANCE-003
    where the environment contradicts it, VD-SETTINGS-*, VD-IDENTITY-*.
    """
    session = _session(settings_of(instance, environ), environ)
    _compare(session)
    return session


def _compare(session: AzureSession) -> None:
    trouble = compare_identity(session.clients.table_service, session.settings)
    if trouble is not None:
        # The command's own requests tell what is the matter, and each job compares for itself.
        sys.stderr.write(f"warning: nobody compared whose instance it is: {trouble.code}: {trouble.message}\n")


def session_at(customer: Customer) -> AzureSession:
    """Return a session with a customer's instance, once there is a login that its tenant takes.

    Without one nothing else can be told. Raises RunbookError VD-IDENTITY-001, -002 (no login), -003 (of another
    tenant), and VD-SETTINGS-*.
    """
    session = _session(customer.settings, os.environ)
    tenant = tenant_id_in(session.clients.credential.get_token(ARM_SCOPE).token).lower()
    wanted = "" if customer.instance is None else customer.instance.tenant_id.lower()
    if tenant and wanted and tenant != wanted:
        _refuse_other_tenant(session, tenant, wanted)
    return session


def _refuse_other_tenant(session: AzureSession, tenant: str, wanted: str) -> None:
    """Ask whether the subscription takes a login of another tenant: it does where rights are delegated to that one.

    Raises RunbookError VD-IDENTITY-003. What else is the matter, the command's own requests tell.
    """
    account = AccountAccess(client=session.clients.automation, settings=session.settings)
    try:
        account.client.automation_account.get(*account.at)
    except Exception as error:
        named = as_runbook_error(error)
        if named is None:
            raise
        if named.is_(azure.LOGIN_OF_OTHER_TENANT):
            detail = f"the login is of {tenant}, the instance of {wanted}"
            raise named.entry.error(detail, remedy=f"Log in to its tenant: `az login --tenant {wanted}`.") from error


def _session(settings: Settings, environment: Mapping[str, str]) -> AzureSession:
    policy = NetworkRetryPolicy(tell=once_in_a_while(lambda line: sys.stderr.write(line + "\n"), SYSTEM_CLOCK))
    clients = AzureClients(
        settings=settings,
        credential=credential(settings, environment),
        retry_policy_source=lambda: policy,
        clock=SYSTEM_CLOCK,
    )
    return AzureSession(
        settings=settings, clients=clients, clock=SYSTEM_CLOCK, redactor=Redactor(), retry_policy=lambda: policy
    )
