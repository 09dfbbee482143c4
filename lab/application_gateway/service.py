"""Start Application Gateway: its resources, which lead to the control panel. Its listener starts when it is needed."""

from lab.application_gateway import provider, vault_certificate
from lab.application_gateway.deployed import deployed
from lab.application_gateway.gateway import secret_ids
from lab.application_gateway.listener import Listener
from lab.arm.resources import Resource
from lab.real_servers import FOLDER as SERVERS_FOLDER
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

    listener = Listener(lab, arm.managed, lab.dir / SERVERS_FOLDER)
    lab.on_reset.append(listener.stop)
    lab.on_close.append(listener.stop)
    lab.controls["GET", "/gateway"] = listener.view
    lab.controls["POST", "/gateway"] = listener.change
    # Without this variable, a run would look for the instance's public host in the world's DNS.
    lab.environment["VIBEDATA_GATEWAY"] = listener.addresses.https
    arm.deployed(lambda: deployed(lab, backend))
    provider.register(arm, read=read, changed=listener.wake)
    return {}


SERVICE = Service(sites={}, start=_start)
