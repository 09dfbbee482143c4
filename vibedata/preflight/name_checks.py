"""Check what the steps of the instance's name need: the gateway, its address ranges, the DNS record, the account key.

Each check makes the same decisions as its step, and only reads. Where the publisher has configured no zone or no
authority, the deployment leaves out the step, so nothing of it can fail.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from publisher.dns_zone.host_record import point
from publisher.dns_zone.naming import look_at_host
from publisher.dns_zone.place import VARIABLE as ZONE_VARIABLE
from publisher.dns_zone.place import zone_if_any
from publisher.session import publisher_clients
from runbook_lib.application_gateway import firewall, listener
from runbook_lib.application_gateway.address_ranges import read_ranges
from runbook_lib.application_gateway.arm import NetworkResource
from runbook_lib.application_gateway.gateway import read_gateway
from runbook_lib.application_gateway.rules import check_gateway
from runbook_lib.automation.account import AutomationAccount
from runbook_lib.azure.session import AzureSession
from runbook_lib.preflight.finding import Finding, look
from runbooks.configure_gateway import RANGES_VARIABLE
from vibedata.rotation.certificate import AUTHORITY_VARIABLE


def check_name(session: AzureSession, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield a finding for each thing that these steps need. environ: has the publisher's settings."""
    yield look("Application Gateway", partial(_gateway, session), refused="unknown")
    yield look("address ranges", partial(_ranges, session), refused="unknown")
    yield look("DNS record of the name", partial(_record, session, environ), refused="unknown")
    yield look("account key for certificates", partial(_account_key, session, environ), refused="unknown")


def _gateway(session: AzureSession) -> str:
    """Check that configure_gateway may write the gateway.

    Raises RunbookError VD-GATEWAY-001 to -006, VD-ARM-001, and azure.core's errors.
    """
    settings = session.settings
    gateway = read_gateway(_resource(session, listener.TYPE, listener.gateway_name(settings.prefix)))
    policy = firewall.policy_name(settings.prefix)
    _resource(session, firewall.TYPE, policy)
    policy_id = f"{settings.resource_group_id}/providers/{firewall.TYPE}/{policy}"
    check_gateway(gateway, policy_id=policy_id, read_again=False)
    return f"{gateway.name} is there with policy {policy}"


def _resource(session: AzureSession, resource_type: str, name: str) -> Mapping[str, Any]:
    return NetworkResource(
        client=session.clients.resources, settings=session.settings, clock=session.clock, type=resource_type, name=name
    ).read()


def _ranges(session: AzureSession) -> str:
    """Check the variable. Raises RunbookError VD-GATEWAY-007, -008, and azure.core's errors."""
    text = AutomationAccount(client=session.clients.automation, settings=session.settings).variable(RANGES_VARIABLE)
    if text is None:
        return f"there is no variable {RANGES_VARIABLE}: the firewall's rule stays as it is"
    ranges = read_ranges(text)
    return f"{len(ranges.customer)} of the customer, {len(ranges.publisher)} of the publisher"


def _record(session: AzureSession, environ: Mapping[str, str]) -> str:
    """Check that the step may write the record.

    Raises RunbookError VD-SETTINGS-002, VD-DNS-001, -002, -006, -007, and azure.core's errors.
    """
    zone = zone_if_any(environ)
    if zone is None:
        return f"not configured: {ZONE_VARIABLE} names no DNS zone"
    _host, facts = look_at_host(zone, session.settings, session.clients, session.clock)
    planned = point(facts, take_over=False)
    return f"{facts.name} {'will lead' if planned.changes else 'leads'} to {facts.address}"


def _account_key(session: AzureSession, environ: Mapping[str, str]) -> str:
    """Check the key for the account at the certificate authority.

    Raises RunbookError VD-SETTINGS-002, -005, VD-TLS-022, and azure.core's errors.
    """
    missing = [name for name in (ZONE_VARIABLE, AUTHORITY_VARIABLE) if not environ.get(name)]
    if missing:
        return f"not configured: the environment lacks {', '.join(missing)}"
    # The modules of the certificate authority take some time to import. Only this check needs them.
    from publisher.certificates.account import KEY_NAME, account_key

    account_key(publisher_clients(session.settings, session.clients, environ, session.clock))
    return f"the publisher's vault has {KEY_NAME}"
