"""The placeholder for the real certificate. The gateway serves it until the instance has its own. Nobody trusts it."""

import base64
import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import NoEncryption, pkcs12
from cryptography.x509.oid import NameOID

from lab.machine.certificates import builder

# The name of the secret (infra/modules/firstSecrets.bicep).
PLACEHOLDER = "tls-certificate"
NAME = "placeholder.invalid"
DAYS = 3650
CONTENT_TYPE = "application/x-pkcs12"


def placeholder() -> str:
    """Return a new placeholder in the form of the vault's secret: a PFX in base64."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = builder(name, name, key.public_key(), now, DAYS).sign(key, hashes.SHA256())
    return base64.b64encode(pkcs12.serialize_key_and_certificates(None, key, made, None, NoEncryption())).decode()
