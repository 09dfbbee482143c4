"""certbot's own client for the lab's certificate authority, and the steps of one issuance over DNS-01."""

from dataclasses import dataclass

import requests
from acme import challenges, client, messages
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from josepy import jwa, jwk

from tests.support.dns import dns_client
from tests.support.running_lab import LabUnderTest

USER_AGENT = "vibedata-tests"


@dataclass(frozen=True, slots=True)
class Account:
    """An account of the certificate authority."""

    client: client.ClientV2
    key: jwk.JWK


def register(lab: LabUnderTest) -> Account:
    """Make an account with a new key."""
    key = jwk.JWKEC(key=ec.generate_private_key(ec.SECP256R1()))
    network = client.ClientNetwork(key, alg=jwa.ES256, user_agent=USER_AGENT, verify_ssl=True)
    directory = client.ClientV2.get_directory(lab.env["VIBEDATA_PUBLISHER_ACME_DIRECTORY"], network)
    made = client.ClientV2(directory, network)
    made.new_account(messages.NewRegistration.from_data(terms_of_service_agreed=True))
    return Account(made, key)


def request_for(*names: str) -> tuple[bytes, ec.EllipticCurvePrivateKey]:
    """Return a certificate signing request for names, in PEM, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])]))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return request.public_bytes(serialization.Encoding.PEM), key


def answer_challenges(
    lab: LabUnderTest, account: Account, order: messages.OrderResource, *, right: bool = True
) -> None:
    """Put right or wrong TXT records for an order's DNS-01 challenges into the zone, and answer the challenges."""
    group, zone = lab.env["VIBEDATA_PUBLISHER_RESOURCE_GROUP"], "vibedata.ai"
    for authorization in order.authorizations:
        body = next(one for one in authorization.body.challenges if isinstance(one.chall, challenges.DNS01))
        response, value = body.response_and_validation(account.key)
        name = f"_acme-challenge.{authorization.body.identifier.value}".removesuffix(f".{zone}")
        records = {"properties": {"TTL": 60, "TXTRecords": [{"value": [value if right else "wrong"]}]}}
        with dns_client(lab) as dns:
            dns.record_sets.create_or_update(group, zone, name, "TXT", records)  # type: ignore[call-overload]
        account.client.answer_challenge(body, response)


def ari(lab: LabUnderTest, certificate_id: str) -> requests.Response:
    """Ask for the renewal information of a certificate."""
    directory = requests.get(lab.env["VIBEDATA_PUBLISHER_ACME_DIRECTORY"], timeout=30).json()
    return requests.get(f"{directory['renewalInfo']}/{certificate_id}", timeout=30)
