"""What a service of the lab is: its sites, and how it starts. lab/main.py lists the services."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web

from lab.front.sites import Site
from lab.real_servers import RealServer
from lab.shared import Lab
from lab.subscriptions import Subscriptions

# The web application of each of a service's sites, by the site's name.
Fronts = Mapping[str, web.Application]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service, as its folder's service.py describes it.

    sites: its sites by the names that the journal, faults and Lab.urls use; empty for a service without data plane.
    start: makes the service's state, gives it to front and provider, adds the service's hooks to the lab and its types
        to the subscriptions, and returns the fronts.
    real_servers: the servers behind its fronts. They run before the service starts.
    """

    sites: Mapping[str, Site]
    start: Callable[[Lab, Subscriptions], Fronts]
    real_servers: Sequence[RealServer] = ()
