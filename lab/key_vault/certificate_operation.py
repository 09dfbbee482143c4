"""A pending operation of a certificate. The vault makes a key pair and a signing request for it."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from lab.key_vault.certificate_policy import Policy
from lab.key_vault.keys import PrivateKey
from lab.key_vault.objects import Attributes

IN_PROGRESS, COMPLETED = "inProgress", "completed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A pending operation. `version` is the id that the merged version gets."""

    request_id: str
    version: str
    csr: bytes
    policy: Policy
    tags: Mapping[str, str]
    attributes: Attributes
    private: PrivateKey = field(repr=False)
    status: str = IN_PROGRESS
    cancellation_requested: bool = False
    preserve_order: bool = False


def new_operation(
    policy: Policy,
    private: PrivateKey | None,
    *,
    tags: Mapping[str, str],
    attributes: Attributes,
    preserve_order: bool = False,
) -> Operation:
    """Make the key pair, unless one is given, and its CSR; an RSA key takes a fraction of a second."""
    private = private or policy.plan().make().private
    return Operation(
        request_id=uuid.uuid4().hex,
        version=uuid.uuid4().hex,
        csr=policy.signing_request(private),
        policy=policy,
        tags=dict(tags),
        attributes=attributes,
        private=private,
        preserve_order=preserve_order,
    )
