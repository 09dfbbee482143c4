"""A command's way to a customer's Azure. It has the same settings, identity and clients as a runbook."""

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

    Raises RunbookError VD-SETTINGS-* if a setting is missing or malformed, VD-IDENTITY-* if there is no identity.
    """
    environment = os.environ if environ is None else environ
    return _session(load({}, environment, None), environment)


def open_customer(arguments: argparse.Namespace) -> tuple[AzureSession, Customer]:
    """Return a session with the instance that a command line means, and print the name of the instance.

    Raises:
        RunbookError: VD-IDENTITY-001, -002 (no login), VD-COMPONENT-008, -009 if the settings lead to the resources of
            another instance, and the errors of `vibedata.instances.choice.choose` and `open_session`.
    """
    customer = choose(arguments.instance, os.environ)
    session = session_at(customer)
    announce(customer)
    _compare(session)
    return session, customer


def open_instance(instance: Instance, environ: Mapping[str, str]) -> AzureSession:
    """Return a session with an instance whose document the command has read already.

    Raises:
        RunbookError: VD-COMPONENT-008, -009 if the document leads to the resources of another instance, VD-INSTANCE-003
            if the environment contradicts it, VD-SETTINGS-*, VD-IDENTITY-*.
    """
    session = _session(settings_of(instance, environ), environ)
    _compare(session)
    return session


def _compare(session: AzureSession) -> None:
    trouble = compare_identity(session.clients.table_service, session.settings)
    if trouble is not None:
        # The command's own requests find all other problems, and each job makes the comparison itself.
        sys.stderr.write(f"warning: the identity of the instance was not compared: {trouble.code}: {trouble.message}\n")


def session_at(customer: Customer) -> AzureSession:
    """Return a session with a customer's instance, after checking that the customer's tenant accepts the login.

    Without such a login no other problem can be found.

    Raises:
        RunbookError: VD-IDENTITY-001, -002 (no login), -003 (a login of another tenant), VD-SETTINGS-*.
    """
    session = _session(customer.settings, os.environ)
    tenant = tenant_id_in(session.clients.credential.get_token(ARM_SCOPE).token).lower()
    wanted = "" if customer.instance is None else customer.instance.tenant_id.lower()
    if tenant and wanted and tenant != wanted:
        _refuse_other_tenant(session, tenant, wanted)
    return session


def _refuse_other_tenant(session: AzureSession, tenant: str, wanted: str) -> None:
    """Find out whether the subscription accepts a login of another tenant.

    It does so if rights are delegated to that tenant.

    Raises RunbookError VD-IDENTITY-003. The command's own requests find all other problems.
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
