"""Start the vaults. The customer's vault has a token and a placeholder certificate. The publisher's has its keys."""

import json

from cryptography.hazmat.primitives.asymmetric import ec

from lab.application_gateway.placeholder import CONTENT_TYPE, PLACEHOLDER, placeholder
from lab.front.answers import VAULT_ERRORS
from lab.front.sites import Site
from lab.key_vault import front, provider
from lab.key_vault.keys import Key, Keys
from lab.key_vault.objects import Attributes, VaultOptions
from lab.key_vault.secrets import Secrets, SecretValue
from lab.publisher import signing_material
from lab.publisher.signing_material import KEY_NAME
from lab.service import Fronts, Service
from lab.shared import Lab
from lab.subscriptions import Subscriptions

CUSTOMER, PUBLISHER = "key_vault", "publisher_key_vault"
# A vault's requests hold the secrets that the copies are searched for.
SITES = {name: Site(errors=VAULT_ERRORS, copied=False) for name in (CUSTOMER, PUBLISHER)}
# The key of the publisher's account at the certificate authority.
ACCOUNT_KEY_NAME = "acme-account"
PUBLISHER_TOKEN_SECRET = "publisher-acr-token"  # noqa: S105 - a name


def _start(lab: Lab, subscriptions: Subscriptions) -> Fronts:
    options = {site: VaultOptions() for site in SITES}
    signing = signing_material.make(lab.dir)

    def onboarded(secrets: Secrets, _keys: Keys) -> None:
        value = {"username": lab.names.publisher_token_username, "password": lab.names.publisher_token_password}
        content = SecretValue(value=json.dumps(value), content_type="application/json")
        secrets.set(PUBLISHER_TOKEN_SECRET, content, tags={}, attributes=Attributes())
        content = SecretValue(value=placeholder(), content_type=CONTENT_TYPE)
        secrets.set(PLACEHOLDER, content, tags={}, attributes=Attributes())

    def with_keys(_secrets: Secrets, keys: Keys) -> None:
        keys.add(KEY_NAME, signing.key, tags={}, attributes=Attributes(), version_id=signing.version)
        # A reset makes another key, so the authority knows no account and no authorization from before.
        account = Key(private=ec.generate_private_key(ec.SECP256R1()), operations=("sign", "verify"))
        keys.add(ACCOUNT_KEY_NAME, account, tags={}, attributes=Attributes())

    lab.controls["POST", "/vaults"] = front.control(options)
    lab.audiences.update((*front.KEY_VAULT_AUDIENCES, *(front.resource_of(lab, site) for site in SITES)))
    lab.environment.update(
        {
            "VIBEDATA_KEY_VAULT_ENDPOINT": lab.urls[CUSTOMER],
            "VIBEDATA_PUBLISHER_KEY_VAULT_ENDPOINT": lab.urls[PUBLISHER],
            "VIBEDATA_SIGNING_KEY": f"{lab.urls[PUBLISHER]}/keys/{KEY_NAME}/{signing.version}",
            "VIBEDATA_SIGNING_CHAIN": str(signing.chain_file),
            "VIBEDATA_TRUST_ROOTS": signing.root_fingerprint,
            "VIBEDATA_TRUSTED_IDENTITY": signing.subject,
        }
    )
    provider.register_customers(subscriptions.customer, lab.urls[CUSTOMER])
    provider.register_publishers(subscriptions.publisher, lab.urls[PUBLISHER])
    subscriptions.show({provider.TYPE: provider.API_VERSIONS})
    starts = {CUSTOMER: onboarded, PUBLISHER: with_keys}
    fronts = {
        site: front.routes(lab, site=site, options=options[site], start=start, publishers=site == PUBLISHER)
        for site, start in starts.items()
    }
    fronts[CUSTOMER].middlewares.append(provider.customers_guard(subscriptions.customer))
    return fronts


SERVICE = Service(sites=SITES, start=_start)
