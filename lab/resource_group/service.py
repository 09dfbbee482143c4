"""How the managed resource group starts: its applications, which answer at ports of their own, and its resources."""

from lab.resource_group import changes, health, managed_application
from lab.resource_group.application_endpoints import Applications
from lab.resource_group.applications import APPLICATIONS, applications
from lab.resource_group.network import network, private_links
from lab.resource_group.resources import API_VERSIONS
from lab.service import Fronts, Service
from lab.shared import Lab
from lab.subscriptions import Subscriptions


def _start(lab: Lab, subscriptions: Subscriptions) -> Fronts:
    endpoints = Applications(lab, APPLICATIONS)
    lab.running.append(endpoints.running)
    arm, addresses = subscriptions.customer, endpoints.addresses
    managed_application.register(arm)
    health.register(arm)
    changes.register(lab, arm.managed, addresses)
    subscriptions.show(API_VERSIONS)
    arm.deployed(lambda: [*applications(lab, addresses), *network(lab), *private_links(lab)])
    return {}


SERVICE = Service(sites={}, start=_start)
