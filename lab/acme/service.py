"""Start the certificate authority: Pebble, its front, and its root. By default only the customer's jobs trust it."""

import contextlib
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from lab import snapshots
from lab.acme import pebble
from lab.acme.front import SITE, AcmeState, control, routes
from lab.front.answers import ACME_ERRORS
from lab.front.sites import Site
from lab.service import Fronts, Service
from lab.shared import Lab
from lab.subscriptions import Subscriptions

ROOT_FILE = "acme-root.pem"
DIRECTORY = "/dir"


def _start(lab: Lab, _subscriptions: Subscriptions) -> Fronts:
    state = AcmeState()

    async def clear() -> None:
        state.clear()

    async def set_trouble(body: Any) -> object:
        return control(state, lab, body)

    lab.on_reset.append(clear)
    lab.on_keep.append(snapshots.of_attributes(state, "limits", "renewals", "orders", "account_of", "failed"))
    lab.running.append(partial(_root, lab))
    lab.controls["POST", "/acme"] = set_trouble
    lab.environment.update(
        {
            "VIBEDATA_PUBLISHER_ACME_DIRECTORY": lab.urls[SITE] + DIRECTORY,
            "VIBEDATA_ACME_ROOT": str(lab.dir / ROOT_FILE),
        }
    )
    return {SITE: routes(lab, state)}


@contextlib.asynccontextmanager
async def _root(lab: Lab) -> AsyncIterator[None]:
    """Write the root of all issued certificates. Jobs trust it, because in Azure jobs trust the public authorities."""
    async with lab.upstream.get(lab.real_urls[pebble.MANAGEMENT] + "/roots/0") as answer:
        root = await answer.read()
    (lab.dir / ROOT_FILE).write_bytes(root)
    lab.jobs_trust.write_bytes(lab.ca_file.read_bytes() + root)
    yield


SERVICE = Service(sites={SITE: Site(errors=ACME_ERRORS)}, start=_start, real_servers=(pebble.REAL_SERVER,))
