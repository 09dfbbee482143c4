"""The parameters of rotate_hmac and rotate_acr_token, and the name of a delivery."""

import hashlib
import re
from dataclasses import dataclass, field
from typing import get_args

from runbook_lib.basics import base64url
from runbook_lib.basics.forms import UUID, fits
from runbook_lib.errors import run
from runbook_lib.rotation.request import RequestedPhase
from runbook_lib.rotation.versions import OVERLAP_SECONDS
from runbook_lib.run.parameters import CommonParameters

PHASES: tuple[str, ...] = get_args(RequestedPhase)
# RSA-3072's block (RFC 8017, 7.1.1).
WRAPPED_BYTES = 384
MAX_OVERLAP_SECONDS = 30 * 24 * 3600

_WRAPPED = re.compile(r"[A-Za-z0-9_-]{512}")
_KEY_VERSION = re.compile(r"[0-9a-fA-F]{32}")
_DELIVERY = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class RotationParameters(CommonParameters):
    """The parameters of both runbooks. Each adds its credential's id."""

    phase: str = field(default="auto", metadata={"help": f"one of {', '.join(PHASES)}"})
    rotation_id: str = field(
        default="", metadata={"help": "a UUID that only this rotation has; auto continues the open rotation"}
    )
    wrapped_key: str = field(
        default="", metadata={"help": "stage: the credential, encrypted with RSA-OAEP-256, as base64url"}
    )
    wrapping_key_version: str = field(default="", metadata={"help": "stage: the version of the wrapping key"})
    supersedes: str = field(default="", metadata={"help": "the id of an abandoned rotation that this one replaces"})
    overlap_seconds: int = field(
        default=OVERLAP_SECONDS, metadata={"help": "retire: how long the former credential stays in use"}
    )
    delivery: str = field(default="", metadata={"help": "SHA-256 of the wrapped bytes: the only delivery that counts"})

    def __post_init__(self) -> None:
        """Check the forms. Raises RunbookError VD-PARAM-002."""
        super().__post_init__()
        if self.phase not in PHASES:
            raise run.MALFORMED_PARAMETER.error(f"takes one of {', '.join(PHASES)}", target="phase")
        for name in ("rotation_id", "supersedes"):
            if getattr(self, name) and not fits(UUID, getattr(self, name)):
                raise run.MALFORMED_PARAMETER.error(f"takes {UUID[1]}", target=name)
        if not self.rotation_id and (self.wrapped_key or self.phase not in ("prepare", "auto")):
            raise run.MALFORMED_PARAMETER.error("takes the rotation's UUID in this phase", target="rotation_id")
        if not 0 <= self.overlap_seconds <= MAX_OVERLAP_SECONDS:
            raise run.MALFORMED_PARAMETER.error(f"takes 0 to {MAX_OVERLAP_SECONDS}", target="overlap_seconds")
        if self.phase == "stage" and not self.wrapped_key:
            raise run.MALFORMED_PARAMETER.error("takes the wrapped credential in phase stage", target="wrapped_key")
        if self.wrapped_key and not _WRAPPED.fullmatch(self.wrapped_key):
            raise run.MALFORMED_PARAMETER.error(f"takes base64url of {WRAPPED_BYTES} bytes", target="wrapped_key")
        if self.delivery and not _DELIVERY.fullmatch(self.delivery):
            raise run.MALFORMED_PARAMETER.error("takes 64 hexadecimal digits in small letters", target="delivery")
        if self.delivery and self.wrapped_key and self.delivery != delivery_of(self.wrapped_key):
            raise run.MALFORMED_PARAMETER.error("is not the SHA-256 of wrapped_key's bytes", target="delivery")
        if (self.wrapped_key or self.wrapping_key_version) and not _KEY_VERSION.fullmatch(self.wrapping_key_version):
            raise run.MALFORMED_PARAMETER.error("takes 32 hexadecimal digits", target="wrapping_key_version")


def delivery_of(wrapped: str) -> str:
    """Return the delivery's name: the SHA-256, in hexadecimal, of the bytes whose base64url is `wrapped`.

    Raises ValueError if it is not base64url.
    """
    return hashlib.sha256(base64url.decode(wrapped)).hexdigest()
