"""The states of the account's packages and runbooks as texts, to compare them with a release. Pure."""

from collections.abc import Mapping

from runbook_lib.automation.account import HeldPackage, HeldRunbook
from runbook_lib.basics.digest import digest_from_hex
from runbook_lib.release.artifacts import PackageSet, Wheel

SUCCEEDED = "Succeeded"
FAILED = frozenset({"Failed", "Canceled"})
# The number of reads at the same time. Each needs memory for several copies of a runbook's text, and its thread keeps
# it.
LOOKS_AT_ONCE = 4


def wheels_to_import(packages: PackageSet, held: Mapping[str, HeldPackage]) -> tuple[Wheel, ...]:
    """Return the wheels that an environment must hold: only the combined wheel, or the wheel of each package. Pure.

    If the environment already holds a single wheel, or if the import of the combined wheel failed, this returns the
    single wheels. Only the environment itself keeps a record of this.

    Args:
        packages: The release's packages.
        held: The packages that the environment holds, by name in small letters.
    """
    combined = packages.combined
    if combined is None:
        return packages.wheels
    failed = (found := held.get(combined.distribution.lower())) is not None and found.state in FAILED
    begun = any(wheel.distribution.lower() in held for wheel in packages.wheels)
    return packages.wheels if failed or begun else (combined,)


def package_state(held: HeldPackage | None, wheel: Wheel) -> str | None:
    """Return the state of a package: its version if it is provisioned, otherwise Automation's state, None if it is
    absent.

    Automation returns no content link (azure-rest-api-specs#41604), and maybe no version. But the environment's name
    holds the digest of the package set. So a package that is provisioned in this environment is the package of the set.
    """
    if held is None:
        return None
    return (held.version or wheel.version) if held.state == SUCCEEDED else held.state


def runbook_state(held: HeldRunbook | None) -> str | None:
    """Return the state of a runbook, to compare with `published_state`; None if it was never published."""
    if held is None or held.sha256 is None:
        return None
    return published_state(held.sha256, held.environment)


def published_state(sha256: str, environment: str | None) -> str:
    """Return the state of a runbook that is published with this text (SHA-256, hex) in this runtime environment."""
    return f"{digest_from_hex(sha256)} in {environment}"
