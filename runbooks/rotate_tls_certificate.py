"""Renew the TLS certificate of the instance's public name. Its key is made in the customer's vault and stays there.

Only a signing request and a chain cross between the tenants. The phases: prepare (the vault makes a key and a request
for it, which the run reports), install (the chain that the publisher ordered is checked and merged), test (a TLS
connection through the gateway sees the new certificate), retire (the former versions are disabled). auto does the next
phase.
"""

import base64
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import Any

from runbook_lib.basics.clock import rfc3339
from runbook_lib.basics.forms import UUID, fits
from runbook_lib.change import Action, Plan, Result
from runbook_lib.context import Context
from runbook_lib.errors import run, tls
from runbook_lib.network import trusted_authorities
from runbook_lib.permissions.credentials import RENEW_CERTIFICATE
from runbook_lib.run.parameters import CHARACTERS, CommonParameters
from runbook_lib.run.result import Report
from runbook_lib.runbook import Runbook, main
from runbook_lib.tls_certificate.chain import MAX_CHARACTERS, Chain, check_chain, read_chain
from runbook_lib.tls_certificate.handshake import served_certificate
from runbook_lib.tls_certificate.rules import FITS, OVERLAP_SECONDS, Decision, PhaseRequest, decide
from runbook_lib.tls_certificate.vault import CertificateVault
from runbook_lib.tls_certificate.versions import (
    CREATE,
    DISABLE,
    DISCARD,
    INSTALL,
    PHASES,
    RECOVER,
    TEST,
    Leaf,
    VaultFacts,
    Version,
)

MAX_OVERLAP_SECONDS = 30 * 24 * 3600
# The result's line cuts longer texts (runbook_lib.run.result).
PART_CHARACTERS = 256


@dataclass(frozen=True, kw_only=True)
class Parameters(CommonParameters):
    """The parameters of rotate_tls_certificate."""

    phase: str = field(default="auto", metadata={"help": f"one of {', '.join(PHASES)}"})
    rotation_id: str = field(
        default="", metadata={"help": "a UUID that only this rotation has; auto continues the open rotation"}
    )
    chain: str = field(
        default="",
        metadata={
            "help": "install: the certificates in DER, leaf first, each in base64url, with dots between",
            CHARACTERS: MAX_CHARACTERS,
        },
    )
    overlap_seconds: int = field(
        default=OVERLAP_SECONDS, metadata={"help": "retire: how long the former certificate stays enabled"}
    )

    def __post_init__(self) -> None:
        """Check the forms. Raises RunbookError VD-PARAM-002."""
        super().__post_init__()
        if self.phase not in PHASES:
            raise run.MALFORMED_PARAMETER.error(f"takes one of {', '.join(PHASES)}", target="phase")
        if self.rotation_id and not fits(UUID, self.rotation_id):
            raise run.MALFORMED_PARAMETER.error(f"takes {UUID[1]}", target="rotation_id")
        if not self.rotation_id and (self.chain or self.phase not in ("prepare", "auto")):
            raise run.MALFORMED_PARAMETER.error("takes the rotation's UUID in this phase", target="rotation_id")
        if self.phase == "install" and not self.chain:
            raise run.MALFORMED_PARAMETER.error("takes the certificate chain in phase install", target="chain")
        if not 0 <= self.overlap_seconds <= MAX_OVERLAP_SECONDS:
            raise run.MALFORMED_PARAMETER.error(f"takes 0 to {MAX_OVERLAP_SECONDS}", target="overlap_seconds")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What rotate_tls_certificate found.

    `host` is the only name that the certificate shall have. `trusted` are the authorities of this machine in PEM, read
    only if there is a chain.
    """

    host: str
    request: PhaseRequest
    seen: VaultFacts
    chain: Chain | None = None
    trusted: Sequence[bytes] = field(default=(), repr=False)
    vault: CertificateVault = field(repr=False)

    @cached_property
    def decision(self) -> Decision:
        """What the phase does. It is decided once, only from the other facts."""
        return decide(self.request, self.seen)


def observe(context: Context, parameters: Parameters) -> Facts:
    """Read the certificate in the vault, and its pending operation. Raises RunbookError VD-TLS-003, -012."""
    chain = read_chain(parameters.chain) if parameters.chain else None
    place = trusted_authorities.place(context.clients.session)
    request = PhaseRequest(
        phase=parameters.phase,  # type: ignore[arg-type] # one of PHASES
        rotation_id=parameters.rotation_id,
        leaf=None if chain is None else chain.leaf,
        overlap=timedelta(seconds=parameters.overlap_seconds),
        now=context.clock.now(),
    )
    vault = CertificateVault(
        client=context.clients.certificates, clock=context.clock, host=context.settings.public_host
    )
    return Facts(
        host=context.settings.public_host,
        request=request,
        seen=vault.seen(),
        chain=chain,
        trusted=() if chain is None else trusted_authorities.certificates(place),
        vault=vault,
    )


def plan(facts: Facts) -> Plan:
    """Plan the changes of the phase. Before a merge, the whole chain is checked.

    Raises the rules' errors, and RunbookError VD-TLS-005, -006, -007.
    """
    decision = facts.decision
    if facts.chain is not None and any(map(INSTALL.is_of, decision.changes)):
        from cryptography import x509

        trusted = [each for text in facts.trusted for each in x509.load_pem_x509_certificates(text)]
        check_chain(facts.chain, host=facts.host, now=facts.request.now, trusted=trusted)
    return Plan(changes=decision.changes, unchanged=decision.unchanged)


def actions(context: Context, facts: Facts) -> Sequence[Action[Any]]:
    """Return the actions in the vault."""
    vault = facts.vault

    def pending(_: str) -> str | None:
        found = vault.pending()
        return "none" if found is None else found.unfit or FITS

    def current(_: Leaf) -> str | None:
        found = vault.current()
        return None if found is None or not found.enabled else str(found)

    def tested(version: Version) -> str | None:
        found = vault.current()
        if found is None or found.version != version.version:
            return None if found is None else str(found)
        return "tested" if found.tested else "not tested"

    return (
        Action(RECOVER, make=lambda _: vault.recover(), see=lambda _: "deleted" if vault.is_deleted() else "there"),
        Action(DISCARD, make=vault.discard, see=pending),
        Action(CREATE, make=lambda _: vault.create(), see=pending),
        Action(INSTALL, make=partial(_install, facts), see=current),
        Action(TEST, make=partial(_test, context, facts), see=tested),
        Action(DISABLE, make=vault.disable, see=lambda version: _STATES[vault.is_enabled(version)]),
    )


_STATES: Mapping[bool | None, str | None] = {True: "enabled", False: "disabled", None: None}


def _install(facts: Facts, _leaf: Leaf) -> None:
    assert facts.chain is not None  # noqa: S101 - without a chain nothing is installed
    facts.vault.install(facts.chain, facts.decision.request.rotation_id)


def _test(context: Context, facts: Facts, version: Version) -> None:
    served = served_certificate(
        host=facts.host,
        gateway=context.settings.gateway,
        trusted=trusted_authorities.place(context.clients.session),
        clock=context.clock,
    )
    if served != facts.seen.certificate:
        detail = f"the vault's is {version}"
        raise tls.OTHER_CERTIFICATE_SERVED.error(detail, target=facts.host)
    facts.vault.mark_tested(version)


def report(facts: Facts, results: Sequence[Result]) -> Report:
    """Return the state of the rotation and the signing request. It has several parts: the reader joins them."""
    decision, current = facts.decision, facts.seen.current
    done = {result.change for result in results if result.outcome == "done"}
    made = all(change in done for change in decision.changes)
    expires = None if current is None else current.expires
    if facts.chain is not None and any(map(INSTALL.is_of, done)):
        expires = facts.chain.not_after
    text = base64.b64encode(facts.vault.signing_request).decode()
    return {
        "state": decision.reached if made else decision.state,
        "rotation_id": decision.request.rotation_id,
        "host": facts.host,
        "signing_request": [text[start : start + PART_CHARACTERS] for start in range(0, len(text), PART_CHARACTERS)],
        "not_after": _shown(expires),
        "retire_after": _shown(decision.retire_after),
    }


def _shown(moment: datetime | None) -> str:
    return "" if moment is None else rfc3339(moment)


RUNBOOK = Runbook(
    name="rotate_tls_certificate",
    summary="renew the TLS certificate of the instance's public name",
    parameters=Parameters,
    observe=observe,
    plan=plan,
    actions=actions,
    report=report,
    permissions=(RENEW_CERTIFICATE,),
)

if __name__ == "__main__":
    sys.exit(main(RUNBOOK))
