"""How Application Gateway starts: its resources, which lead to the control panel."""

from lab.application_gateway import provider, vault_certificate
from lab.application_gateway.deployed import deployed
from lab.application_gateway.gateway import secret_ids
from lab.arm.resources import Resource
from lab.resource_group.resources import resource_id
from lab.service import Fronts, Service
from lab.shared import Lab
from lab.subscriptions import Subscriptions

BACKEND = ("Microsoft.App/containerApps", "control-panel")


def _start(lab: Lab, subscriptions: Subscriptions) -> Fronts:
    arm = subscriptions.customer
    panel = arm.managed.get(resource_id(lab, *BACKEND))
    assert panel is not None  # noqa: S101 - the resource group has started
    backend = str(panel["properties"]["configuration"]["ingress"]["fqdn"])

    async def read(gateway: Resource) -> None:
        for secret in secret_ids(gateway):
            await vault_certificate.read(lab, secret)

    async def changed() -> None:
        """Nothing listens yet."""

    arm.deployed(lambda: deployed(lab, backend))
    provider.register(arm, read=read, changed=changed)
    return {}


SERVICE = Service(sites={}, start=_start)
