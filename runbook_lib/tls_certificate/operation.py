"""Decide whether the vault's pending operation is the same that the suite would begin. Pure.

Anybody with the right to create certificates may have begun it. Only its content decides, not who began it.
"""

from collections.abc import Mapping
from typing import Any

from runbook_lib.tls_certificate.chain import key_of, names_of
from runbook_lib.tls_certificate.versions import Operation

KEY_BITS = 2048
PFX = "application/x-pkcs12"
UNKNOWN = "Unknown"


def policy_for(host: str) -> dict[str, Any]:
    """Return the policy of a new operation, in the form that the vault takes.

    The gateway reads the secret of the certificate, a PFX with the key, so the key is exportable. Each renewal has a
    new key.
    """
    return {
        "key_props": {"exportable": True, "kty": "RSA", "key_size": KEY_BITS, "reuse_key": False},
        "secret_props": {"contentType": PFX},
        "x509_props": {"subject": f"CN={host}", "sans": {"dns_names": [host]}},
        "issuer": {"name": UNKNOWN},
    }


def judge(
    *, request_id: str, csr: bytes, issuer: str, cancelled: bool, policy: Mapping[str, Any], host: str
) -> Operation:
    """Return the pending operation and what is wrong with it. `policy` is the policy of the certificate."""
    key, unfit = _judge_request(csr, host)
    if issuer != UNKNOWN:
        unfit = f"its issuer is {issuer}"
    elif cancelled:
        unfit = "somebody has asked to cancel it"
    return Operation(request_id=request_id, csr=csr, key=key, unfit=unfit or _judge_policy(policy))


def _judge_request(csr: bytes, host: str) -> tuple[str, str]:
    """Return the key of a signing request, and what is wrong with the request."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import rsa

    try:
        request = x509.load_der_x509_csr(csr)
        key, names, public = key_of(request), names_of(request), request.public_key()
        signed = request.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion):
        return "", "its signing request cannot be read"
    if not signed:
        return key, "its signing request is not signed by its key"
    if names != (host,):
        return key, f"it asks for the names {', '.join(names) or 'none'}"
    if not isinstance(public, rsa.RSAPublicKey) or public.key_size != KEY_BITS:
        return key, f"its key is not RSA-{KEY_BITS}"
    return key, ""


def _judge_policy(policy: Mapping[str, Any]) -> str:
    key, secret = _part(policy, "key_props"), _part(policy, "secret_props")
    if key.get("exportable") is not True:
        return "the gateway could not read its key"
    if key.get("reuse_key") is not False:
        return "it takes the former key again"
    return "" if secret.get("contentType") == PFX else "its secret is no PFX"


def _part(policy: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = policy.get(name)
    return found if isinstance(found, dict) else {}
