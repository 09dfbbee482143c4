"""What packages and runbooks of the account are, as texts that are compared with what a release wants. Pure."""

from runbook_lib.automation.account import HeldPackage, HeldRunbook
from runbook_lib.release.artifacts import Wheel

SUCCEEDED = "Succeeded"
# Looks at once: each has a runbook's text in memory several times over, and its thread keeps the room.
LOOKS_AT_ONCE = 4


def package_state(held: HeldPackage | None, wheel: Wheel) -> str | None:
    """Return what a package is: its version once it is provisioned, else its state, None where it is absent.

    Automation returns no content link (azure-rest-api-specs#41604), and maybe no version: the runtime environment is
    named by the package set's digest, so that a package that is provisioned in it is the one of the set.
    """
    if held is None:
        return None
    return (held.version or wheel.version) if held.state == SUCCEEDED else held.state


def runbook_state(held: HeldRunbook | None) -> str | None:
    """Return what a runbook is, comparable with `published_state`; None where it was never published."""
    if held is None or held.sha256 is None:
        return None
    return published_state(held.sha256, held.environment)


def published_state(sha256: str, environment: str | None) -> str:
    """Return the state of a runbook that is published with this text (SHA-256, hex) in this runtime environment."""
    return f"sha256:{sha256} in {environment}"
