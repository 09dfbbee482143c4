"""Watch the certificate that the gateway serves: is it the vault's newest, is it for the name, will it stay valid?

The result is recorded like a component's health, in partition OBSERVABILITY of table Components.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote

from runbook_lib.application_gateway.listener import API_VERSION, TYPE, certificate_of, gateway_name, is_same_secret
from runbook_lib.basics import base64url, strict_json
from runbook_lib.basics.clock import from_rfc3339
from runbook_lib.component_registry.schema import Key
from runbook_lib.context import Context
from runbook_lib.errors import azure
from runbook_lib.health.observability import readable
from runbook_lib.health.rules import Observation
from runbook_lib.network import trusted_authorities
from runbook_lib.rotation.credentials import FoundCredential
from runbook_lib.rotation.versions import Secret, VaultFacts
from runbook_lib.tls_certificate.handshake import served_certificate
from runbook_lib.tls_certificate.name import CERTIFICATE
from runbook_lib.vault.credential_states import TLS_CERTIFICATE, CredentialState, SecretState, secret_state
from runbook_lib.vault.secret_in_use import WRITTEN_TAG

WATCH = "tls-certificate"
# A renewal begins when a third of the lifetime is left, and it is repeated for days. If only a quarter is left, the
# renewal fails.
LEAST_SHARE = 0.25
# The gateway looks into the vault every 4 hours (docs/azure-facts.md#gateway-and-dns).
POLL = timedelta(hours=4)


def look_at_certificate(context: Context, recorded: Iterable[Key]) -> tuple[Observation, Sequence[FoundCredential]]:
    """Return whether the gateway serves the vault's certificate, and will serve it on, and the certificate to record.

    If the certificate cannot be read, it is ill, and there is nothing to record. Before the first certificate there is
    nothing to record, either. `recorded`: the keys in table Credentials. They show whether there was a certificate
    before.
    """
    known = any(kind == TLS_CERTIFICATE for kind, _ in recorded)
    found: list[FoundCredential] = []
    return readable(lambda: _look(context, found, recorded=known)), found


def _look(context: Context, found: list[FoundCredential], *, recorded: bool) -> Observation:
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

    certificate = get(context.clients.certificates, f"/certificates/{CERTIFICATE}")
    there, now = bool(certificate.get("x5t")), context.clock.now()
    if there or recorded:
        found.append(found_certificate(certificate if there else None, now))
    name = f"{settings.resource_group_id}/providers/{TYPE}/{gateway_name(settings.prefix)}"
    gateway = get(context.clients.resources, f"{quote(name, safe='/()')}?api-version={API_VERSION}")
    if not gateway:
        return Observation("unprobed", "there is no Application Gateway")
    wanted = f"{settings.key_vault_endpoint}/secrets/{CERTIFICATE}"
    read = certificate_of(gateway)[1]
    if not there:
        if is_same_secret(read, wanted):
            return Observation("down", "the vault does not have the certificate that the listener reads")
        return Observation("unprobed", "the vault has no certificate yet")
    if not is_same_secret(read, wanted):
        return Observation("impaired", f"the listener reads {read or 'no secret'} and not {wanted}")
    served = served_certificate(
        host=settings.public_host,
        gateway=settings.gateway,
        trusted=trusted_authorities.place(context.clients.session),
        clock=context.clock,
    )
    return judge_certificate(certificate, served, now)


def found_certificate(certificate: Mapping[str, Any] | None, now: datetime) -> FoundCredential:
    """Return what is recorded of a certificate as the vault shows it, None for none. Pure.

    Its rotation is recorded at the publisher and not here.
    """
    begin = end = None
    state: SecretState = "absent"
    if certificate is not None:
        begin, end = _life(certificate) or (None, None)
        enabled = strict_json.member(certificate, "attributes", "enabled") is True
        state = secret_state(enabled=enabled, not_before=begin, expires=end, now=now)
    return FoundCredential(
        state=CredentialState(kind=TLS_CERTIFICATE, id=CERTIFICATE, state=state, not_before=begin, expires=end),
        versions=VaultFacts(current=Secret(), pending=Secret()),
    )


def judge_certificate(certificate: Mapping[str, Any], served: bytes, now: datetime) -> Observation:
    """Return whether a served certificate is the vault's newest, and is valid for long enough. Pure.

    Args:
        certificate: The vault's certificate, as the vault returns it.
        served: The served certificate in DER. The handshake has checked its name and its chain.
        now: The present time (aware).
    """
    life = _life(certificate)
    if life is None:
        return Observation("fails", "the vault does not say how long its certificate is valid")
    begin, end = life
    if certificate["attributes"].get("enabled") is not True:
        return Observation("impaired", "the vault's newest certificate is disabled")
    # The vault names a certificate by its SHA-1. It proves nothing here.
    if base64url.encode(hashlib.sha1(served).digest()) != certificate["x5t"]:  # noqa: S324
        if _is_new(certificate, now):
            return Observation("answers", "the gateway reads the renewed certificate within 4 hours")
        return Observation("impaired", "the gateway serves another certificate than the vault's newest")
    left = end - now
    if left < (end - begin) * LEAST_SHARE:
        return Observation("impaired", f"the certificate ends in {left.days} days, on {end:%Y-%m-%d}: nobody renews it")
    return Observation("answers")


def _is_new(certificate: Mapping[str, Any], now: datetime) -> bool:
    """Return whether the suite has installed a certificate so recently that the gateway need not know it yet.

    Only its tag says this. The vault's own time is the time of the signing request, which may be days older.
    """
    try:
        # A time far in the future does not count, either.
        return abs(now - from_rfc3339(certificate["tags"][WRITTEN_TAG])) < POLL
    except (KeyError, TypeError, ValueError, AttributeError):
        return False


def _life(certificate: Mapping[str, Any]) -> tuple[datetime, datetime] | None:
    """Return when a certificate begins and ends, None if the vault does not say it."""
    try:
        attributes = certificate["attributes"]
        begin, end = (datetime.fromtimestamp(attributes[each], timezone.utc) for each in ("nbf", "exp"))
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return None
    return begin, end
