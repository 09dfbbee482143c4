"""How Microsoft Entra starts: sign-in for the tenant, and the managed identity's endpoint of the sandbox."""

import secrets

from lab.entra import managed_identity, provider, sign_in
from lab.front.answers import ENTRA_ERRORS, IDENTITY_ERRORS
from lab.front.sites import Site
from lab.service import Fronts, Service
from lab.shared import Lab
from lab.subscriptions import Subscriptions

# The managed identity's endpoint is plain http on loopback, as in the real sandbox.
IDENTITY, SIGN_IN = "identity", "entra"
SITES = {IDENTITY: Site(tls=False, errors=IDENTITY_ERRORS), SIGN_IN: Site(errors=ENTRA_ERRORS)}


def _start(lab: Lab, subscriptions: Subscriptions) -> Fronts:
    engineer = secrets.token_hex(16).upper()
    lab.identity_headers[engineer] = None
    lab.environment.update(
        {
            "VIBEDATA_UAMI_CLIENT_ID": lab.names.uami_client_id,
            "IDENTITY_ENDPOINT": lab.urls[IDENTITY] + managed_identity.PATH,
            "IDENTITY_HEADER": engineer,
        }
    )
    provider.register(subscriptions.customer)
    subscriptions.show({provider.TYPE: provider.API_VERSIONS})
    return {IDENTITY: managed_identity.routes(lab), SIGN_IN: sign_in.routes(lab)}


SERVICE = Service(sites=SITES, start=_start)
