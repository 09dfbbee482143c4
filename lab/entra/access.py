"""Who may use the publisher's services (its vault, storage account and subscription), and who the customer's.

Azure has two tenants, and the identities of one are unknown in the other. The lab has only one tenant. So the tokens
that jobs get are marked. The publisher's services refuse these tokens, and the customer's services refuse the callback
API's identity. The operator belongs to both sides. So does the engineer's login of lab.env, but not with the client id
of the callback API.
"""

from collections.abc import Mapping

from lab.shared import Lab
from lab.tokens import SANDBOX_CLAIM


def admitted(lab: Lab, claims: Mapping[str, object], *, publishers: bool) -> bool:
    """Tell whether the publisher's services, or the customer's if not `publishers`, know the principal of a token."""
    if publishers:
        return not claims.get(SANDBOX_CLAIM)
    return claims["oid"] != lab.names.publisher_principal_id
