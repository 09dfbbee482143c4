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

# What RFC 4514 leaves out and people write: blanks after a separator. An escaped character is none.
_BLANKS = re.compile(r"(\\.|[,+]) *", re.DOTALL)


def read_identity(text: str) -> Identity:
    """Return the identity that a policy names.

    Raises RunbookError VD-TRUST-012: it is not as RFC 4514 writes a subject, or empty, which would trust a certificate
    without a name.
    """
    from cryptography import x509

    try:
        name = x509.Name.from_rfc4514_string(_BLANKS.sub(_without_blanks, text))
    except (ValueError, TypeError, KeyError, Warning) as error:
        raise RunbookError("VD-TRUST-012", f"{shown(text)} names no subject: {error}") from error
    if not name.rdns:
        raise RunbookError("VD-TRUST-012", "no identity is named")
    return _identity(name)


def identity_of(certificate: Certificate) -> Identity:
    """Return the identity of a certificate's subject."""
    return _identity(certificate.parsed.subject)


def _without_blanks(found: re.Match[str]) -> str:
    return found[0] if found[0].startswith("\\") else found[1]


def _identity(name: "x509.Name") -> Identity:
    return Counter(frozenset((each.oid.dotted_string, each.value) for each in rdn) for rdn in name.rdns)
