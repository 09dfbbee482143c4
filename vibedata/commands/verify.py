"""`vibedata verify REF`: check a release, beginning with its signature. Show each check, and why one failed."""

import argparse
import os
import re
from dataclasses import dataclass
from pathlib import Path

from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.basics.digest import DIGEST
from runbook_lib.container_registry.reader import new_reader
from runbook_lib.container_registry.wire import PUBLISHER
from runbook_lib.errors import build
from runbook_lib.release.manifest import TAG
from runbook_lib.release.model import LATEST, MANIFEST_REPOSITORY
from runbook_lib.trust.descriptor import MAX_SHOWN, shown
from vibedata.output import show, table
from vibedata.release import trusted_signer
from vibedata.release.check import BuiltReleaseFolder, CheckedPlace, ContainerRegistryRelease, Findings, check
from vibedata.release.publisher_registry import add_login, default_host, open_wire, token_source

EXAMPLES = """\
examples:
  vibedata verify 2026.11.0                            a version at the publisher's container registry
  vibedata verify dist                                 a build's folder
  vibedata verify vibedata.azurecr.io/vibedata/release-manifest:latest --entra
  vibedata verify latest --trust-root root.pem --identity "CN=Vibedata Release Signing,O=Vibedata,ST=Noord-Holland,C=NL"

It checks, in this order: the signature by the trusted publisher, its certificates, the release manifest and its
expiry, and that everything it pins is there. At a container registry it compares manifests by digest; in a folder it
reads every byte. Exit code 0: all is good; 1: something is not; 2: the arguments are not clear. It changes nothing.
"""
_REFERENCE = re.compile(rf"(?P<host>[^/]+)/(?P<repository>[a-z0-9._/-]+?)(:(?P<tag>{TAG})|@(?P<digest>{DIGEST}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A release at a container registry. `reference` is a tag or a digest.

    `host` is the container registry's host, "" for the publisher's container registry.
    """

    host: str
    reference: str


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `verify` to the command line."""
    parser = subparsers.add_parser(
        "verify",
        help="check who signed a release, and that it is whole",
        description="Check who signed a release, with which certificate, and that the release is whole.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "reference",
        metavar="REF",
        help="a version or tag, HOST/REPOSITORY[:TAG|@DIGEST], or the folder of a build",
    )
    trusted_signer.add_options(parser, os.environ)
    add_login(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Verify and return the exit code."""
    policy = trusted_signer.policy(arguments, os.environ)
    findings = check(_place(arguments), policy, SYSTEM_CLOCK.now())
    error = findings.error
    result = {
        "status": "failed" if error else "succeeded",
        "reference": arguments.reference,
        "digest": findings.digest,
        "version": findings.version,
        "certificate": dict(findings.certificate) or None,
        "checks": [{"check": name, "outcome": "passed", "found": found} for name, found in findings.checks]
        + ([{"check": findings.failed, "outcome": "failed", "found": error.message}] if error else []),
        "error": error.as_json() if error else None,
    }
    show(arguments.output, result=result, text=_text(arguments.reference, findings))
    return 1 if error else 0


def parse_reference(text: str) -> Reference:
    """Return the release that a text names: a tag, or a whole reference. Raises RunbookError VD-TRUST-056."""
    if re.fullmatch(TAG, text):
        return Reference(host="", reference=text)
    match = _REFERENCE.fullmatch(text)
    if match is None or match["repository"] != MANIFEST_REPOSITORY:
        target = text if text.isprintable() and len(text) <= MAX_SHOWN else shown(text)
        raise build.VERIFICATION_UNCLEAR.error(
            f"it is not a tag, not a folder, and not HOST/{MANIFEST_REPOSITORY}", target=target
        )
    return Reference(host=match["host"], reference=match["digest"] or match["tag"] or LATEST)


def _place(arguments: argparse.Namespace) -> CheckedPlace:
    if _is_folder(arguments.reference):
        return BuiltReleaseFolder(Path(arguments.reference))
    named = parse_reference(arguments.reference)
    wire = open_wire(named.host or default_host(), PUBLISHER, option="HOST/REPOSITORY:TAG")
    reader = new_reader(wire, token_source(arguments, os.environ, wire), SYSTEM_CLOCK)
    return ContainerRegistryRelease(reader=reader, reference=named.reference)


def _is_folder(text: str) -> bool:
    try:
        return Path(text).is_dir()
    except OSError:
        return False  # the name is too long for a folder


def _text(reference: str, findings: Findings) -> str:
    rows = [(name, "passed", found) for name, found in findings.checks]
    if findings.error is not None:
        rows.append((findings.failed, "failed", findings.error.message))
    parts = [table(f"release {reference}", ("check", "outcome", "found"), rows)]
    if findings.certificate:
        believed = "anchor" in findings.certificate
        title = "signing certificate" if believed else "certificate of the refused signature"
        parts.append(table(title, ("field", "value"), list(findings.certificate.items())))
    if findings.error is not None:
        parts.append(f"{findings.error}\n")
    return "".join(parts)
