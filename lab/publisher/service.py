"""How the publisher's side starts: the callback API."""

from lab.front.sites import Site
from lab.publisher import front
from lab.service import Fronts, Service
from lab.shared import Lab
from lab.subscriptions import Subscriptions

SITES = {front.SITE: Site()}


def _start(lab: Lab, _subscriptions: Subscriptions) -> Fronts:
    lab.environment.update(
        {
            "VIBEDATA_PUBLISHER_API": lab.urls[front.SITE],
            "VIBEDATA_PUBLISHER_CLIENT_ID": lab.names.publisher_client_id,
        }
    )
    return {front.SITE: front.routes(lab)}


SERVICE = Service(sites=SITES, start=_start)
