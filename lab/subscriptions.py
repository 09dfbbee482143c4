"""The two subscriptions that Resource Manager shows: the customer's and the publisher's. Services add their types."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web

from lab import snapshots
from lab.arm import tenant as arm_tenant
from lab.arm.access import ARM_AUDIENCES
from lab.arm.dispatch import Arm
from lab.arm.types import Home
from lab.authorization import provider as authorization
from lab.resource_group import provider as resources
from lab.shared import Lab


@dataclass(frozen=True, slots=True)
class Subscriptions:
    """What ARM serves in each subscription."""

    customer: Arm
    publisher: Arm

    def show(self, api_versions: Mapping[str, Sequence[str]]) -> None:
        """Serve GET and the listing of a service's types in both (lab/arm/resources.py)."""
        for arm in (self.customer, self.publisher):
            arm.managed.show(api_versions)


def make(lab: Lab) -> Subscriptions:
    """Return both subscriptions without resources. A reset ends their operations, then clears the services' states."""
    names = lab.names
    home = Home(names.subscription_id, names.resource_group, publishers=False, managed_by=names.application_id)
    customer = Arm(lab=lab, home=home)
    publishers_home = Home(names.publisher_subscription_id, names.publisher_resource_group, publishers=True)
    publisher = Arm(lab=lab, home=publishers_home)
    for arm in (customer, publisher):
        lab.on_reset.append(arm.reset)
        lab.on_close.append(arm.reset)
        lab.on_keep.append(arm.managed.keep)
    assigned = ("roles", "judged", "assignments", "denials", "asked")
    lab.on_keep.append(snapshots.of_attributes(lab.authorization, *assigned))
    lab.audiences.update(ARM_AUDIENCES)
    return Subscriptions(customer, publisher)


def front(lab: Lab, subscriptions: Subscriptions) -> web.Application:
    """Return the app that serves `management.azure.com`. Call it when every service has added its types."""
    both = (subscriptions.customer, subscriptions.publisher)
    for arm in both:
        resources.register(arm)
        authorization.register(arm)
    tenant = arm_tenant.Tenant(lab=lab, subscriptions=both)
    application = web.Application(client_max_size=0)
    application.router.add_route("*", "/{path:.*}", tenant.dispatch)
    return application
