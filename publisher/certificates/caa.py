"""Whether the CAA records of a zone allow an order (RFC 8659; the parameters are those of RFC 8657).

The authority looks at the same records after the proof. An order that they forbid would count as a failed
authorization, so the publisher looks first.
"""

import shlex
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

# The records of type CAA at a name, as texts: flags, tag, value.
LookUp = Callable[[str], Collection[str]]
CRITICAL = 0x80
TAG = "issue"
# They say nothing about an order of one name.
OTHER_TAGS = ("issuewild", "iodef", "issuemail", "issuevmc", "contactemail", "contactphone")


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """Who would issue, for whom, and by which proof. identities: the authority's names in CAA records."""

    identities: Sequence[str]
    account: str
    method: str


def refusal(host: str, zone: str, issuer: Issuer, look_up: LookUp) -> str:
    """Return why the records forbid an order, "" if they allow it.

    The records at the host count, or else those of the nearest name above it, up to the zone's own. An authority that
    does not tell its name cannot be compared, and is allowed.
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
    """Return flags, tag and value. What cannot be read allows nobody."""
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
