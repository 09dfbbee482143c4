"""The policy of a Key Vault certificate: what a request may ask for, and the signing request for it. Pure.

Faithful: the fields and defaults of the service; keys RSA (2048, 3072, 4096) and EC (P-256, P-384, P-521); the secret
behind a certificate as PFX or PEM; a CSR with the subject, the subject alternative names and the usages of the policy.
Left out and refused: the issuer Self and those of partners, HSM keys, P-256K, certificates of an authority, names that
are no DNS names. Lifetime actions are kept and never carried out, as for the issuer Unknown.

Source: learn rest/api/keyvault/certificates/create-certificate; defaults as recorded by the SDKs' tests.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ObjectIdentifier

from lab.key_vault.keys import KeyPlan, PrivateKey, key_plan
from lab.key_vault.objects import VaultRefusedError, bad_parameter

PFX, PEM = "application/x-pkcs12", "application/x-pem-file"
SERVER, CLIENT = "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"
UNKNOWN = "Unknown"
USAGES = ("digitalSignature", "keyEncipherment")
KNOWN_USAGES = {
    "digitalSignature": "digital_signature",
    "nonRepudiation": "content_commitment",
    "keyEncipherment": "key_encipherment",
    "dataEncipherment": "data_encipherment",
    "keyAgreement": "key_agreement",
}
MAX_VALIDITY_MONTHS = 1200
FIELDS = {
    "policy": ("id", "key_props", "secret_props", "x509_props", "lifetime_actions", "issuer", "attributes"),
    "key_props": ("exportable", "kty", "key_size", "reuse_key", "crv"),
    "secret_props": ("contentType",),
    "x509_props": ("subject", "ekus", "sans", "key_usage", "validity_months"),
    "sans": ("dns_names", "emails", "upns"),
    "issuer": ("name", "cty", "cert_transparency"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A certificate's policy. The service's defaults replace missing values."""

    subject: str = ""
    dns_names: tuple[str, ...] = ()
    ekus: tuple[str, ...] = (SERVER, CLIENT)
    usages: tuple[str, ...] = USAGES
    validity_months: int = 12
    kind: str = "RSA"
    size: int | None = None
    curve: str | None = None
    exportable: bool = True
    reuse_key: bool = False
    content_type: str = PFX
    issuer: str = UNKNOWN
    lifetime_actions: tuple[Mapping[str, Any], ...] = ()

    def plan(self) -> KeyPlan:
        """Return the key to make; 400 if the vault makes no such key."""
        return key_plan(kind=self.kind, size=self.size, curve=self.curve, operations=None)

    def shown(self, address: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """Return the policy as the service shows it; `address` is the certificate's, without a version."""
        key: dict[str, Any] = {"exportable": self.exportable, "kty": self.kind, "reuse_key": self.reuse_key}
        if self.kind == "RSA":
            key["key_size"] = self.size or 2048
        else:
            key["crv"] = self.curve or "P-256"
        properties: dict[str, Any] = {
            "subject": self.subject,
            "ekus": list(self.ekus),
            "key_usage": list(self.usages),
            "validity_months": self.validity_months,
        }
        if self.dns_names:
            properties["sans"] = {"dns_names": list(self.dns_names)}
        return {
            "id": f"{address}/policy",
            "key_props": key,
            "secret_props": {"contentType": self.content_type},
            "x509_props": properties,
            "lifetime_actions": [dict(action) for action in self.lifetime_actions],
            "issuer": {"name": self.issuer},
            "attributes": dict(attributes),
        }

    def signing_request(self, private: PrivateKey) -> bytes:
        """Return the CSR in DER, signed by its own key."""
        builder = x509.CertificateSigningRequestBuilder().subject_name(_name(self.subject))
        builder = builder.add_extension(_usage(self.usages), critical=True)
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([ObjectIdentifier(eku) for eku in self.ekus]), critical=False
        )
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=False)
        if self.dns_names:
            names = [x509.DNSName(name) for name in self.dns_names]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(private, hashes.SHA256()).public_bytes(Encoding.DER)


def policy_of(given: object, *, before: Policy | None = None) -> Policy:
    """Return the policy in a request. Missing values come from `before`, or from the service's defaults."""
    fields = _object(given, "policy")
    key, secret = _object(fields.get("key_props"), "key_props"), _object(fields.get("secret_props"), "secret_props")
    properties, issuer = _object(fields.get("x509_props"), "x509_props"), _object(fields.get("issuer"), "issuer")
    names = _object(properties.get("sans"), "sans")
    if names.get("emails") or names.get("upns"):
        raise bad_parameter("This vault takes only DNS names as subject alternative names.")
    found = before or Policy()
    wanted: dict[str, Any] = {
        "subject": _text(properties, "subject"),
        "dns_names": _texts(names, "dns_names"),
        "ekus": _texts(properties, "ekus"),
        "usages": _texts(properties, "key_usage"),
        "validity_months": properties.get("validity_months"),
        "kind": _text(key, "kty"),
        "size": key.get("key_size"),
        "curve": _text(key, "crv"),
        "exportable": _flag(key, "exportable"),
        "reuse_key": _flag(key, "reuse_key"),
        "content_type": _text(secret, "contentType"),
        "issuer": _text(issuer, "name"),
        "lifetime_actions": fields.get("lifetime_actions"),
    }
    policy = replace(found, **{name: value for name, value in wanted.items() if value is not None})
    _check(policy)
    return policy


def _check(policy: Policy) -> None:
    if policy.issuer != UNKNOWN:
        raise VaultRefusedError(404, "IssuerNotFound", f"This vault has no certificate issuer {policy.issuer}.")
    if policy.content_type not in (PFX, PEM):
        raise bad_parameter(f"Property policy.secret_props.contentType takes {PFX} or {PEM}.")
    months = policy.validity_months
    if isinstance(months, bool) or not isinstance(months, int) or not 1 <= months <= MAX_VALIDITY_MONTHS:
        raise bad_parameter(f"Property policy.x509_props.validity_months takes 1 to {MAX_VALIDITY_MONTHS}.")
    unknown = sorted(set(policy.usages) - set(KNOWN_USAGES))
    if unknown:
        raise bad_parameter(f"This vault makes no request with key_usage {', '.join(unknown)}.")
    if not isinstance(policy.lifetime_actions, tuple | list):
        raise bad_parameter("Property policy.lifetime_actions is not an array.")
    try:
        for eku in policy.ekus:
            ObjectIdentifier(eku)
        for name in policy.dns_names:
            x509.DNSName(name)
    except ValueError as error:
        raise bad_parameter(f"Property policy.x509_props has an invalid value: {error}.") from error
    _name(policy.subject)
    policy.plan()


def _name(subject: str) -> x509.Name:
    try:
        return x509.Name.from_rfc4514_string(subject.strip())
    except ValueError as error:
        raise bad_parameter("The subject name provided is not a valid X500 name.") from error


def _usage(usages: tuple[str, ...]) -> x509.KeyUsage:
    asked = {field: usage in usages for usage, field in KNOWN_USAGES.items()}
    return x509.KeyUsage(**asked, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False)


def _object(given: object, name: str) -> dict[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, dict) or not set(given) <= set(FIELDS[name]):
        raise bad_parameter(f"Property {name} takes {', '.join(FIELDS[name])}.")
    return given


def _text(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise bad_parameter(f"Property {name} is not a string.")
    return value


def _texts(fields: Mapping[str, Any], name: str) -> tuple[str, ...] | None:
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise bad_parameter(f"Property {name} is not an array of strings.")
    return tuple(value)


def _flag(fields: Mapping[str, Any], name: str) -> bool | None:
    value = fields.get(name)
    if not isinstance(value, bool | None):
        raise bad_parameter(f"Property {name} is neither true nor false.")
    return value
