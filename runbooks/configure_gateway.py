"""Make the Application Gateway serve the vault's certificate, and admit only known addresses.

The listener gets the address of the vault's certificate once, without a version. Each renewal is a new version in the
vault, and the gateway reads it within 4 hours. The Automation variable vibedata-address-ranges holds the address
ranges. They are not a parameter, because a person who may start jobs must not be able to open the firewall.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runbook_lib.application_gateway import firewall
from runbook_lib.application_gateway.address_ranges import AddressRanges, read_ranges
from runbook_lib.application_gateway.arm import NetworkResource
from runbook_lib.application_gateway.gateway import FAILED, Gateway, read_gateway, with_secret
from runbook_lib.application_gateway.listener import TYPE, gateway_name
from runbook_lib.application_gateway.rules import (
    ALLOW,
    CONNECT,
    READ_AGAIN_DONE,
    REFRESH,
    Wanted,
    check_gateway,
    plan_gateway,
)
from runbook_lib.automation.account import AutomationAccount
from runbook_lib.change import Action, Plan, Result
from runbook_lib.context import Context
from runbook_lib.permissions.automation_account import READ_VARIABLES
from runbook_lib.permissions.credentials import READ_CERTIFICATE
from runbook_lib.permissions.network import (
    ASSIGN_IDENTITY,
    CHANGE_FIREWALL,
    CHANGE_GATEWAY,
    JOIN_ADDRESS,
    JOIN_NETWORK,
)
from runbook_lib.run.parameters import CommonParameters
from runbook_lib.run.result import Report
from runbook_lib.runbook import Runbook, main
from runbook_lib.tls_certificate.name import CERTIFICATE
from runbook_lib.tls_certificate.vault import CertificateVault

# A JSON object with the lists customer and publisher. The first deployment of the template writes it.
RANGES_VARIABLE = "vibedata-address-ranges"


@dataclass(frozen=True, kw_only=True)
class Parameters(CommonParameters):
    """The parameters of configure_gateway."""

    read_again: bool = field(
        default=False, metadata={"help": "make the gateway read the vault now, even if it has failed"}
    )


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The facts that configure_gateway found.

    Attributes:
        wanted: The state that the run wants.
        gateway: The facts of the gateway.
        rule: The text of the firewall's rule, None if there is none.
        policy_id: The id of the instance's firewall policy.
        trial: Whether the run only shows that the runbook works here.
    """

    wanted: Wanted
    gateway: Gateway
    rule: str | None
    policy_id: str
    trial: bool
    at_gateway: NetworkResource = field(repr=False)
    at_policy: NetworkResource = field(repr=False)


def observe(context: Context, parameters: Parameters) -> Facts:
    """Read the ranges, the vault's certificate, the gateway and its firewall policy.

    Raises:
        RunbookError: VD-GATEWAY-001, VD-GATEWAY-006 to VD-GATEWAY-009, VD-ARM-001 and VD-TLS-012.
    """
    settings = context.settings
    at_gateway, at_policy = (
        NetworkResource(
            client=context.clients.resources, settings=settings, clock=context.clock, type=resource_type, name=name
        )
        for resource_type, name in (
            (TYPE, gateway_name(settings.prefix)),
            (firewall.TYPE, firewall.policy_name(settings.prefix)),
        )
    )
    wanted = Wanted(secret_id=_secret_id(context), ranges=_ranges(context), read_again=parameters.read_again)
    # A plan does not wait for the end of somebody else's change.
    look = NetworkResource.read if parameters.plan_only else NetworkResource.settled
    policy = look(at_policy)
    if firewall.why_idle(policy):
        context.output.warning(f"{at_policy.name}: {firewall.why_idle(policy)}")
    return Facts(
        wanted=wanted,
        gateway=read_gateway(look(at_gateway)),
        rule=firewall.shown(policy),
        trial=parameters.trial,
        policy_id=f"{settings.resource_group_id}/providers/{firewall.TYPE}/{at_policy.name}",
        at_gateway=at_gateway,
        at_policy=at_policy,
    )


def _secret_id(context: Context) -> str:
    """Return the address of the certificate's secret, "" if the vault has no certificate that the gateway can read."""
    settings = context.settings
    vault = CertificateVault(client=context.clients.certificates, clock=context.clock, host=settings.public_host)
    current = vault.current()
    if current is None or not current.enabled:
        return ""
    return f"{settings.key_vault_endpoint}/secrets/{CERTIFICATE}"


def _ranges(context: Context) -> AddressRanges | None:
    account = AutomationAccount(client=context.clients.automation, settings=context.settings)
    text = account.variable(RANGES_VARIABLE)
    return None if text is None else read_ranges(text)


def plan(facts: Facts) -> Plan:
    """Plan the changes.

    A trial does not check the gateway: a release must not fail because somebody has stopped a gateway.

    Raises:
        RunbookError: The errors of `check_gateway`, but not in a trial.
    """
    if not facts.trial:
        check_gateway(facts.gateway, policy_id=facts.policy_id, read_again=facts.wanted.read_again)
    return plan_gateway(facts.wanted, facts.gateway, facts.rule)


def actions(context: Context, facts: Facts) -> Sequence[Action[Any]]:  # noqa: ARG001 - a runbook's signature
    """Return the actions. Each action writes one whole resource, and keeps the changes of others."""
    at_gateway, at_policy = facts.at_gateway, facts.at_policy

    def allow(ranges: AddressRanges) -> None:
        at_policy.write(
            lambda policy: None if firewall.shown(policy) == str(ranges) else firewall.with_ranges(policy, ranges)
        )

    def connect(secret_id: str) -> None:
        at_gateway.write(lambda found: None if refers(found) == secret_id else with_secret(checked(found), secret_id))

    def refresh(etag: str) -> None:
        at_gateway.write(lambda found: None if was_read(found, etag) else checked(found))

    def checked(found: Mapping[str, Any]) -> Mapping[str, Any]:
        # Since the plan, somebody may have stopped the gateway, or given it to a cluster.
        check_gateway(read_gateway(found), policy_id=facts.policy_id, read_again=facts.wanted.read_again)
        return found

    def refers(found: Mapping[str, Any]) -> str:
        # ARM shows the wanted address even if the gateway could not use it.
        now = read_gateway(found)
        return now.secret_id if now.state != FAILED else f"{now.secret_id}, and the gateway has failed"

    def was_read(found: Mapping[str, Any], etag: str) -> bool:
        now = read_gateway(found)
        return now.state != FAILED and (at_gateway.was_written or now.etag != etag)

    return (
        Action(ALLOW, make=allow, see=lambda _: firewall.shown(at_policy.settled())),
        Action(CONNECT, make=connect, see=lambda _: refers(at_gateway.settled())),
        Action(
            REFRESH,
            make=refresh,
            see=lambda etag: READ_AGAIN_DONE if was_read(at_gateway.settled(), etag) else None,
        ),
    )


def report(facts: Facts, results: Sequence[Result]) -> Report:
    """Return the address that the listener reads, and the number of the wanted ranges."""
    ranges = facts.wanted.ranges
    connected = any(result.outcome == "done" and CONNECT.is_of(result.change) for result in results)
    return {
        "certificate": facts.wanted.secret_id if connected else facts.gateway.secret_id,
        "customer_ranges": 0 if ranges is None else len(ranges.customer),
        "publisher_ranges": 0 if ranges is None else len(ranges.publisher),
    }


RUNBOOK = Runbook(
    name="configure_gateway",
    summary="make the gateway serve the vault's certificate, and let in only known addresses",
    parameters=Parameters,
    observe=observe,
    plan=plan,
    actions=actions,
    report=report,
    permissions=(
        CHANGE_FIREWALL,
        CHANGE_GATEWAY,
        JOIN_ADDRESS,
        JOIN_NETWORK,
        ASSIGN_IDENTITY,
        READ_CERTIFICATE,
        READ_VARIABLES,
    ),
)

if __name__ == "__main__":
    sys.exit(main(RUNBOOK))
