"""Check that the subscription has registered the resource providers of the managed application."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from runbook_lib.azure.arm_listing import items_of
from runbook_lib.azure.session import AzureSession
from runbook_lib.basics.strict_json import member
from runbook_lib.basics.visible_text import one_line
from runbook_lib.errors import deployment
from runbook_lib.preflight.finding import Finding, bad, good, look, unknown

API_VERSION = "2025-04-01"
# The providers of all resources that the runbooks and the template need.
NEEDED = (
    "Microsoft.App",
    "Microsoft.Automation",
    "Microsoft.CognitiveServices",
    "Microsoft.ContainerRegistry",
    "Microsoft.ContainerService",
    "Microsoft.DBforPostgreSQL",
    "Microsoft.Insights",
    "Microsoft.KeyVault",
    "Microsoft.ManagedIdentity",
    "Microsoft.Network",
    "Microsoft.OperationalInsights",
    "Microsoft.Storage",
    "Microsoft.Web",
)
_SUBJECT = "resource providers"
_SHOWN_CHARACTERS = 40


def check_providers(session: AzureSession) -> Iterator[Finding]:
    """Yield a finding for each unregistered provider, or one for all. Without rights the state is unknown."""
    found: list[Mapping[str, Any]] = []

    def read() -> str:
        address = (
            f"/subscriptions/{session.settings.subscription_id}/providers?{urlencode({'api-version': API_VERSION})}"
        )
        found.extend(items_of(session.clients.resources, session.settings, address))
        return f"{len(NEEDED)} are registered"

    seen = look(_SUBJECT, read, refused="unknown")
    if seen.state != "good":
        yield seen
        return
    states = {str(member(one, "namespace")).lower(): member(one, "registrationState") for one in found}
    if not states:
        yield unknown(_SUBJECT, "Azure Resource Manager shows none")
        return
    findings = [_judge(session.settings.subscription_id, name, states.get(name.lower())) for name in NEEDED]
    ill = [each for each in findings if each.state != "good"]
    yield from ill or [seen]


def _judge(subscription_id: str, namespace: str, state: object) -> Finding:
    subject = f"resource provider {namespace}"
    if state == "Registered":
        return good(subject, "is registered")
    if state not in ("NotRegistered", "Registering", "Unregistering", "Unregistered"):
        return unknown(subject, f"its state is {one_line(str(state), _SHOWN_CHARACTERS)}")
    line = f"az provider register --subscription {subscription_id} --namespace {namespace} --wait"
    return bad(subject, deployment.PROVIDER_NOT_REGISTERED.error(f"it is {state}", target=namespace, line=line))
