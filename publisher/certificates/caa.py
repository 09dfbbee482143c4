"""Decide whether the CAA records of a zone allow an order (RFC 8659, with the parameters of RFC 8657).

The authority reads the same records after the proof. If they forbid the order, it counts as a failed authorization. So
the publisher reads them first.
"""

import shlex
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

# Returns the records of type CAA at a name. Each is one text with flags, tag and value.
LookUp = Callable[[str], Collection[str]]
CRITICAL = 0x80
TAG = "issue"
# These tags say nothing about an order for one name without a wildcard.
OTHER_TAGS = ("issuewild", "iodef", "issuemail", "issuevmc", "contactemail", "contactphone")


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """The authority that would issue the certificate.

    Attributes:
        identities: The authority's names in CAA records.
        account: The address of the account that orders.
        method: The type of the challenge, for example "dns-01".
    """

    identities: Sequence[str]
    account: str
    method: str


def refusal(host: str, zone: str, issuer: Issuer, look_up: LookUp) -> str:
    """Return why the records forbid an order, "" if they allow it.

    The records at the host count. If there are none, the records at the nearest name above it count, up to the zone's
    name. If the authority does not say its names, nothing can be compared, and the order is allowed.

    Args:
        host: The name in the certificate.
        zone: The zone's name. The host is below it.
        issuer: The authority, the account and the challenge.
        look_up: Returns the records at a name.
    """
    if not issuer.identities:
        return ""
    name = host
    while True:
        records = look_up(name)
        if records:
            return _refusal(name, sorted(records), issuer)
        if name == zone:
            return ""
        name = name.partition(".")[2]


def _refusal(name: str, records: Sequence[str], issuer: Issuer) -> str:
    parsed = [_parsed(record) for record in records]
    unknown = [tag for flags, tag, _ in parsed if flags & CRITICAL and tag not in (TAG, *OTHER_TAGS)]
    if unknown:
        return f"{name} has a critical record that nobody here understands: {', '.join(unknown)}"
    issue = [value for _, tag, value in parsed if tag == TAG]
    if not issue or any(_allows(value, issuer) for value in issue):
        return ""
    wanted = f"{' or '.join(issuer.identities)} with {issuer.method} for account {issuer.account}"
    return f"{name} has {'; '.join(records)}, and the order would be of {wanted}"


def _parsed(record: str) -> tuple[int, str, str]:
    """Return flags, tag and value. A record that cannot be read allows nobody."""
    try:
        flags, tag, value = shlex.split(record)
        return int(flags), tag.lower(), value
    except ValueError:
        return 0, TAG, ";"


def _allows(value: str, issuer: Issuer) -> bool:
    domain, *parameters = (part.strip() for part in value.split(";"))
    if domain.lower().rstrip(".") not in issuer.identities:
        return False
    given = dict(part.partition("=")[::2] for part in parameters if "=" in part)
    named = {name.strip().lower(): text.strip() for name, text in given.items()}
    methods = named.get("validationmethods")
    if methods is not None and issuer.method not in (each.strip() for each in methods.split(",")):
        return False
    return named.get("accounturi") in (None, issuer.account)
