"""Whose signature it is: a certificate's subject, compared whole.

The specification's `trustedIdentities` may name a part of a subject; ours names all of it. Attributes are compared as
notation compares them: type and value exact, in whatever order they are written. RFC 4514 writes them backwards from
the certificate's order, openssl and notation forwards: both ways of writing name the same subject.
"""

import re
from collections import Counter
from typing import TYPE_CHECKING, TypeAlias

from runbook_lib.errors import RunbookError
from runbook_lib.notary_certificates import Certificate
from runbook_lib.notary_descriptor import shown

if TYPE_CHECKING:
    from cryptography import x509

# Each relative distinguished name as its types (dotted OIDs) and values; how often it stands in the subject.
Identity: TypeAlias = "Counter[frozenset[tuple[str, str | bytes]]]"

# An escaped character, or where an attribute begins. RFC 4514 has no blanks after a separator, and people write them;
# its names of types are in any case, and `cryptography` knows them in upper case.
_BEGINNING = re.compile(r"(?P<escaped>\\.)|(?P<separator>^|[,+]) *(?P<type>[A-Za-z][A-Za-z\d-]*(?==))?", re.DOTALL)
# Key Vault and Windows write S, which notation takes for ST, too.
_STATE = "S"


def read_identity(text: str) -> Identity:
    """Return the identity that a policy names.

    Raises RunbookError VD-TRUST-012: it is not as RFC 4514 writes a subject, or empty, which would trust a certificate
    without a name.
    """
    from cryptography import x509

    try:
        name = x509.Name.from_rfc4514_string(
            _BEGINNING.sub(_as_in_the_rfc, text), {_STATE: x509.NameOID.STATE_OR_PROVINCE_NAME}
        )
    except (ValueError, TypeError, KeyError, Warning) as error:
        raise RunbookError("VD-TRUST-012", f"{shown(text)} names no subject: {error}") from error
    if not name.rdns:
        raise RunbookError("VD-TRUST-012", "no identity is named")
    return _identity(name)


def identity_of(certificate: Certificate) -> Identity:
    """Return the identity of a certificate's subject."""
    return _identity(certificate.parsed.subject)


def _as_in_the_rfc(found: re.Match[str]) -> str:
    return found["escaped"] or found["separator"] + (found["type"] or "").upper()


def _identity(name: "x509.Name") -> Identity:
    return Counter(frozenset((each.oid.dotted_string, each.value) for each in rdn) for rdn in name.rdns)
