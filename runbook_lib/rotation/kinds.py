"""The kinds of changes that a rotation makes in a customer's vault and records, and their subjects."""

from dataclasses import dataclass
from typing import Literal

from runbook_lib.change import ActionKind
from runbook_lib.component_registry.schema import Batch
from runbook_lib.rotation.request import PhaseRequest
from runbook_lib.rotation.versions import Version


@dataclass(frozen=True, slots=True)
class VaultObject:
    """The wrapping key, or a secret. Its text names it as a change's target."""

    kind: Literal["key", "secret"]
    name: str

    def __str__(self) -> str:
        """Return the kind and the name."""
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class SecretVersion:
    """A version of a secret. Its text names it as a change's target."""

    secret: str
    version: Version

    def __str__(self) -> str:
        """Return the name of the secret and that of the version."""
        return f"secret {self.secret}/{self.version.version}"


RECOVER: ActionKind[VaultObject] = ActionKind("recover", stage=1)
CREATE: ActionKind[VaultObject] = ActionKind("create", stage=2)
STAGE: ActionKind[PhaseRequest] = ActionKind("stage", stage=2)
TEST: ActionKind[PhaseRequest] = ActionKind("test", stage=2)
PROMOTE: ActionKind[PhaseRequest] = ActionKind("promote", stage=2)
DISABLE: ActionKind[SecretVersion] = ActionKind("disable", stage=2)
# The last stage of a plan.
RECORD: ActionKind[Batch] = ActionKind("record", stage=3)
