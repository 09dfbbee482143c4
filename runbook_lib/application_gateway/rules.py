"""Decide what is changed of the Application Gateway and of its firewall policy. Pure.

1. A gateway that is stopped, belongs to a cluster or has failed is left alone. Each is its own error.
2. The listener reads its certificate from the vault's certificate without a version, as soon as the vault has one.
   Until then it keeps what it has.
3. The firewall's rule has the wanted ranges. If no ranges are known, the rule is left alone.
4. A run may ask that the gateway reads the vault again: it writes the gateway as it is. A change of rule 2 does that
   anyway. Such a run also writes a gateway that has failed.

The policy comes first: a write of the gateway then meets no other operation of this run.
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
# The subject is the gateway's ETag as the run found it.
REFRESH: ActionKind[str] = ActionKind("refresh", stage=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the run wants.

    Attributes:
        secret_id: The address of the vault's certificate as a secret, without a version, "" if the vault has none.
        ranges: The address ranges, None if no ranges are known.
        read_again: Whether the gateway shall read the vault again.
    """

    secret_id: str
    ranges: AddressRanges | None
    read_again: bool = False


def check_gateway(gateway: Gateway, *, policy_id: str, read_again: bool) -> None:
    """Check that this run may write the gateway. `policy_id` is the id of the instance's firewall policy.

    Raises RunbookError VD-GATEWAY-003 (stopped), -004 (failed), -005 (of a cluster), -002 (of another policy).
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
    """Return the changes. `rule` is the text of the firewall's rule, None if there is none."""
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
