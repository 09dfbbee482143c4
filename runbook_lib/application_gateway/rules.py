"""Decide which changes to make to the Application Gateway and to its firewall policy. Pure.

1. A gateway that is stopped, belongs to a cluster or has failed is left alone. Each case has its own error.
2. When the vault has a certificate, the listener gets the certificate's address without a version. Before that, the
   listener keeps its present certificate.
3. The firewall's rule gets the wanted ranges. If no ranges are known, the rule is left alone.
4. A run may ask the gateway to read the vault again. For this it writes the gateway without a change. The change of
   rule 2 has the same effect. Such a run also writes a gateway that has failed.

The policy is changed before the gateway, so that a write of the gateway meets no other operation of this run.
"""

from dataclasses import dataclass

from runbook_lib.application_gateway.address_ranges import AddressRanges
from runbook_lib.application_gateway.firewall import RULE
from runbook_lib.application_gateway.gateway import FAILED, Gateway
from runbook_lib.application_gateway.listener import LISTENER, is_same_secret
from runbook_lib.change import ActionKind, Change, NoChange, Plan
from runbook_lib.errors import azure

READ_AGAIN_DONE = "the vault was read again"

ALLOW: ActionKind[AddressRanges] = ActionKind("allow", stage=1)
# The subject is the address of the secret.
CONNECT: ActionKind[str] = ActionKind("connect", stage=2)
# The subject is the gateway's ETag that the run found.
REFRESH: ActionKind[str] = ActionKind("refresh", stage=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The state that the run wants.

    Attributes:
        secret_id: The address of the certificate's secret without a version, "" if the vault has no certificate.
        ranges: The address ranges, None if no ranges are known.
        read_again: Whether the gateway must read the vault again.
    """

    secret_id: str
    ranges: AddressRanges | None
    read_again: bool = False


def check_gateway(gateway: Gateway, *, policy_id: str, read_again: bool) -> None:
    """Check that this run may write the gateway.

    Args:
        gateway: The facts of the gateway.
        policy_id: The id of the instance's firewall policy.
        read_again: Whether the run may write a gateway that has failed.

    Raises:
        RunbookError: VD-GATEWAY-002 if the gateway has another firewall policy, VD-GATEWAY-003 if it is stopped,
            VD-GATEWAY-004 if it has failed, VD-GATEWAY-005 if it belongs to a cluster.
    """
    if gateway.of_cluster:
        raise azure.GATEWAY_OF_CLUSTER.error(f"its tags have {' and '.join(gateway.of_cluster)}", target=gateway.name)
    if gateway.stopped:
        raise azure.GATEWAY_STOPPED.error(target=gateway.name)
    if gateway.state == FAILED and not read_again:
        raise azure.GATEWAY_FAILED.error(target=gateway.name)
    if gateway.firewall_policy.lower() != policy_id.lower():
        wanted = policy_id.rpartition("/")[2]
        found = gateway.firewall_policy.rpartition("/")[2] or "none"
        raise azure.GATEWAY_OTHER_POLICY.error(f"it has {found}, and {wanted} is wanted", target=gateway.name)


def plan_gateway(wanted: Wanted, gateway: Gateway, rule: str | None) -> Plan:
    """Return the changes. rule: the text of the firewall's rule, None if there is none."""
    parts = (_allow(wanted, rule), _connect(wanted, gateway))
    changes = [part for part in parts if isinstance(part, Change)]
    if wanted.read_again and not any(map(CONNECT.is_of, changes)):
        changes.append(REFRESH.change(gateway.etag, f"gateway {gateway.name}", None, READ_AGAIN_DONE))
    return Plan(changes=tuple(changes), unchanged=tuple(part for part in parts if isinstance(part, NoChange)))


def _allow(wanted: Wanted, rule: str | None) -> Change | NoChange:
    target = f"firewall rule {RULE}"
    if wanted.ranges is None:
        return NoChange(target, "the Automation account has no address ranges, so the rule stays as it is")
    if rule == str(wanted.ranges):
        return NoChange(target, rule)
    return ALLOW.change(wanted.ranges, target, rule, str(wanted.ranges))


def _connect(wanted: Wanted, gateway: Gateway) -> Change | NoChange:
    target = f"listener {LISTENER}"
    now = gateway.secret_id or "an uploaded certificate"
    if not wanted.secret_id:
        return NoChange(target, f"the vault has no certificate yet, so it keeps {now}")
    if is_same_secret(gateway.secret_id, wanted.secret_id):
        return NoChange(target, f"it reads {now}")
    return CONNECT.change(wanted.secret_id, target, now, wanted.secret_id)
