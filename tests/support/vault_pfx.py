"""A certificate with its key, in the form of a vault's secret."""

import base64

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, pkcs12

from tests.support.web_authority import WebAuthority

CONTENT_TYPE = "application/x-pkcs12"


def pfx(authority: WebAuthority, host: str) -> tuple[str, x509.Certificate]:
    """Return a new certificate for a host with its chain and key, a PFX in base64, and the leaf."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([x509.DNSName(host)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).add_extension(names, critical=False)
    leaf, *chain = authority.chain(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER))
    made = pkcs12.serialize_key_and_certificates(None, key, leaf, chain, NoEncryption())
    return base64.b64encode(made).decode(), leaf
