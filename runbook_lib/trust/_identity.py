"""Compare a certificate's whole subject with the trusted identity.

The specification's `trustedIdentities` may name a part of a subject. Ours names the whole subject. Attributes are
compared as in notation: type and value exactly, in any order. RFC 4514 writes them in the reverse order of the
certificate, and openssl and notation in the same order. Both name the same subject.
"""

from collections import Counter
from typing import TypeAlias

from runbook_lib.errors import trust
from runbook_lib.trust._names import read_name
from runbook_lib.trust.certificates import Certificate
from runbook_lib.trust.descriptor import shown

# Each relative distinguished name as its types (dotted OIDs) and values, and how often it occurs in the subject.
Identity: TypeAlias = "Counter[frozenset[tuple[str, str | bytes]]]"


def read_identity(text: str) -> Identity:
    """Return the identity that a policy names, in any of the forms of `_names`.

    Raises RunbookError VD-TRUST-012 if it is not a subject, or is empty: that would trust a certificate without a name.
    """
    from cryptography import x509

    if not text.strip():
        raise trust.TRUSTED_IDENTITY_UNREADABLE.error("no identity is named")
    try:
        names = read_name(text)
        for name in names:
            for oid, value in name:
                x509.NameAttribute(x509.ObjectIdentifier(oid), value)  # refuses what no certificate has
    except (ValueError, TypeError, Warning) as error:
        raise trust.TRUSTED_IDENTITY_UNREADABLE.error(f"{shown(text)} names no subject: {error}") from error
    return Counter(frozenset(name) for name in names)


def identity_of(certificate: Certificate) -> Identity:
    """Return the identity of a certificate's subject."""
    rdns = certificate.parsed.subject.rdns
    return Counter(frozenset((each.oid.dotted_string, each.value) for each in rdn) for rdn in rdns)
