"""Run the customer's part of a deployment in one job: from the release manifest to the first check of health.

A template starts it as an Automation job, and a deployment script in its container. It needs two things of the
publisher, and the template gives both: the token for the publisher's container registry, in the vault, and the trusted
signers, in the settings. `vibedata deploy` does the things that only the publisher can do: the lock of the
subscription, the first token if the template has put none there, and the first HMAC key. Reports to the publisher wait
until there is a key.
"""

import re
import sys
from dataclasses import dataclass, field
from typing import Any

from runbook_lib.chain import Chain, ChainParameters, Part
from runbook_lib.errors import run
from runbook_lib.release.installed import ReleaseParameters
from runbook_lib.release.manifest import TAG
from runbook_lib.release.model import LATEST
from runbook_lib.run.parameters import CommonParameters
from runbook_lib.runbook import main
from runbooks import (
    bootstrap_registry,
    check_health,
    import_images,
    import_manifest,
    publish_runbooks,
    validate_runbooks,
)

NAME = "deploy_instance"


@dataclass(frozen=True, kw_only=True)
class Parameters(ChainParameters):
    """What deploy_instance takes."""

    release_tag: str = field(default=LATEST, metadata={"help": "tag of the release: a version, or latest"})
    allow_downgrade: bool = field(default=False, metadata={"help": "accept an older release than the newest installed"})

    def __post_init__(self) -> None:
        """Check the tag's form. Raises RunbookError VD-PARAM-002."""
        super().__post_init__()
        if not re.fullmatch(TAG, self.release_tag):
            raise run.MALFORMED_PARAMETER.error("takes a tag: letters, digits, dots, dashes", target="release_tag")


def _common(given: Parameters) -> dict[str, Any]:
    return {"correlation_id": given.correlation_id, "plan_only": given.plan_only, "settings": given.settings}


def _of_manifest(given: Parameters) -> CommonParameters:
    return import_manifest.Parameters(
        release_tag=given.release_tag, allow_downgrade=given.allow_downgrade, **_common(given)
    )


def _of_release(given: Parameters) -> CommonParameters:
    return ReleaseParameters(**_common(given))


def _of_validation(given: Parameters) -> CommonParameters:
    return validate_runbooks.Parameters(**_common(given))


def _of_instance(given: Parameters) -> CommonParameters:
    return CommonParameters(**_common(given))


# In the order of docs/design.md#the-job. Each runbook needs the results of the one before it.
RUNBOOK = Chain(
    name=NAME,
    summary="run the customer's part of a deployment in one job",
    parameters=Parameters,
    parts=(
        Part(runbook=import_manifest.RUNBOOK, parameters=_of_manifest),
        Part(runbook=import_images.RUNBOOK, parameters=_of_release),
        Part(runbook=publish_runbooks.RUNBOOK, parameters=_of_release),
        Part(runbook=validate_runbooks.RUNBOOK, parameters=_of_validation),
        Part(runbook=bootstrap_registry.RUNBOOK, parameters=_of_release),
        Part(runbook=check_health.RUNBOOK, parameters=_of_instance),
    ),
)

if __name__ == "__main__":
    sys.exit(main(RUNBOOK))
