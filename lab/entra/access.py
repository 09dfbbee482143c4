"""Who may use what is the publisher's own (its vault, its storage account, its subscription), and what the customer's.

The lab has one tenant, Azure has two: there each side's identities are nobody in the other's tenant. Here the tokens
that jobs get are marked, and what is the publisher's refuses them, as what is the customer's refuses the callback API's
identity. The operator, and the engineer's login of lab.env whichever client id it names, stand for both sides.
"""

from collections.abc import Mapping

from lab.shared import Lab
from lab.tokens import SANDBOX_CLAIM


def admitted(lab: Lab, claims: Mapping[str, object], *, publishers: bool) -> bool:
    """Tell whether the publisher's services, or else the customer's, know the principal of a token."""
    if publishers:
        return not claims.get(SANDBOX_CLAIM)
    return claims["oid"] != lab.names.publisher_principal_id
