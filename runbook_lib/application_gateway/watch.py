"""Watch the certificate that the gateway serves: is it the vault's newest, is it for the name, will it stay valid?

The result is recorded like a component's health, in partition OBSERVABILITY of table Components.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote

from runbook_lib.application_gateway.listener import API_VERSION, TYPE, certificate_of, gateway_name, is_same_secret
from runbook_lib.basics import base64url, strict_json
from runbook_lib.context import Context
from runbook_lib.errors import azure
from runbook_lib.health.observability import readable
from runbook_lib.health.rules import Observation
from runbook_lib.network import trusted_authorities
from runbook_lib.tls_certificate.handshake import served_certificate
from runbook_lib.tls_certificate.name import CERTIFICATE

WATCH = "tls-certificate"
# A renewal begins when a third of the lifetime is left, and it is repeated for days. If only a quarter is left, the
# renewal fails.
LEAST_SHARE = 0.25


def look_at_certificate(context: Context) -> Observation:
    """Return whether the gateway serves the vault's certificate, and will serve it on. Unreadable counts as ill."""
    return readable(lambda: _look(context))


def _look(context: Context) -> Observation:
    from azure.core.rest import HttpRequest

    settings = context.settings

    def get(client: Any, path: str) -> Mapping[str, Any]:
        response = client.send_request(HttpRequest("GET", path))
        if response.status_code == 404:
            return {}
        response.raise_for_status()
        try:
            found = strict_json.loads(response.content)
        except strict_json.NotStrictJsonError as error:
            raise azure.ARM_ANSWER_UNCLEAR.error(str(error), target=path) from error
        return found if isinstance(found, dict) else {}

    name = f"{settings.resource_group_id}/providers/{TYPE}/{gateway_name(settings.prefix)}"
    gateway = get(context.clients.resources, f"{quote(name, safe='/()')}?api-version={API_VERSION}")
    if not gateway:
        return Observation("unprobed", "there is no Application Gateway")
    certificate = get(context.clients.certificates, f"/certificates/{CERTIFICATE}")
    if not certificate.get("x5t"):
        return Observation("unprobed", "the vault has no certificate yet")
    wanted = f"{settings.key_vault_endpoint}/secrets/{CERTIFICATE}"
    found = certificate_of(gateway)[1]
    if not is_same_secret(found, wanted):
        return Observation("impaired", f"the listener reads {found or 'no secret'} and not {wanted}")
    served = served_certificate(
        host=settings.public_host,
        gateway=settings.gateway,
        trusted=trusted_authorities.place(context.clients.session),
        clock=context.clock,
    )
    return judge_certificate(certificate, served, context.clock.now())


def judge_certificate(certificate: Mapping[str, Any], served: bytes, now: datetime) -> Observation:
    """Return whether a served certificate is the vault's newest, and is valid for long enough. Pure.

    Args:
        certificate: The vault's certificate, as the vault returns it.
        served: The served certificate in DER. The handshake has checked its name and its chain.
        now: The present time (aware).
    """
    try:
        attributes = certificate["attributes"]
        begin, end = (datetime.fromtimestamp(attributes[each], timezone.utc) for each in ("nbf", "exp"))
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return Observation("fails", "the vault does not say how long its certificate is valid")
    # The vault names a certificate by its SHA-1. It proves nothing here.
    if base64url.encode(hashlib.sha1(served).digest()) != certificate["x5t"]:  # noqa: S324
        return Observation("impaired", "the gateway serves another certificate than the vault's newest")
    left = end - now
    if left < (end - begin) * LEAST_SHARE:
        return Observation("impaired", f"the certificate ends in {left.days} days, on {end:%Y-%m-%d}: nobody renews it")
    return Observation("answers")
