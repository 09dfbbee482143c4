"""Which providers each subscription has: the customer's and the publisher's, as ARM shows them."""

from aiohttp import web

from lab.arm import tenant as arm_tenant
from lab.arm.dispatch import Arm
from lab.arm.types import Home
from lab.authorization import provider as arm_authorization
from lab.automation import provider as arm_automation
from lab.container_registry import import_provider as arm_container_registry
from lab.container_registry import scope_maps_provider as arm_scope_maps
from lab.container_registry import tokens_provider as arm_registry_tokens
from lab.monitor import provider as arm_monitor
from lab.publisher import resources as publisher_resources
from lab.resource_group import managed_application
from lab.resource_group import provider as arm_resources
from lab.shared import Lab
from lab.storage import provider as arm_storage


def routes(lab: Lab) -> web.Application:
    """Return the app that serves `management.azure.com` with every provider of the lab."""
    names = lab.names
    home = Home(names.subscription_id, names.resource_group, publishers=False)
    arm = Arm(lab=lab, home=home)
    arm_automation.register(arm)
    arm_container_registry.register(arm)
    arm_monitor.register(arm)
    arm_storage.register(arm)
    managed_application.register(arm)
    arm_resources.register(arm)
    publishers_home = Home(names.publisher_subscription_id, names.publisher_resource_group, publishers=True)
    publishers = Arm(lab=lab, home=publishers_home)
    arm_registry_tokens.register(publishers)
    arm_scope_maps.register(publishers)
    publisher_resources.register(publishers)
    for one in (arm, publishers):
        arm_authorization.register(one)
        lab.on_reset.append(one.reset)
        lab.on_close.append(one.reset)
    tenant = arm_tenant.Tenant(lab=lab, subscriptions=(arm, publishers))
    application = web.Application(client_max_size=0)
    application.router.add_route("*", "/{path:.*}", tenant.dispatch)
    return application
