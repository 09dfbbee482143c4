"""Read the signed attributes of a signature from its protected header. Pure.

signature-specification.md, "Signed Attributes"; signature-envelope-jws.md, "Protected Headers"; RFC 7515, 4.1.11
(`crit`). If a signer marks an attribute as critical that this module does not know, the signature is refused.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from runbook_lib.errors import RunbookError, trust
from runbook_lib.trust.descriptor import malformed, refuse_lookalikes, shown

X509 = "notary.x509"
SIGNING_AUTHORITY = "notary.x509.signingAuthority"
PAYLOAD_TYPE = "application/vnd.cncf.notary.payload.v1+json"

_STEP = "3.1"
_NAMESPACE = "io.cncf.notary."
_SCHEME = _NAMESPACE + "signingScheme"
_SIGNING_TIME = _NAMESPACE + "signingTime"
_AUTHENTIC_TIME = _NAMESPACE + "authenticSigningTime"
_EXPIRY = _NAMESPACE + "expiry"
_PLUGINS = (_NAMESPACE + "verificationPlugin", _NAMESPACE + "verificationPluginMinVersion")
_KNOWN = ("alg", "cty", "crit", _SCHEME, _SIGNING_TIME, _AUTHENTIC_TIME, _EXPIRY, *_PLUGINS)
# The attributes that a signer may mark as critical.
_MAY_BE_CRITICAL = {_SCHEME, _AUTHENTIC_TIME, _EXPIRY}

# RFC 3339, 5.6, in upper case as Go and others write it. fromisoformat accepts many other forms, and later Pythons even
# the hour 24.
_MINUTES = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_TIME = re.compile(rf"([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T{_MINUTES}:[0-5][0-9])(\.[0-9]+)?(Z|[+-]{_MINUTES})")
_ZERO = datetime(1, 1, 1, tzinfo=timezone.utc)  # Go's "no time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """The signed attributes. Times are aware, in UTC.

    Attributes:
        algorithm: The claimed `alg`.
        scheme: X509 or SIGNING_AUTHORITY.
        signing_time: A time that the signer claims, or in its own scheme the signing authority.
        expiry: When the signature expires, None for never.
    """

    algorithm: str
    scheme: str
    signing_time: datetime
    expiry: datetime | None


def read_attributes(protected: Mapping[str, Any]) -> Attributes:
    """Return the signed attributes. Raises RunbookError VD-TRUST-002 (malformed), -004 (not supported)."""
    refuse_lookalikes(protected, _KNOWN, "the protected header", _STEP)
    algorithm = protected.get("alg")
    if not isinstance(algorithm, str):
        raise malformed("alg is no text", _STEP)
    for plugin in _PLUGINS:
        if plugin in protected:
            raise _unsupported(f"it is to be verified by a plugin ({plugin})", "8")
    critical = _critical(protected)
    scheme = protected.get(_SCHEME)
    if scheme not in (X509, SIGNING_AUTHORITY):
        raise _unsupported(f"the signing scheme is {shown(scheme)}", _STEP)
    required = {_SCHEME, _AUTHENTIC_TIME} if scheme == SIGNING_AUTHORITY else {_SCHEME}
    if missing := (required | ({_EXPIRY} & protected.keys())) - critical:
        raise malformed(f"crit does not name {min(missing)}", _STEP)
    if protected.get("cty") != PAYLOAD_TYPE:
        raise malformed(f"cty is {shown(protected.get('cty'))}", "3.2")
    signing_time = _signing_time(protected, scheme)
    expiry = _time(protected, _EXPIRY) if _EXPIRY in protected else None
    if expiry is not None and expiry <= signing_time:
        raise malformed("it expires before it was signed", _STEP)
    return Attributes(algorithm=algorithm, scheme=scheme, signing_time=signing_time, expiry=expiry)


def _critical(protected: Mapping[str, Any]) -> set[str]:
    """Return the names in `crit`. Each must be known and present, and must not be a header of JWS itself."""
    names = protected.get("crit")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise malformed("crit is no list of names", _STEP)
    if len(set(names)) != len(names):
        raise malformed("crit has a name twice", _STEP)
    for name in names:
        if name not in protected:
            raise malformed(f"crit names {shown(name)}, which is absent", _STEP)
        if name not in _MAY_BE_CRITICAL:
            raise _unsupported(f"crit names {shown(name)}", _STEP)
    return set(names)


def _signing_time(protected: Mapping[str, Any], scheme: str) -> datetime:
    mine, other = (_SIGNING_TIME, _AUTHENTIC_TIME) if scheme == X509 else (_AUTHENTIC_TIME, _SIGNING_TIME)
    if other in protected:
        raise malformed(f"{other} does not belong to the scheme {scheme}", _STEP)
    moment = _time(protected, mine)
    if moment == _ZERO:
        raise malformed(f"{mine} is zero", _STEP)
    return moment


def _time(protected: Mapping[str, Any], name: str) -> datetime:
    """Return a time. Digits after the microsecond are cut, so that an expiry is never later than its text."""
    text = protected.get(name)
    parts = _TIME.fullmatch(text) if isinstance(text, str) else None
    if parts is None:
        raise malformed(f"{name} is no RFC 3339 time", _STEP)
    seconds, fraction, offset = parts.groups(default="")
    offset = "+00:00" if offset == "Z" else offset
    try:
        return datetime.fromisoformat(f"{seconds}.{(fraction[1:] + '000000')[:6]}{offset}").astimezone(timezone.utc)
    except (ValueError, OverflowError) as error:
        raise malformed(f"{name} is no RFC 3339 time: {error}", _STEP) from error


def _unsupported(what: str, step: str) -> RunbookError:
    return trust.SIGNATURE_DEMANDS_TOO_MUCH.error(f"{what} (step {step})")
