"""The step that makes the instance's name lead to its gateway."""

from collections.abc import Sequence
from typing import Any

from publisher.dns_zone.host_record import point
from publisher.dns_zone.naming import look_at_host
from publisher.dns_zone.place import VARIABLE, DnsZone, zone_if_any
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.change import Action, Plan
from vibedata.deployment.own_changes import carried_out
from vibedata.deployment.step import StepResult
from vibedata.deployment.work import DeploymentWork, ReleaseWork

NAME = "dns_record"
NOT_CONFIGURED = f"not configured: {VARIABLE} names no DNS zone"


def plan_record(work: ReleaseWork) -> Plan | None:
    """Return what the step would change, None if no zone is configured.

    Raises:
        RunbookError: VD-DNS-001 if the host is not in the zone, VD-DNS-002 if the name leads elsewhere, VD-DNS-006 if
            the gateway's address cannot be used.
    """
    zone = zone_if_any(work.environ)
    return None if zone is None else _look(work, zone)[0]


def point_name(work: DeploymentWork) -> StepResult | None:
    """Write the record.

    Returns:
        None if no zone is configured. Then the deployment goes on without the record.

    Raises:
        RunbookError: The same errors as of `plan_record`.
    """
    zone = zone_if_any(work.environ)
    if zone is None:
        work.report(f"{NAME}: {NOT_CONFIGURED}")
        return None
    result = carried_out(lambda: _look(work, zone), work.session, work.view, step=NAME, stop_asked=work.lock.is_lost)
    work.lock.check()
    return result


def _look(work: ReleaseWork, zone: DnsZone) -> tuple[Plan, Sequence[Action[Any]]]:
    host, facts = look_at_host(zone, work.session.settings, work.session.clients, SYSTEM_CLOCK)
    return point(facts, take_over=False), host.actions()
