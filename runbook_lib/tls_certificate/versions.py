"""The types for the instance's TLS certificate in the customer's vault, and the kinds of changes to it. Pure.

A version is a certificate with its key. The vault keeps the key. A pending operation holds the signing request of the
version to come. runbook_lib/tls_certificate/rules.py has the rules.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, get_args

from runbook_lib.change import ActionKind

# The tags of a version, beside WRITTEN_TAG (runbook_lib.vault.secret_in_use).
ROTATION_TAG, TESTED_TAG = "rotationId", "tested"

State = Literal["none", "prepared", "installed", "tested", "retired"]
STATES: tuple[State, ...] = get_args(State)
Phase = Literal["prepare", "install", "test", "retire"]
# What a run may ask for: a phase, or `auto` for the next phase.
RequestedPhase = Literal[Phase, "auto"]
PHASES: tuple[str, ...] = get_args(RequestedPhase)
# The result of each phase, in the order of the phases.
REACHED: Mapping[Phase, State] = {
    "prepare": "prepared",
    "install": "installed",
    "test": "tested",
    "retire": "retired",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of the certificate.

    `thumbprint` is the SHA-1 of the certificate in base64url, as the vault gives it. `rotation_id` is "" if there is no
    such tag. `tested` is the time of the test in RFC 3339, "" for never. `expires` is the end of the certificate, None
    if the vault does not say it.
    """

    version: str
    enabled: bool
    created: datetime
    thumbprint: str
    rotation_id: str = ""
    tested: str = ""
    written: str = ""
    expires: datetime | None = None

    def __str__(self) -> str:
        """Return the version's text for a plan."""
        return f"{self.thumbprint} of {f'rotation {self.rotation_id}' if self.rotation_id else 'no rotation'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """The pending operation. `key` is the SHA-256 of its public key in hexadecimal, "" if it cannot be read.

    `unfit` says how it differs from an operation of the suite, "" if it fits.
    """

    request_id: str
    csr: bytes
    key: str
    unfit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultFacts:
    """What the vault holds.

    `current` is the version that a reader without a version gets, None if nothing was ever merged. It may be disabled.
    `former` are the other versions, the newest first. `certificate` is the current version in DER. `pending` is the
    operation in progress. `deleted`: the certificate is deleted and can be recovered; then it shows only `current`.
    """

    current: Version | None = None
    former: tuple[Version, ...] = ()
    certificate: bytes = field(default=b"", repr=False)
    pending: Operation | None = None
    deleted: bool = False

    @property
    def to_retire(self) -> tuple[Version, ...]:
        """The enabled versions before the current one."""
        return tuple(version for version in self.former if version.enabled)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """The facts about a run's chain that the rules use: the leaf's thumbprint, and its key as in Operation."""

    thumbprint: str
    key: str


RECOVER: ActionKind[str] = ActionKind("recover", stage=1)
# The subject is the operation's request id: only that operation is discarded.
DISCARD: ActionKind[str] = ActionKind("discard", stage=2)
CREATE: ActionKind[str] = ActionKind("create", stage=3)
INSTALL: ActionKind[Leaf] = ActionKind("install", stage=3)
TEST: ActionKind[Version] = ActionKind("test", stage=3)
DISABLE: ActionKind[Version] = ActionKind("disable", stage=3)
