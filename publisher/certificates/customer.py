"""The customer's side of an issuance: run a phase there, and read its report.

Only the signing request and the chain pass between the tenants. The report comes from another tenant, so it is checked.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from publisher.certificates.record import Issuance
from publisher.rotation.customer_phases import RunRunbook, job_report, text_of
from publisher.rotation.record import is_time
from runbook_lib.basics.clock import Clock, from_rfc3339, rfc3339
from runbook_lib.basics.visible_text import one_line
from runbook_lib.errors import publisher, tls
from runbook_lib.tls_certificate.chain import names_of
from runbook_lib.tls_certificate.rules import OVERLAP_SECONDS
from runbook_lib.tls_certificate.versions import STATES, Phase

RUNBOOK = "rotate_tls_certificate"
# It makes the gateway read the certificate in the vault.
GATEWAY_RUNBOOK = "configure_gateway"
MAX_REQUEST_BYTES = 8 * 1024
# Twice the time that phase install names. The clocks of both sides may differ.
MAX_OVERLAP = timedelta(seconds=2 * OVERLAP_SECONDS)
# Reads of the vault show an installed certificate after this time. If a phase does not find it then, its tag is lost.
SEEN_TIME = timedelta(hours=1)
# A message shows at most this number of characters of the names in a request.
MAX_WORDS = 200
# The customer's runbook reports OVER if another certificate has come into use. It reports one of USELESS if it cannot
# use the chain. Then the publisher must order another one.
OVER = tls.ROTATION_OVER.code
USELESS = (
    tls.PHASE_TOO_EARLY.code,
    tls.CHAIN_OF_OTHER_KEY.code,
    tls.CHAIN_OF_OTHER_NAMES.code,
    tls.CHAIN_OUT_OF_TIME.code,
    tls.CHAIN_NOT_TRUSTED.code,
)


def run_phase(
    issuance: Issuance, phase: Phase, run_runbook: RunRunbook, clock: Clock
) -> Callable[[Issuance], Issuance]:
    """Run a phase, and return a function that enters its report into the record.

    The function takes the record as it is then: it may have changed while the phase ran.

    Args:
        issuance: The record before the phase.
        phase: The phase to run.
        run_runbook: Runs a runbook at the customer's.
        clock: Gives the time.

    Raises:
        PhaseError: The phase failed.
        RunbookError: VD-ROTATION-031 if the report has no state, VD-TLS-023 if the signing request is not for the host.
    """
    given: dict[str, Any] = {"phase": phase, "rotation_id": issuance.rotation_id}
    if phase == "install":
        given["chain"] = issuance.chain
    if phase == "retire":
        # The publisher decides when to retire.
        given["overlap_seconds"] = 0
    report = job_report(run_runbook, RUNBOOK, given, clock)
    state = text_of(report.get("state"))
    if state not in STATES:
        raise publisher.PHASE_FAILED.error(f"phase {phase} reports no state", target=RUNBOOK)
    request = _request(report, issuance.host) if state == "prepared" else ""
    retire_after = _retire_after(text_of(report.get("retire_after")), clock.now())

    def reported(now: Issuance) -> Issuance:
        if now.reached(state):
            return now
        changed = replace(now, customer=state, retire_after=retire_after or now.retire_after)
        if state == "prepared":
            return replace(changed, signing_request=request)
        installed_at = now.installed_at or rfc3339(clock.now())
        return replace(changed, installed_at=installed_at, failures=0, failed_at="")

    return reported


def _retire_after(told: str, now: datetime) -> str:
    """Return when the former version may be disabled, "" for never. told: what the customer's side says.

    The result is at most MAX_OVERLAP away. Else the customer's side could keep the issuance open for ever.
    """
    if not told or not is_time(told):
        return ""
    return rfc3339(min(max(from_rfc3339(told), now), now + MAX_OVERLAP))


def _request(report: Mapping[str, Any], host: str) -> str:
    """Return the signing request in base64, after checks. Raises RunbookError VD-TLS-023."""
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    text = text_of(report.get("signing_request"))
    try:
        der = base64.b64decode(text, validate=True)
        if len(der) > MAX_REQUEST_BYTES:
            raise ValueError("too long")
        request = x509.load_der_x509_csr(der)
        valid, names = request.is_signature_valid, names_of(request)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise tls.REQUEST_DIFFERS.error(type(error).__name__, target=host) from error
    if not valid or names != (host,):
        asked = one_line(", ".join(names) or "nothing", MAX_WORDS)
        seen = f"it asks for {asked}" if valid else "nobody with its key has signed it"
        raise tls.REQUEST_DIFFERS.error(seen, target=host)
    return text


def after_refusal(issuance: Issuance, phase: Phase, code: str, clock: Clock) -> Issuance:
    """Return the issuance after the customer's runbook has refused a phase. code: the code of its error."""
    if code == OVER or (code == tls.PHASE_TOO_EARLY.code and _was_installed(issuance, clock.now())):
        return replace(issuance, overtaken=True)
    if phase == "install" and code in USELESS:
        again = replace(issuance, customer="none", signing_request="", order="", attempt="", chain="")
        # The next certificate replaces the refused one, which has replaced the former one (RFC 9773, 5).
        renews = issuance.certificate_id or issuance.renews
        return replace(again, renews=renews, failures=issuance.failures + 1, failed_at=rfc3339(clock.now()))
    return issuance


def _was_installed(issuance: Issuance, now: datetime) -> bool:
    installed = issuance.reached("installed") and issuance.installed_at
    return bool(installed) and now - from_rfc3339(issuance.installed_at) > SEEN_TIME
